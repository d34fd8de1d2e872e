//! Signs in over the screen: in the browser, with a password, or with a one-time code. What is typed here shows as
//! stars and is gone as soon as it was sent; what lies behind stays as it is.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::{App, Attempt, Stage};
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish, fixed, middle};
use crate::console::sign_in::Way;
use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::hidden::HiddenLine;
use crate::console::widget::input::Line;
use crate::text::{DisplayText, clean};

const WIDTH: u16 = 70;
/// The longest name that the server takes.
const NAME: usize = 63;
/// The longest password that the server takes.
const PASSWORD: usize = 500;
/// A recovery code with its dashes and some room.
const FACTOR: usize = 64;
const ONE_TIME: usize = 200;
/// Columns for the labels of lines.
const LABELS: u16 = 10;
/// What stands in the box is at least so high that a form has room.
const FIELDS: u16 = 3;

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
    /// The way or the line that has the keys.
    at: usize,
    name: Line,
    password: HiddenLine,
    factor: HiddenLine,
    code: HiddenLine,
    first: Line,
}

/// A line of a form.
enum Field<'a> {
    Shown(&'a mut Line),
    Hidden(&'a mut HiddenLine),
}

/// Where Enter on a way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Browser,
    Form(Page),
}

impl SignIn {
    /// A box with nothing chosen; the name is the one that was signed in last.
    pub fn new(name: &str) -> Self {
        let mut line = Line::new(NAME);
        line.set(name);
        Self {
            page: Page::Ways,
            at: 0,
            name: line,
            password: HiddenLine::new(PASSWORD),
            factor: HiddenLine::new(FACTOR),
            code: HiddenLine::new(ONE_TIME),
            first: Line::new(NAME),
        }
    }

    /// The ways with what they are called.
    fn choices(attempt: &Attempt) -> Vec<(Choice, String)> {
        let Some(ways) = attempt.ways() else {
            return Vec::new();
        };
        let provider = ways.provider.as_ref().map(|issuer| {
            let host = issuer
                .split_once("://")
                .map_or(issuer.as_str(), |(_, host)| host);
            (Choice::Browser, format!("in the browser, at {host}"))
        });
        let code = ways.code.then(|| {
            let text = "with a one-time code: an invitation, or that of a new server";
            (Choice::Form(Page::Code), text.to_owned())
        });
        let password = (
            Choice::Form(Page::Password),
            "with the password of a local account".to_owned(),
        );
        provider.into_iter().chain([password]).chain(code).collect()
    }

    fn fields(&self) -> &'static [&'static str] {
        match self.page {
            Page::Ways => &[],
            Page::Password => &["name", "password", "code"],
            Page::Code => &["code", "your name"],
        }
    }

    fn field(&mut self) -> Option<Field<'_>> {
        Some(match (self.page, self.at) {
            (Page::Password, 0) => Field::Shown(&mut self.name),
            (Page::Password, 1) => Field::Hidden(&mut self.password),
            (Page::Password, 2) => Field::Hidden(&mut self.factor),
            (Page::Code, 0) => Field::Hidden(&mut self.code),
            (Page::Code, 1) => Field::Shown(&mut self.first),
            _ => return None,
        })
    }

    fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.at = 0;
        if page == Page::Password && !self.name.text().is_empty() {
            self.at = 1;
        }
        self.password.wipe();
        self.factor.wipe();
        self.code.wipe();
    }

    /// Goes to another way or line.
    fn walk(&mut self, down: bool, count: usize) {
        let last = count.saturating_sub(1);
        self.at = if down {
            self.at.saturating_add(1).min(last)
        } else {
            self.at.saturating_sub(1)
        };
    }

    fn choose(&mut self, attempt: &Attempt) -> Vec<Wish> {
        let choices = Self::choices(attempt);
        match choices.get(self.at).map(|(choice, _)| *choice) {
            Some(Choice::Browser) => vec![Wish::SignIn(Way::Browser)],
            Some(Choice::Form(page)) => {
                self.turn_to(page);
                Vec::new()
            }
            // The server did not say, or not yet.
            None if attempt.problem().is_some() => vec![Wish::SignIn(Way::Ask)],
            None => Vec::new(),
        }
    }

    /// Sends the form, or goes to the line that is still empty.
    fn submit(&mut self) -> Vec<Wish> {
        let way = match self.page {
            Page::Ways => return Vec::new(),
            Page::Password => {
                if self.name.text().trim().is_empty() {
                    self.at = 0;
                    return Vec::new();
                }
                if self.password.is_empty() {
                    self.at = 1;
                    return Vec::new();
                }
                let code = (!self.factor.is_empty()).then(|| self.factor.take());
                self.at = 1;
                Way::Password {
                    name: self.name.text().trim().to_owned(),
                    password: self.password.take(),
                    code,
                }
            }
            Page::Code => {
                if self.code.is_empty() {
                    self.at = 0;
                    return Vec::new();
                }
                let name = self.first.text().trim();
                let name = (!name.is_empty()).then(|| name.to_owned());
                self.at = 0;
                Way::Code {
                    code: self.code.take(),
                    name,
                }
            }
        };
        vec![Wish::SignIn(way)]
    }

    fn in_form(&mut self, key: Key) -> Vec<Wish> {
        let last = self.fields().len().saturating_sub(1);
        match key.code {
            KeyCode::Tab | KeyCode::Down => self.walk(true, last + 1),
            KeyCode::BackTab | KeyCode::Up => self.walk(false, last + 1),
            KeyCode::Enter if !key.is_deliberate() => {}
            KeyCode::Enter if self.at < last => self.at += 1,
            KeyCode::Enter => return self.submit(),
            _ => match self.field() {
                Some(Field::Shown(line)) => drop(line.key(key)),
                Some(Field::Hidden(line)) => drop(line.key(key)),
                None => {}
            },
        }
        Vec::new()
    }

    fn in_browser(app: &App, key: Key, address: Option<&str>) -> Vec<Wish> {
        match app.world().keymap.action(Place::Anywhere, key) {
            Some(Action::Copy) => address
                .map(|address| Wish::CopyAs("the address", address.to_owned()))
                .into_iter()
                .collect(),
            Some(Action::Retry) => vec![Wish::SignIn(Way::Browser)],
            _ => Vec::new(),
        }
    }

    fn text(&self, app: &App, attempt: &Attempt, width: usize) -> Vec<(Role, DisplayText)> {
        let mut lines = Vec::new();
        let mut add = |role: Role, text: &str| {
            lines.extend(clean(text).wrap(width).into_iter().map(|line| (role, line)));
        };
        let keymap = &app.world().keymap;
        let server = app.world().server.as_str();
        let who = match app.world().me.as_ref() {
            Some(me) if !app.world().link.is_signed_out() => {
                format!(
                    "You are {} on {server}. To go on as somebody else:",
                    me.name
                )
            }
            Some(me) => format!(
                "The sign-in of {} on {server} is over. What you see stays as it is.",
                me.name
            ),
            None => format!("Nobody is signed in on {server}."),
        };
        add(Role::Text, &who);
        let held = app.held();
        if !held.is_empty() {
            let text = format!("You are asked again for: {}", held.join(", "));
            add(Role::TextStrong, &text);
        }
        if attempt.ways().is_none() || *attempt.stage() != Stage::Open || self.page != Page::Ways {
            add(Role::Text, " ");
        }
        match attempt.stage() {
            Stage::Sent => add(Role::TextMuted, "asking the server ..."),
            Stage::Browser(None) => add(Role::TextMuted, "asking the server where to go ..."),
            Stage::Browser(Some((address, opened))) => {
                let text = if *opened {
                    "Your browser opens for the sign-in. If it does not, go to:"
                } else {
                    "Go to this address with a browser on this machine:"
                };
                add(Role::Text, text);
                add(Role::TextStrong, address);
                let (copy, again) = (
                    keymap.key(Place::Anywhere, Action::Copy),
                    keymap.key(Place::Anywhere, Action::Retry),
                );
                let text = format!(
                    "waiting for the browser; {copy} copies the address, {again} begins again"
                );
                add(Role::TextMuted, &text);
            }
            Stage::Open if self.page == Page::Password => add(
                Role::TextMuted,
                "The code is that of your authenticator, or a recovery code; leave it empty if you have no second factor.",
            ),
            Stage::Open if self.page == Page::Code => add(
                Role::TextMuted,
                "The name is only for the first admin of a new server; leave it empty otherwise.",
            ),
            Stage::Open if attempt.ways().is_none() && attempt.problem().is_none() => {
                add(Role::TextMuted, "asking the server how to sign in ...");
            }
            Stage::Open => {}
        }
        if let Some(problem) = attempt.problem() {
            add(Role::StatusWarn, problem);
        }
        lines
    }

    fn draw_ways(
        &self,
        attempt: &Attempt,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut cursor = None;
        let rows = area.y..area.bottom();
        for ((at, (_, text)), y) in Self::choices(attempt).iter().enumerate().zip(rows) {
            let chosen = at == self.at;
            let mark = if chosen {
                theme.glyph(Glyph::Cursor)
            } else {
                " "
            };
            let mut style = theme.style(Role::Text);
            if chosen {
                style = style.patch(theme.style(Role::Selection));
                cursor = Some(Position::new(area.x, y));
            }
            let line = clean(&format!("{mark} {text}"));
            buffer.set_style(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                style,
            );
            buffer.set_stringn(area.x, y, line.as_str(), usize::from(area.width), style);
        }
        cursor
    }

    fn draw_form(&self, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let mut cursor = None;
        for ((at, label), y) in self.fields().iter().enumerate().zip(area.y..area.bottom()) {
            let role = if at == self.at {
                Role::KeyHint
            } else {
                Role::TextMuted
            };
            let labels = LABELS.min(area.width);
            buffer.set_stringn(area.x, y, label, usize::from(labels), theme.style(role));
            let place = Rect {
                x: area.x + labels,
                y,
                width: area.width - labels,
                height: 1,
            };
            let style = theme.style(Role::TextStrong);
            let end = match (self.page, at) {
                (Page::Password, 0) => self.name.draw(place, buffer, style),
                (Page::Password, 1) => self.password.draw(place, buffer, style),
                (Page::Password, _) => self.factor.draw(place, buffer, style),
                (_, 0) => self.code.draw(place, buffer, style),
                _ => self.first.draw(place, buffer, style),
            };
            if at == self.at {
                cursor = Some(end);
            }
        }
        cursor
    }
}

impl Overlay for SignIn {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let Some(attempt) = app.attempt() else {
            return vec![Wish::Close];
        };
        if key.code == KeyCode::Esc {
            return match attempt.stage() {
                Stage::Sent | Stage::Browser(_) => vec![Wish::SignIn(Way::Stop)],
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
            (Stage::Browser(to), _) => {
                let address = to.as_ref().map(|(address, _)| address.as_str());
                Self::in_browser(app, key, address)
            }
            (Stage::Open, Page::Ways) => {
                let count = Self::choices(attempt).len();
                match key.code {
                    KeyCode::Enter if key.is_deliberate() => return self.choose(attempt),
                    KeyCode::Tab => self.walk(true, count),
                    KeyCode::BackTab => self.walk(false, count),
                    _ => match app.world().keymap.action(Place::Anywhere, key) {
                        Some(Action::Down) => self.walk(true, count),
                        Some(Action::Up) => self.walk(false, count),
                        _ => {}
                    },
                }
                Vec::new()
            }
            (Stage::Open, Page::Password | Page::Code) => self.in_form(key),
        }
    }

    fn paste(&mut self, text: &str, app: &App) -> Vec<Wish> {
        let open = app.attempt().is_some_and(|attempt| {
            *attempt.stage() == Stage::Open && app.world().now >= attempt.armed_at()
        });
        match self.field().filter(|_| open) {
            Some(Field::Shown(line)) => drop(line.paste(text)),
            Some(Field::Hidden(line)) => line.paste(text),
            None => {}
        }
        Vec::new()
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let keymap = &app.world().keymap;
        match app.attempt().map(Attempt::stage) {
            Some(Stage::Sent) => fixed(&[("Esc", "stop")]),
            Some(Stage::Browser(_)) => {
                let mut hints = vec![
                    (
                        keymap.key(Place::Anywhere, Action::Copy),
                        "copy the address",
                    ),
                    (keymap.key(Place::Anywhere, Action::Retry), "begin again"),
                ];
                hints.extend(fixed(&[("Esc", "another way")]));
                hints
            }
            _ if self.page == Page::Ways => fixed(&[("Enter", "choose"), ("Esc", "close")]),
            _ => fixed(&[
                ("Enter", "next, sign in"),
                ("Tab", "next line"),
                ("Esc", "another way"),
            ]),
        }
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let attempt = app.attempt()?;
        let lines = self.text(app, attempt, usize::from(WIDTH - 4));
        let text = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let below = match attempt.stage() {
            Stage::Open => FIELDS + 1,
            Stage::Sent | Stage::Browser(_) => 0,
        };
        let height = text.saturating_add(below + 2);
        let area = middle(app.layout().regions.body.intersection(area), WIDTH, height);
        let frame = Frame {
            title: "Sign in",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        for ((role, line), y) in lines.iter().zip(inner.y..inner.bottom()) {
            let style = theme.style(*role);
            buffer.set_stringn(inner.x, y, line.as_str(), usize::from(inner.width), style);
        }
        if below == 0 {
            return None;
        }
        let top = (inner.y + text + 1).min(inner.bottom());
        let rest = Rect {
            y: top,
            height: inner.bottom() - top,
            ..inner
        };
        match self.page {
            Page::Ways => self.draw_ways(attempt, theme, rest, buffer),
            Page::Password | Page::Code => self.draw_form(theme, rest, buffer),
        }
    }
}
