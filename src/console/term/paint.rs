//! Brings the screen from one picture to the next with few bytes: it remembers what is there, draws first what needs
//! no other colour, and erases where blanks would be long.

use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use crate::console::term::hand::Hand;
use crate::console::term::pen::{Pen, is_blank};

/// The cells of one line; nothing where what is on the screen is not known.
pub(super) type Line = Vec<Option<Cell>>;

/// With more changes than this, looking for the best order takes longer than it saves.
const FEW: usize = 2_000;

/// What the terminal shows and holds, as far as we told it.
#[derive(Debug)]
pub(super) struct Painter {
    lines: Vec<Line>,
    hand: Hand,
    erases: bool,
}

/// What an erasing takes the place of.
enum Blank {
    /// This many cells.
    Cells(u16),
    /// The rest of the line.
    Rest,
}

/// Changed cells of one line that one pen draws.
struct Piece {
    y: u16,
    columns: Vec<u16>,
    pen: Pen,
    /// There is nothing in it yet that needs just this pen.
    blank: bool,
}

impl Painter {
    /// Knows nothing about the screen.
    pub(super) fn new() -> Self {
        Self {
            lines: Vec::new(),
            hand: Hand::default(),
            erases: false,
        }
    }

    /// The terminal gives erased cells the background in use, and not its own (terminfo calls it `bce`).
    pub(super) fn erases(&mut self, on: bool) {
        self.erases = on;
    }

    /// Where the cursor was left, when that is known.
    pub(super) fn at(&self) -> Option<Position> {
        self.hand.at
    }

    /// Somebody else wrote to the terminal.
    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.hand = Hand::default();
    }

    /// Clears the screen, also of what somebody else left there.
    pub(super) fn clear(&mut self, size: Size, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[m\x1b[2J");
        let line = vec![Some(Cell::EMPTY); usize::from(size.width)];
        self.lines = vec![line; usize::from(size.height)];
        self.hand = Hand::default();
        self.hand.pen = Some(Pen::PLAIN);
    }

    /// Puts the cursor where it belongs.
    pub(super) fn go(&mut self, to: Position, out: &mut Vec<u8>) {
        let line = self.lines.get(usize::from(to.y));
        self.hand.go(to, line.map_or(&[][..], Vec::as_slice), out);
    }

    /// Draws the cells that changed.
    pub(super) fn paint(&mut self, cells: Vec<(u16, u16, Cell)>, size: Size, out: &mut Vec<u8>) {
        self.lines.resize(usize::from(size.height), Vec::new());
        for line in &mut self.lines {
            line.resize(usize::from(size.width), None);
        }
        let mut changed = Vec::with_capacity(cells.len());
        for (x, y, cell) in cells {
            let Some(line) = self.lines.get_mut(usize::from(y)) else {
                continue;
            };
            let columns = |cell: &Cell| cell.symbol().width().max(1);
            let (from, until) = (usize::from(x), usize::from(x) + columns(&cell));
            let Some(covered) = line.get_mut(from..until) else {
                continue;
            };
            let last = covered.last().and_then(Option::as_ref);
            let halved = last.is_some_and(|last| columns(last) > 1);
            covered.fill(None);
            if let Some(place) = covered.first_mut() {
                *place = Some(cell);
                changed.push((y, x));
            }
            // Terminals give the other half of a wide character that is drawn over some colour or other. What is
            // wanted there follows, unless it is nothing.
            if halved
                && let Some(beside) = line.get_mut(until)
                && let Ok(column) = u16::try_from(until)
            {
                *beside = Some(Cell::EMPTY);
                changed.push((y, column));
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let pieces = self.pieces(&changed);
        let (mut best, mut hand) = self.draw(pieces.iter());
        // Going far costs less than a colour where there are many, and more where there are few.
        if changed.len() < FEW {
            let (other, after) = self.draw(by_pen(&pieces, self.hand.pen));
            if other.len() < best.len() {
                (best, hand) = (other, after);
            }
        }
        self.hand = hand;
        out.extend_from_slice(&best);
    }

    /// Divides what changed by line and pen. Blanks go with what stands before them.
    fn pieces(&self, changed: &[(u16, u16)]) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (y, x) in changed {
            let Some(cell) = self.cell(*x, *y) else {
                continue;
            };
            let blank = is_blank(cell);
            let last = pieces.last_mut().filter(|piece| piece.y == *y);
            let pen = Pen::of(cell, last.as_ref().map(|piece| piece.pen));
            match last {
                Some(piece) if piece.pen == pen => {
                    piece.columns.push(*x);
                    piece.blank &= blank;
                }
                // Blanks in front of the first text are drawn with its pen.
                Some(piece) if piece.blank && piece.pen.bg == pen.bg && !blank => {
                    piece.columns.push(*x);
                    (piece.pen, piece.blank) = (pen, false);
                }
                _ => pieces.push(Piece {
                    y: *y,
                    columns: vec![*x],
                    pen,
                    blank,
                }),
            }
        }
        pieces
    }

    fn cell(&self, x: u16, y: u16) -> Option<&Cell> {
        let line = self.lines.get(usize::from(y))?;
        line.get(usize::from(x))?.as_ref()
    }

    fn draw<'a>(&self, pieces: impl Iterator<Item = &'a Piece>) -> (Vec<u8>, Hand) {
        let (mut out, mut hand) = (Vec::new(), self.hand);
        for piece in pieces {
            if let Some(line) = self.lines.get(usize::from(piece.y)) {
                self.piece(piece, line, &mut hand, &mut out);
            }
        }
        (out, hand)
    }

    fn piece(&self, piece: &Piece, line: &[Option<Cell>], hand: &mut Hand, out: &mut Vec<u8>) {
        let mut changed = piece.columns.as_slice();
        while let Some((x, after)) = changed.split_first() {
            let Some(Some(cell)) = line.get(usize::from(*x)) else {
                changed = after;
                continue;
            };
            hand.go(Position::new(*x, piece.y), line, out);
            hand.hold(Pen::of(cell, hand.pen), out);
            let next = match self.blank(line, cell, changed) {
                Some(Blank::Rest) => {
                    out.extend_from_slice(b"\x1b[K");
                    return;
                }
                Some(Blank::Cells(count)) => {
                    out.extend_from_slice(format!("\x1b[{count}X").as_bytes());
                    x.saturating_add(count)
                }
                None => hand.print(*x, cell.symbol(), line, out),
            };
            let done = after.iter().take_while(|x| **x < next).count();
            changed = after.get(done..).unwrap_or_default();
        }
    }

    /// Says what to erase instead of drawing the blanks that begin here, when that is shorter.
    fn blank(&self, line: &[Option<Cell>], first: &Cell, changed: &[u16]) -> Option<Blank> {
        let x = *changed.first()?;
        if !is_blank(first) || !(self.erases || first.bg == Color::Reset) {
            return None;
        }
        let alike = |cell: &&Option<Cell>| {
            cell.as_ref()
                .is_some_and(|cell| is_blank(cell) && cell.bg == first.bg)
        };
        let rest = line.get(usize::from(x)..)?;
        let run = rest.iter().take_while(alike).count();
        let end = usize::from(x) + run;
        let within = changed
            .iter()
            .take_while(|x| usize::from(**x) < end)
            .count();
        let last = *changed.get(within.checked_sub(1)?)?;
        let count = last - x + 1;
        if run == rest.len() {
            return (count > 3).then_some(Blank::Rest);
        }
        let erasing = match count {
            ..10 => 4,
            10..100 => 5,
            100.. => 6,
        };
        // Erasing leaves the cursor where it is; what follows in this line has to be gone to.
        let going = if run < rest.len() { erasing } else { 0 };
        (count > erasing + going).then_some(Blank::Cells(count))
    }
}

/// The pieces in an order that changes pens seldom: always those next that cost least to begin with.
fn by_pen(pieces: &[Piece], mut held: Option<Pen>) -> impl Iterator<Item = &Piece> {
    let mut groups: Vec<(Pen, Vec<&Piece>)> = Vec::new();
    for piece in pieces {
        match groups.iter_mut().find(|(pen, _)| *pen == piece.pen) {
            Some((_, group)) => group.push(piece),
            None => groups.push((piece.pen, vec![piece])),
        }
    }
    let mut order = Vec::with_capacity(pieces.len());
    while let Some(cheapest) = groups
        .iter()
        .enumerate()
        .min_by_key(|(_, (pen, _))| pen.sequence(held).len())
        .map(|(place, _)| place)
    {
        let (pen, group) = groups.remove(cheapest);
        order.extend(group);
        held = Some(pen);
    }
    order.into_iter()
}
