//! The part of the audit record that is in memory: one unbroken run of events, fed by the live stream at its new end
//! and by pages from the server at its old end, however long the whole record is.

mod pages;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::AuditQuery;
use crate::console::msg::Query;
use crate::console::store::Packed;

/// Rows kept while following.
const LIVE: usize = 20_000;
/// Events kept while paused; beyond it they are read again when the pause is over.
const HELD: usize = 13_000;

/// Where the record goes on at its old end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Older {
    /// The first page is not here.
    Unknown,
    After(String),
    /// There is nothing older.
    Nothing,
}

/// A place in the whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The oldest event of all.
    Start,
    /// The event with this index, or the nearest before it.
    Event(i64),
}

/// How many events match in all, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Exactly(u64),
    /// Concluded from the part that is here.
    About(u64),
}

/// A run of events under one filter.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct Record {
    rows: VecDeque<Rc<Packed>>,
    held: VecDeque<Rc<Packed>>,
    missed: usize,
    broken: bool,
    paused: bool,
    turn: u64,
    scope: AuditQuery,
    older: Older,
    loading: bool,
    /// What comes after the new end of the run is not here: it does not touch the live stream.
    adrift: bool,
    /// The page after the new end is on its way.
    advancing: bool,
    /// The highest index that was ever seen.
    newest: i64,
    fruitless: u8,
    problem: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            held: VecDeque::new(),
            missed: 0,
            broken: false,
            paused: false,
            turn: 0,
            scope: AuditQuery::default(),
            older: Older::Unknown,
            loading: false,
            adrift: false,
            advancing: false,
            newest: -1,
            fruitless: 0,
            problem: None,
        }
    }
}

impl Record {
    /// Begins anew under a filter; gives the question for the newest page.
    pub fn restart(&mut self, scope: AuditQuery) -> Query {
        *self = Self {
            turn: self.turn + 1,
            scope,
            loading: true,
            newest: self.newest,
            ..Self::default()
        };
        self.query(None)
    }

    /// Begins anew around a place that may be far from what is here; gives the questions for both sides of it.
    /// What comes meanwhile waits, as in a pause.
    pub fn seek(&mut self, spot: Spot) -> Vec<Query> {
        let rest = std::mem::take(self);
        *self = Self {
            turn: rest.turn + 1,
            scope: rest.scope,
            held: rest.held,
            missed: rest.missed,
            newest: rest.newest,
            paused: true,
            adrift: true,
            advancing: true,
            ..Self::default()
        };
        let mut queries = Vec::new();
        let after = match spot {
            Spot::Start => {
                self.older = Older::Nothing;
                None
            }
            Spot::Event(index) => {
                self.loading = true;
                queries.push(self.query(Some((index + 1).to_string())));
                Some(index.to_string())
            }
        };
        queries.push(self.newer(after));
        queries
    }

    /// Takes live events that match the filter.
    pub fn push(&mut self, events: impl Iterator<Item = Rc<Packed>>) {
        for event in events {
            self.newest = self.newest.max(event.index);
            // Before the first page is here nobody knows what lies between it and the event.
            if self.paused || self.older == Older::Unknown {
                self.hold(event);
            } else if self.rows.back().is_none_or(|last| last.index < event.index) {
                self.rows.push_back(event);
            }
        }
        let excess = if self.paused {
            0
        } else {
            self.rows.len().saturating_sub(LIVE)
        };
        if excess > 0 {
            self.rows.drain(..excess);
            if let Some(first) = self.rows.front() {
                self.older = Older::After(first.index.to_string());
            }
        }
    }

    /// Stops taking live events into the run; they are counted.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on where the pause began. What could not be kept is read again, which the answer asks for.
    pub fn follow(&mut self) -> Option<Query> {
        self.paused = false;
        if self.broken || self.adrift {
            return Some(self.restart(self.scope.clone()));
        }
        self.missed = 0;
        self.release();
        None
    }

    /// The stream does not continue what is here.
    pub fn cut(&mut self) -> Option<Query> {
        if self.paused {
            self.broken = true;
            return None;
        }
        Some(self.restart(self.scope.clone()))
    }

    /// Asks again after a failure.
    pub fn retry(&mut self) -> Option<Query> {
        self.problem.take()?;
        if self.older == Older::Unknown && !self.adrift {
            self.loading = true;
            return Some(self.query(None));
        }
        None
    }

    /// The rows, oldest first.
    pub fn rows(&self) -> &VecDeque<Rc<Packed>> {
        &self.rows
    }

    /// The place of an event, or of the next newer one.
    pub fn place_of(&self, index: i64) -> usize {
        self.rows
            .partition_point(|row| row.index < index)
            .min(self.rows.len().saturating_sub(1))
    }

    /// Says whether live events wait.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many live events wait.
    pub fn waiting(&self) -> usize {
        self.held.len() + self.missed
    }

    /// Says whether a page is on its way.
    pub fn is_loading(&self) -> bool {
        self.loading || self.advancing
    }

    /// Says whether what comes after the new end has to be read from the server.
    pub fn is_adrift(&self) -> bool {
        self.adrift
    }

    /// What every question of this run asks for.
    pub fn scope(&self) -> &AuditQuery {
        &self.scope
    }

    /// Says whether the oldest event of all is here.
    pub fn is_complete(&self) -> bool {
        self.older == Older::Nothing
    }

    /// Why the last page did not come.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn hold(&mut self, event: Rc<Packed>) {
        if self.held.len() >= HELD {
            self.missed += self.held.len();
            self.held.clear();
            self.broken = true;
        }
        self.held.push_back(event);
    }

    fn release(&mut self) {
        let last = self.rows.back().map_or(-1, |last| last.index);
        self.rows
            .extend(self.held.drain(..).filter(|event| event.index > last));
    }
}

#[cfg(test)]
mod tests;
