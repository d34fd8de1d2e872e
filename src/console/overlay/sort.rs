//! What the list in front is sorted by: the order of attention, or any column; the one in force once more turns it round.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::keymap::Action;
use crate::console::overlay::menu::{Frame, Menu, Pressed, Row};
use crate::console::overlay::{Overlay, Wish, middle};
use crate::console::screen::{Screen, Sorting};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};

const WIDTH: u16 = 56;
/// Columns for the name.
const NAME: usize = 16;

/// The open menu.
#[derive(Debug, Default)]
pub struct SortMenu {
    menu: Menu,
}

struct Entry {
    by: Option<&'static str>,
    title: &'static str,
}

impl SortMenu {
    /// Opens it on what is in force.
    pub fn new(app: &App) -> Self {
        let by = app.screen().and_then(|screen| screen.sorting().by);
        let mut menu = Menu::default();
        let place = entries(app, "").iter().position(|entry| entry.by == by);
        menu.chosen = place.unwrap_or(0);
        Self { menu }
    }
}

/// What fits the text: the order of attention first, then the columns as they stand.
fn entries(app: &App, text: &str) -> Vec<Entry> {
    let Some(screen) = app.screen() else {
        return Vec::new();
    };
    let columns = screen.columns(app.world());
    let columns = columns.iter().map(|column| Entry {
        by: Some(column.name),
        title: column.title,
    });
    let first = Entry {
        by: None,
        title: "attention",
    };
    let text = text.trim().to_lowercase();
    std::iter::once(first)
        .chain(columns)
        .filter(|entry| entry.title.to_lowercase().contains(&text))
        .collect()
}

impl Overlay for SortMenu {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let entries = entries(app, self.menu.line.text());
        match self.menu.key(key, entries.len()) {
            Pressed::Closed => vec![Wish::Close],
            Pressed::Taken => {
                let Some(entry) = entries.get(self.menu.chosen) else {
                    return Vec::new();
                };
                let now = app.screen().map(Screen::sorting).unwrap_or_default();
                let sorting = Sorting {
                    by: entry.by,
                    reversed: now.by == entry.by && !now.reversed,
                };
                vec![Wish::Close, Wish::Sort(sorting)]
            }
            _ => Vec::new(),
        }
    }

    fn paste(&mut self, text: &str, _: &App) -> Vec<Wish> {
        self.menu.paste(text);
        Vec::new()
    }

    fn wheel(&mut self, down: bool, app: &App) -> Vec<Wish> {
        let count = entries(app, self.menu.line.text()).len();
        self.menu.wheel(down, count);
        Vec::new()
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        super::fixed(&[
            ("type", "a column"),
            ("Enter", "sort by it, once more reverses"),
            ("Esc", "close"),
        ])
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let entries = entries(app, self.menu.line.text());
        let now = app.screen()?.sorting();
        let rows: Vec<Row> = entries
            .iter()
            .map(|entry| {
                let about = match entry.by {
                    None => "what wants somebody comes first",
                    Some(_) => "",
                };
                let right = match (entry.by == now.by, now.reversed) {
                    (true, false) => "in force ",
                    (true, true) => "in force, reversed ",
                    (false, _) => "",
                };
                Row {
                    choice: true,
                    pieces: vec![
                        (format!("{:NAME$} ", entry.title), Role::Text),
                        (about.to_owned(), Role::TextMuted),
                    ],
                    right: right.to_owned(),
                    refused: false,
                }
            })
            .collect();
        let key = app.world().keymap.key(app.front(), Action::SortReverse);
        let foot = format!("{key} in the list reverses");
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        let area = middle(area, WIDTH, height.saturating_add(4));
        let frame = Frame {
            title: "Sort by",
            prompt: "Column",
            foot: &foot,
            note: "",
        };
        Some(self.menu.draw(frame, &rows, theme, area, buffer))
    }
}
