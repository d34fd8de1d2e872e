//! Signs in over the screen: in a browser here or on another machine, with a password, or with a one-time code. What
//! lies behind stays as it is.
//!
//! To add a way: a choice in `ways`, and its lines in `form` or what is shown meanwhile in `elsewhere`.

pub(in crate::console) mod elsewhere;
mod form;
mod ways;
mod words;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::{App, Attempt, Stage};
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish, fixed, middle};
use crate::console::sign_in::Way;
use crate::console::term::input::Key;
use crate::console::theme::Theme;

use form::Form;
use ways::{Choice, choices};
use words::blocks;

const WIDTH: u16 = 70;
/// The choice and the lines have at least so much room.
const ROWS: u16 = 3;

/// What the box shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// The ways to choose from.
    Ways,
    Password,
    Code,
}

/// The open box.
#[derive(Debug)]
pub struct SignIn {
    page: Page,
    /// The way that has the keys.
    at: usize,
    form: Form,
}

impl SignIn {
    /// A box with nothing chosen; the name is the one that was signed in last.
    pub fn new(name: &str) -> Self {
        Self {
            page: Page::Ways,
            at: 0,
            form: Form::new(name),
        }
    }

    fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.form.turn_to(page);
    }

    fn choose(&mut self, attempt: &Attempt) -> Vec<Wish> {
        match choices(attempt).get(self.at).map(|(choice, _)| *choice) {
            Some(Choice::Browser) => vec![Wish::SignIn(Way::Browser)],
            Some(Choice::Device) => vec![Wish::SignIn(Way::Device)],
            Some(Choice::Form(page)) => {
                self.turn_to(page);
                Vec::new()
            }
            // The server did not say, or not yet.
            None if attempt.problem().is_some() => vec![Wish::SignIn(Way::Ask)],
            None => Vec::new(),
        }
    }

    fn among_ways(&mut self, app: &App, attempt: &Attempt, key: Key) -> Vec<Wish> {
        let last = choices(attempt).len().saturating_sub(1);
        let action = app.world().keymap.action(Place::Anywhere, key);
        match (key.code, action) {
            (KeyCode::Enter, _) if key.is_deliberate() => return self.choose(attempt),
            (KeyCode::Tab, _) | (_, Some(Action::Down)) => self.at = (self.at + 1).min(last),
            (KeyCode::BackTab, _) | (_, Some(Action::Up)) => self.at = self.at.saturating_sub(1),
            (_, Some(Action::Copy)) => {
                let command = attempt.remedy().map(str::to_owned);
                let copy = command.map(|command| Wish::CopyAs("the command", command));
                return copy.into_iter().collect();
            }
            _ => {}
        }
        Vec::new()
    }
}

impl Overlay for SignIn {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let Some(attempt) = app.attempt() else {
            return vec![Wish::Close];
        };
        if key.code == KeyCode::Esc {
            return match attempt.stage() {
                Stage::Sent | Stage::Browser(_) | Stage::Device(_) => {
                    vec![Wish::SignIn(Way::Stop)]
                }
                Stage::Open if self.page != Page::Ways => {
                    self.turn_to(Page::Ways);
                    Vec::new()
                }
                Stage::Open => vec![Wish::LeaveSignIn],
            };
        }
        // What is typed in the first moment was meant for the list behind.
        if app.world().now < attempt.armed_at() {
            return Vec::new();
        }
        match (attempt.stage(), self.page) {
            (Stage::Sent, _) => Vec::new(),
            (stage @ (Stage::Browser(_) | Stage::Device(_)), _) => elsewhere::key(app, stage, key),
            (Stage::Open, Page::Ways) => self.among_ways(app, attempt, key),
            (Stage::Open, Page::Password | Page::Code) => {
                let way = self.form.key(key);
                way.map(Wish::SignIn).into_iter().collect()
            }
        }
    }

    fn paste(&mut self, text: &str, app: &App) -> Vec<Wish> {
        let open = app.attempt().is_some_and(|attempt| {
            *attempt.stage() == Stage::Open && app.world().now >= attempt.armed_at()
        });
        if open {
            self.form.paste(text);
        }
        Vec::new()
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let keymap = &app.world().keymap;
        if app
            .attempt()
            .is_some_and(|attempt| app.world().now < attempt.armed_at())
        {
            return fixed(&[("Esc", "close")]);
        }
        match app.attempt().map(Attempt::stage) {
            Some(Stage::Sent) => fixed(&[("Esc", "stop")]),
            Some(stage @ (Stage::Browser(_) | Stage::Device(_))) => elsewhere::hints(keymap, stage),
            _ if self.page == Page::Ways => {
                let mut hints = fixed(&[("Enter", "choose")]);
                if app.attempt().is_some_and(|open| open.remedy().is_some()) {
                    let copy = keymap.key(Place::Anywhere, Action::Copy);
                    hints.push((copy, "copy the command"));
                }
                hints.extend(fixed(&[("Esc", "close")]));
                hints
            }
            _ => fixed(&[
                ("Enter", "next, sign in"),
                ("Tab", "next line"),
                ("Esc", "another way"),
            ]),
        }
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let attempt = app.attempt()?;
        let blocks = blocks(app, attempt, self.page, theme, WIDTH - 4);
        let above = blocks
            .iter()
            .map(words::Block::height)
            .fold(0, u16::saturating_add);
        let rows = match (attempt.stage(), self.page) {
            (Stage::Open, Page::Ways) => {
                let count = u16::try_from(choices(attempt).len()).unwrap_or(ROWS);
                count.max(ROWS) + 1
            }
            (Stage::Open, _) => ROWS + 1,
            _ => 0,
        };
        let height = above.saturating_add(rows + 2);
        let area = middle(app.layout().regions.body.intersection(area), WIDTH, height);
        let frame = Frame {
            title: "Sign in",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        let mut rest = inner;
        for block in &blocks {
            let height = block.height().min(rest.height);
            if height > 0 {
                block.draw(Rect { height, ..rest }, theme, buffer);
            }
            rest.y += height;
            rest.height -= height;
        }
        if rows == 0 || rest.height == 0 {
            return None;
        }
        rest.y += 1;
        rest.height -= 1;
        match self.page {
            Page::Ways => ways::draw(attempt, self.at, theme, rest, buffer),
            Page::Password | Page::Code => self.form.draw(theme, rest, buffer),
        }
    }
}
