//! The part of the audit record that is in memory: one unbroken run of events, fed by the live stream at its new end
//! and by pages from the server at its old end, however long the whole record is.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::AuditQuery;
use crate::console::msg::Query;
use crate::console::store::Packed;
use crate::wire::{EventView, Page};

/// Rows kept while following.
const LIVE: usize = 20_000;
/// Rows kept while reading back; beyond it the new end is let go and read again later.
const WHOLE: usize = 33_000;
/// Events kept while paused; beyond it they are read again when the pause is over.
const HELD: usize = 13_000;
/// The next page is asked for when the selection is this near to the old end.
const NEAR: usize = 60;
/// Pages without a single match after which somebody has to ask for more.
const FRUITLESS: u8 = 5;

/// Where the record goes on at its old end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Older {
    /// The first page is not here.
    Unknown,
    After(String),
    /// There is nothing older.
    Nothing,
}

/// A run of events under one filter.
#[derive(Debug, Clone)]
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
            ..Self::default()
        };
        self.query(None)
    }

    /// Takes live events that match the filter.
    pub fn push(&mut self, events: impl Iterator<Item = Rc<Packed>>) {
        for event in events {
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

    /// Takes a page, newest first; the server has compared its rows with the filter. Gives the next question when
    /// the page held too little.
    pub fn page(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Option<Query> {
        if turn != self.turn {
            return None;
        }
        self.loading = false;
        let page = match page {
            Ok(page) => page,
            Err(problem) => {
                self.problem = Some(problem.to_owned());
                return None;
            }
        };
        self.problem = None;
        let first = self.older == Older::Unknown;
        let before = self.rows.len();
        let oldest = self.rows.front().map(|row| row.index);
        for event in &page.items {
            if oldest.is_none_or(|oldest| event.index < oldest) {
                self.rows.push_front(Rc::new(Packed::of(event)));
            }
        }
        self.older = page.next.clone().map_or(Older::Nothing, Older::After);
        if first && !self.paused {
            self.release();
        }
        let excess = self.rows.len().saturating_sub(WHOLE);
        if excess > 0 {
            self.rows.truncate(WHOLE);
            self.broken = true;
        }
        self.fruitless = if self.rows.len() > before {
            0
        } else {
            self.fruitless + 1
        };
        let scarce = self.rows.len() < NEAR && self.fruitless < FRUITLESS;
        if scarce { self.ask_older() } else { None }
    }

    /// Stops taking live events into the run; they are counted.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on where the pause began. What could not be kept is read again, which the answer asks for.
    pub fn follow(&mut self) -> Option<Query> {
        self.paused = false;
        if self.broken {
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
        if self.older == Older::Unknown {
            self.loading = true;
            return Some(self.query(None));
        }
        None
    }

    /// The question for older rows, when the selection is near them.
    pub fn near(&mut self, place: usize) -> Option<Query> {
        if place >= NEAR {
            return None;
        }
        self.fruitless = 0;
        self.ask_older()
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
        self.loading
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

    fn ask_older(&mut self) -> Option<Query> {
        if self.loading {
            return None;
        }
        let Older::After(after) = &self.older else {
            return None;
        };
        let query = self.query(Some(after.clone()));
        self.loading = true;
        Some(query)
    }

    fn query(&self, after: Option<String>) -> Query {
        Query::Audit {
            turn: self.turn,
            scope: Box::new(self.scope.clone()),
            after,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(index: i64) -> EventView {
        serde_json::from_value(json!({
            "index": index, "id": "x", "time": "2026-11-20T03:12:09Z", "event": "grant.activated",
            "outcome": "success", "actor": {"kind": "system", "name": "portcullis"}, "channel": "system",
            "sentence": "",
        }))
        .unwrap()
    }

    fn page(from: i64, to: i64) -> Page<EventView> {
        Page {
            items: (from..to).rev().map(event).collect(),
            next: (from > 0).then(|| from.to_string()),
        }
    }

    fn live(record: &mut Record, from: i64, to: i64) {
        record.push((from..to).map(|index| Rc::new(Packed::of(&event(index)))));
    }

    fn indexes(record: &Record) -> Vec<i64> {
        record.rows().iter().map(|row| row.index).collect()
    }

    fn turn(query: &Query) -> u64 {
        let Query::Audit { turn, .. } = query else {
            panic!("no page of the record")
        };
        *turn
    }

    #[test]
    fn live_events_join_the_first_page_without_gap_or_double() {
        let mut record = Record::default();
        let turn = turn(&record.restart(AuditQuery::default()));
        live(&mut record, 98, 103);
        record.page(turn, Ok(&page(0, 101)));
        live(&mut record, 102, 105);
        assert_eq!(indexes(&record), (0..105).collect::<Vec<_>>());
        assert!(record.is_complete());
    }

    #[test]
    fn a_pause_loses_nothing() {
        let mut record = Record::default();
        let turn = turn(&record.restart(AuditQuery::default()));
        record.page(turn, Ok(&page(0, 10)));
        record.pause();
        live(&mut record, 10, 25);
        assert_eq!((indexes(&record).len(), record.waiting()), (10, 15));
        assert_eq!(record.follow(), None);
        assert_eq!((indexes(&record), record.waiting()), ((0..25).collect(), 0));
    }

    #[test]
    fn a_pause_too_long_to_keep_is_read_again() {
        let mut record = Record::default();
        let turn = turn(&record.restart(AuditQuery::default()));
        record.page(turn, Ok(&page(0, 10)));
        record.pause();
        live(&mut record, 10, 30_000);
        assert_eq!(record.waiting(), 29_990);
        assert!(matches!(
            record.follow(),
            Some(Query::Audit { after: None, .. })
        ));
    }

    #[test]
    fn older_pages_come_one_by_one_and_only_near_the_old_end() {
        let mut record = Record::default();
        let turn = turn(&record.restart(AuditQuery::default()));
        record.page(turn, Ok(&page(800, 1_000)));
        assert_eq!(record.near(150), None);
        assert!(
            matches!(record.near(5), Some(Query::Audit { after: Some(after), .. }) if after == "800")
        );
        assert_eq!(record.near(4), None, "one at a time");
        record.page(turn, Ok(&page(600, 800)));
        assert_eq!(indexes(&record), (600..1_000).collect::<Vec<_>>());
        assert_eq!(
            record.page(turn + 1, Ok(&page(0, 10))),
            None,
            "an answer to another filter"
        );
    }

    #[test]
    fn a_filter_that_matches_little_gives_up_after_some_pages() {
        let mut record = Record::default();
        let turn = turn(&record.restart(AuditQuery::default()));
        let mut asked = 0;
        let mut next = 1_000_000;
        while record
            .page(
                turn,
                Ok(&Page {
                    items: Vec::new(),
                    next: Some(next.to_string()),
                }),
            )
            .is_some()
        {
            asked += 1;
            next -= 200;
        }
        assert_eq!(asked, 4);
    }
}
