//! Shows the command line that does what a key would do to the selected row, to copy it into a shell or a runbook.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::command::command;
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::text::{DisplayText, clean};

/// Border, title and two lines.
const HEIGHT: u16 = 6;

/// Waits for a key, then shows its command line.
#[derive(Debug, Default)]
pub struct CommandLine {
    shown: Option<Result<String, String>>,
}

impl CommandLine {
    /// Shows a command line at once.
    pub(super) fn of(line: String) -> Self {
        Self {
            shown: Some(Ok(line)),
        }
    }
}

impl Overlay for CommandLine {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        if key.code == KeyCode::Esc {
            return vec![Wish::Close];
        }
        let keymap = &app.world().keymap;
        let copies =
            key.code == KeyCode::Enter || keymap.action(Place::Anywhere, key) == Some(Action::Copy);
        if let (Some(Ok(line)), true) = (&self.shown, copies) {
            return vec![Wish::Close, Wish::Copy(line.clone())];
        }
        self.shown = Some(match keymap.action(app.front(), key) {
            Some(action) => command(app, action),
            None => Err("this key does nothing here".to_owned()),
        });
        Vec::new()
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        match self.shown {
            Some(Ok(_)) => super::fixed(&[
                ("Enter", "copy"),
                ("a key", "shows its command"),
                ("Esc", "close"),
            ]),
            _ => super::fixed(&[("a key", "shows its command"), ("Esc", "close")]),
        }
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let body = app.layout().regions.body.intersection(area);
        let (text, role) = match &self.shown {
            None => (
                "press a key: its command line appears here, and nothing is done",
                Role::TextMuted,
            ),
            Some(Ok(line)) => (line.as_str(), Role::TextStrong),
            Some(Err(why)) => (why.as_str(), Role::StatusWarn),
        };
        let width = usize::from(body.width.saturating_sub(4));
        let lines: Vec<DisplayText> = text
            .lines()
            .flat_map(|line| clean(line).wrap(width))
            .collect();
        let height = u16::try_from(lines.len())
            .unwrap_or(HEIGHT)
            .saturating_add(2)
            .min(body.height);
        let area = Rect {
            y: body.bottom() - height,
            height,
            ..body
        };
        let frame = Frame {
            title: "As a command",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
            let style = theme.style(role);
            buffer.set_stringn(inner.x, y, line.as_str(), usize::from(inner.width), style);
        }
        Some(Position::new(inner.x, inner.y))
    }
}
