//! Reads the keyboard in a thread of its own and hands on what a person did, with bursts marked. A terminal that fails
//! ends it.

use std::io;
use std::thread;
use std::time::Instant;

use crossterm::event::{KeyCode, KeyModifiers};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use tokio::sync::mpsc;

use crate::console::term::burst::Burst;
use crate::console::term::decode::Decoder;

/// More than anybody types during one frame; when it is full, reading waits.
const QUEUE: usize = 256;
/// Bytes taken in one go; what a terminal keeps for us is no more.
const READ: usize = 4_096;

/// Something a person did at the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// Text pasted as a whole, exactly as sent; never keys.
    Paste(String),
    /// The window got or lost the keyboard.
    Focus(bool),
    /// The mouse, at a column and a row.
    Mouse(Mouse, u16, u16),
    /// The terminal's colours were changed.
    Background {
        /// The background is light.
        light: bool,
    },
}

/// One key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which key; letters in the case they were typed.
    pub code: KeyCode,
    /// Ctrl and Alt, and Shift where the character does not already say it.
    pub mods: KeyModifiers,
    /// Made by holding the key down.
    pub repeat: bool,
    /// Came faster than fingers move.
    pub burst: bool,
}

impl Key {
    /// A deliberate press, as the tests and the keymap write it.
    pub fn press(code: KeyCode, mods: KeyModifiers) -> Self {
        Self {
            code,
            mods,
            repeat: false,
            burst: false,
        }
    }

    /// One form for what terminals report in several: a capital letter with or without Shift, Backtab with or without.
    pub(super) fn normal(mut self) -> Self {
        self.code = match self.code {
            KeyCode::Char(c) if self.mods.contains(KeyModifiers::SHIFT) => {
                KeyCode::Char(c.to_uppercase().next().unwrap_or(c))
            }
            KeyCode::Tab if self.mods.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        if matches!(self.code, KeyCode::Char(_) | KeyCode::BackTab) {
            self.mods.remove(KeyModifiers::SHIFT);
        }
        self
    }

    /// Says whether the press may confirm something: made by one finger, once.
    pub fn is_deliberate(self) -> bool {
        !self.repeat && !self.burst
    }
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// The left button went down.
    Click,
    /// The wheel turned away from the person.
    Up,
    /// The wheel turned towards the person.
    Down,
}

/// Turns bytes into input; pure, so that tests can feed it what no keyboard can send.
#[derive(Debug, Default)]
pub struct Pipeline {
    decoder: Decoder,
    burst: Burst,
}

impl Pipeline {
    /// Takes the bytes of one read, all of which arrived at `at`.
    pub fn take(&mut self, bytes: &[u8], at: Instant) -> Vec<Input> {
        let mut inputs = self.decoder.feed(bytes, at);
        let mut keys: Vec<&mut Key> = inputs
            .iter_mut()
            .filter_map(|input| match input {
                Input::Key(key) => Some(key),
                _ => None,
            })
            .collect();
        let bursts = self.burst.mark(&vec![at; keys.len()]);
        for (key, burst) in keys.iter_mut().zip(bursts) {
            key.burst = burst;
        }
        inputs
    }
}

/// The keyboard from now on. Start it after [`probe`](crate::console::term::probe), which reads the same terminal.
#[derive(Debug)]
pub struct Keyboard {
    queue: mpsc::Receiver<Input>,
}

impl Keyboard {
    /// Starts reading.
    ///
    /// In a thread of its own, so that keys have the moment at which they came also while a frame waits for a slow
    /// link: keys that came one by one must not look like a burst.
    pub fn start() -> io::Result<Self> {
        let (sender, queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || listen(&sender))?;
        Ok(Self { queue })
    }

    /// Waits for the next input; `None` means that the terminal is gone and the program must end. Dropping the
    /// wait loses nothing.
    pub async fn next(&mut self) -> Option<Input> {
        self.queue.recv().await
    }

    /// Takes what is already there, without waiting.
    pub fn ready(&mut self) -> Option<Input> {
        self.queue.try_recv().ok()
    }

    /// Forgets what was typed but not read yet, for when a prompt opens that it was not meant for.
    pub fn forget(&mut self) {
        while self.queue.try_recv().is_ok() {}
    }
}

/// Reads until the terminal is gone, which shows as an error or as nothing, or until nobody wants to know.
fn listen(sender: &mpsc::Sender<Input>) {
    let keyboard = rustix::stdio::stdin();
    let mut pipeline = Pipeline::default();
    let mut buffer = [0; READ];
    loop {
        let count = match read(keyboard, &mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            // Somebody who shares the terminal made it non-blocking.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&keyboard, PollFlags::IN)], None);
                continue;
            }
            Err(_) => return,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        for input in pipeline.take(bytes, Instant::now()) {
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    }
}
