//! The form that makes a service account: its name, who answers for it, what it may do and for how long its token is
//! good, and the name typed once more.

use std::time::Instant;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::form::{Row, draw_rows};
use crate::console::confirm::{ARMING, Act, Mutation, Outcome, hints};
use crate::console::doc::Doc;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::domain::ids::{GroupName, PrincipalName};
use crate::domain::service::Scope;
use crate::domain::span::Span;
use crate::wire::NewService;

const NAME: usize = 63;
/// Room for what fifty scopes need is more than anybody types.
const LIST: usize = 500;
/// How long most tokens are good.
pub(super) const LASTS: &str = "30d";

/// The lines from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Owner,
    May,
    Groups,
    Lasts,
    Typed,
}

const FIELDS: [Field; 6] = [
    Field::Name,
    Field::Owner,
    Field::May,
    Field::Groups,
    Field::Lasts,
    Field::Typed,
];

/// The open form.
#[derive(Debug, Clone)]
pub struct ServiceForm {
    name: Line,
    owner: Line,
    may: Line,
    groups: Line,
    lasts: Line,
    typed: Line,
    at: usize,
    armed_at: Instant,
    note: Option<String>,
}

impl ServiceForm {
    /// Opens the form; whoever makes one usually answers for it.
    pub fn open(world: &World) -> Self {
        let line = |limit, text: &str| {
            let mut line = Line::new(limit);
            line.set(text);
            line
        };
        Self {
            name: line(NAME, ""),
            owner: line(NAME, world.my_name()),
            may: line(LIST, ""),
            groups: line(LIST, ""),
            lasts: line(20, LASTS),
            typed: line(NAME, ""),
            at: 0,
            armed_at: world.now + ARMING,
            note: None,
        }
    }

    /// Opens it with what was confirmed before and not done, and says why.
    pub fn again(new: &NewService, why: Option<&str>, world: &World) -> Self {
        let mut form = Self::open(world);
        form.name.set(&new.name);
        form.owner.set(&new.owner);
        form.may.set(&new.scopes.join(" "));
        form.groups.set(&new.groups.join(" "));
        form.lasts.set(&new.expires);
        form.note = why.map(str::to_owned);
        form
    }

    pub(super) fn armed_at(&self) -> Instant {
        self.armed_at
    }

    pub(super) fn title(&self) -> String {
        match self.name.text().trim() {
            "" => "Make a service account".to_owned(),
            name => format!("Make service account {name}"),
        }
    }

    pub(super) fn height(width: u16) -> u16 {
        let lines = u16::try_from(FIELDS.len()).unwrap_or(u16::MAX);
        facts(width).height().saturating_add(lines + 1)
    }

    pub(super) fn paste(&mut self, text: &str, now: Instant) {
        match self.field() {
            Field::Typed => self.rearm(now),
            _ => drop(self.line().paste(text)),
        }
    }

    pub(super) fn key(&mut self, key: Key, world: &World) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closed;
        }
        if world.now < self.armed_at {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        self.note = None;
        match key.code {
            KeyCode::Enter if self.field() == Field::Typed => {
                if key.is_deliberate() {
                    return self.confirm(world);
                }
                self.rearm(world.now);
            }
            KeyCode::Tab | KeyCode::Down | KeyCode::Enter => {
                self.at = (self.at + 1) % FIELDS.len();
            }
            KeyCode::BackTab | KeyCode::Up => {
                self.at = (self.at + FIELDS.len() - 1) % FIELDS.len();
            }
            // Nobody types a name faster than fingers move.
            _ if self.field() == Field::Typed && !key.is_deliberate() => self.rearm(world.now),
            _ => self.edit(key, world.now),
        }
        Outcome::Stays
    }

    fn edit(&mut self, key: Key, now: Instant) {
        let edited = self.line().key(key);
        // Another name must be typed anew.
        if self.field() == Field::Name && edited == Edited::Changed {
            self.typed.set("");
        }
        if edited == Edited::Unused {
            self.rearm(now);
        }
    }

    fn field(&self) -> Field {
        FIELDS.get(self.at).copied().unwrap_or(Field::Name)
    }

    fn line(&mut self) -> &mut Line {
        match self.field() {
            Field::Name => &mut self.name,
            Field::Owner => &mut self.owner,
            Field::May => &mut self.may,
            Field::Groups => &mut self.groups,
            Field::Lasts => &mut self.lasts,
            Field::Typed => &mut self.typed,
        }
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    /// What would be made, or what is missing.
    fn ready(&self) -> Result<NewService, String> {
        let name = name_of(&self.name, "name")?;
        let owner = name_of(&self.owner, "owner")?;
        let scopes: Vec<String> = words(&self.may)
            .map(|word| word.parse::<Scope>().map(|scope| scope.to_string()))
            .collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            return Err("say what it may do".to_owned());
        }
        let groups = words(&self.groups)
            .map(|word| match word.parse::<GroupName>() {
                Ok(group) => Ok(group.to_string()),
                Err(_) => Err(format!("`{word}` is no name of a group")),
            })
            .collect::<Result<_, _>>()?;
        let lasts = self.lasts.text().trim();
        let lasts: Span = lasts
            .parse()
            .map_err(|_| format!("`{lasts}` is no length: write `30d` or `12h`"))?;
        if self.typed.text().trim() != name {
            return Err(format!("type `{name}` in the last line to make it"));
        }
        Ok(NewService {
            name,
            owner,
            scopes,
            groups,
            expires: lasts.to_string(),
        })
    }

    /// INVARIANT: the name in the title is the name that was typed (`a_service_account_needs_its_name_typed`).
    fn confirm(&mut self, world: &World) -> Outcome {
        let made = world
            .writable()
            .and_then(|()| world.link.decidable(world.now))
            .and_then(|()| self.ready())
            .and_then(|new| Mutation::new(Act::MakeService { new: Box::new(new) }, 0));
        match made {
            Ok(mutation) => Outcome::Confirmed(mutation),
            Err(why) => {
                self.note = Some(why);
                Outcome::Stays
            }
        }
    }

    pub(super) fn draw(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let above = facts(area.width);
        above.draw(area, buffer, theme, 0);
        let typed = match self.name.text().trim() {
            "" => "Type its name".to_owned(),
            name => format!("Type `{name}`"),
        };
        let lines = [
            ("Name", &self.name, "of the machine, as `deploy-bot`"),
            ("Owner", &self.owner, "the person who answers for it"),
            (
                "May",
                &self.may,
                "`request:TARGET/ROLE` (each may be `*`), `read`, `metrics`",
            ),
            ("Groups", &self.groups, "that policies name; may be empty"),
            ("Good for", &self.lasts, "how long its token is good"),
            ("To confirm", &self.typed, typed.as_str()),
        ];
        let rows: Vec<Row<'_>> = lines
            .into_iter()
            .enumerate()
            .map(|(at, (label, line, hint))| Row {
                label,
                line,
                hint,
                active: at == self.at,
                stays: true,
            })
            .collect();
        let top = area.y.saturating_add(above.height()).min(area.bottom());
        let below = Rect {
            y: top,
            height: area.bottom() - top,
            ..area
        };
        let cursor = draw_rows(&rows, theme, below, buffer);
        let mut keys = Doc::new(area.width);
        keys.pieces(self.keys(world));
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: 1,
            ..area
        };
        keys.draw(last, buffer, theme, 0);
        cursor
    }

    /// What the keys do at this moment, or why they do nothing.
    fn keys(&self, world: &World) -> Vec<(String, Role)> {
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        if world.now < self.armed_at {
            let text = "read first: keys are ignored for a moment".to_owned();
            return vec![(text, Role::TextMuted)];
        }
        hints(&[
            ("Tab".to_owned(), "next line"),
            ("Enter".to_owned(), "make it, in the last line"),
            ("Esc".to_owned(), "leave"),
        ])
    }
}

fn facts(width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let effect =
        "a machine may ask and use what it was given; it never approves, extends, revokes or locks";
    doc.fact("Effect", effect, Role::Text);
    let token = "is shown once, on a screen of its own; have the place ready where it goes";
    doc.fact("Token", token, Role::Text);
    doc
}

fn words(line: &Line) -> impl Iterator<Item = &str> {
    let words = line.text().split([',', ' ']);
    words.filter(|word| !word.is_empty())
}

fn name_of(line: &Line, what: &str) -> Result<String, String> {
    let text = line.text().trim();
    if text.is_empty() {
        return Err(format!("the {what} is missing"));
    }
    match text.parse::<PrincipalName>() {
        Ok(name) => Ok(name.to_string()),
        Err(_) => Err(format!(
            "`{text}` is no name: small letters, digits, `.`, `_` and `-`"
        )),
    }
}
