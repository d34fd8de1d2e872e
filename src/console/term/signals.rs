//! Signals as something the main loop can wait for. A closed terminal shows itself as `HangUp`; not acting on it
//! leaves an orphan that spins, because crossterm reads the dead terminal over and over.

use std::io;

use rustix::process::{Signal as Number, kill_current_process_group};
use tokio::select;
use tokio::signal::unix::{Signal as Source, SignalKind, signal};

use crate::console::term::guard::{self, Guard};

/// A signal to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal is gone.
    HangUp,
    /// Somebody asks us to end.
    Terminate,
    /// Ctrl-C sent from outside; in raw mode the key itself arrives as a key.
    Interrupt,
    /// The same with Ctrl-\.
    Quit,
    /// A task panicked. The terminal is the shell's again and the message is on it.
    Panic,
    /// Somebody asks us to stop; the key arrives as a key.
    Suspend,
    /// We run again, perhaps hours later and with a terminal others have used.
    Continue,
    /// The window has another size; ask for it when drawing.
    Resize,
}

impl Signal {
    /// The exit code when the signal ends the program.
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Self::HangUp => Some(129),
            Self::Panic => Some(101),
            Self::Interrupt => Some(130),
            Self::Quit => Some(131),
            Self::Terminate => Some(143),
            Self::Suspend | Self::Continue | Self::Resize => None,
        }
    }
}

/// The signals of this process from now on.
#[derive(Debug)]
pub struct Signals {
    hang_up: Source,
    terminate: Source,
    interrupt: Source,
    quit: Source,
    suspend: Source,
    go_on: Source,
    resize: Source,
}

impl Signals {
    /// Takes the signals over; needs a running tokio.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            suspend: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(Number::CONT.as_raw()))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for the next one; dropping the wait loses nothing.
    pub async fn next(&mut self) -> Signal {
        select! {
            biased;
            _ = self.hang_up.recv() => Signal::HangUp,
            () = guard::panicked() => Signal::Panic,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.quit.recv() => Signal::Quit,
            _ = self.go_on.recv() => Signal::Continue,
            _ = self.suspend.recv() => Signal::Suspend,
            _ = self.resize.recv() => Signal::Resize,
        }
    }

    /// Gives the terminal back, stops as Ctrl-Z does, and takes the terminal again when told to go on.
    ///
    /// Returns the signal that ends the program, if one came instead. Everything on screen must be drawn anew.
    pub async fn suspend(&mut self, guard: &Guard) -> io::Result<Option<Signal>> {
        guard::leave();
        // Stop itself, because the other one would only come back to us as `Suspend`.
        kill_current_process_group(Number::STOP)?;
        loop {
            match self.next().await {
                Signal::Continue => break,
                Signal::Suspend | Signal::Resize => {}
                last => return Ok(Some(last)),
            }
        }
        guard.enter_again()?;
        Ok(None)
    }
}
