//! The colours and attributes that a terminal draws with, and the shortest sequence from one set of them to another.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// What shows on a cell without a character.
const ON_BLANK: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT);
/// Attributes with the numbers that switch them on and off.
const ATTRIBUTES: [(Modifier, u8, u8); 7] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// What the next character looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pen {
    pub(super) fg: Color,
    pub(super) bg: Color,
    pub(super) mods: Modifier,
}

impl Pen {
    /// The terminal's own.
    pub(super) const PLAIN: Self = Self {
        fg: Color::Reset,
        bg: Color::Reset,
        mods: Modifier::empty(),
    };

    /// What draws the cell. On an empty one most of a pen cannot be seen, so that stays as it is in the one held.
    pub(super) fn of(cell: &Cell, held: Option<Self>) -> Self {
        match held {
            Some(held) if is_blank(cell) => Self {
                bg: cell.bg,
                mods: held.mods.difference(ON_BLANK),
                ..held
            },
            _ => Self {
                fg: cell.fg,
                bg: cell.bg,
                mods: cell.modifier,
            },
        }
    }

    /// What makes a terminal that holds another pen, or one we do not know, take this one.
    pub(super) fn sequence(self, held: Option<Self>) -> String {
        if held == Some(self) {
            return String::new();
        }
        let mut anew = String::from("\x1b[");
        let more = self.since(Self::PLAIN);
        if !more.is_empty() {
            anew.push_str("0;");
            anew.push_str(&more);
        }
        if let Some(held) = held {
            let step = self.since(held);
            if step.len() + 2 <= anew.len() {
                anew.truncate(2);
                anew.push_str(&step);
            }
        }
        anew.push('m');
        anew
    }

    /// The numbers of what differs from another pen.
    fn since(self, other: Self) -> String {
        let mut params = String::with_capacity(40);
        let gone = other.mods.difference(self.mods);
        let mut lit = other.mods.difference(gone);
        let mut off = 0;
        for (attribute, _, number) in ATTRIBUTES {
            if gone.intersects(attribute) && off != number {
                off = number;
                push(&mut params, &[number]);
            }
        }
        // Both kinds of weight go out together.
        let weights = Modifier::BOLD.union(Modifier::DIM);
        if gone.intersects(weights) {
            lit = lit.difference(weights);
        }
        for (attribute, number, _) in ATTRIBUTES {
            if self.mods.difference(lit).intersects(attribute) {
                push(&mut params, &[number]);
            }
        }
        if self.fg != other.fg {
            colour(&mut params, self.fg, 30);
        }
        if self.bg != other.bg {
            colour(&mut params, self.bg, 40);
        }
        params
    }
}

/// Says whether a cell shows its background and nothing else.
pub(super) fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(ON_BLANK)
}

/// Named colours are sent by their place in the table of 256: the older numbers are made brighter by bold on some
/// terminals, and then are not what the theme says.
fn colour(params: &mut String, colour: Color, base: u8) {
    match colour {
        Color::Reset => push(params, &[base + 9]),
        Color::Rgb(red, green, blue) => push(params, &[base + 8, 2, red, green, blue]),
        Color::Indexed(index) => push(params, &[base + 8, 5, index]),
        Color::Black => push(params, &[base + 8, 5, 0]),
        Color::Red => push(params, &[base + 8, 5, 1]),
        Color::Green => push(params, &[base + 8, 5, 2]),
        Color::Yellow => push(params, &[base + 8, 5, 3]),
        Color::Blue => push(params, &[base + 8, 5, 4]),
        Color::Magenta => push(params, &[base + 8, 5, 5]),
        Color::Cyan => push(params, &[base + 8, 5, 6]),
        Color::Gray => push(params, &[base + 8, 5, 7]),
        Color::DarkGray => push(params, &[base + 8, 5, 8]),
        Color::LightRed => push(params, &[base + 8, 5, 9]),
        Color::LightGreen => push(params, &[base + 8, 5, 10]),
        Color::LightYellow => push(params, &[base + 8, 5, 11]),
        Color::LightBlue => push(params, &[base + 8, 5, 12]),
        Color::LightMagenta => push(params, &[base + 8, 5, 13]),
        Color::LightCyan => push(params, &[base + 8, 5, 14]),
        Color::White => push(params, &[base + 8, 5, 15]),
    }
}

fn push(params: &mut String, numbers: &[u8]) {
    for number in numbers {
        if !params.is_empty() {
            params.push(';');
        }
        // This runs for each piece of each frame, where `write!` is what a third of the time goes to.
        for place in [100, 10, 1] {
            if *number >= place || place == 1 {
                params.push(char::from(b'0' + number / place % 10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pen(fg: u8, mods: Modifier) -> Pen {
        Pen {
            fg: Color::Indexed(fg),
            bg: Color::Reset,
            mods,
        }
    }

    #[test]
    fn only_what_differs_is_said() {
        let (bold, dim) = (Modifier::BOLD, Modifier::DIM);
        let cases = [
            (pen(1, bold), Some(pen(1, bold)), ""),
            (pen(2, bold), Some(pen(1, bold)), "\x1b[38;5;2m"),
            (pen(1, bold), Some(pen(1, Modifier::empty())), "\x1b[1m"),
            (pen(1, Modifier::empty()), Some(pen(1, bold)), "\x1b[22m"),
            (pen(1, dim), Some(pen(1, bold)), "\x1b[22;2m"),
            (pen(1, bold), Some(pen(1, bold | dim)), "\x1b[22;1m"),
            (pen(1, bold), None, "\x1b[0;1;38;5;1m"),
            (Pen::PLAIN, None, "\x1b[m"),
            (
                Pen::PLAIN,
                Some(pen(1, bold | Modifier::REVERSED)),
                "\x1b[m",
            ),
        ];
        for (wanted, held, sequence) in cases {
            assert_eq!(wanted.sequence(held), sequence, "{held:?} -> {wanted:?}");
        }
    }

    #[test]
    fn an_empty_cell_does_not_change_the_colour_of_text() {
        let held = pen(1, Modifier::BOLD | Modifier::UNDERLINED);
        let mut cell = Cell::EMPTY;
        cell.bg = Color::Indexed(4);
        assert_eq!(
            Pen::of(&cell, Some(held)).sequence(Some(held)),
            "\x1b[24;48;5;4m"
        );
        cell.modifier = Modifier::REVERSED;
        assert_eq!(
            Pen::of(&cell, Some(held)).fg,
            Color::Reset,
            "it shows as the background"
        );
    }
}
