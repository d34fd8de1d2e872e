//! The keys that work, from the one list of them: typing searches, Enter runs what is chosen, and what cannot be done
//! at this moment says why.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::keymap::{Action, Binding, Chord, Place};
use crate::console::overlay::menu::{Frame, Menu, Pressed, Row};
use crate::console::overlay::{Overlay, Wish, middle};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::toast::Level;

/// Columns for the keys.
const KEYS: usize = 12;
/// Columns for the word.
const WORD: usize = 18;

/// The filter language in one breath, for people who look for it here.
const FILTERS: [(&str, &str); 4] = [
    (
        "field:value",
        "terms next to each other must all match; `-` in front excludes",
    ),
    (
        "a,b  x..y  >n",
        "a choice, a range, a comparison; `*` stands for anything",
    ),
    (
        "\"some words\"",
        "anywhere in the reason, the target, the names",
    ),
    ("@name  OR  ( )", "a saved filter, either of two, brackets"),
];

/// The open help.
#[derive(Debug, Default)]
pub struct Help {
    menu: Menu,
}

struct Entry {
    place: Place,
    /// Moves in a list; everybody knows these after a day.
    moves: bool,
    binding: &'static Binding,
    keys: String,
    refused: Option<String>,
}

impl Help {
    fn entries(&self, app: &App) -> Vec<Entry> {
        let query = self.menu.line.text().trim().to_lowercase();
        let front = app.front();
        let (screens, _) = app.screens();
        let mut places = vec![front, Place::Anywhere, Place::Question];
        // What else there is matters only to somebody who searches.
        if !query.is_empty() {
            places.extend(screens.iter().map(|screen| screen.place()));
        }
        let mut entries = Vec::new();
        let mut shown: Vec<Place> = Vec::new();
        for place in places {
            if shown.contains(&place) {
                continue;
            }
            shown.push(place);
            for (binding, keys) in app.world().keymap.all() {
                if binding.place != place || !app.works(place, binding.action) {
                    continue;
                }
                if !fits(binding, keys, &query) {
                    continue;
                }
                let refused = (place == front || place == Place::Anywhere)
                    .then(|| app.refusal(binding.action))
                    .flatten();
                let moves = binding.action.is_move();
                entries.push(Entry {
                    moves,
                    place,
                    binding,
                    keys: text(keys),
                    refused,
                });
            }
        }
        if query.is_empty() {
            entries.sort_by_key(|entry| match entry.place {
                place if place == front => 0,
                Place::Anywhere => 1 + u8::from(entry.moves),
                _ => 3,
            });
        }
        // Who types a key wants to know what that key does.
        entries.sort_by_key(|entry| !entry.keys.split(' ').any(|key| key.to_lowercase() == query));
        entries
    }

    fn rows(&self, entries: &[Entry]) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut heading = None;
        for entry in entries {
            let title = if entry.moves {
                "Moving"
            } else {
                entry.place.title()
            };
            if heading != Some(title) {
                heading = Some(title);
                rows.push(Row {
                    pieces: vec![(title.to_owned(), Role::TextStrong)],
                    ..Row::default()
                });
            }
            let about = match &entry.refused {
                Some(why) => format!("not now: {why}"),
                None => entry.binding.doc.to_owned(),
            };
            rows.push(Row {
                choice: true,
                pieces: vec![
                    (format!("{:KEYS$} ", entry.keys), Role::KeyHint),
                    (format!("{:WORD$} ", entry.binding.word), Role::Text),
                    (about, Role::TextMuted),
                ],
                right: String::new(),
                refused: entry.refused.is_some(),
            });
        }
        if self.menu.line.text().trim().is_empty() {
            rows.push(Row {
                pieces: vec![("Filters".to_owned(), Role::TextStrong)],
                ..Row::default()
            });
            rows.extend(FILTERS.iter().map(|(form, about)| Row {
                pieces: vec![
                    (format!("  {form:KEYS$}   "), Role::KeyHint),
                    ((*about).to_owned(), Role::TextMuted),
                ],
                ..Row::default()
            }));
        }
        rows
    }

    fn take(&self, app: &App) -> Vec<Wish> {
        let entries = self.entries(app);
        let Some(entry) = entries.get(self.menu.chosen) else {
            return Vec::new();
        };
        let here = entry.place == app.front() || entry.place == Place::Anywhere;
        if !here {
            let text = format!(
                "`{}` works elsewhere: {}",
                entry.binding.name,
                entry.place.title()
            );
            return vec![Wish::Say(Level::Info, text)];
        }
        if entry.binding.action == Action::Help {
            return vec![Wish::Close];
        }
        vec![Wish::Close, Wish::Run(entry.binding.action)]
    }
}

impl Overlay for Help {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let count = self.entries(app).len();
        match self.menu.key(key, count) {
            Pressed::Closed => vec![Wish::Close],
            Pressed::Taken => self.take(app),
            _ => Vec::new(),
        }
    }

    fn paste(&mut self, text: &str, _: &App) -> Vec<Wish> {
        self.menu.paste(text);
        Vec::new()
    }

    fn wheel(&mut self, down: bool, app: &App) -> Vec<Wish> {
        let count = self.entries(app).len();
        self.menu.wheel(down, count);
        Vec::new()
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        super::fixed(&[
            ("type", "to search keys and commands"),
            ("Enter", "run"),
            ("Esc", "close"),
        ])
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let area = middle(area, area.width.min(120), area.height);
        let entries = self.entries(app);
        let changed = app.world().keymap.changed();
        let foot = if changed == 0 {
            String::new()
        } else {
            format!("from your keymap: {changed} changed")
        };
        let note = match entries.get(self.menu.chosen) {
            None => "nothing is called that".to_owned(),
            Some(entry) => match &entry.refused {
                Some(why) => format!("{}   not now: {why}", entry.binding.name),
                None => format!("{}   {}", entry.binding.name, entry.binding.doc),
            },
        };
        let title = format!("Keys for {}", app.front().title());
        let frame = Frame {
            title: &title,
            prompt: "Search",
            foot: &foot,
            note: &note,
        };
        Some(
            self.menu
                .draw(frame, &self.rows(&entries), theme, area, buffer),
        )
    }
}

fn fits(binding: &Binding, keys: &[Chord], query: &str) -> bool {
    let texts = [binding.name, binding.word, binding.doc];
    query.is_empty()
        || keys.iter().any(|key| key.text().to_lowercase() == query)
        || query.chars().count() > 1 && texts.iter().any(|text| text.to_lowercase().contains(query))
}

fn text(keys: &[Chord]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.text()).collect();
    keys.join(" ")
}
