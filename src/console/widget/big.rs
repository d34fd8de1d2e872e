//! A short code in large letters, to be read from another screen or the other end of a desk.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::term::caps::Charset;

/// Columns of a letter, and the gap to the next.
const WIDE: u16 = 5;
const GAP: u16 = 1;
/// Dots from top to bottom.
const HIGH: u16 = 5;

/// The letters, five rows of five dots each, the left one first.
const LETTERS: &[(char, [u8; HIGH as usize])] = &[
    ('A', [0b01110, 0b10001, 0b11111, 0b10001, 0b10001]),
    ('B', [0b11110, 0b10001, 0b11110, 0b10001, 0b11110]),
    ('C', [0b01111, 0b10000, 0b10000, 0b10000, 0b01111]),
    ('D', [0b11110, 0b10001, 0b10001, 0b10001, 0b11110]),
    ('E', [0b11111, 0b10000, 0b11110, 0b10000, 0b11111]),
    ('F', [0b11111, 0b10000, 0b11110, 0b10000, 0b10000]),
    ('G', [0b01111, 0b10000, 0b10011, 0b10001, 0b01111]),
    ('H', [0b10001, 0b10001, 0b11111, 0b10001, 0b10001]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('J', [0b00111, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('K', [0b10001, 0b10010, 0b11100, 0b10010, 0b10001]),
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('M', [0b10001, 0b11011, 0b10101, 0b10001, 0b10001]),
    ('N', [0b10001, 0b11001, 0b10101, 0b10011, 0b10001]),
    ('O', [0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('P', [0b11110, 0b10001, 0b11110, 0b10000, 0b10000]),
    ('Q', [0b01110, 0b10001, 0b10101, 0b10010, 0b01101]),
    ('R', [0b11110, 0b10001, 0b11110, 0b10010, 0b10001]),
    ('S', [0b01111, 0b10000, 0b01110, 0b00001, 0b11110]),
    ('T', [0b11111, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('U', [0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('V', [0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('W', [0b10001, 0b10001, 0b10101, 0b11011, 0b10001]),
    ('X', [0b10001, 0b01010, 0b00100, 0b01010, 0b10001]),
    ('Y', [0b10001, 0b01010, 0b00100, 0b00100, 0b00100]),
    ('Z', [0b11111, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('0', [0b01110, 0b10011, 0b10101, 0b11001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b11110, 0b00001, 0b01110, 0b10000, 0b11111]),
    ('3', [0b11110, 0b00001, 0b01110, 0b00001, 0b11110]),
    ('4', [0b10010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b11110]),
    ('6', [0b01110, 0b10000, 0b11110, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00010, 0b00100, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b01110, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('-', [0b00000, 0b00000, 0b01110, 0b00000, 0b00000]),
];

/// Text whose letters are all known, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Big {
    letters: Vec<[u8; HIGH as usize]>,
    charset: Charset,
}

impl Big {
    /// The text in large letters, when each is known and all fit beside each other.
    pub fn new(text: &str, width: u16, charset: Charset) -> Option<Self> {
        let of = |letter: char| {
            let letter = letter.to_ascii_uppercase();
            let known = LETTERS.iter().find(|(known, _)| *known == letter);
            known.map(|(_, dots)| *dots)
        };
        let letters: Vec<_> = text.chars().map(of).collect::<Option<_>>()?;
        let count = u16::try_from(letters.len()).ok()?;
        let fits = count > 0 && count.checked_mul(WIDE + GAP)? <= width + GAP;
        fits.then_some(Self { letters, charset })
    }

    /// How many rows it takes; two dots share a cell where the terminal has half blocks.
    pub fn height(&self) -> u16 {
        match self.charset {
            Charset::Unicode => HIGH.div_ceil(2),
            Charset::Ascii => HIGH,
        }
    }

    /// Draws it from the upper left corner of an area.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, style: Style) {
        for (y, row) in (area.y..area.bottom()).zip(0..self.height()) {
            let columns = (area.x..area.right()).step_by(usize::from(WIDE + GAP));
            for (x, letter) in columns.zip(&self.letters) {
                let line: String = (0..WIDE)
                    .map(|column| self.cell(*letter, row, column))
                    .collect();
                buffer.set_stringn(x, y, line, usize::from(area.right() - x), style);
            }
        }
    }

    fn cell(&self, letter: [u8; HIGH as usize], row: u16, column: u16) -> char {
        let is_on = |row: u16| {
            let dots = letter.get(usize::from(row));
            dots.is_some_and(|dots| dots >> (WIDE - 1 - column) & 1 == 1)
        };
        match self.charset {
            Charset::Unicode => match (is_on(2 * row), is_on(2 * row + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            },
            Charset::Ascii if is_on(row) => '#',
            Charset::Ascii => ' ',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, charset: Charset) -> Vec<String> {
        let big = Big::new(text, 40, charset).unwrap();
        let area = Rect::new(0, 0, 11, big.height());
        let mut buffer = Buffer::empty(area);
        big.draw(area, &mut buffer, Style::default());
        let rows = buffer.content.chunks(11);
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect()
    }

    #[test]
    fn letters_are_large_in_blocks_and_in_plain_signs() {
        assert_eq!(
            drawn("T-", Charset::Unicode),
            ["▀▀█▀▀      ", "  █    ▀▀▀ ", "  ▀        "]
        );
        assert_eq!(
            drawn("l7", Charset::Ascii),
            [
                "#     #####",
                "#        # ",
                "#       #  ",
                "#      #   ",
                "#####  #   "
            ]
        );
    }

    #[test]
    fn what_has_no_letters_or_no_room_is_not_drawn() {
        assert!(Big::new("ÄB", 40, Charset::Unicode).is_none());
        assert!(Big::new("", 40, Charset::Unicode).is_none());
        assert!(Big::new("ABCDEF", 35, Charset::Unicode).is_some());
        assert!(Big::new("ABCDEF", 34, Charset::Unicode).is_none());
    }
}
