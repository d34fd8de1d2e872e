//! The token of a service account, shown once with the whole screen to itself. Nothing of it is kept when it goes.

use std::time::Instant;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Clear, Widget};

use crate::console::app::App;
use crate::console::confirm::ARMING;
use crate::console::keymap::{Action, Place};
use crate::console::msg::NewToken;
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish, fixed, middle};
use crate::console::show;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::world::World;
use crate::text::{DisplayText, clean};

const WIDTH: u16 = 78;

/// The open screen.
#[derive(Debug)]
pub struct TokenShown {
    token: NewToken,
    /// Before that no key counts: it was meant for something else.
    armed_at: Instant,
    copied: bool,
    /// The person was told that it is gone for good.
    warned: bool,
}

impl TokenShown {
    /// Shows a token that has just come.
    pub fn new(token: NewToken, now: Instant) -> Self {
        Self {
            token,
            armed_at: now + ARMING,
            copied: false,
            warned: false,
        }
    }

    fn lines(&self, world: &World, width: usize) -> Vec<(Role, DisplayText)> {
        let mut lines = Vec::new();
        let mut add = |role: Role, text: &str| {
            lines.extend(clean(text).wrap(width).into_iter().map(|line| (role, line)));
        };
        let name = &self.token.name;
        let end = show::moment(self.token.expires_at, world.server_now());
        add(
            Role::Text,
            &format!("{name} signs in with this, good until {end}:"),
        );
        add(Role::Text, " ");
        add(Role::TextStrong, self.token.token.expose());
        add(Role::Text, " ");
        add(
            Role::Text,
            "It goes into PORTCULLIS_TOKEN where the machine runs, best from a secret store. It is shown this once: the server keeps only what it is checked with.",
        );
        add(Role::Text, " ");
        if self.warned {
            add(
                Role::StatusWarn,
                "You have not copied it. Esc once more clears the screen for good.",
            );
        } else {
            let copy = world.keymap.key(Place::Anywhere, Action::Copy);
            let text = format!("{copy} copies it; Esc clears the screen");
            add(Role::TextMuted, &text);
        }
        lines
    }
}

impl Overlay for TokenShown {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        if app.world().now < self.armed_at || !key.is_deliberate() {
            return Vec::new();
        }
        let action = app.world().keymap.action(Place::Anywhere, key);
        match (action, key.code) {
            (Some(Action::Copy), _) => {
                self.copied = true;
                self.warned = false;
                vec![Wish::CopySecret(self.token.token.clone())]
            }
            (_, KeyCode::Esc) if self.copied || self.warned => vec![Wish::CloseSecret],
            (_, KeyCode::Esc) => {
                self.warned = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let copy = app.world().keymap.key(Place::Anywhere, Action::Copy);
        let mut hints = vec![(copy, "copy the token")];
        hints.extend(fixed(&[("Esc", "clear the screen")]));
        hints
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        Clear.render(area, buffer);
        buffer.set_style(area, theme.style(Role::Surface));
        let width = WIDTH.min(area.width);
        let lines = self.lines(app.world(), usize::from(width.saturating_sub(4)));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let area = middle(area, width, height.saturating_add(2));
        let frame = Frame {
            title: "A token, once",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        for ((role, line), y) in lines.iter().zip(inner.y..inner.bottom()) {
            let style = theme.style(*role);
            buffer.set_stringn(inner.x, y, line.as_str(), usize::from(inner.width), style);
        }
        None
    }
}
