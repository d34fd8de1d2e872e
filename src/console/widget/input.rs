//! A line being typed, with the keys people know from their shell, and a hook for completion.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use tui_input::{Input as Editor, InputRequest as Request};

use crate::console::term::input::Key;
use crate::text::clean;

/// A line of text with a cursor. It holds one line whatever is pasted into it.
#[derive(Debug, Clone)]
pub struct Line {
    editor: Editor,
    limit: usize,
}

/// What a key did to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The text is another one.
    Changed,
    /// At most the cursor moved.
    Same,
    /// The key has no meaning in a line; somebody else may use it.
    Unused,
}

/// Text to put in place of a part of the line, counted in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The first character replaced.
    pub from: usize,
    /// The character after the last one replaced.
    pub to: usize,
    /// What comes there; the cursor goes behind it.
    pub text: String,
}

impl Line {
    /// An empty line of at most `limit` characters.
    pub fn new(limit: usize) -> Self {
        Self {
            editor: Editor::default(),
            limit,
        }
    }

    /// The text as typed; clean it before showing it anywhere else.
    pub fn text(&self) -> &str {
        self.editor.value()
    }

    /// The cursor, counted in characters.
    pub fn cursor(&self) -> usize {
        self.editor.cursor()
    }

    /// Replaces all of it and puts the cursor at the end.
    pub fn set(&mut self, text: &str) {
        self.editor = Editor::new(text.chars().map(one_line).take(self.limit).collect());
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Edited {
        let Some(request) = request(key) else {
            return Edited::Unused;
        };
        if matches!(request, Request::InsertChar(_)) && self.text().chars().count() >= self.limit {
            return Edited::Same;
        }
        match self.editor.handle(request) {
            Some(change) if change.value => Edited::Changed,
            _ => Edited::Same,
        }
    }

    /// Takes pasted text; its line breaks become spaces, so it can submit nothing.
    pub fn paste(&mut self, text: &str) -> Edited {
        let room = self.limit.saturating_sub(self.text().chars().count());
        let mut edited = Edited::Same;
        for c in text.chars().map(one_line).take(room) {
            self.editor.handle(Request::InsertChar(c));
            edited = Edited::Changed;
        }
        edited
    }

    /// Asks `find` what belongs at the cursor, given text and cursor, and puts it there; says whether it knew.
    pub fn complete(&mut self, find: impl FnOnce(&str, usize) -> Option<Completion>) -> bool {
        let Some(Completion { from, to, text }) = find(self.text(), self.cursor()) else {
            return false;
        };
        let old = self.text();
        let new: String = old
            .chars()
            .take(from)
            .chain(text.chars().map(one_line))
            .chain(old.chars().skip(to.max(from)))
            .take(self.limit)
            .collect();
        self.editor = Editor::new(new).with_cursor(from + text.chars().count());
        true
    }

    /// Puts a style on a part of a line that was drawn in the same area; the part is counted in bytes.
    pub fn mark(&self, area: Rect, part: (usize, usize), buffer: &mut Buffer, style: Style) {
        let width = |text: Option<&str>| clean(text.unwrap_or_default()).width();
        let hidden = self.hidden(area);
        let from = width(self.text().get(..part.0)).saturating_sub(hidden);
        let to = width(self.text().get(..part.1)).saturating_sub(hidden);
        let (from, to) = (
            from.min(usize::from(area.width)),
            to.min(usize::from(area.width)),
        );
        let part = Rect {
            x: area.x + u16::try_from(from).unwrap_or(0),
            width: u16::try_from(to.saturating_sub(from)).unwrap_or(0),
            ..area
        };
        buffer.set_style(part, style);
    }

    /// How many columns are left of what is drawn.
    fn hidden(&self, area: Rect) -> usize {
        let before: String = self.text().chars().take(self.cursor()).collect();
        (clean(&before).width() + 1).saturating_sub(usize::from(area.width))
    }

    /// Draws the part around the cursor and returns where the terminal's cursor belongs.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, style: Style) -> Position {
        let before: String = self.text().chars().take(self.cursor()).collect();
        let column = clean(&before).width();
        let hidden = self.hidden(area);
        let text = clean(self.text()).skip(hidden);
        buffer.set_style(area, style);
        buffer.set_stringn(
            area.x,
            area.y,
            text.as_str(),
            usize::from(area.width),
            style,
        );
        Position::new(
            area.x
                .saturating_add(u16::try_from(column.saturating_sub(hidden)).unwrap_or(0)),
            area.y,
        )
    }
}

fn one_line(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn request(key: Key) -> Option<Request> {
    let request = match (key.mods, key.code) {
        (KeyModifiers::NONE, code) => match code {
            KeyCode::Char(c) => Request::InsertChar(one_line(c)),
            KeyCode::Backspace => Request::DeletePrevChar,
            KeyCode::Delete => Request::DeleteNextChar,
            KeyCode::Left => Request::GoToPrevChar,
            KeyCode::Right => Request::GoToNextChar,
            KeyCode::Home => Request::GoToStart,
            KeyCode::End => Request::GoToEnd,
            _ => return None,
        },
        (KeyModifiers::CONTROL, code) => match code {
            KeyCode::Char('a') => Request::GoToStart,
            KeyCode::Char('e') => Request::GoToEnd,
            KeyCode::Char('b') => Request::GoToPrevChar,
            KeyCode::Char('f') => Request::GoToNextChar,
            KeyCode::Char('h') => Request::DeletePrevChar,
            KeyCode::Char('d') => Request::DeleteNextChar,
            KeyCode::Char('w') | KeyCode::Backspace => Request::DeletePrevWord,
            KeyCode::Char('u') => Request::DeleteFromStart,
            KeyCode::Char('k') => Request::DeleteTillEnd,
            KeyCode::Char('y') => Request::Yank,
            KeyCode::Left => Request::GoToPrevWord,
            KeyCode::Right => Request::GoToNextWord,
            KeyCode::Delete => Request::DeleteNextWord,
            _ => return None,
        },
        (KeyModifiers::ALT, code) => match code {
            KeyCode::Char('b') | KeyCode::Left => Request::GoToPrevWord,
            KeyCode::Char('f') | KeyCode::Right => Request::GoToNextWord,
            KeyCode::Char('d') => Request::DeleteNextWord,
            KeyCode::Backspace => Request::DeletePrevWord,
            _ => return None,
        },
        _ => return None,
    };
    Some(request)
}
