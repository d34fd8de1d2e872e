//! Keeps answers of the terminal out of the key stream. An answer that comes late is decoded as key presses
//! (`]11;rgb:1e1e/…` holds `a`, `d` and digits), and so is an escape sequence that a slow link tore apart.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// How long after Esc its next character still counts as the rest of a torn sequence.
const TORN: Duration = Duration::from_millis(500);
/// How long a string answer may pause, as when a packet is lost and sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// A state machine over decoded events. It passes an event on or eats it; it never makes one up.
///
/// INVARIANT: no split of an answer, with pauses below the limits above, lets a character through
/// (`torn_replies_never_become_letters`).
#[derive(Debug)]
pub struct ReplyFilter {
    state: State,
    last: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Keys are keys.
    Ground,
    /// Esc came; what follows may be the rest of a sequence.
    Escaped,
    /// `Esc [`: parameters until a final character.
    Control { first: bool },
    /// `Esc O`: one character.
    Single,
    /// Inside an operating system command; it starts with a number or a letter.
    Command,
    /// Inside any other string (device control, application, privacy, start of string).
    Text,
    /// Esc inside a string: its end, if `\` follows.
    Ending,
}

impl Default for ReplyFilter {
    fn default() -> Self {
        Self {
            state: State::Ground,
            last: None,
        }
    }
}

impl ReplyFilter {
    /// Passes the event on, or eats it as part of an answer. `at` is when it was read.
    pub fn accept(&mut self, event: Event, at: Instant) -> Option<Event> {
        let Event::Key(key) = &event else {
            // Only complete sequences decode to these, so an unfinished answer is over. A resize is a signal.
            if !matches!(event, Event::Resize(..)) {
                self.state = State::Ground;
            }
            return Some(event);
        };
        let idle = self
            .last
            .map_or(Duration::ZERO, |last| at.saturating_duration_since(last));
        self.last = Some(at);
        if idle > self.state.patience() {
            self.state = State::Ground;
        }
        let (state, pass) = self.state.step(key);
        self.state = state;
        pass.then_some(event)
    }
}

impl State {
    fn patience(self) -> Duration {
        match self {
            Self::Ground => Duration::MAX,
            Self::Escaped | Self::Control { .. } | Self::Single => TORN,
            Self::Command | Self::Text | Self::Ending => PAUSE,
        }
    }

    /// The next state, and whether the key is a key.
    fn step(self, key: &KeyEvent) -> (Self, bool) {
        let plain = plain_char(key);
        match self {
            Self::Ground => ground(key),
            Self::Escaped => match plain.and_then(after_escape) {
                Some(state) => (state, false),
                None => ground(key),
            },
            Self::Control { first } => match plain {
                // The Linux console sends `Esc [ [ A` for F1.
                Some('[') if first => (Self::Control { first: false }, false),
                Some(' '..='?') => (Self::Control { first: false }, false),
                Some('@'..='~') => (Self::Ground, false),
                _ => ground(key),
            },
            Self::Single => match plain {
                Some(_) => (Self::Ground, false),
                None => ground(key),
            },
            Self::Command => match plain {
                Some(c) if c.is_ascii_alphanumeric() => (Self::Text, false),
                _ => ground(key),
            },
            Self::Text => match (plain, key.code) {
                _ if is_terminator(key) => (Self::Ground, false),
                (_, KeyCode::Esc) => (Self::Ending, false),
                _ if introducer(key).is_some() => ground(key),
                (_, KeyCode::Char('c')) if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    ground(key)
                }
                (_, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Tab | KeyCode::Backspace) => {
                    (Self::Text, false)
                }
                // Arrows and function keys are complete sequences: the answer broke off and somebody types.
                _ => ground(key),
            },
            Self::Ending => match plain {
                Some('\\') => (Self::Ground, false),
                Some(c) => after_escape(c).map_or_else(|| ground(key), |state| (state, false)),
                None if is_terminator(key) => (Self::Ground, false),
                None if key.code == KeyCode::Esc => (Self::Ending, false),
                None => ground(key),
            },
        }
    }
}

fn ground(key: &KeyEvent) -> (State, bool) {
    match introducer(key) {
        Some(state) => (state, false),
        None if is_terminator(key) && key.modifiers == KeyModifiers::ALT => (State::Ground, false),
        None if key.code == KeyCode::Esc => (State::Escaped, true),
        None => (State::Ground, true),
    }
}

/// Esc and a character read together arrive as Alt; the eight-bit forms arrive as one character.
fn introducer(key: &KeyEvent) -> Option<State> {
    let KeyCode::Char(c) = key.code else {
        return None;
    };
    match c {
        '\u{9b}' => Some(State::Control { first: true }),
        '\u{9d}' => Some(State::Command),
        '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => Some(State::Text),
        _ if key.modifiers.difference(KeyModifiers::SHIFT) == KeyModifiers::ALT => after_escape(c),
        _ => None,
    }
}

fn after_escape(c: char) -> Option<State> {
    match c {
        '[' => Some(State::Control { first: true }),
        'O' => Some(State::Single),
        ']' => Some(State::Command),
        'P' | 'X' | '^' | '_' => Some(State::Text),
        _ => None,
    }
}

/// BEL, `Esc \` read together, or the eight-bit string terminator.
fn is_terminator(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('g') => key.modifiers == KeyModifiers::CONTROL,
        KeyCode::Char('\\') => key.modifiers == KeyModifiers::ALT,
        KeyCode::Char('\u{9c}') => true,
        _ => false,
    }
}

fn plain_char(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(c) if KeyModifiers::SHIFT.contains(key.modifiers) => Some(c),
        _ => None,
    }
}
