//! A terminal that a program runs in, and that notes what comes out of it and when.

use std::io::{Read as _, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// After this much silence a frame is over; what comes later is another one, such as the next second of a clock.
const SILENCE: Duration = Duration::from_millis(5);
/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a terminal of today says when it is asked what it is.
const ANSWER: &[u8] = b"\x1b[?62;22c";
/// The name under which this program is what [`echo`] says.
pub(crate) const ECHO: &str = "bare-echo";
pub(crate) const ROWS: u16 = 50;
pub(crate) const COLUMNS: u16 = 160;

/// A running program.
pub(crate) struct Terminal {
    pub(crate) screen: vt100::Parser,
    began: Instant,
    output: Receiver<(Instant, Vec<u8>)>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

/// What came out between a key and the next silence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) last: Duration,
    pub(crate) bytes: usize,
}

impl Terminal {
    pub(crate) fn start(mut command: CommandBuilder) -> anyhow::Result<Self> {
        let pair = native_pty_system().openpty(PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        })?;
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        let mut reader = pair.master.try_clone_reader()?;
        let writer = pair.master.take_writer()?;
        let began = Instant::now();
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                if sender.send((Instant::now(), bytes)).is_err() {
                    return;
                }
            }
        });
        let size = |lines| std::num::NonZero::new(lines).unwrap_or(std::num::NonZero::<u16>::MIN);
        let (rows, columns) = (size(ROWS), size(COLUMNS));
        Ok(Self {
            screen: vt100::Parser::new(rows, columns, 0),
            began,
            output,
            writer,
            child,
            _master: pair.master,
        })
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.process_id().context("the program has no id")
    }

    /// Reads until the screen shows what is wanted; answers how long after the start that was.
    pub(crate) fn shows(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Duration> {
        while !wanted(&self.screen.screen().contents()) {
            let (at, bytes) = self.output.recv_timeout(PATIENCE).with_context(|| {
                format!("the screen stays\n{}", self.screen.screen().contents())
            })?;
            self.take(&bytes)?;
            if wanted(&self.screen.screen().contents()) {
                return Ok(at.saturating_duration_since(self.began));
            }
        }
        Ok(Duration::ZERO)
    }

    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if bytes.windows(3).any(|part| part == b"\x1b[c") {
            self.writer.write_all(ANSWER)?;
        }
        self.screen.process(bytes);
        Ok(())
    }

    /// Reads what comes until nothing does.
    pub(crate) fn settle(&mut self, silence: Duration) -> anyhow::Result<usize> {
        let mut bytes = 0;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.output.recv_timeout(silence) {
                Ok((_, more)) => {
                    bytes += more.len();
                    self.take(&more)?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(bytes),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the program ended"),
            }
        }
        Ok(bytes)
    }

    /// Reads for this long; answers how many bytes came.
    pub(crate) fn watch(&mut self, time: Duration) -> anyhow::Result<usize> {
        let (until, mut bytes) = (Instant::now() + time, 0);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok((_, more)) => {
                    bytes += more.len();
                    self.take(&more)?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(bytes),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the program ended"),
            }
        }
    }

    pub(crate) fn send(&mut self, keys: &str) -> anyhow::Result<()> {
        self.writer.write_all(keys.as_bytes())?;
        self.writer.flush()?;
        Ok(())
    }

    /// Presses a key and waits for the frame that follows, to its last byte; `None` when there is none. With `moves`
    /// it is the frame that has the cursor on another row, whatever else is drawn before.
    pub(crate) fn press(&mut self, key: &str, moves: bool) -> anyhow::Result<Option<Frame>> {
        while let Ok((_, bytes)) = self.output.try_recv() {
            self.take(&bytes)?;
        }
        let (before, _) = self.screen.screen().cursor_position();
        let pressed = Instant::now();
        self.send(key)?;
        let mut frame: Option<Frame> = None;
        loop {
            let arrived = !moves || self.screen.screen().cursor_position().0 != before;
            let wait = if frame.is_some() && arrived {
                SILENCE
            } else {
                Duration::from_millis(500)
            };
            let Ok((at, bytes)) = self.output.recv_timeout(wait) else {
                return Ok(frame.filter(|_| arrived));
            };
            self.take(&bytes)?;
            let last = at.saturating_duration_since(pressed);
            let before = frame.map_or(0, |frame| frame.bytes);
            frame = Some(Frame {
                last,
                bytes: before + bytes.len(),
            });
        }
    }
}

impl Terminal {
    /// Presses a key and waits until the cursor is on another row: the answer to the key, whatever else is drawn
    /// meanwhile. `None` when it stays.
    pub(crate) fn moves(&mut self, key: &str) -> anyhow::Result<Option<Duration>> {
        while let Ok((_, bytes)) = self.output.try_recv() {
            self.take(&bytes)?;
        }
        let (before, _) = self.screen.screen().cursor_position();
        let pressed = Instant::now();
        self.send(key)?;
        while pressed.elapsed() < Duration::from_secs(1) {
            let Ok((at, bytes)) = self.output.recv_timeout(Duration::from_millis(200)) else {
                continue;
            };
            self.take(&bytes)?;
            if self.screen.screen().cursor_position().0 != before {
                return Ok(Some(at.saturating_duration_since(pressed)));
            }
        }
        Ok(None)
    }
}

/// The least that a program in a terminal can do: it moves the cursor at each key.
pub(crate) fn echo() -> anyhow::Result<()> {
    let keyboard = std::io::stdin();
    let mut modes = rustix::termios::tcgetattr(&keyboard)?;
    modes.make_raw();
    rustix::termios::tcsetattr(&keyboard, rustix::termios::OptionalActions::Now, &modes)?;
    let mut screen = std::io::stdout().lock();
    let mut keys = keyboard.lock();
    let mut key = [0];
    for row in (1..=2).cycle() {
        write!(screen, "\x1b[{row};1H")?;
        screen.flush()?;
        if keys.read(&mut key)? == 0 {
            break;
        }
    }
    Ok(())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
