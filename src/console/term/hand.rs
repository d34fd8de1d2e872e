//! Where the terminal writes next and with which pen, and the shortest way to somewhere else.

use ratatui::buffer::Cell;
use ratatui::layout::Position;
use unicode_width::UnicodeWidthStr;

use crate::console::term::pen::Pen;

/// The cursor and what it draws with; nothing is known of it at first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hand {
    pub(super) pen: Option<Pen>,
    pub(super) at: Option<Position>,
    /// Every character since the cursor was last put somewhere takes one column on every terminal. Terminals do not
    /// agree about all others, so after those the cursor is put somewhere before anything counts on where it is.
    certain: bool,
}

impl Hand {
    /// Takes another pen.
    pub(super) fn hold(&mut self, pen: Pen, out: &mut Vec<u8>) {
        out.extend_from_slice(pen.sequence(self.pen).as_bytes());
        self.pen = Some(pen);
    }

    /// Writes a character where the cursor is, and gives the column behind it.
    pub(super) fn print(
        &mut self,
        x: u16,
        symbol: &str,
        line: &[Option<Cell>],
        out: &mut Vec<u8>,
    ) -> u16 {
        out.extend_from_slice(symbol.as_bytes());
        let width = u16::try_from(symbol.width()).unwrap_or(1).max(1);
        let next = x.saturating_add(width);
        self.certain &= symbol.is_ascii();
        // At the right edge terminals differ about where the cursor is.
        self.at = self
            .at
            .filter(|_| usize::from(next) < line.len())
            .map(|at| Position::new(next, at.y));
        next
    }

    /// Goes to a place. `line` is what stands in its line.
    pub(super) fn go(&mut self, to: Position, line: &[Option<Cell>], out: &mut Vec<u8>) {
        let from = self.at.replace(to);
        if from == Some(to) {
            return;
        }
        let beside = from.filter(|from| from.y == to.y);
        let mut ways = vec![match (beside, to.x) {
            (Some(_), x) => format!("\x1b[{}G", x + 1),
            (None, 0) => format!("\x1b[{}H", to.y + 1),
            (None, x) => format!("\x1b[{};{}H", to.y + 1, x + 1),
        }];
        if self.certain {
            ways.extend(from.map(|from| relative(from, to)));
            ways.extend(beside.and_then(|from| self.between(line, from.x, to.x)));
        }
        self.certain = true;
        // The last of equals, which is the plainest.
        let shortest = ways.iter().rev().min_by_key(|way| way.len());
        out.extend_from_slice(shortest.map_or(&[][..], String::as_bytes));
    }

    /// What stands between two columns, when the pen in hand draws it: writing it again also goes there.
    fn between(&self, line: &[Option<Cell>], from: u16, to: u16) -> Option<String> {
        const FAR: usize = 8;
        let cells = line.get(usize::from(from)..usize::from(to))?;
        if cells.len() > FAR {
            return None;
        }
        let symbol = |cell: &Option<Cell>| {
            let cell = cell.as_ref()?;
            let same = cell.symbol().len() == 1 && self.pen == Some(Pen::of(cell, self.pen));
            same.then(|| cell.symbol().to_owned())
        };
        cells.iter().map(symbol).collect()
    }
}

/// Up, down, left and right.
fn relative(from: Position, to: Position) -> String {
    let step = |from: u16, to: u16, back: char, on: char| match to.abs_diff(from) {
        0 => String::new(),
        1 => format!("\x1b[{}", if to < from { back } else { on }),
        far => format!("\x1b[{far}{}", if to < from { back } else { on }),
    };
    step(from.y, to.y, 'A', 'B') + &step(from.x, to.x, 'D', 'C')
}
