//! What keys, paste and mouse do. A question that is open takes everything; nothing reaches the rows behind it.

use std::time::Duration;

use ratatui::layout::Position;

use crate::console::app::App;
use crate::console::confirm::Kind;
use crate::console::keymap::{Action, Danger, Place, danger};
use crate::console::msg::Effect;
use crate::console::screen::Ask;
use crate::console::term::input::{Key, Mouse};
use crate::console::view;
use crate::console::widget::frame::Shape;
use crate::console::widget::toast::Level;

/// A key this soon after the window got the keyboard was meant for the window before it.
const FOCUS_PAUSE: Duration = Duration::from_millis(150);

impl App {
    pub(super) fn key(&mut self, key: Key) -> Vec<Effect> {
        let now = self.world.now;
        if self
            .focused
            .take()
            .is_some_and(|focused| now.saturating_duration_since(focused) < FOCUS_PAUSE)
        {
            return Vec::new();
        }
        // Whoever presses a key meanwhile has gone on to something else, and nothing may jump under it.
        self.wanted = None;
        self.looked_for = None;
        match self.world.keymap.action(Place::Anywhere, key) {
            Some(Action::Interrupt) => return vec![Effect::Quit],
            Some(Action::Repaint) => return vec![Effect::Repaint],
            Some(Action::Suspend) => return vec![Effect::Suspend],
            Some(Action::Mouse) => return vec![Effect::ToggleMouse],
            _ => {}
        }
        if self.layout().regions.shape == Shape::TooSmall {
            // Nothing can be seen, so nothing can be done but leave.
            self.drop_questions();
            return match self.world.keymap.action(Place::Anywhere, key) {
                Some(Action::Quit) => self.quit(),
                _ => Vec::new(),
            };
        }
        if let Some(effects) = self.overlay_key(key) {
            return effects;
        }
        if self.is_asked() {
            return self.question_key(key);
        }
        if let Some(screen) = self.screens.get_mut(self.at)
            && screen.typing().is_some_and(|typing| typing.active)
        {
            let asks = screen.key(key, &self.world);
            return self.asked(asks);
        }
        match self.world.keymap.action(self.place(), key) {
            // A key held down or pasted is nobody's decision, not even to open a question.
            Some(action)
                if (danger(action) > Danger::None || action == Action::Claim)
                    && !key.is_deliberate() =>
            {
                Vec::new()
            }
            Some(action) => self.action(action),
            None => Vec::new(),
        }
    }

    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        let pasted = self.with_overlay(|overlay, app| overlay.paste(text, app));
        if let Some(effects) = pasted {
            return effects;
        }
        if self.question_paste(text) {
            return Vec::new();
        }
        match self.screens.get_mut(self.at) {
            Some(screen) if screen.typing().is_some_and(|typing| typing.active) => {
                let asks = screen.paste(text, &self.world);
                self.asked(asks)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn mouse(&mut self, mouse: Mouse, at: Position) -> Vec<Effect> {
        if self.is_asked() {
            return Vec::new();
        }
        let step = match mouse {
            Mouse::Down => Some(Action::Down),
            Mouse::Up => Some(Action::Up),
            Mouse::Click => None,
        };
        let turned = self.with_overlay(|overlay, app| match mouse {
            Mouse::Down => overlay.wheel(true, app),
            Mouse::Up => overlay.wheel(false, app),
            Mouse::Click => Vec::new(),
        });
        if let Some(effects) = turned {
            return effects;
        }
        if let Some(action) = step {
            return self.action(action);
        }
        let layout = self.layout();
        if let Some(tab) = view::tab_at(self, at) {
            return self.go(tab);
        }
        let (Some(line), Some(screen)) = (
            layout.panes.line_at(at.x, at.y),
            self.screens.get_mut(self.at),
        ) else {
            return Vec::new();
        };
        let asks = screen.click(line, &self.world, &layout.panes);
        self.asked(asks)
    }

    pub(super) fn action(&mut self, action: Action) -> Vec<Effect> {
        if action != Action::Quit {
            self.warned = false;
        }
        if let Some(kind) = Kind::of(action) {
            return self.question(kind, action);
        }
        if let Some(to) = self.way(action) {
            return self.go(to);
        }
        if let Some(overlay) = Self::overlay_of(action) {
            self.overlay = Some(overlay);
            return Vec::new();
        }
        match action {
            Action::Mouse => vec![Effect::ToggleMouse],
            Action::CopyJson => self.copy_json(),
            Action::Zoom => self.zoom(),
            Action::Repaint => vec![Effect::Repaint],
            Action::Suspend => vec![Effect::Suspend],
            Action::Interrupt => vec![Effect::Quit],
            Action::Quit => self.quit(),
            Action::Claim => self.claim(),
            Action::Undo => self.undo(),
            Action::Lock => self.lock(),
            Action::MakeService => self.make_service(),
            Action::Incident => self.begin_incident(),
            Action::SignIn => self.open_sign_in(),
            Action::WhoAmI => self.who_am_i(),
            Action::RevokeSignIns => self.end_all_sign_ins(),
            Action::Retry => self.retry_now(),
            Action::Back if self.toasts.dismiss() => Vec::new(),
            Action::Back if self.give_up_waiting() => Vec::new(),
            _ => {
                let panes = self.layout().panes;
                let Some(screen) = self.screens.get_mut(self.at) else {
                    return Vec::new();
                };
                let asks = screen.on(action, &self.world, &panes);
                self.asked(asks)
            }
        }
    }

    pub(super) fn go(&mut self, to: usize) -> Vec<Effect> {
        if to == self.at {
            return Vec::new();
        }
        self.at = to;
        let panes = self.layout().panes;
        if let Some(screen) = self.screens.get_mut(to) {
            screen.settle(&self.world, &panes);
        }
        let asks: Vec<Ask> = self
            .screens
            .get_mut(to)
            .map(|screen| screen.enter(&self.world))
            .unwrap_or_default();
        self.asked(asks)
    }

    /// The screen that an action leads to.
    fn way(&self, action: Action) -> Option<usize> {
        self.screens
            .iter()
            .position(|screen| screen.place().way() == Some(action))
    }

    fn quit(&mut self) -> Vec<Effect> {
        if self.pending.is_empty() || self.warned {
            return vec![Effect::Quit];
        }
        self.warned = true;
        let key = self.world.keymap.key(self.front(), Action::Quit);
        let text = format!("a change is not answered yet: press {key} again to leave anyway");
        self.say(Level::Warn, &text);
        Vec::new()
    }
}
