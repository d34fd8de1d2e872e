//! Approving for less than was asked: a shorter time, a lesser role, a later start.

use chrono::{DateTime, Utc};
use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::confirm::Less;
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::term::input::Key;
use crate::console::widget::input::Line;
use crate::domain::span::Span;
use crate::wire::{RequestView, TargetView};

/// The line that keys go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Length,
    Role,
    Start,
}

/// What is chosen so far.
#[derive(Debug, Clone)]
pub(super) struct Lessening {
    field: Field,
    length: Line,
    /// Nobody has touched the length; the first digit replaces it.
    proposed: bool,
    asked: String,
    /// The role that was asked for, then every role in it.
    roles: Vec<String>,
    role: usize,
    start: Line,
    /// The name of the role in front, drawn as a line.
    shown: Line,
}

impl Default for Lessening {
    fn default() -> Self {
        Self {
            field: Field::Length,
            length: Line::new(12),
            proposed: true,
            asked: String::new(),
            roles: Vec::new(),
            role: 0,
            start: Line::new(12),
            shown: Line::new(64),
        }
    }
}

impl Lessening {
    pub(super) fn of(view: &RequestView, targets: &[TargetView]) -> Self {
        let mut less = Self {
            asked: view.duration_granted.clone(),
            roles: roles(view, targets),
            ..Self::default()
        };
        less.length.set(&view.duration_granted);
        less.show();
        less
    }

    /// Chooses what was chosen before, as far as it can still be chosen. A later start is chosen anew: it was counted
    /// from another moment.
    pub(super) fn fill(&mut self, less: &Less) {
        if let Some(duration) = less.duration {
            self.length.set(&duration.to_string());
            self.proposed = false;
        }
        let chosen = less.role.as_ref();
        if let Some(role) = self.roles.iter().position(|role| Some(role) == chosen) {
            self.role = role;
            self.show();
        }
    }

    /// The catalogue came: the role chosen so far stays.
    pub(super) fn know(&mut self, view: &RequestView, targets: &[TargetView]) {
        let chosen = self.role().to_owned();
        self.roles = roles(view, targets);
        self.role = self
            .roles
            .iter()
            .position(|role| *role == chosen)
            .unwrap_or(0);
        self.show();
    }

    /// Takes a key; says whether it had a meaning.
    pub(super) fn key(&mut self, key: Key, action: Option<Action>) -> bool {
        let plain = key.mods == KeyModifiers::NONE;
        if action == Some(Action::NextField) {
            self.field = match self.field {
                Field::Length => Field::Role,
                Field::Role => Field::Start,
                Field::Start => Field::Length,
            };
            return true;
        }
        match (self.field, key.code) {
            (Field::Role, KeyCode::Right | KeyCode::Down) => self.choose(1),
            (Field::Role, KeyCode::Left | KeyCode::Up) => {
                self.choose(self.roles.len().saturating_sub(1));
            }
            (Field::Role, _) => return false,
            (Field::Length, KeyCode::Char('0'..='9' | 'd' | 'h' | 'm' | 's')) if plain => {
                if std::mem::take(&mut self.proposed) {
                    self.length.set("");
                }
                self.length.key(key);
            }
            (_, KeyCode::Char('0'..='9' | 'd' | 'h' | 'm' | 's')) if plain => {
                self.start.key(key);
            }
            (
                _,
                KeyCode::Backspace
                | KeyCode::Delete
                | KeyCode::Left
                | KeyCode::Right
                | KeyCode::Home
                | KeyCode::End,
            ) => {
                if self.field == Field::Start {
                    self.start.key(key);
                } else {
                    self.proposed = false;
                    self.length.key(key);
                }
            }
            _ => return false,
        }
        true
    }

    /// The line that keys go to, with its label.
    pub(super) fn input(&self) -> (&'static str, &Line) {
        match self.field {
            Field::Length => ("Only for", &self.length),
            Field::Role => ("As role", &self.shown),
            Field::Start => ("Start in", &self.start),
        }
    }

    /// What the keys do in the line.
    pub(super) fn hints(&self, keymap: &Keymap) -> Vec<(String, &'static str)> {
        let here = match self.field {
            Field::Length | Field::Start => ("0-9 d h m s".to_owned(), "change"),
            Field::Role => ("Left Right".to_owned(), "choose"),
        };
        let next = keymap.key(Place::Question, Action::NextField);
        let no = keymap.key(Place::Question, Action::No);
        vec![here, (next, "length, role, start"), (no, "no")]
    }

    /// What would be given, for the facts; the error says what is wrong with the lines.
    pub(super) fn chosen(&self, now: DateTime<Utc>) -> Result<Less, String> {
        let span = |text: &str| text.parse::<Span>().map_err(|error| error.to_string());
        let length = span(self.length.text())?;
        let asked = span(&self.asked)?;
        if length.seconds() > asked.seconds() {
            return Err(format!("only less than {asked} can be given"));
        }
        let start = match self.start.text() {
            "" => None,
            text => Some(now + span(text)?.to_chrono()),
        };
        let role = (self.role > 0).then(|| self.role().to_owned());
        Ok(Less {
            duration: (length != asked || (role.is_none() && start.is_none())).then_some(length),
            role,
            not_before: start,
        })
    }

    /// The role that would be given.
    pub(super) fn role(&self) -> &str {
        self.roles.get(self.role).map_or("", String::as_str)
    }

    /// Says how many lesser roles there are to choose from.
    pub(super) fn lesser_roles(&self) -> usize {
        self.roles.len().saturating_sub(1)
    }

    fn choose(&mut self, by: usize) {
        let count = self.roles.len().max(1);
        self.role = (self.role + by) % count;
        self.show();
    }

    fn show(&mut self) {
        let role = self.role().to_owned();
        self.shown.set(&role);
    }
}

/// The role that is asked for, and every role that it holds directly or through another.
fn roles(view: &RequestView, targets: &[TargetView]) -> Vec<String> {
    let mut found = vec![view.role_granted.clone()];
    let target = targets.iter().find(|target| target.name == view.target);
    let mut at = 0;
    while let Some(name) = found.get(at).cloned() {
        at += 1;
        let role = target.and_then(|target| target.roles.iter().find(|role| role.name == name));
        for included in role.into_iter().flat_map(|role| &role.includes) {
            if !found.contains(included) {
                found.push(included.clone());
            }
        }
    }
    found
}
