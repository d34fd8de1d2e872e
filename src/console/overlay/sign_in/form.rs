//! The lines for a password or a one-time code. What is typed here shows as stars and is gone as soon as it was sent.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::overlay::sign_in::Page;
use crate::console::sign_in::Way;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::hidden::HiddenLine;
use crate::console::widget::input::Line;

/// The longest name that the server takes.
const NAME: usize = 63;
/// The longest password that the server takes.
const PASSWORD: usize = 500;
/// A recovery code with its dashes and some room.
const FACTOR: usize = 64;
const ONE_TIME: usize = 200;
/// Columns for the labels of lines.
const LABELS: u16 = 10;

/// Every line of both forms; `at` has the keys.
#[derive(Debug)]
pub(super) struct Form {
    page: Page,
    at: usize,
    name: Line,
    password: HiddenLine,
    factor: HiddenLine,
    code: HiddenLine,
    first: Line,
}

/// A line of a form.
enum Field<'a> {
    Shown(&'a mut Line),
    Hidden(&'a mut HiddenLine),
}

impl Form {
    /// Nothing typed yet but the name that was signed in last.
    pub(super) fn new(name: &str) -> Self {
        let mut line = Line::new(NAME);
        line.set(name);
        Self {
            page: Page::Ways,
            at: 0,
            name: line,
            password: HiddenLine::new(PASSWORD),
            factor: HiddenLine::new(FACTOR),
            code: HiddenLine::new(ONE_TIME),
            first: Line::new(NAME),
        }
    }

    /// Shows the lines of a page; secrets that were typed are gone.
    pub(super) fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.at = usize::from(page == Page::Password && !self.name.text().is_empty());
        self.password.wipe();
        self.factor.wipe();
        self.code.wipe();
    }

    /// Takes a key, and gives what to send once the last line is done.
    pub(super) fn key(&mut self, key: Key) -> Option<Way> {
        let last = self.labels().len().saturating_sub(1);
        match key.code {
            KeyCode::Tab | KeyCode::Down => self.at = (self.at + 1).min(last),
            KeyCode::BackTab | KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Enter if !key.is_deliberate() => {}
            KeyCode::Enter if self.at < last => self.at += 1,
            KeyCode::Enter => return self.submit(),
            _ => match self.field() {
                Some(Field::Shown(line)) => drop(line.key(key)),
                Some(Field::Hidden(line)) => drop(line.key(key)),
                None => {}
            },
        }
        None
    }

    pub(super) fn paste(&mut self, text: &str) {
        match self.field() {
            Some(Field::Shown(line)) => drop(line.paste(text)),
            Some(Field::Hidden(line)) => line.paste(text),
            None => {}
        }
    }

    pub(super) fn draw(&self, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let mut cursor = None;
        for ((at, label), y) in self.labels().iter().enumerate().zip(area.y..area.bottom()) {
            let role = if at == self.at {
                Role::KeyHint
            } else {
                Role::TextMuted
            };
            let labels = LABELS.min(area.width);
            buffer.set_stringn(area.x, y, label, usize::from(labels), theme.style(role));
            let place = Rect {
                x: area.x + labels,
                y,
                width: area.width - labels,
                height: 1,
            };
            let style = theme.style(Role::TextStrong);
            let end = match (self.page, at) {
                (Page::Password, 0) => self.name.draw(place, buffer, style),
                (Page::Password, 1) => self.password.draw(place, buffer, style),
                (Page::Password, _) => self.factor.draw(place, buffer, style),
                (_, 0) => self.code.draw(place, buffer, style),
                _ => self.first.draw(place, buffer, style),
            };
            if at == self.at {
                cursor = Some(end);
            }
        }
        cursor
    }

    fn labels(&self) -> &'static [&'static str] {
        match self.page {
            Page::Ways => &[],
            Page::Password => &["name", "password", "code"],
            Page::Code => &["code", "your name"],
        }
    }

    fn field(&mut self) -> Option<Field<'_>> {
        Some(match (self.page, self.at) {
            (Page::Password, 0) => Field::Shown(&mut self.name),
            (Page::Password, 1) => Field::Hidden(&mut self.password),
            (Page::Password, 2) => Field::Hidden(&mut self.factor),
            (Page::Code, 0) => Field::Hidden(&mut self.code),
            (Page::Code, 1) => Field::Shown(&mut self.first),
            _ => return None,
        })
    }

    /// What to send, unless a line is still empty: then that line has the keys.
    fn submit(&mut self) -> Option<Way> {
        match self.page {
            Page::Ways => None,
            Page::Password => {
                if self.name.text().trim().is_empty() {
                    self.at = 0;
                    return None;
                }
                self.at = 1;
                if self.password.is_empty() {
                    return None;
                }
                let code = (!self.factor.is_empty()).then(|| self.factor.take());
                Some(Way::Password {
                    name: self.name.text().trim().to_owned(),
                    password: self.password.take(),
                    code,
                })
            }
            Page::Code => {
                self.at = 0;
                if self.code.is_empty() {
                    return None;
                }
                let name = self.first.text().trim();
                let name = (!name.is_empty()).then(|| name.to_owned());
                Some(Way::Code {
                    code: self.code.take(),
                    name,
                })
            }
        }
    }
}
