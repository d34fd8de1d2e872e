//! What is drawn reaches the terminal in one write per frame, and in none when nothing changed: that is what
//! keeps a slow link usable and an idle console silent.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use unicode_width::UnicodeWidthStr;

use crate::console::term::caps::Charset;
use crate::console::term::guard;
use crate::console::term::paint::Painter;
use crate::text;

/// A ratatui backend that collects a frame and sends it whole when ratatui flushes at its end.
#[derive(Debug)]
pub struct FrameWriter<W> {
    sink: W,
    size: fn() -> io::Result<Size>,
    charset: Charset,
    sync: bool,
    frame: Vec<u8>,
    /// What the terminal was last told about its cursor; `None` when we cannot know.
    visible: Option<bool>,
    painter: Painter,
    took: Duration,
}

impl FrameWriter<Tty> {
    /// Writes to the terminal this program runs in.
    pub fn to_terminal(charset: Charset) -> Self {
        Self::new(Tty, terminal_size, charset)
    }
}

impl<W: Write> FrameWriter<W> {
    /// Writes to any sink of a size that is asked for before every frame.
    pub fn new(sink: W, size: fn() -> io::Result<Size>, charset: Charset) -> Self {
        Self {
            sink,
            size,
            charset,
            sync: false,
            frame: Vec::new(),
            visible: None,
            painter: Painter::new(),
            took: Duration::ZERO,
        }
    }

    /// Has the terminal show each frame at once; only for terminals that said they know how (mode 2026).
    pub fn synchronise(&mut self, on: bool) {
        self.sync = on;
    }

    /// Erases long blanks of any colour instead of drawing them; only for terminals that give what they erase the
    /// background in use.
    pub fn erase_in_colour(&mut self, on: bool) {
        self.painter.erases(on);
    }

    /// Adds a sequence that is not part of the picture, such as a clipboard write; it goes out with the next frame.
    pub fn attach(&mut self, sequence: &str) {
        self.frame.extend_from_slice(sequence.as_bytes());
    }

    /// How long the last write took: much, when the link is slow and its buffer full.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What was written to, for tests.
    pub fn sink(&self) -> &W {
        &self.sink
    }
}

impl<W: Write> Backend for FrameWriter<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<_> = content
            .map(|(x, y, cell)| (x, y, printable(cell, self.charset)))
            .collect();
        if !cells.is_empty() {
            let size = self.size()?;
            self.painter.paint(cells, size, &mut self.frame);
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.visible == Some(false) {
            return Ok(());
        }
        self.visible = Some(false);
        queue!(self.frame, Hide)
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.visible == Some(true) {
            return Ok(());
        }
        self.visible = Some(true);
        queue!(self.frame, Show)
    }

    /// Answers from memory: asking the terminal would read its keys.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.painter.at().unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.painter.go(position.into(), &mut self.frame);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        // Also called when the terminal was somebody else's for a while.
        self.visible = None;
        if region == ClearType::All {
            let size = self.size()?;
            self.painter.clear(size, &mut self.frame);
            return Ok(());
        }
        self.painter.forget();
        CrosstermBackend::new(&mut self.frame).clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        (self.size)()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        if self.sync {
            let mut whole = Vec::with_capacity(self.frame.len() + 16);
            queue!(whole, BeginSynchronizedUpdate)?;
            whole.append(&mut self.frame);
            queue!(whole, EndSynchronizedUpdate)?;
            self.frame = whole;
        }
        let begun = Instant::now();
        let sent = self
            .sink
            .write_all(&self.frame)
            .and_then(|()| self.sink.flush());
        self.took = begun.elapsed();
        self.frame.clear();
        sent
    }
}

/// The terminal itself, unbuffered. Refuses once the terminal was given back, so a frame that is still on its way
/// after a panic elsewhere cannot scribble over the shell.
#[derive(Debug)]
pub struct Tty;

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !guard::entered() {
            return Err(io::Error::other("the terminal was given back"));
        }
        guard::send(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// crossterm's own function starts `tput` when the terminal does not know its size.
fn terminal_size() -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())?;
    if size.ws_col == 0 || size.ws_row == 0 {
        return Ok(Size::new(80, 24));
    }
    Ok(Size::new(size.ws_col, size.ws_row))
}

/// The last line of defence behind [`text::clean`]: a cell takes any string, and a control in it would be obeyed.
fn is_printable(symbol: &str, charset: Charset) -> bool {
    match charset {
        Charset::Ascii => symbol.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        Charset::Unicode => {
            symbol.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                || !symbol.chars().any(text::hidden)
        }
    }
}

/// In a locale without Unicode even the bytes of a letter can be a control, so there only ASCII goes out.
fn printable(cell: &Cell, charset: Charset) -> Cell {
    let mut cell = cell.clone();
    if !is_printable(cell.symbol(), charset) {
        let columns = cell.symbol().width().max(1);
        cell.set_symbol(&"?".repeat(columns.min(2)));
    }
    cell
}
