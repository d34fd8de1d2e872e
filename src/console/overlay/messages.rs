//! Everything that was said in the corner of the screen since the console was started, with its time and the trace to
//! quote when asking for help.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish};
use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::toast::Said;
use crate::text::{DisplayText, clean};

/// Columns for the time.
const TIME: usize = 11;
/// Columns for the word.
const WORD: usize = 9;

/// The open list, the newest last.
#[derive(Debug, Default)]
pub struct Messages {
    /// Counted from the newest, so that what comes does not move it.
    back: usize,
}

impl Messages {
    fn chosen<'a>(&self, app: &'a App) -> Option<&'a Said> {
        app.toasts().said().iter().rev().nth(self.back)
    }

    fn step(&mut self, up: bool, by: usize, app: &App) {
        let last = app.toasts().said().len().saturating_sub(1);
        self.back = if up {
            self.back.saturating_add(by).min(last)
        } else {
            self.back.saturating_sub(by)
        };
    }
}

impl Overlay for Messages {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let action = app.world().keymap.action(Place::Anywhere, key);
        match action {
            Some(Action::Up) => self.step(true, 1, app),
            Some(Action::Down) => self.step(false, 1, app),
            Some(Action::PageUp | Action::HalfUp) => self.step(true, 10, app),
            Some(Action::PageDown | Action::HalfDown) => self.step(false, 10, app),
            Some(Action::Top) => self.step(true, usize::MAX, app),
            Some(Action::Bottom) => self.back = 0,
            Some(Action::Copy) => {
                let line = self.chosen(app).map(|said| line(said, app));
                return line.map(Wish::Copy).into_iter().collect();
            }
            Some(Action::CopyJson) => {
                let lines: Vec<String> = app
                    .toasts()
                    .said()
                    .iter()
                    .map(|said| line(said, app))
                    .collect();
                return vec![Wish::Copy(lines.join("\n"))];
            }
            Some(Action::Back | Action::Messages | Action::Quit) => return vec![Wish::Close],
            _ if key.code == KeyCode::Esc => return vec![Wish::Close],
            _ => {}
        }
        Vec::new()
    }

    fn wheel(&mut self, down: bool, app: &App) -> Vec<Wish> {
        self.step(!down, 1, app);
        Vec::new()
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let key = |action| app.world().keymap.key(Place::Anywhere, action);
        let both = format!("{} {}", key(Action::Down), key(Action::Up));
        vec![
            (both, "choose"),
            (key(Action::Copy), "copy"),
            (key(Action::CopyJson), "copy all"),
            ("Esc".to_owned(), "close"),
        ]
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let said = app.toasts().said();
        let foot = format!("{} since the start", said.len());
        let frame = Frame {
            title: "Messages",
            foot: &foot,
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        if said.is_empty() {
            let text = clean("nothing was said yet");
            let style = theme.style(Role::TextMuted);
            buffer.set_stringn(
                inner.x,
                inner.y,
                text.as_str(),
                usize::from(inner.width),
                style,
            );
            return None;
        }
        let room = usize::from(inner.width)
            .saturating_sub(TIME + WORD + 2)
            .max(10);
        let mut lines: Vec<(bool, String, Role, DisplayText, bool)> = Vec::new();
        for (back, said) in said.iter().rev().enumerate() {
            let (_, role) = said.level.look();
            let chosen = back == self.back;
            let mut text = words(said);
            if chosen && let Some(trace) = &said.trace {
                text.push_str(&format!("   trace {trace}"));
            }
            let wrapped = clean(&text).wrap(room);
            let few = if chosen { wrapped.len() } else { 1 };
            let mut block: Vec<_> = wrapped
                .into_iter()
                .take(few)
                .enumerate()
                .map(|(at, line)| {
                    let time = if at == 0 {
                        time(said, app)
                    } else {
                        String::new()
                    };
                    (at == 0, time, role, line, chosen)
                })
                .collect();
            block.reverse();
            lines.extend(block);
        }
        let height = usize::from(inner.height);
        let at = lines.iter().rposition(|line| line.4).unwrap_or(0);
        let skip = (at + 1).saturating_sub(height);
        let shown: Vec<_> = lines.iter().skip(skip).take(height).collect();
        let mut cursor = None;
        for ((first, time, role, text, chosen), y) in shown.into_iter().rev().zip(inner.y..) {
            let look = |role| {
                let style = theme.style(role);
                if *chosen {
                    style.patch(theme.style(Role::Selection))
                } else {
                    style
                }
            };
            let line = Rect {
                y,
                height: 1,
                ..inner
            };
            if *chosen {
                buffer.set_style(line, theme.style(Role::Selection));
                cursor = cursor.or(Some(Position::new(line.x, y)));
            }
            let word = if *first { level_word(*role) } else { "" };
            let head = clean(&format!("{time:TIME$}{word:WORD$}"));
            let mark = if *chosen && *first {
                theme.glyph(Glyph::Cursor)
            } else {
                " "
            };
            let (x, _) = buffer.set_stringn(line.x, y, mark, 1, look(Role::KeyHint));
            let (x, _) = buffer.set_stringn(x + 1, y, head.as_str(), TIME + WORD, look(*role));
            buffer.set_stringn(x, y, text.as_str(), room, look(Role::Text));
        }
        cursor
    }
}

fn words(said: &Said) -> String {
    let times = if said.times > 1 {
        format!(" x{}", said.times)
    } else {
        String::new()
    };
    format!("{}{times}", said.text)
}

fn time(said: &Said, app: &App) -> String {
    app.world()
        .clock
        .at(said.at)
        .format("%H:%M:%SZ")
        .to_string()
}

/// One message as a line of text, to paste into a ticket.
fn line(said: &Said, app: &App) -> String {
    let at = app.world().clock.at(said.at).format("%Y-%m-%dT%H:%M:%SZ");
    let trace = said
        .trace
        .as_ref()
        .map(|trace| format!(" (trace {trace})"))
        .unwrap_or_default();
    let (_, role) = said.level.look();
    format!("{at} {}: {}{trace}", level_word(role), words(said))
}

fn level_word(role: Role) -> &'static str {
    match role {
        Role::StatusOk => "done",
        Role::StatusWarn => "careful",
        Role::StatusDanger => "error",
        _ => "info",
    }
}
