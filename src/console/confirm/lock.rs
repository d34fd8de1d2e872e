//! The form that locks somebody or something out: what, why, for how long, and the name typed once more.

use std::time::Instant;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::form::{Row, draw_rows};
use crate::console::confirm::{ARMING, Act, LONGEST, Mutation, Outcome, SHORTEST, hints, locked};
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::domain::span::Span;
use crate::text::DisplayText;
use crate::wire::{GrantView, LockOn};

/// Names, and `readonly on orders-db`.
const NAME: usize = 330;
/// Grants listed by name; the others are counted.
const LISTED: usize = 6;

/// What a lock is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Principal,
    Target,
    Role,
    Tag,
    Everything,
}

const WHATS: [(What, &str, &str); 5] = [
    (What::Principal, "a person", "the name of the person"),
    (What::Target, "a target", "the name of the target"),
    (What::Role, "a role", "as `readonly on orders-db`"),
    (What::Tag, "a tag", "as `env=prod`"),
    (What::Everything, "everything", "nothing to name"),
];

/// The lines from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    What,
    Name,
    Reason,
    Lasts,
    Typed,
}

const FIELDS: [Field; 5] = [
    Field::What,
    Field::Name,
    Field::Reason,
    Field::Lasts,
    Field::Typed,
];

/// The open form.
#[derive(Debug, Clone)]
pub struct LockForm {
    what: What,
    name: Line,
    reason: Line,
    lasts: Line,
    typed: Line,
    field: Field,
    armed_at: Instant,
    note: Option<String>,
}

impl LockForm {
    /// Opens the form, with nothing chosen.
    pub fn open(world: &World) -> Self {
        Self {
            what: What::Principal,
            name: Line::new(NAME),
            reason: Line::new(LONGEST),
            lasts: Line::new(20),
            typed: Line::new(NAME),
            field: Field::What,
            armed_at: world.now + ARMING,
            note: None,
        }
    }

    /// Opens the form for what a row is about, or somebody has named in full.
    pub fn of(on: &LockOn, lasts: &str, world: &World) -> Self {
        let what = match on {
            LockOn::Principal { .. } => What::Principal,
            LockOn::Target { .. } => What::Target,
            LockOn::Role { .. } => What::Role,
            LockOn::Tag { .. } => What::Tag,
            LockOn::Everything => What::Everything,
        };
        let mut form = Self {
            what,
            field: Field::Reason,
            ..Self::open(world)
        };
        if what != What::Everything {
            form.name.set(&locked(on));
        }
        form.lasts.set(lasts);
        form
    }

    /// The same with a reason that somebody has written before.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason.set(reason);
        self
    }

    /// What has to be typed to lock it, once there is a reason; nothing before.
    pub fn to_type(&self) -> Option<String> {
        let reasoned = self.reason.text().trim().chars().count() >= SHORTEST;
        self.on().ok().filter(|_| reasoned).map(|on| locked(&on))
    }

    /// What it would do, line by line.
    pub fn plain(&self, world: &World, width: u16) -> Vec<DisplayText> {
        let mut doc = self.doc(world, width);
        let lasts = match self.lasts.text().trim() {
            "" => "until somebody lifts it",
            lasts => lasts,
        };
        doc.fact("For", lasts, Role::Text);
        doc.plain()
    }

    /// When keys begin to count.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// The title above the form.
    pub fn title(&self) -> String {
        match self.on() {
            Ok(on) => format!("Lock {}", locked(&on)),
            Err(_) => "Lock".to_owned(),
        }
    }

    /// What would be locked.
    fn on(&self) -> Result<LockOn, String> {
        let name = self.name.text().trim();
        if name.is_empty() && self.what != What::Everything {
            return Err("say what to lock".to_owned());
        }
        Ok(match self.what {
            What::Principal => LockOn::Principal {
                principal: name.to_owned(),
            },
            What::Target => LockOn::Target {
                target: name.to_owned(),
            },
            What::Role => {
                let (role, target) = name
                    .split_once(" on ")
                    .ok_or("write it as `readonly on orders-db`")?;
                LockOn::Role {
                    target: target.trim().to_owned(),
                    role: role.trim().to_owned(),
                }
            }
            What::Tag => {
                let (tag, value) = name.split_once('=').ok_or("write it as `env=prod`")?;
                LockOn::Tag {
                    name: tag.trim().to_owned(),
                    value: value.trim().to_owned(),
                }
            }
            What::Everything => LockOn::Everything,
        })
    }

    /// Takes pasted text; the name to confirm with must be typed.
    pub fn paste(&mut self, text: &str, now: Instant) {
        match self.field {
            Field::Name => drop(self.name.paste(text)),
            Field::Reason => drop(self.reason.paste(text)),
            Field::What | Field::Lasts | Field::Typed => self.rearm(now),
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, world: &World) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closed;
        }
        if world.now < self.armed_at {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        self.note = None;
        match key.code {
            KeyCode::Enter if self.field == Field::Typed => {
                if key.is_deliberate() {
                    return self.confirm(world);
                }
                self.rearm(world.now);
            }
            KeyCode::Tab | KeyCode::Down | KeyCode::Enter => self.turn(1),
            KeyCode::BackTab | KeyCode::Up => self.turn(FIELDS.len() - 1),
            _ => self.edit(key, world.now),
        }
        Outcome::Stays
    }

    fn edit(&mut self, key: Key, now: Instant) {
        let line = match self.field {
            Field::What => {
                match key.code {
                    KeyCode::Right | KeyCode::Char(' ') => self.choose(1),
                    KeyCode::Left => self.choose(WHATS.len() - 1),
                    _ => self.rearm(now),
                }
                return;
            }
            Field::Name => &mut self.name,
            Field::Reason => &mut self.reason,
            Field::Lasts => &mut self.lasts,
            // Nobody types a name faster than fingers move.
            Field::Typed if !key.is_deliberate() => {
                self.rearm(now);
                return;
            }
            Field::Typed => &mut self.typed,
        };
        let edited = line.key(key);
        // Another name must be typed anew.
        if self.field == Field::Name && edited == Edited::Changed {
            self.typed.set("");
        }
        if edited == Edited::Unused {
            self.rearm(now);
        }
    }

    fn choose(&mut self, by: usize) {
        let at = WHATS.iter().position(|(what, ..)| *what == self.what);
        let next = (at.unwrap_or(0) + by) % WHATS.len();
        if let Some((what, ..)) = WHATS.get(next) {
            self.what = *what;
            self.name.set("");
            self.typed.set("");
        }
    }

    fn turn(&mut self, by: usize) {
        let at = FIELDS.iter().position(|field| *field == self.field);
        let next = (at.unwrap_or(0) + by) % FIELDS.len();
        self.field = FIELDS.get(next).copied().unwrap_or(Field::What);
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    fn span(&self) -> Result<Option<Span>, String> {
        match self.lasts.text().trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                format!("`{text}` is no length: write `2h` or `30m`, or nothing until it is lifted")
            }),
        }
    }

    /// What is missing before it can be done.
    fn ready(&self) -> Result<Act, String> {
        let on = self.on()?;
        let reason = self.reason.text().trim().to_owned();
        if reason.chars().count() < SHORTEST {
            return Err(format!("the reason needs at least {SHORTEST} characters"));
        }
        let lasts = self.span()?;
        let name = locked(&on);
        if self.typed.text().trim() != name {
            return Err(format!("type `{name}` in the last line to lock it"));
        }
        Ok(Act::Lock { on, reason, lasts })
    }

    /// INVARIANT: the name in the title is the name that was typed (`a_lock_needs_its_name_typed`).
    fn confirm(&mut self, world: &World) -> Outcome {
        if world.readonly {
            self.note = Some("this console was started with `--readonly`".to_owned());
            return Outcome::Stays;
        }
        match self.ready().and_then(|act| Mutation::new(act, 0)) {
            Ok(mutation) => Outcome::Confirmed(mutation),
            Err(why) => {
                self.note = Some(why);
                Outcome::Stays
            }
        }
    }

    /// What is known of the consequences.
    fn doc(&self, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        doc.fact(
            "Effect",
            "no request, approval, activation or credential gets past it; open grants are revoked",
            Role::Text,
        );
        let Ok(on) = self.on() else {
            return doc;
        };
        let mut ends: Vec<&GrantView> = world
            .store
            .grants()
            .map(|(_, view)| view.as_ref())
            .filter(|view| show::is_open(view) && blocks(&on, view))
            .collect();
        ends.sort_by_key(|view| (view.expires_at, view.id.clone()));
        let named: Vec<String> = ends
            .iter()
            .take(LISTED)
            .map(|view| format!("{} {} on {}", view.holder, view.role, view.target))
            .collect();
        let more = match ends.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = match ends.len() {
            0 => "no open grant".to_owned(),
            count => format!("{count}: {}{more}", named.join("; ")),
        };
        let role = if ends.is_empty() {
            Role::TextMuted
        } else {
            Role::StatusDanger
        };
        doc.fact("Ends", &text, role);
        doc
    }

    /// How many lines the form has inside its border.
    pub fn height(&self, world: &World, width: u16) -> u16 {
        self.doc(world, width).height() + 6
    }

    /// Draws the form and gives the place of the terminal's cursor.
    pub fn draw(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let doc = self.doc(world, area.width);
        let facts = Rect {
            height: area.height.saturating_sub(6),
            ..area
        };
        doc.draw(facts, buffer, theme, 0);
        let (_, what, hint) = WHATS
            .iter()
            .find(|(what, ..)| *what == self.what)
            .copied()
            .unwrap_or((What::Principal, "", ""));
        let mut chosen = Line::new(40);
        chosen.set(&format!("< {what} >"));
        let typed = self.on().map_or_else(
            |_| "Type it".to_owned(),
            |on| format!("Type `{}`", locked(&on)),
        );
        let lines = [
            (Field::What, "Lock", &chosen, "Left Right choose"),
            (Field::Name, "Name", &self.name, hint),
            (
                Field::Reason,
                "Reason",
                &self.reason,
                "everybody concerned reads it",
            ),
            (
                Field::Lasts,
                "For",
                &self.lasts,
                "`2h`; empty: until somebody lifts it",
            ),
            (Field::Typed, "To confirm", &self.typed, typed.as_str()),
        ];
        let rows = lines.map(|(field, label, line, hint)| Row {
            label,
            line,
            hint,
            active: field == self.field,
            stays: field == Field::Typed,
        });
        let below = Rect {
            y: facts.bottom(),
            height: area.bottom() - facts.bottom(),
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
    pub fn keys(&self, world: &World) -> Vec<(String, Role)> {
        if world.now < self.armed_at {
            let text = "read first: keys are ignored for a moment".to_owned();
            return vec![(text, Role::TextMuted)];
        }
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        hints(&[
            ("Tab".to_owned(), "next line"),
            ("Enter".to_owned(), "lock, in the last line"),
            ("Esc".to_owned(), "leave, nothing is sent"),
        ])
    }
}

/// Says whether a lock would take a grant away.
fn blocks(on: &LockOn, view: &GrantView) -> bool {
    match on {
        LockOn::Principal { principal } => view.holder == *principal,
        LockOn::Target { target } => view.target == *target,
        LockOn::Role { target, role } => view.target == *target && view.role == *role,
        LockOn::Tag { name, value } => view.tags.get(name) == Some(value),
        LockOn::Everything => true,
    }
}
