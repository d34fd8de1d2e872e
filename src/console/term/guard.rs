//! Switches the terminal's modes on and off exactly once each, whichever way the console ends: return, error,
//! panic, signal or suspension all come through `leave`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, queue};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, isatty, tcflush, tcgetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Clicks and wheel in the extended encoding; crossterm's own command also asks for every movement.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// The terminal tells when it becomes light or dark, and which it is: it may have changed while others had it.
const SCHEME_ON: &[u8] = b"\x1b[?2031h\x1b[?996n";
const SCHEME_OFF: &[u8] = b"\x1b[?2031l";
/// The terminal remembers its title and takes it back at the end.
const TITLE_SAVE: &[u8] = b"\x1b[22;2t";
const TITLE_RESTORE: &[u8] = b"\x1b[23;2t";

const ENTERED: u8 = 1;
const KEYBOARD: u8 = 2;
const MOUSE: u8 = 4;
const SCHEME: u8 = 8;

/// What is switched on. One word shared by all ways out, so that whoever comes first does the work, once.
static MODES: AtomicU8 = AtomicU8::new(0);

/// Tells the main loop about a panic in a task, which otherwise ends only that task.
static PANIC: Notify = Notify::const_new();

/// Holds the terminal in full-screen mode until dropped.
#[derive(Debug)]
pub struct Guard {
    wanted: u8,
}

impl Guard {
    /// Switches to raw mode and the alternate screen. Both ends must be terminals, see [`is_terminal`].
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        let guard = Self { wanted: ENTERED };
        guard.switch_on()?;
        Ok(guard)
    }

    /// Asks for unambiguous keys, so that Esc can no longer be the start of something else. Only for terminals
    /// that said they know this mode: others may take the request for a cursor movement.
    pub fn disambiguate_keys(&mut self) -> io::Result<()> {
        self.wanted |= KEYBOARD;
        self.switch_on()
    }

    /// Has the terminal tell when it becomes light or dark. Only for terminals that said they know this mode.
    pub fn follow_scheme(&mut self) -> io::Result<()> {
        self.wanted |= SCHEME;
        self.switch_on()
    }

    /// Starts or stops mouse reports; without them the terminal's own text selection works.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        if on {
            self.wanted |= MOUSE;
            return self.switch_on();
        }
        self.wanted &= !MOUSE;
        if MODES.fetch_and(!MOUSE, Ordering::SeqCst) & MOUSE != 0 {
            send(MOUSE_OFF)
        } else {
            Ok(())
        }
    }

    /// Takes the terminal again after [`leave`], with the modes it had before.
    pub fn enter_again(&self) -> io::Result<()> {
        leave();
        self.switch_on()
    }

    fn switch_on(&self) -> io::Result<()> {
        let missing = self.wanted & !MODES.fetch_or(self.wanted, Ordering::SeqCst);
        let mut out = Vec::new();
        if missing & ENTERED != 0 {
            enable_raw_mode().inspect_err(|_| MODES.store(0, Ordering::SeqCst))?;
            out.extend_from_slice(TITLE_SAVE);
            queue!(
                out,
                EnterAlternateScreen,
                EnableBracketedPaste,
                EnableFocusChange,
                cursor::Hide
            )?;
            queue!(out, Clear(ClearType::All))?;
        }
        if missing & KEYBOARD != 0 {
            queue!(
                out,
                PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES)
            )?;
        }
        if missing & MOUSE != 0 {
            out.extend_from_slice(MOUSE_ON);
        }
        if missing & SCHEME != 0 {
            out.extend_from_slice(SCHEME_ON);
        }
        send(&out).inspect_err(|_| leave())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// Says whether keyboard and screen are a terminal; without one there is nothing to guard.
pub fn is_terminal() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

/// Says whether the terminal is in full-screen mode.
pub fn entered() -> bool {
    MODES.load(Ordering::SeqCst) & ENTERED != 0
}

/// Says whether the terminal is still there; a closed one fails every call.
pub fn is_alive() -> bool {
    tcgetattr(rustix::stdio::stdin()).is_ok()
}

/// Gives the terminal back as it was. Harmless when it already is, and never fails: nobody could do better.
pub fn leave() {
    let was = MODES.swap(0, Ordering::SeqCst);
    if was & ENTERED == 0 {
        return;
    }
    let mut out = Vec::new();
    if was & MOUSE != 0 {
        out.extend_from_slice(MOUSE_OFF);
    }
    if was & SCHEME != 0 {
        out.extend_from_slice(SCHEME_OFF);
    }
    let queued = (|| -> io::Result<()> {
        // We may have died inside a frame, with the terminal waiting for its end.
        queue!(out, EndSynchronizedUpdate)?;
        if was & KEYBOARD != 0 {
            queue!(out, PopKeyboardEnhancementFlags)?;
        }
        // Cleared first, because some terminals keep the last alternate screen in their scroll-back.
        queue!(
            out,
            DisableFocusChange,
            DisableBracketedPaste,
            SetAttribute(Attribute::Reset),
            Clear(ClearType::All)
        )?;
        queue!(out, LeaveAlternateScreen, cursor::Show)
    })();
    debug_assert!(queued.is_ok(), "writing to memory");
    out.extend_from_slice(TITLE_RESTORE);
    // Each step is tried whatever became of the one before. Answers still on their way and keys typed ahead must
    // not reach the shell as commands.
    let _ = send(&out);
    let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
    let _ = disable_raw_mode();
}

/// Writes everything to the terminal, normally in one call.
pub(in crate::console) fn send(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Somebody who shares the terminal made it non-blocking.
            Err(Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// The keyboard as something to wait for, apart from crossterm's own reading of it.
pub(super) fn watch_keyboard(interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    let keyboard = rustix::io::dup(rustix::stdio::stdin())?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor gives the promise that one asks for"
    )]
    AsyncFd::with_interest(keyboard, interest)
}

/// Waits for a panic anywhere in the program; the terminal has been given back by then.
pub(super) async fn panicked() {
    PANIC.notified().await;
}

/// A panic message on the alternate screen would vanish with it, and raw mode would stay.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            report(panic);
            PANIC.notify_one();
        }));
    });
}
