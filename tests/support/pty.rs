//! A program in a pseudo-terminal, watched through an emulator.
//!
//! Nothing here waits by the clock: it reads until the screen shows what is expected. A program that never gets
//! there is killed by a watchdog, which ends the reading and fails the test.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::screen::emulator;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running program and what its terminal shows.
pub(crate) struct Pty {
    pub(crate) screen: vt100::Parser,
    /// Everything written so far.
    pub(crate) output: Vec<u8>,
    master: Box<dyn MasterPty + Send>,
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    modes: String,
    _watchdog: Sender<()>,
}

impl Pty {
    /// Starts the program in a terminal of this size.
    pub(crate) fn spawn(command: CommandBuilder, rows: u16, columns: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let modes = format!("{:?}", pair.master.get_termios().unwrap());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (alive, watched) = channel();
        let mut killer = child.clone_killer();
        std::thread::spawn(move || {
            // The sender is dropped with the test; only a timeout means that it hangs.
            if watched.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = killer.kill();
            }
        });
        Self {
            screen: emulator(rows, columns),
            output: Vec::new(),
            reader: pair.master.try_clone_reader().unwrap(),
            writer: pair.master.take_writer().unwrap(),
            master: pair.master,
            child,
            modes,
            _watchdog: alive,
        }
    }

    /// Types, or plays the terminal that answers.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.writer.write_all(bytes.as_ref()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Reads until the screen shows the text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |pty| pty.contents().contains(text));
    }

    /// Reads until a condition holds.
    pub(crate) fn wait_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(
                self.read(),
                "ended before {what:?}; the screen:\n{}",
                self.contents()
            );
        }
    }

    /// What the screen shows.
    pub(crate) fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Says whether the terminal's settings are those from before the program.
    pub(crate) fn is_restored(&self) -> bool {
        let screen = self.screen.screen();
        let settings = format!("{:?}", self.master.get_termios().unwrap());
        settings == self.modes
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
    }

    /// Says whether the program has the whole screen.
    pub(crate) fn is_taken(&self) -> bool {
        let screen = self.screen.screen();
        screen.alternate_screen() && screen.bracketed_paste()
    }

    /// The modes that the program switched on and never off again.
    pub(crate) fn left_on(&self) -> Vec<u16> {
        let output = String::from_utf8_lossy(&self.output);
        let mut on = BTreeSet::new();
        for part in output.split("\x1b[?").skip(1) {
            let number: String = part.chars().take_while(char::is_ascii_digit).collect();
            let Ok(mode) = number.parse() else { continue };
            match part.chars().find(|c| !c.is_ascii_digit()) {
                // The cursor is there when the mode is on.
                Some('h') if mode != 25 => on.insert(mode),
                Some('l') if mode == 25 => on.insert(mode),
                Some('h' | 'l') => on.remove(&mode),
                _ => continue,
            };
        }
        on.into_iter().collect()
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen
            .screen_mut()
            .set_size(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        self.master
            .resize(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until the program stopped itself.
    pub(crate) fn wait_stopped(&mut self) {
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED)
            .unwrap()
            .unwrap();
        assert!(status.stopped(), "{status:?}");
    }

    /// Reads to the end and returns the exit code.
    pub(crate) fn wait_exit(&mut self) -> u32 {
        while self.read() {}
        self.child.wait().unwrap().exit_code()
    }

    /// Closes the terminal window and returns the exit code.
    pub(crate) fn hang_up(self) -> u32 {
        let Self {
            master,
            reader,
            writer,
            mut child,
            _watchdog,
            ..
        } = self;
        drop((master, reader, writer));
        child.wait().unwrap().exit_code()
    }

    /// Reads what there is; false at the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // The other end closed shows as an error on Linux.
        let count = self.reader.read(&mut buffer).unwrap_or(0);
        self.screen.process(&buffer[..count]);
        self.output.extend_from_slice(&buffer[..count]);
        count > 0
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().unwrap().try_into().unwrap()).unwrap()
    }
}

/// A link that delivers late and in pieces. Each piece comes some time after the one before; that pause is what is
/// tested, nothing waits for it.
pub(crate) struct Link {
    pause: Duration,
    random: u64,
}

impl Link {
    pub(crate) fn slow(pause: Duration, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { pause, random }
    }

    /// Delivers bytes to the program; says how long the longest pause became.
    pub(crate) fn send(&mut self, pty: &mut Pty, bytes: impl AsRef<[u8]>) -> Duration {
        let (mut rest, mut longest) = (bytes.as_ref(), Duration::ZERO);
        while !rest.is_empty() {
            // A generator of Marsaglia's, so that the same test tears at the same places.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let most = rest.len().min(8);
            let (piece, after) =
                rest.split_at(1 + usize::try_from(self.random % 8).unwrap() % most);
            let begun = Instant::now();
            std::thread::sleep(self.pause);
            pty.send(piece);
            longest = longest.max(begun.elapsed());
            rest = after;
        }
        longest
    }
}
