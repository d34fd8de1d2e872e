//! The part of the audit record that is in memory: one unbroken run of events, fed by the live stream at its new end
//! and by pages from the server at its old end, however long the whole record is.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::AuditQuery;
use crate::console::msg::Query;
use crate::console::store::Packed;
use crate::wire::{EventView, Page};

/// Rows kept while following.
const LIVE: usize = 8_000;
/// Rows kept while reading back; beyond it the new end is let go and read again later.
const WHOLE: usize = 16_000;
/// Events kept while paused; beyond it they are read again when the pause is over.
const HELD: usize = 6_000;
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

    /// Takes a page, newest first; the server has compared its rows with the filter. Gives the next question when
    /// the page held too little.
    pub fn page(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Option<Query> {
        if turn != self.turn {
            return None;
        }
        self.loading = false;
        let page = self.understood(page)?;
        let first = self.older == Older::Unknown;
        let before = self.rows.len();
        let oldest = self.rows.front().map(|row| row.index);
        for event in &page.items {
            self.newest = self.newest.max(event.index);
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
            self.adrift = true;
        }
        self.fruitless = if self.rows.len() > before {
            0
        } else {
            self.fruitless + 1
        };
        let scarce = self.rows.len() < NEAR && self.fruitless < FRUITLESS;
        if scarce { self.ask_older() } else { None }
    }

    /// Takes a page of what comes after the new end, oldest first. Gives the next question when the page held nothing.
    pub fn later(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Option<Query> {
        if turn != self.turn || !self.advancing {
            return None;
        }
        self.advancing = false;
        let page = self.understood(page)?;
        for event in &page.items {
            self.newest = self.newest.max(event.index);
            if self.rows.back().is_none_or(|last| last.index < event.index) {
                self.rows.push_back(Rc::new(Packed::of(event)));
            }
        }
        let excess = self.rows.len().saturating_sub(WHOLE);
        if excess > 0 {
            self.rows.drain(..excess);
            if let Some(first) = self.rows.front() {
                self.older = Older::After(first.index.to_string());
            }
        }
        match &page.next {
            // What waits goes on where this ends.
            None => {
                self.adrift = false;
                self.broken = false;
                None
            }
            Some(next) if page.items.is_empty() => Some(self.newer(Some(next.clone()))),
            Some(_) => None,
        }
    }

    fn understood<'p>(
        &mut self,
        page: Result<&'p Page<EventView>, &str>,
    ) -> Option<&'p Page<EventView>> {
        self.problem = page.err().map(str::to_owned);
        page.ok()
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

    /// The questions for what is beyond the ends, when the selection is near them.
    pub fn near(&mut self, place: usize) -> Vec<Query> {
        let mut queries = Vec::new();
        if place < NEAR {
            self.fruitless = 0;
            queries.extend(self.ask_older());
        }
        let last = self.rows.back().map(|last| last.index.to_string());
        if let Some(last) = last
            && self.adrift
            && !self.advancing
            && place + NEAR >= self.rows.len()
        {
            self.advancing = true;
            queries.push(self.newer(Some(last)));
        }
        queries
    }

    /// How many events match in all. Indexes are dense, so what is here tells how many match of how many.
    pub fn total(&self) -> Option<Total> {
        let here = u64::try_from(self.rows.len()).ok()?;
        let all = u64::try_from(self.newest + 1).ok()?;
        let oldest = match &self.older {
            Older::Unknown => return None,
            Older::After(index) => index.parse().ok()?,
            Older::Nothing => 0,
        };
        let newest = match self.rows.back() {
            Some(last) if self.adrift => last.index,
            _ => self.newest,
        };
        let looked = u64::try_from(newest + 1 - oldest).ok()?;
        if looked == 0 || here >= all {
            return Some(Total::Exactly(here));
        }
        if self.scope == AuditQuery::default() && here == looked {
            return Some(Total::Exactly(all));
        }
        if self.older == Older::Nothing && !self.adrift {
            return Some(Total::Exactly(here));
        }
        Some(Total::About(here.saturating_mul(all) / looked))
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
        self.question(after, false)
    }

    fn newer(&mut self, after: Option<String>) -> Query {
        self.advancing = true;
        self.question(after, true)
    }

    fn question(&self, after: Option<String>, oldest_first: bool) -> Query {
        let scope = AuditQuery {
            oldest_first,
            ..self.scope.clone()
        };
        Query::Audit {
            turn: self.turn,
            scope: Box::new(scope),
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
        assert_eq!(record.near(150), []);
        assert!(
            matches!(record.near(5).as_slice(), [Query::Audit { after: Some(after), .. }] if after == "800")
        );
        assert_eq!(record.near(4), [], "one at a time");
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

    /// The same page as `order=oldest` gives it.
    fn oldest_first(from: i64, to: i64, more: bool) -> Page<EventView> {
        Page {
            items: (from..to).map(event).collect(),
            next: more.then(|| (to - 1).to_string()),
        }
    }

    #[test]
    fn a_place_far_away_is_reached_at_once_and_the_way_back_to_now_has_no_gap() {
        let mut record = Record::default();
        let first = turn(&record.restart(AuditQuery::default()));
        record.page(first, Ok(&page(9_800, 10_000)));
        let queries = record.seek(Spot::Event(500));
        let seek = turn(&queries[0]);
        assert_eq!(queries.len(), 2);
        live(&mut record, 10_000, 10_005);
        record.later(seek, Ok(&oldest_first(501, 701, true)));
        record.page(seek, Ok(&page(301, 501)));
        assert_eq!(indexes(&record), (301..701).collect::<Vec<_>>());
        assert!(record.is_adrift() && record.is_paused());
        let mut from = 701;
        while record.is_adrift() {
            let place = record.rows().len() - 1;
            let queries = record.near(place);
            assert_eq!(queries.len(), 1, "at {from}");
            let to = (from + 200).min(10_003);
            record.later(seek, Ok(&oldest_first(from, to, to < 10_003)));
            from = to;
        }
        assert_eq!(record.follow(), None);
        assert_eq!(indexes(&record), (301..10_005).collect::<Vec<_>>());
    }

    #[test]
    fn who_follows_from_far_away_sees_what_happens_now() {
        let mut record = Record::default();
        let first = turn(&record.restart(AuditQuery::default()));
        record.page(first, Ok(&page(9_800, 10_000)));
        record.seek(Spot::Start);
        assert!(matches!(
            record.follow(),
            Some(Query::Audit { after: None, .. })
        ));
    }

    #[test]
    fn how_many_there_are_is_concluded_from_the_part_that_is_here() {
        let mut record = Record::default();
        let asked = turn(&record.restart(AuditQuery::default()));
        assert_eq!(record.total(), None);
        record.page(asked, Ok(&page(9_800, 10_000)));
        assert_eq!(record.total(), Some(Total::Exactly(10_000)));
        let scope = AuditQuery {
            q: Some("outcome:denied".to_owned()),
            ..AuditQuery::default()
        };
        let asked = turn(&record.restart(scope));
        let few = Page {
            items: (9_000..10_000).rev().step_by(10).map(event).collect(),
            next: Some("9000".to_owned()),
        };
        record.page(asked, Ok(&few));
        assert_eq!(record.total(), Some(Total::About(1_000)));
    }
}
