//! Asks for the second factor that the server wants before it does what was confirmed, and names exactly that.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::client::Chosen;
use crate::console::app::App;
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish, middle};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::input::Line;
use crate::text::{DisplayText, clean};
use crate::wire::StepUpProof;

const WIDTH: u16 = 64;
/// More acts than these are counted.
const ACTS: usize = 6;
/// A recovery code with its dashes and some room.
const LONGEST: usize = 32;
const PROMPT: &str = "code ";

/// The open question.
#[derive(Debug)]
pub struct StepUp {
    line: Line,
}

impl Default for StepUp {
    fn default() -> Self {
        Self {
            line: Line::new(LONGEST),
        }
    }
}

impl StepUp {
    fn text(app: &App) -> Vec<(Role, DisplayText)> {
        let Some(waiting) = app.step_up() else {
            return Vec::new();
        };
        let width = usize::from(WIDTH - 4);
        let acts = waiting.acts();
        let mut lines = Vec::new();
        let mut add = |role: Role, text: &str| {
            lines.extend(clean(text).wrap(width).into_iter().map(|line| (role, line)));
        };
        add(
            Role::Text,
            "You confirmed this; the server wants your second factor before it is done:",
        );
        for act in acts.iter().take(ACTS) {
            add(Role::TextStrong, &format!("  {act}"));
        }
        if acts.len() > ACTS {
            add(
                Role::TextStrong,
                &format!("  and {} more", acts.len() - ACTS),
            );
        }
        if let Some(address) = waiting.address() {
            add(
                Role::TextMuted,
                "go on in your browser, or go to this address with one:",
            );
            add(Role::Text, address);
            return lines;
        }
        if waiting.is_busy() {
            add(Role::TextMuted, "asking the server ...");
            return lines;
        }
        if let Some(problem) = waiting.problem() {
            add(Role::StatusWarn, problem);
        }
        add(Role::TextMuted, waiting.ways());
        lines
    }
}

impl Overlay for StepUp {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        if key.code == KeyCode::Esc {
            return vec![Wish::GiveUpFactor];
        }
        let Some(waiting) = app.step_up() else {
            return vec![Wish::Close];
        };
        // What is typed in the first moment was meant for the list behind.
        if app.world().now < waiting.armed_at() || waiting.is_busy() {
            return Vec::new();
        }
        if key.code != KeyCode::Enter {
            if waiting.types() {
                self.line.key(key);
            }
            return Vec::new();
        }
        let code = self.line.text().trim().to_owned();
        if !key.is_deliberate() {
            return Vec::new();
        }
        self.line.set("");
        let chosen = match code.as_str() {
            "" => waiting.in_browser(),
            "sign-in" if waiting.at_provider() => Some(Chosen::AtProvider),
            _ => Some(Chosen::Typed(StepUpProof::typed(&code))),
        };
        chosen.map(Wish::Prove).into_iter().collect()
    }

    fn paste(&mut self, text: &str, app: &App) -> Vec<Wish> {
        let armed = app
            .step_up()
            .is_some_and(|waiting| app.world().now >= waiting.armed_at() && waiting.types());
        if armed {
            self.line.paste(text);
        }
        Vec::new()
    }

    fn is_step_up(&self) -> bool {
        true
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        super::fixed(&[("Enter", "prove, and do it"), ("Esc", "nothing is done")])
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let lines = Self::text(app);
        let height = u16::try_from(lines.len())
            .unwrap_or(u16::MAX)
            .saturating_add(3);
        let area = middle(app.layout().regions.body.intersection(area), WIDTH, height);
        let frame = Frame {
            title: "Second factor",
            foot: "Esc: nothing is done",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        let room = inner.height.saturating_sub(1);
        for ((role, line), y) in lines.iter().zip(inner.y..inner.y + room) {
            let style = theme.style(*role);
            buffer.set_stringn(inner.x, y, line.as_str(), usize::from(inner.width), style);
        }
        let typed = app
            .step_up()
            .is_some_and(|waiting| waiting.types() && waiting.address().is_none());
        if inner.height == 0 || !typed {
            return None;
        }
        let y = inner.bottom() - 1;
        let prompt = theme.style(Role::TextMuted);
        buffer.set_stringn(inner.x, y, PROMPT, usize::from(inner.width), prompt);
        let taken = u16::try_from(PROMPT.len()).unwrap_or(0).min(inner.width);
        let field = Rect {
            x: inner.x + taken,
            y,
            width: inner.width - taken,
            height: 1,
        };
        Some(self.line.draw(field, buffer, theme.style(Role::TextStrong)))
    }
}
