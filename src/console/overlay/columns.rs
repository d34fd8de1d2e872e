//! Which columns the list in front shows, and in what order. Every change is seen behind the menu at once, and kept on
//! this machine for the next time.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish};
use crate::console::screen::{Screen, Shown};
use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::order::scroll;
use crate::console::widget::toast::Level;
use crate::text::clean;

const WIDTH: u16 = 34;

/// The open menu.
#[derive(Debug, Default)]
pub struct Columns {
    at: usize,
}

fn all(app: &App) -> Vec<Shown> {
    app.screen()
        .map(|screen| screen.columns(app.world()))
        .unwrap_or_default()
}

fn keep(app: &App, columns: &[Shown]) -> Vec<Wish> {
    let Some(list) = app.screen().and_then(Screen::list) else {
        return Vec::new();
    };
    let shown = columns.iter().filter(|column| column.shown);
    let names: Vec<String> = shown.map(|column| column.name.to_owned()).collect();
    if names.is_empty() {
        let text = "a list without a column shows nothing".to_owned();
        return vec![Wish::Say(Level::Info, text)];
    }
    vec![Wish::Columns(list, names)]
}

impl Columns {
    /// Shows the column under the cursor, or no longer.
    fn turn(&mut self, mut columns: Vec<Shown>, app: &App) -> Vec<Wish> {
        if let Some(column) = columns.get_mut(self.at) {
            column.shown = !column.shown;
        }
        keep(app, &columns)
    }

    /// Moves the column under the cursor to the left or to the right.
    fn carry(&mut self, mut columns: Vec<Shown>, right: bool, app: &App) -> Vec<Wish> {
        let to = if right {
            Some(self.at + 1)
        } else {
            self.at.checked_sub(1)
        };
        let is_shown = |at: usize| columns.get(at).is_some_and(|column| column.shown);
        let Some(to) = to.filter(|to| is_shown(self.at) && is_shown(*to)) else {
            return Vec::new();
        };
        columns.swap(self.at, to);
        self.at = to;
        keep(app, &columns)
    }
}

impl Overlay for Columns {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let columns = all(app);
        let last = columns.len().saturating_sub(1);
        let keymap = &app.world().keymap;
        if key.code == KeyCode::Esc || key.code == KeyCode::Enter {
            return vec![Wish::Close];
        }
        match keymap.action(Place::Anywhere, key) {
            Some(Action::Down) => self.at = (self.at + 1).min(last),
            Some(Action::Up) => self.at = self.at.saturating_sub(1),
            Some(Action::Top | Action::PageUp | Action::HalfUp) => self.at = 0,
            Some(Action::Bottom | Action::PageDown | Action::HalfDown) => self.at = last,
            Some(Action::Mark) => return self.turn(columns, app),
            Some(Action::PreviousItem | Action::CellLeft) => {
                return self.carry(columns, false, app);
            }
            Some(Action::NextItem | Action::CellRight) => return self.carry(columns, true, app),
            Some(Action::ClearMarks) => {
                let of = app.screen().and_then(Screen::list);
                let shipped = of.map(|list| Wish::Columns(list, Vec::new()));
                return shipped.into_iter().collect();
            }
            Some(Action::Back | Action::Columns | Action::Quit) => return vec![Wish::Close],
            _ => {}
        }
        Vec::new()
    }

    fn wheel(&mut self, down: bool, app: &App) -> Vec<Wish> {
        let last = all(app).len().saturating_sub(1);
        self.at = if down {
            (self.at + 1).min(last)
        } else {
            self.at.saturating_sub(1)
        };
        Vec::new()
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let key = |action| app.world().keymap.key(Place::Anywhere, action);
        let two = |one, other| format!("{} {}", key(one), key(other));
        vec![
            (key(Action::Mark), "show or hide"),
            (two(Action::CellLeft, Action::CellRight), "move it"),
            (two(Action::Down, Action::Up), "choose"),
            (key(Action::ClearMarks), "as shipped"),
            ("Esc".to_owned(), "close"),
        ]
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let columns = all(app);
        let height = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        let height = height.saturating_add(2).min(area.height);
        // At the right edge: what is chosen is to be seen behind it.
        let area = Rect {
            x: area.right().saturating_sub(WIDTH.min(area.width)),
            y: area.y,
            width: WIDTH.min(area.width),
            height,
        };
        let frame = Frame {
            title: "Columns",
            foot: "from left to right",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        let top = scroll(0, self.at, columns.len(), usize::from(inner.height));
        let mut cursor = None;
        for ((place, column), y) in columns
            .iter()
            .enumerate()
            .skip(top)
            .zip(inner.y..inner.bottom())
        {
            let chosen = place == self.at;
            let line = Rect {
                y,
                height: 1,
                ..inner
            };
            let role = if column.shown {
                Role::Text
            } else {
                Role::TextMuted
            };
            let mut style = theme.style(role);
            if chosen {
                style = style.patch(theme.style(Role::Selection));
                buffer.set_style(line, theme.style(Role::Selection));
                cursor = Some(Position::new(line.x, y));
            }
            let sign = if chosen {
                theme.glyph(Glyph::Cursor)
            } else {
                " "
            };
            let tick = if column.shown { "x" } else { " " };
            let text = clean(&format!("{sign} [{tick}] {}", column.title));
            buffer.set_stringn(line.x, y, text.as_str(), usize::from(line.width), style);
        }
        cursor
    }
}
