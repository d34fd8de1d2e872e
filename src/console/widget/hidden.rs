//! A line for a secret: what is typed shows as stars, is never printed, and is wiped when it goes.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use zeroize::Zeroizing;

use crate::console::term::input::Key;
use crate::secret::Secret;

/// Bytes of the longest letter.
const LETTER: usize = 4;

/// The line. It has no cursor to move: nobody can see what stands where.
pub struct HiddenLine {
    /// Large enough from the start, so that growing leaves no copies behind.
    text: Zeroizing<String>,
    limit: usize,
}

impl std::fmt::Debug for HiddenLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HiddenLine(…)")
    }
}

impl HiddenLine {
    /// An empty line of at most `limit` letters.
    pub fn new(limit: usize) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(limit * LETTER)),
            limit,
        }
    }

    /// Says whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Takes a key; says whether it had a meaning.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.mods, key.code) {
            (KeyModifiers::NONE | KeyModifiers::SHIFT, KeyCode::Char(letter)) => self.push(letter),
            (KeyModifiers::NONE, KeyCode::Backspace) => drop(self.text.pop()),
            (KeyModifiers::CONTROL, KeyCode::Char('u' | 'w')) => self.wipe(),
            _ => return false,
        }
        true
    }

    /// Takes pasted text without its line breaks.
    pub fn paste(&mut self, text: &str) {
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            self.push(letter);
        }
    }

    /// Hands the secret over; the line is empty afterwards.
    pub fn take(&mut self) -> Secret {
        let secret = Secret::new(self.text.as_str().to_owned());
        self.wipe();
        secret
    }

    /// Forgets what was typed.
    pub fn wipe(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Draws a star for each letter and returns where the terminal's cursor belongs.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, style: Style) -> Position {
        let room = usize::from(area.width).saturating_sub(1);
        let stars = "*".repeat(self.text.chars().count().min(room));
        buffer.set_style(area, style);
        buffer.set_stringn(area.x, area.y, &stars, room, style);
        let column = u16::try_from(stars.len()).unwrap_or(0);
        Position::new(area.x.saturating_add(column), area.y)
    }

    fn push(&mut self, letter: char) {
        if self.text.chars().count() < self.limit {
            self.text.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_as_stars_and_is_handed_over_once() {
        let mut line = HiddenLine::new(8);
        line.paste("tro ub\n4d");
        line.key(Key::press(KeyCode::Char('X'), KeyModifiers::SHIFT));
        line.key(Key::press(KeyCode::Char('Y'), KeyModifiers::NONE));
        let area = Rect::new(0, 0, 20, 1);
        let mut buffer = Buffer::empty(area);
        line.draw(area, &mut buffer, Style::new());
        let drawn: String = (0..20).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(drawn.trim_end(), "********");
        assert_eq!(format!("{line:?}"), "HiddenLine(…)");
        assert_eq!(line.take().expose(), "tro ub4d");
        assert!(line.is_empty());
    }
}
