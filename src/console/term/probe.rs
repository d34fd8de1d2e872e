//! Asks the terminal what the environment does not say: its background, synchronised output, unambiguous keys.
//!
//! It runs after the first frame, which therefore never waits, and before keys are read, so that no answer is
//! taken for one. The last question is one that every terminal answers; its answer ends the wait.

use std::io;
use std::time::Duration;

use rustix::io::read;
use tokio::io::Interest;
use tokio::time::timeout;

use crate::console::term::guard;

/// Light or dark, foreground, background, modes 2026 and 2031, keyboard flags, and device attributes as the end mark.
///
/// Nothing here is a device control string (DECRQSS would ask for exact colours): terminals that do not know those
/// print them. Whoever knows mode 2026 has exact colours, too.
const QUESTIONS: &[u8] =
    b"\x1b[?996n\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[?2026$p\x1b[?2031$p\x1b[?u\x1b[c";
const NEAR: Duration = Duration::from_millis(150);
const FAR: Duration = Duration::from_millis(600);
/// No answer to these questions is longer; what is, is noise.
const LONGEST: usize = 256;

/// What the terminal said; nothing is known that it did not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four answers that do not depend on each other"
)]
pub struct Answers {
    /// Default text colour.
    pub foreground: Option<[u8; 3]>,
    /// Default background colour.
    pub background: Option<[u8; 3]>,
    /// What it calls itself, where it knows light from dark.
    pub scheme: Option<bool>,
    /// Shows a frame at once when asked to.
    pub sync: bool,
    /// Tells when it becomes light or dark.
    pub reports: bool,
    /// Can send keys unambiguously.
    pub keyboard: bool,
    /// The end mark came, so no answer can come late.
    pub complete: bool,
}

impl Answers {
    /// Says whether the background is light: by its colour, compared with the text's when both are known, and where
    /// there is no answer about colours by what the terminal calls itself.
    pub fn light(&self) -> Option<bool> {
        let Some(background) = self.background.map(luma) else {
            return self.scheme;
        };
        Some(
            self.foreground
                .map_or(background > 0.6, |text| background > luma(text)),
        )
    }
}

/// Asks, and waits for the end mark or as long as a link of this kind deserves. What is typed meanwhile is lost,
/// which is right: it was typed at a screen not yet seen.
pub async fn ask(remote: bool) -> io::Result<Answers> {
    let keyboard = guard::watch_keyboard(Interest::READABLE)?;
    guard::send(QUESTIONS)?;
    let mut reader = Reader::default();
    let wait = async {
        let mut buffer = [0; 512];
        while !reader.answers.complete {
            let mut ready = keyboard.readable().await?;
            let count = read(keyboard.get_ref(), &mut buffer)?;
            ready.clear_ready();
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reader.feed(buffer.get(..count).unwrap_or_default());
        }
        Ok(())
    };
    match timeout(if remote { FAR } else { NEAR }, wait).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(reader.answers),
    }
}

/// Picks the answers out of the bytes a terminal sends, however they are split.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is understood so far.
    pub answers: Answers,
    state: State,
    body: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Ground,
    Escape,
    Control,
    Command,
    CommandEnd,
    Other,
    OtherEnd,
}

impl Reader {
    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Escape, b'[') => self.begin(State::Control),
            (State::Escape, b']') => self.begin(State::Command),
            (State::Escape, b'P' | b'_' | b'^' | b'X') => self.begin(State::Other),
            (State::Control, 0x40..=0x7e) => {
                self.control(byte);
                State::Ground
            }
            (State::Command, 0x07) | (State::CommandEnd, b'\\') => {
                self.command();
                State::Ground
            }
            (State::Command, 0x1b) => State::CommandEnd,
            (State::Other, 0x1b) => State::OtherEnd,
            (
                State::Ground
                | State::Escape
                | State::Control
                | State::CommandEnd
                | State::OtherEnd,
                0x1b,
            ) => State::Escape,
            (State::Control | State::Command, _) => {
                if self.body.len() < LONGEST {
                    self.body.push(byte);
                }
                self.state
            }
            (State::Other, _) => State::Other,
            (State::Ground | State::Escape | State::CommandEnd | State::OtherEnd, _) => {
                State::Ground
            }
        };
    }

    fn begin(&mut self, state: State) -> State {
        self.body.clear();
        state
    }

    fn control(&mut self, last: u8) {
        match (last, self.body.as_slice()) {
            (b'c', [b'?', ..]) => self.answers.complete = true,
            (b'u', [b'?', ..]) => self.answers.keyboard = true,
            // Set, reset and always set mean that the mode exists.
            (b'y', b"?2026;1$" | b"?2026;2$" | b"?2026;3$") => self.answers.sync = true,
            (b'y', b"?2031;1$" | b"?2031;2$" | b"?2031;3$") => self.answers.reports = true,
            (b'n', b"?997;1") => self.answers.scheme = Some(false),
            (b'n', b"?997;2") => self.answers.scheme = Some(true),
            _ => {}
        }
    }

    fn command(&mut self) {
        let Ok(body) = std::str::from_utf8(&self.body) else {
            return;
        };
        match body.split_once(';') {
            Some(("10", colour)) => self.answers.foreground = parse_colour(colour),
            Some(("11", colour)) => self.answers.background = parse_colour(colour),
            _ => {}
        }
    }
}

/// `rgb:1e1e/1e1e/2e2e`, with one to four digits for each part, sometimes with a fourth part.
fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digits = text
        .strip_prefix("rgb:")
        .or_else(|| text.strip_prefix("rgba:"))?;
    let mut parts = digits.split('/').map(|part| {
        let value = u32::from_str_radix(part, 16).ok()?;
        let largest = match part.len() {
            1 => 0xf,
            2 => 0xff,
            3 => 0xfff,
            4 => 0xffff,
            _ => return None,
        };
        u8::try_from(value * 255 / largest).ok()
    });
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn luma([red, green, blue]: [u8; 3]) -> f32 {
    (0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)) / 255.0
}
