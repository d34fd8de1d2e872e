//! Find and run anything by a few letters of its name. What changes something comes to its question first; from here
//! nothing is done.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::keymap::{Danger, danger};
use crate::console::msg::Wear;
use crate::console::overlay::menu::{Frame, Menu, Pressed, Row};
use crate::console::overlay::words::{Does, Item, items};
use crate::console::overlay::{Overlay, Wish, middle};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::toast::Level;

/// Columns for what is typed, before what it does.
const TEXT: usize = 28;
const WIDTH: u16 = 78;
const HEIGHT: u16 = 20;

/// The open palette.
#[derive(Debug, Default)]
pub struct Palette {
    menu: Menu,
    /// The theme that is only looked at.
    tried: Option<String>,
}

impl Palette {
    /// Opens it with something typed already.
    pub fn with(text: &str) -> Self {
        let mut palette = Self::default();
        palette.menu.line.set(text);
        palette
    }

    fn chosen(&self, app: &App) -> Option<Item> {
        items(app, self.menu.line.text())
            .into_iter()
            .nth(self.menu.chosen)
    }

    /// Shows the theme under the cursor, or the one before again.
    fn look(&mut self, app: &App) -> Vec<Wish> {
        let wanted = match self.chosen(app).map(|item| item.does) {
            Some(Does::Theme(name)) => Some(name),
            _ => None,
        };
        if wanted == self.tried {
            return Vec::new();
        }
        let wear = wanted.clone().map_or(Wear::Restore, Wear::TryOn);
        self.tried = wanted;
        vec![Wish::Wear(wear)]
    }

    fn close(&mut self) -> Vec<Wish> {
        let mut wishes = vec![Wish::Close];
        if self.tried.take().is_some() {
            wishes.push(Wish::Wear(Wear::Restore));
        }
        wishes
    }

    fn take(&mut self, app: &App) -> Vec<Wish> {
        let Some(item) = self.chosen(app) else {
            return Vec::new();
        };
        if let Some(why) = item.refused {
            return vec![Wish::Say(Level::Warn, why)];
        }
        let wish = match item.does {
            Does::Type(text) => {
                self.menu.line.set(&text);
                self.menu.chosen = 0;
                return self.look(app);
            }
            Does::Theme(name) => {
                self.tried = None;
                Wish::Wear(Wear::Keep(name))
            }
            Does::Run(action) => Wish::Run(action),
            Does::Go(place, filter) => Wish::Go(place, filter),
            Does::Open(subject) => Wish::Open(subject),
            Does::Event(index) => Wish::Event(index),
            Does::Incident(id) => Wish::Incident(id),
            Does::Filter(text) => Wish::Filter(text),
            Does::SaveFilter(name) => Wish::SaveFilter(name),
            Does::Backend(name) => Wish::Switch(name),
            Does::Show(show) => Wish::Show(show(app)),
        };
        let mut wishes = self.close();
        wishes.push(wish);
        wishes
    }

    fn pressed(&mut self, pressed: Pressed, app: &App) -> Vec<Wish> {
        match pressed {
            Pressed::Nothing => Vec::new(),
            Pressed::Typed | Pressed::Moved => self.look(app),
            Pressed::Taken => self.take(app),
            Pressed::Completed => {
                if let Some(item) = self.chosen(app) {
                    let text = match item.does {
                        Does::Type(text) => text,
                        _ => item.text,
                    };
                    self.menu.line.set(&text);
                    self.menu.chosen = 0;
                }
                self.look(app)
            }
            Pressed::Closed => self.close(),
        }
    }
}

impl Overlay for Palette {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let count = items(app, self.menu.line.text()).len();
        let pressed = self.menu.key(key, count);
        self.pressed(pressed, app)
    }

    fn paste(&mut self, text: &str, app: &App) -> Vec<Wish> {
        let pressed = self.menu.paste(text);
        self.pressed(pressed, app)
    }

    fn wheel(&mut self, down: bool, app: &App) -> Vec<Wish> {
        let count = items(app, self.menu.line.text()).len();
        let pressed = self.menu.wheel(down, count);
        self.pressed(pressed, app)
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        super::fixed(&[("Tab", "complete"), ("Enter", "run"), ("Esc", "close")])
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let room = area.width.saturating_sub(6);
        let area = middle(
            area,
            WIDTH.min(room),
            HEIGHT.min(area.height.saturating_sub(2)),
        );
        let items = items(app, self.menu.line.text());
        let note = match items.get(self.menu.chosen) {
            None => "nothing is called that".to_owned(),
            Some(item) => match (&item.refused, &item.does) {
                (Some(why), _) => format!("not now: {why}"),
                (None, Does::Run(action)) if danger(*action) > Danger::None => {
                    "this opens the question; from here nothing is done".to_owned()
                }
                (None, Does::Theme(_)) => "Enter keeps it, Esc goes back".to_owned(),
                _ => String::new(),
            },
        };
        let rows: Vec<Row> = items
            .iter()
            .map(|item| Row {
                choice: true,
                pieces: vec![
                    (format!("{:TEXT$} ", item.text), Role::Text),
                    (item.about.clone(), Role::TextMuted),
                ],
                right: format!(" {}", item.key),
                refused: item.refused.is_some(),
            })
            .collect();
        let frame = Frame {
            title: "Command",
            prompt: ":",
            foot: "Tab complete  Enter run  Esc close",
            note: &note,
        };
        Some(self.menu.draw(frame, &rows, theme, area, buffer))
    }
}
