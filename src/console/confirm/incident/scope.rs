//! What an incident is about: lines that narrow it, and what else is to be done.

use std::collections::BTreeMap;

use crossterm::event::KeyCode;

use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};
use crate::wire::{IncidentPreviewAsk, IncidentScope};

/// What the server takes of a filter.
const LONGEST: usize = 500;

/// A line of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Targets,
    Tags,
    Principals,
    Filter,
    Everything,
    Lock,
    Deny,
}

pub(super) const FIELDS: [Field; 7] = [
    Field::Targets,
    Field::Tags,
    Field::Principals,
    Field::Filter,
    Field::Everything,
    Field::Lock,
    Field::Deny,
];

/// What an incident is about, as somebody types it in one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// Names with commas.
    pub targets: String,
    /// As `env=prod`, with commas.
    pub tags: String,
    /// Names with commas.
    pub people: String,
    pub filter: String,
    pub everything: bool,
    pub lock: bool,
    pub deny: bool,
}

/// The form.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) targets: Line,
    pub(super) tags: Line,
    pub(super) principals: Line,
    pub(super) filter: Line,
    pub(super) everything: bool,
    pub(super) lock: bool,
    pub(super) deny: bool,
    pub(super) field: Field,
}

impl Scope {
    pub(super) fn new(target: Option<&str>, filter: Option<&str>) -> Self {
        let line = |text: Option<&str>| {
            let mut line = Line::new(LONGEST);
            line.set(text.unwrap_or_default());
            line
        };
        Self {
            targets: line(target.filter(|_| filter.is_none())),
            tags: line(None),
            principals: line(None),
            filter: line(filter),
            everything: false,
            // What takes access away without a lock can be asked for again a second later.
            lock: filter.is_none(),
            deny: true,
            field: if filter.is_some() {
                Field::Filter
            } else {
                Field::Targets
            },
        }
    }

    pub(super) fn around(around: &Around) -> Self {
        let mut scope = Self::new(None, None);
        scope.targets.set(&around.targets);
        scope.tags.set(&around.tags);
        scope.principals.set(&around.people);
        scope.filter.set(&around.filter);
        scope.everything = around.everything;
        scope.lock = around.lock;
        scope.deny = around.deny;
        scope
    }

    /// The line of a field, for fields that are one.
    pub(super) fn line(&self, field: Field) -> Option<&Line> {
        match field {
            Field::Targets => Some(&self.targets),
            Field::Tags => Some(&self.tags),
            Field::Principals => Some(&self.principals),
            Field::Filter => Some(&self.filter),
            Field::Everything | Field::Lock | Field::Deny => None,
        }
    }

    /// Says whether a box is ticked.
    pub(super) fn ticked(&self, field: Field) -> bool {
        match field {
            Field::Everything => self.everything,
            Field::Lock => self.lock,
            _ => self.deny,
        }
    }

    pub(super) fn turn(&mut self, by: usize) {
        let at = FIELDS.iter().position(|field| *field == self.field);
        let next = (at.unwrap_or(0) + by) % FIELDS.len();
        self.field = FIELDS.get(next).copied().unwrap_or(Field::Targets);
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(line) = self.active() {
            line.paste(text);
        }
    }

    /// Takes a key; says whether it had a meaning.
    pub(super) fn key(&mut self, key: Key) -> bool {
        if let Some(line) = self.active() {
            return line.key(key) != Edited::Unused;
        }
        if key.code != KeyCode::Char(' ') || !key.is_deliberate() {
            return false;
        }
        match self.field {
            Field::Everything => self.everything = !self.everything,
            Field::Lock => self.lock = !self.lock,
            _ => self.deny = !self.deny,
        }
        true
    }

    fn active(&mut self) -> Option<&mut Line> {
        match self.field {
            Field::Targets => Some(&mut self.targets),
            Field::Tags => Some(&mut self.tags),
            Field::Principals => Some(&mut self.principals),
            Field::Filter => Some(&mut self.filter),
            Field::Everything | Field::Lock | Field::Deny => None,
        }
    }

    /// What the server is asked to try out. The error says what is missing or wrong.
    pub(super) fn ask(&self) -> Result<IncidentPreviewAsk, String> {
        let list = |line: &Line| -> Vec<String> {
            line.text()
                .split([',', ' '])
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let mut tags = BTreeMap::new();
        for tag in list(&self.tags) {
            let (name, value) = tag
                .split_once('=')
                .ok_or_else(|| format!("`{tag}` is no tag: write `env=prod`"))?;
            tags.insert(name.to_owned(), value.to_owned());
        }
        let filter = self.filter.text().trim();
        let scope = IncidentScope {
            targets: list(&self.targets),
            tags,
            principals: list(&self.principals),
            filter: (!filter.is_empty()).then(|| filter.to_owned()),
            everything: self.everything,
        };
        let named = !scope.targets.is_empty()
            || !scope.tags.is_empty()
            || !scope.principals.is_empty()
            || scope.filter.is_some();
        match (named, self.everything) {
            (false, false) => return Err("name something, or tick everything".to_owned()),
            (true, true) => return Err("everything and names at once: choose one".to_owned()),
            _ => {}
        }
        if self.lock && scope.filter.is_some() {
            return Err(
                "a filter cannot be locked: untick the lock, or name targets, tags or people"
                    .to_owned(),
            );
        }
        Ok(IncidentPreviewAsk {
            scope,
            lock: self.lock,
            deny_pending: self.deny,
        })
    }
}
