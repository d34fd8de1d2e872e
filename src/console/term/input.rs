//! Reads the keyboard in a thread of its own and hands on what a person did: answers of the terminal are filtered
//! out, bursts are marked, and a terminal that fails ends the stream.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{
    Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind, poll,
};
use futures_util::Stream;
#[cfg(target_os = "linux")]
use tokio::io::{Interest, unix::AsyncFd};
use tokio::sync::mpsc;

use crate::console::term::burst::Burst;
#[cfg(target_os = "linux")]
use crate::console::term::guard;
use crate::console::term::reply::ReplyFilter;

/// More than anybody types during one frame; when it is full, reading waits.
const QUEUE: usize = 256;
/// Events taken in one go, so that a paste without brackets cannot keep the task busy for ever.
const BATCH: usize = 256;

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

/// Turns decoded events into input; pure, so that tests can feed it what no keyboard can send.
#[derive(Debug, Default)]
pub struct Pipeline {
    replies: ReplyFilter,
    burst: Burst,
}

impl Pipeline {
    /// Takes the events of one read, all of which arrived at `at`.
    pub fn take(&mut self, events: impl IntoIterator<Item = Event>, at: Instant) -> Vec<Input> {
        let accepted: Vec<Event> = events
            .into_iter()
            .filter(pressed)
            .filter_map(|event| self.replies.accept(event, at))
            .collect();
        let keys = accepted
            .iter()
            .filter(|event| matches!(event, Event::Key(_)))
            .count();
        let mut bursts = self.burst.mark(&vec![at; keys]).into_iter();
        accepted
            .into_iter()
            .filter_map(|event| match event {
                Event::Key(key) => Some(Input::Key(normal(&key, bursts.next().unwrap_or(true)))),
                Event::Paste(text) => Some(Input::Paste(text)),
                Event::FocusGained => Some(Input::Focus(true)),
                Event::FocusLost => Some(Input::Focus(false)),
                Event::Mouse(mouse) => read_mouse(mouse),
                // `Signals` tells, and from before the first key is read.
                Event::Resize(..) => None,
            })
            .collect()
    }
}

/// The keyboard from now on. Start it after [`probe`](crate::console::term::probe), which reads the same terminal.
#[derive(Debug)]
pub struct Keyboard {
    queue: mpsc::Receiver<Input>,
    terminal: Terminal,
}

impl Keyboard {
    /// Starts reading; needs a running tokio.
    ///
    /// The reading has a thread and not only a task of its own: on a closed terminal crossterm reads for ever
    /// without giving way, and a thread of the main runtime would then miss the signal that tells us so.
    pub fn start() -> io::Result<Self> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let reading = async move {
            tokio::select! {
                () = read(&sender) => {}
                () = sender.closed() => {}
            }
        };
        thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || runtime.block_on(reading))?;
        Ok(Self {
            queue,
            terminal: Terminal::watch()?,
        })
    }

    /// Waits for the next input; `None` means that the terminal is gone and the program must end. Dropping the
    /// wait loses nothing.
    pub async fn next(&mut self) -> Option<Input> {
        tokio::select! {
            biased;
            input = self.queue.recv() => input,
            () = self.terminal.gone() => None,
        }
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

async fn read(sender: &mpsc::Sender<Input>) {
    // On a terminal that is gone already this fails, where making the stream would panic.
    if poll(Duration::ZERO).is_err() {
        return;
    }
    let mut stream = EventStream::new();
    let mut pipeline = Pipeline::default();
    loop {
        let Ok(events) = next_batch(&mut stream).await else {
            return;
        };
        for input in pipeline.take(events, Instant::now()) {
            if sender.send(input).await.is_err() {
                return;
            }
        }
    }
}

/// Everything one read delivered. Polled with the task's own waker, because the stream keeps the first it is given.
async fn next_batch(stream: &mut EventStream) -> io::Result<Vec<Event>> {
    let mut batch = Vec::new();
    std::future::poll_fn(|context| {
        while batch.len() < BATCH {
            match Pin::new(&mut *stream).poll_next(context) {
                Poll::Ready(Some(Ok(event))) => batch.push(event),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    Ok(batch)
}

/// Notices that the terminal hung up, for the case that no signal tells.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Terminal(AsyncFd<OwnedFd>);

#[cfg(target_os = "linux")]
impl Terminal {
    fn watch() -> io::Result<Self> {
        guard::watch_keyboard(Interest::PRIORITY).map(Self)
    }

    async fn gone(&self) {
        loop {
            match self.0.ready(Interest::PRIORITY).await {
                Ok(mut ready) if !ready.ready().is_read_closed() => ready.clear_ready(),
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// Other systems cannot wait for this alone; there the signal has to do.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Terminal;

#[cfg(not(target_os = "linux"))]
impl Terminal {
    fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    async fn gone(&self) {
        std::future::pending().await
    }
}

fn pressed(event: &Event) -> bool {
    !matches!(
        event,
        Event::Key(KeyEvent {
            kind: KeyEventKind::Release,
            ..
        })
    )
}

/// One form for what terminals report in several: a capital letter with or without Shift, Backtab with or without.
fn normal(key: &KeyEvent, burst: bool) -> Key {
    let mut mods =
        key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
    let code = match key.code {
        KeyCode::Char(c) if mods.contains(KeyModifiers::SHIFT) => {
            mods.remove(KeyModifiers::SHIFT);
            KeyCode::Char(c.to_uppercase().next().unwrap_or(c))
        }
        KeyCode::Tab if mods.contains(KeyModifiers::SHIFT) => {
            mods.remove(KeyModifiers::SHIFT);
            KeyCode::BackTab
        }
        KeyCode::BackTab => {
            mods.remove(KeyModifiers::SHIFT);
            KeyCode::BackTab
        }
        // Byte 28 is both to a terminal, and the digit is not what the keyboard says.
        KeyCode::Char('4') if mods == KeyModifiers::CONTROL => KeyCode::Char('\\'),
        code => code,
    };
    Key {
        code,
        mods,
        repeat: key.kind == KeyEventKind::Repeat,
        burst,
    }
}

fn read_mouse(mouse: MouseEvent) -> Option<Input> {
    let what = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => Mouse::Click,
        MouseEventKind::ScrollUp => Mouse::Up,
        MouseEventKind::ScrollDown => Mouse::Down,
        _ => return None,
    };
    Some(Input::Mouse(what, mouse.column, mouse.row))
}
