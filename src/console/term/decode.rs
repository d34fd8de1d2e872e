//! Bytes of a terminal as what a person did. Answers of the terminal end here: one that comes late holds letters and
//! digits that are keys (`]11;rgb:1e1e/…`), and so does an escape sequence that a slow link tore apart.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::term::input::{Input, Key};
use crate::console::term::keys;

/// How long after Esc its next byte still counts as the rest of a torn sequence.
const TORN: Duration = Duration::from_millis(500);
/// How long a string answer may pause, as when a packet is lost and sent again.
const PAUSE: Duration = Duration::from_secs(1);
/// No sequence with a meaning is longer.
const LONGEST: usize = 64;
/// Nobody pastes more on purpose; what follows is dropped.
const PASTE: usize = 1 << 20;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Reads on from wherever the last bytes ended.
///
/// INVARIANT: no split of an answer, with pauses below the limits above, lets a character through
/// (`torn_replies_never_become_letters`).
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    body: Vec<u8>,
    /// The Esc that began this was taken for the key, because nothing came with it. The rest is no key.
    torn: bool,
    last: Option<Instant>,
    heard: Vec<Input>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes are keys.
    #[default]
    Ground,
    /// Esc came; what follows may be the rest of a sequence.
    Escape,
    /// `Esc [`: parameters until a final character.
    Control,
    /// `Esc O`: one character.
    Single,
    /// An operating system command; it starts with a number or a letter.
    Command,
    /// Inside any string: operating system, device control, application, privacy.
    Text,
    /// Esc inside a string: its end, if `\` follows.
    Ending,
    /// Inside pasted text.
    Paste,
    /// Inside the three bytes of an old mouse report.
    Mouse,
    /// Inside a character of several bytes.
    Character,
}

impl State {
    fn patience(self) -> Duration {
        match self {
            Self::Ground | Self::Paste => Duration::MAX,
            Self::Escape | Self::Control | Self::Single | Self::Mouse | Self::Character => TORN,
            Self::Command | Self::Text | Self::Ending => PAUSE,
        }
    }
}

impl Decoder {
    /// Takes what one read delivered at `at`.
    pub fn feed(&mut self, bytes: &[u8], at: Instant) -> Vec<Input> {
        let idle = self
            .last
            .replace(at)
            .map_or(Duration::ZERO, |last| at.saturating_duration_since(last));
        if idle > self.state.patience() {
            self.begin(State::Ground);
        }
        for byte in bytes {
            self.step(*byte);
        }
        // Nothing came with it, so it is the key.
        if self.state == State::Escape && !self.torn {
            self.key(KeyCode::Esc, KeyModifiers::NONE);
            self.torn = true;
        }
        std::mem::take(&mut self.heard)
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.body.clear();
    }

    fn step(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Paste, _) => self.paste(byte),
            (State::Mouse, _) => {
                self.body.push(byte);
                if self.body.len() == 3 {
                    self.heard.extend(keys::old_mouse(&self.body));
                    self.begin(State::Ground);
                }
            }
            (State::Text | State::Ending, 0x1b) => self.state = State::Ending,
            (State::Text, _) => self.text(byte),
            (State::Ending, b'\\' | 0x07) => self.begin(State::Ground),
            (State::Ending, _) => {
                self.torn = false;
                if !self.introduced(byte) {
                    self.ground(byte, false);
                }
            }
            (State::Escape, 0x1b) if !self.torn => self.key(KeyCode::Esc, KeyModifiers::NONE),
            (_, 0x1b) => {
                self.begin(State::Escape);
                self.torn = false;
            }
            (State::Ground, _) => self.ground(byte, false),
            (State::Escape, _) => {
                if !self.introduced(byte) {
                    self.ground(byte, !self.torn);
                }
            }
            (State::Control, b'[') if self.body.is_empty() => self.body.push(byte),
            (State::Control, b' '..=b'?') => {
                if self.body.len() < LONGEST {
                    self.body.push(byte);
                }
            }
            (State::Control, b'@'..=b'~') => self.control(byte),
            (State::Single, b' '..=b'~') => {
                if !self.torn {
                    self.heard.extend(keys::single(byte));
                }
                self.begin(State::Ground);
            }
            (State::Command, _) if byte.is_ascii_alphanumeric() => self.state = State::Text,
            (State::Character, 0x80..=0xbf) => self.character(byte),
            (State::Control | State::Single | State::Command | State::Character, _) => {
                self.ground(byte, false);
            }
        }
    }

    /// The byte after Esc may begin a sequence.
    fn introduced(&mut self, byte: u8) -> bool {
        let state = after_escape(byte);
        if let Some(state) = state {
            self.begin(state);
        }
        state.is_some()
    }

    /// A byte that is part of no sequence.
    fn ground(&mut self, byte: u8, alt: bool) {
        self.begin(State::Ground);
        let alt = if alt {
            KeyModifiers::ALT
        } else {
            KeyModifiers::NONE
        };
        match byte {
            // The end of a string whose beginning nobody saw.
            b'\\' if alt == KeyModifiers::ALT => {}
            b'\r' => self.key(KeyCode::Enter, alt),
            b'\t' => self.key(KeyCode::Tab, alt),
            0x7f => self.key(KeyCode::Backspace, alt),
            0 => self.key(KeyCode::Char(' '), alt | KeyModifiers::CONTROL),
            0x01..=0x1a => {
                let letter = char::from(byte - 1 + b'a');
                self.key(KeyCode::Char(letter), alt | KeyModifiers::CONTROL);
            }
            0x1b..=0x1f => {
                let sign = char::from(byte - 0x1b + b'[');
                self.key(KeyCode::Char(sign), alt | KeyModifiers::CONTROL);
            }
            b' '..=b'~' => self.key(KeyCode::Char(char::from(byte)), alt),
            0x80.. => {
                self.state = State::Character;
                self.torn = false;
                self.character(byte);
            }
        }
    }

    fn character(&mut self, byte: u8) {
        self.body.push(byte);
        let c = match std::str::from_utf8(&self.body) {
            Ok(text) => text.chars().next(),
            // There is more to come.
            Err(error) if error.error_len().is_none() => return,
            Err(_) => None,
        };
        self.begin(State::Ground);
        match c {
            // The forms of eight bits.
            Some('\u{9b}') => self.begin(State::Control),
            Some('\u{9d}') => self.begin(State::Command),
            Some('\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}') => self.begin(State::Text),
            Some(c) if !c.is_control() => self.key(KeyCode::Char(c), KeyModifiers::NONE),
            _ => {}
        }
    }

    fn text(&mut self, byte: u8) {
        match byte {
            // Told to stop, and the two that stop a string by the standard.
            0x03 => self.ground(byte, false),
            0x07 | 0x18 | 0x1a => self.begin(State::Ground),
            0x9c if self.body.last() == Some(&0xc2) => self.begin(State::Ground),
            _ => {
                self.body.clear();
                self.body.push(byte);
            }
        }
    }

    fn control(&mut self, last: u8) {
        let body = std::mem::take(&mut self.body);
        self.begin(State::Ground);
        match (last, body.as_slice()) {
            (b'~', b"200") => self.begin(State::Paste),
            (b'M', b"") => self.begin(State::Mouse),
            _ if self.torn => {}
            _ => self.heard.extend(keys::control(&body, last)),
        }
    }

    fn paste(&mut self, byte: u8) {
        // The last bytes are kept in any case: the end is among them.
        if self.body.len() >= PASTE + PASTE_END.len() {
            self.body.remove(PASTE);
        }
        self.body.push(byte);
        if let Some(text) = self.body.strip_suffix(PASTE_END) {
            let text = String::from_utf8_lossy(text).into_owned();
            self.heard.push(Input::Paste(text));
            self.begin(State::Ground);
        }
    }

    fn key(&mut self, code: KeyCode, mods: KeyModifiers) {
        self.heard.push(Input::Key(Key::press(code, mods).normal()));
    }
}

fn after_escape(byte: u8) -> Option<State> {
    match byte {
        b'[' => Some(State::Control),
        b'O' => Some(State::Single),
        b']' => Some(State::Command),
        b'P' | b'X' | b'^' | b'_' => Some(State::Text),
        _ => None,
    }
}
