//! What the console knows of the server's rows: only what the server said, never what it is expected to say.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use crate::domain::ids::{GrantId, RequestId};
use crate::wire::{EventView, GrantView, RequestView};

/// Live events kept in memory: some minutes of a storm, a week of a normal day.
const RING: usize = 20_000;

/// Which row something is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Request(RequestId),
    Grant(GrantId),
}

impl Subject {
    /// The id as people read it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Request(id) => id.as_str(),
            Self::Grant(id) => id.as_str(),
        }
    }
}

/// One row as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Request(Rc<RequestView>),
    Grant(Rc<GrantView>),
}

impl Seen {
    /// The version that a decision on it must name.
    pub fn version(&self) -> i64 {
        match self {
            Self::Request(view) => view.version,
            Self::Grant(view) => view.version,
        }
    }

    /// The state word.
    pub fn state(&self) -> &str {
        match self {
            Self::Request(view) => &view.state,
            Self::Grant(view) => &view.state,
        }
    }

    /// What the server said about an action on this row: `Err` holds why not.
    pub fn allows(&self, action: &str) -> Result<(), String> {
        let actions = match self {
            Self::Request(view) => &view.allowed_actions,
            Self::Grant(view) => &view.allowed_actions,
        };
        match actions.iter().find(|allowed| allowed.action == action) {
            Some(found) if found.allowed => Ok(()),
            Some(found) => Err(found
                .reason
                .clone()
                .unwrap_or_else(|| format!("you may not {action} this"))),
            None => Err(format!("you may not {action} this, it is {}", self.state())),
        }
    }
}

/// Every known row.
#[derive(Debug, Clone, Default)]
pub struct Store {
    requests: HashMap<RequestId, Rc<RequestView>>,
    grants: HashMap<GrantId, Rc<GrantView>>,
    asked: HashMap<Subject, Instant>,
    ring: VecDeque<Rc<EventView>>,
    revision: u64,
}

impl Store {
    /// Takes a request unless a later version is known; says whether it is another than before.
    pub fn take_request(&mut self, view: RequestView) -> bool {
        let Ok(id) = view.id.parse::<RequestId>() else {
            return false;
        };
        let known = self.requests.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return false;
        }
        self.requests.insert(id, Rc::new(view));
        self.revision += 1;
        true
    }

    /// Takes a grant unless a later version is known; says whether it is another than before.
    pub fn take_grant(&mut self, view: GrantView) -> bool {
        let Ok(id) = view.id.parse::<GrantId>() else {
            return false;
        };
        let known = self.grants.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return false;
        }
        self.grants.insert(id, Rc::new(view));
        self.revision += 1;
        true
    }

    /// The server no longer shows this row.
    pub fn forget(&mut self, subject: &Subject) {
        match subject {
            Subject::Request(id) => drop(self.requests.remove(id)),
            Subject::Grant(id) => drop(self.grants.remove(id)),
        }
        self.revision += 1;
    }

    /// Changes with every change of a row, so that lists know when to look again.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A row was read alone by a call that left at this moment, so it is at least that fresh.
    pub fn read(&mut self, subject: Subject, sent: Instant) {
        let latest = self.asked.entry(subject).or_insert(sent);
        *latest = (*latest).max(sent);
    }

    /// When the row was last read alone.
    pub fn read_at(&self, subject: &Subject) -> Option<Instant> {
        self.asked.get(subject).copied()
    }

    /// Adds live events.
    pub fn push_events(&mut self, events: &[Rc<EventView>]) {
        self.ring.extend(events.iter().cloned());
        let excess = self.ring.len().saturating_sub(RING);
        self.ring.drain(..excess);
    }

    /// Adds the newest events from before the stream began, given newest first.
    pub fn seed_events(&mut self, events: &[EventView]) {
        let first = self.ring.front().map_or(i64::MAX, |event| event.index);
        for event in events.iter().filter(|event| event.index < first) {
            self.ring.push_front(Rc::new(event.clone()));
        }
    }

    /// The row as last seen.
    pub fn get(&self, subject: &Subject) -> Option<Seen> {
        match subject {
            Subject::Request(id) => self.requests.get(id).cloned().map(Seen::Request),
            Subject::Grant(id) => self.grants.get(id).cloned().map(Seen::Grant),
        }
    }

    /// A request.
    pub fn request(&self, id: &RequestId) -> Option<&Rc<RequestView>> {
        self.requests.get(id)
    }

    /// A grant.
    pub fn grant(&self, id: &GrantId) -> Option<&Rc<GrantView>> {
        self.grants.get(id)
    }

    /// All requests, in no order.
    pub fn requests(&self) -> impl Iterator<Item = (&RequestId, &Rc<RequestView>)> {
        self.requests.iter()
    }

    /// All grants, in no order.
    pub fn grants(&self) -> impl Iterator<Item = (&GrantId, &Rc<GrantView>)> {
        self.grants.iter()
    }

    /// The last events about a row, newest first.
    pub fn events_about<'a>(
        &'a self,
        subject: &'a Subject,
    ) -> impl Iterator<Item = &'a Rc<EventView>> {
        self.ring
            .iter()
            .rev()
            .filter(move |event| is_about(event, subject))
    }

    /// The newest events, oldest of them first.
    pub fn latest(&self, most: usize) -> impl Iterator<Item = &Rc<EventView>> {
        self.ring.iter().skip(self.ring.len().saturating_sub(most))
    }

    /// How many live events are kept.
    pub fn kept(&self) -> usize {
        self.ring.len()
    }
}

fn is_about(event: &EventView, subject: &Subject) -> bool {
    let id = match subject {
        Subject::Request(_) => event.request.as_deref(),
        Subject::Grant(_) => event.grant.as_deref(),
    };
    id == Some(subject.as_str())
}
