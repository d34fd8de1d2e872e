//! Which rows to read again, and when. A single event is answered at once; what comes together is read by one call for
//! each kind, and in a storm the lists are read now and then instead of every row.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::console::msg::{Query, Slice};
use crate::console::store::Subject;
use crate::domain::ids::{GrantId, RequestId};
use crate::wire::EventView;

/// Rows in a round, which one call reads for each kind; a filter with so many ids is not too long.
const BATCH: usize = 100;
/// With more than this many changed rows the lists are read instead, and of the others only those that are known here.
const MANY: usize = 64;
/// More ids than this are not worth remembering: the lists will show them.
const MOST: usize = 2_000;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);
/// What a round and a row cost on average, and how much may be spent ahead: that is enough for a person who does one
/// thing after the other, while a busy place is read three times a second.
const ROUND: Duration = Duration::from_millis(300);
const ROW: Duration = Duration::from_millis(10);
const AHEAD: Duration = Duration::from_millis(1_500);
const BETWEEN_LISTS: Duration = Duration::from_secs(2);
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Pages of open rows read at most; more than 2,000 pending requests are not read by people.
const PAGES: u32 = 10;

/// Remembers what has changed since it was last read.
#[derive(Debug, Clone, Default)]
pub struct Refresher {
    /// Rows that events named, and when they last did.
    heard: BTreeMap<Subject, Instant>,
    /// Rows that the console itself wants to know more of, and since when.
    marked: BTreeMap<Subject, Instant>,
    lists: bool,
    in_flight: Vec<Query>,
    pages: u32,
    not_before: Option<Instant>,
    /// When everything that was spent is earned again.
    earned: Option<Instant>,
    listed: Option<Instant>,
}

impl Refresher {
    /// An event came: the rows it names have changed.
    pub fn heard(&mut self, event: &EventView, now: Instant) {
        if !["request.", "review.", "grant."]
            .iter()
            .any(|start| event.event.starts_with(start))
        {
            return;
        }
        let request = event
            .request
            .as_deref()
            .and_then(|id| id.parse::<RequestId>().ok());
        let grant = event
            .grant
            .as_deref()
            .and_then(|id| id.parse::<GrantId>().ok());
        let (request, grant) = (request.map(Subject::Request), grant.map(Subject::Grant));
        let named = request.into_iter().chain(grant);
        self.heard.extend(named.map(|subject| (subject, now)));
        if self.heard.len() > MOST {
            self.heard.clear();
            self.lists = true;
        }
    }

    /// A row has probably changed.
    pub fn mark(&mut self, subject: Subject, now: Instant) {
        self.marked.insert(subject, now);
    }

    /// Everything may have changed; takes effect at once.
    pub fn all(&mut self) {
        self.lists = true;
        self.not_before = None;
        self.listed = None;
    }

    /// A row was read by a call that left at this moment; what was heard since then is not in it.
    pub fn read(&mut self, subject: &Subject, sent: Instant) {
        for changed in [&mut self.heard, &mut self.marked] {
            if changed.get(subject).is_some_and(|at| *at <= sent) {
                changed.remove(subject);
            }
        }
    }

    /// A call planned here was answered.
    pub fn answered(&mut self, query: &Query) {
        self.in_flight.retain(|waiting| waiting != query);
    }

    /// A call planned here failed; it comes again.
    pub fn failed(&mut self, query: &Query, now: Instant) {
        self.answered(query);
        self.not_before = Some(now + AFTER_FAILURE);
        match query {
            Query::Request(id) => self.mark(Subject::Request(id.clone()), now),
            Query::Grant(id) => self.mark(Subject::Grant(id.clone()), now),
            Query::Lock(id) => self.mark(Subject::Lock(id.clone()), now),
            Query::Use(id) => self.mark(Subject::Use(id.clone()), now),
            Query::These(subjects) => {
                let again = subjects.iter().cloned();
                self.marked.extend(again.map(|subject| (subject, now)));
            }
            Query::Requests { .. } | Query::Grants { .. } => self.lists = true,
            // Whoever asked these asks again.
            Query::Me
            | Query::Audit { .. }
            | Query::Find { .. }
            | Query::OverTime { .. }
            | Query::Watch
            | Query::Prove(_)
            | Query::Facets { .. }
            | Query::Past { .. }
            | Query::Sessions
            | Query::Locks
            | Query::SignIns
            | Query::Services
            | Query::Standing
            | Query::Factors
            | Query::Uses
            | Query::Targets
            | Query::Trail(_)
            | Query::TryOut(_)
            | Query::Incident(_) => {}
        }
    }

    /// The next page of a list whose page has just come.
    pub fn next_page(&mut self, query: &Query, next: Option<&String>) -> Option<Query> {
        let after = Some(next?.clone());
        let query = match query {
            Query::Requests {
                slice: Slice::Open, ..
            } => Query::Requests {
                slice: Slice::Open,
                after,
            },
            Query::Grants {
                slice: Slice::Open, ..
            } => Query::Grants {
                slice: Slice::Open,
                after,
            },
            _ => return None,
        };
        if self.pages >= PAGES {
            return None;
        }
        self.pages += 1;
        self.in_flight.push(query.clone());
        Some(query)
    }

    /// Says whether lists are being read or about to be.
    pub fn is_listing(&self) -> bool {
        let list = |query: &Query| matches!(query, Query::Requests { .. } | Query::Grants { .. });
        self.lists || self.in_flight.iter().any(list)
    }

    /// What to read at this moment; `known` says which rows are here.
    pub fn plan(&mut self, now: Instant, known: impl Fn(&Subject) -> bool) -> Vec<Query> {
        if self.due(now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        let many = self.heard.len() > MANY;
        let next_lists = self.listed.map(|listed| listed + BETWEEN_LISTS);
        let lists_rest = next_lists.is_some_and(|next| now < next);
        let mut cost = ROUND;
        let queries = if (self.lists || many) && !lists_rest {
            // The lists bring what is new; what they do not bring is over already.
            self.heard.retain(|subject, _| known(subject));
            self.lists = false;
            self.listed = Some(now);
            self.pages = 0;
            let slices = [Slice::Open, Slice::Past];
            let both = slices.map(|slice| {
                [
                    Query::Requests { slice, after: None },
                    Query::Grants { slice, after: None },
                ]
            });
            both.into_iter().flatten().collect()
        } else {
            let (queries, rows) = self.batch(|subject| !many || known(subject));
            cost += ROW * rows;
            queries
        };
        self.in_flight.clone_from(&queries);
        let earned = self.earned.map_or(now, |earned| earned.max(now)) + cost;
        self.earned = Some(earned);
        let soon = now + BETWEEN_ROUNDS;
        self.not_before = earned.checked_sub(AHEAD).map(|from| from.max(soon));
        if queries.is_empty() {
            self.not_before = next_lists.max(self.not_before);
        }
        queries
    }

    /// Takes the rows of a round out of what has changed; says how many they are.
    fn batch(&mut self, wanted: impl Fn(&Subject) -> bool) -> (Vec<Query>, u32) {
        let heard = self.heard.keys().filter(|subject| wanted(subject));
        let not_marked = heard.filter(|subject| !self.marked.contains_key(subject));
        let can_be_read = |subject: &&Subject| subject.can_be_read();
        let all = self.marked.keys().chain(not_marked).filter(can_be_read);
        let mut rows: Vec<Subject> = all.take(BATCH).cloned().collect();
        for subject in &rows {
            self.heard.remove(subject);
            self.marked.remove(subject);
        }
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let query = match (rows.pop(), rows.is_empty()) {
            (None, _) => None,
            (Some(only), true) => alone(only),
            (Some(last), false) => {
                rows.push(last);
                Some(Query::These(rows))
            }
        };
        (query.into_iter().collect(), count)
    }

    /// When there is something to read.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let rows = !self.heard.is_empty() || !self.marked.is_empty();
        if !self.in_flight.is_empty() || !(rows || self.lists) {
            return None;
        }
        // With nothing else to read, lists wait for their own pause.
        let rest = self
            .listed
            .filter(|_| !rows)
            .map(|listed| listed + BETWEEN_LISTS);
        Some(self.not_before.max(rest).unwrap_or(now))
    }
}

/// The question for one row.
pub fn alone(subject: Subject) -> Option<Query> {
    match subject {
        Subject::Request(id) => Some(Query::Request(id)),
        Subject::Grant(id) => Some(Query::Grant(id)),
        Subject::Lock(id) => Some(Query::Lock(id)),
        Subject::Use(id) => Some(Query::Use(id)),
        Subject::Session(_) | Subject::SignIn(_) | Subject::Service(_) | Subject::Standing(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(grant: u64) -> EventView {
        let grant = GrantId::from_bits(grant);
        serde_json::from_value(json!({
            "index": 1, "id": "x", "time": "2026-11-20T03:12:09Z", "event": "grant.activated", "outcome": "success",
            "actor": {"kind": "system", "name": "portcullis"}, "channel": "system", "sentence": "", "grant": grant,
        }))
        .unwrap()
    }

    fn grant(number: u64) -> GrantId {
        GrantId::from_bits(number)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn one_event_is_answered_at_once_by_one_call() {
        let now = Instant::now();
        let mut refresher = Refresher::default();
        refresher.heard(&event(7), now);
        let plan = |refresher: &mut Refresher, now| refresher.plan(now, |_| false);
        assert_eq!(plan(&mut refresher, now), [Query::Grant(grant(7))]);
        refresher.heard(&event(7), now);
        assert_eq!(
            plan(&mut refresher, now),
            [],
            "not while the answer is on its way"
        );
        refresher.answered(&Query::Grant(grant(7)));
        assert_eq!(plan(&mut refresher, now), [], "nor in the same moment");
        assert_eq!(
            plan(&mut refresher, now + BETWEEN_ROUNDS),
            [Query::Grant(grant(7))]
        );
    }

    #[test]
    fn rows_that_change_together_are_read_by_one_call() {
        let now = Instant::now();
        let mut refresher = Refresher::default();
        for number in 1..=3 {
            refresher.heard(&event(number), now);
        }
        refresher.mark(Subject::Grant(grant(2)), now);
        let three = [2, 1, 3].map(|number| Subject::Grant(grant(number)));
        assert_eq!(
            refresher.plan(now, |_| true),
            [Query::These(three.to_vec())]
        );
        assert_eq!(refresher.due(now), None);
    }

    #[test]
    fn a_busy_hour_is_read_a_few_times_a_second() {
        let start = Instant::now();
        let mut refresher = Refresher::default();
        let mut calls = 0;
        for milli in 0..60_000_u64 {
            let now = start + Duration::from_millis(milli);
            if milli.is_multiple_of(50) {
                refresher.heard(&event(milli), now);
            }
            for query in refresher.plan(now, |_| false) {
                calls += 1;
                refresher.answered(&query);
            }
        }
        assert!((100..240).contains(&calls), "{calls} calls in a minute");
    }

    #[test]
    fn a_thousand_events_a_second_cost_few_calls() {
        let start = Instant::now();
        let mut refresher = Refresher::default();
        let (mut calls, mut lists) = (0, 0);
        for milli in 0..10_000_u64 {
            let now = start + Duration::from_millis(milli);
            refresher.heard(&event(milli), now);
            for query in refresher.plan(now, |_| false) {
                calls += 1;
                lists += u32::from(matches!(query, Query::Requests { .. }));
                refresher.answered(&query);
            }
        }
        assert!(calls < 50, "{calls} calls for 10,000 events");
        assert!(lists >= 8, "{lists} lists in 10 s");
    }

    #[test]
    fn what_is_on_screen_is_read_in_a_storm_as_well() {
        let start = Instant::now();
        let mut refresher = Refresher::default();
        let mine = Subject::Grant(grant(7));
        let mut reads = 0;
        for milli in 0..10_000_u64 {
            let now = start + Duration::from_millis(milli);
            refresher.heard(&event(1_000 + milli), now);
            refresher.heard(&event(7), now);
            for query in refresher.plan(now, |subject| *subject == mine) {
                reads += u32::from(query == Query::Grant(grant(7)));
                refresher.answered(&query);
            }
        }
        assert!(reads > 10, "{reads} readings in 10 s");
    }

    #[test]
    fn what_was_heard_after_a_call_left_is_read_again() {
        let sent = Instant::now();
        let mut refresher = Refresher::default();
        refresher.heard(&event(7), sent + seconds(1));
        refresher.read(&Subject::Grant(grant(7)), sent);
        assert!(refresher.due(sent).is_some());
        refresher.read(&Subject::Grant(grant(7)), sent + seconds(2));
        assert_eq!(refresher.due(sent), None);
    }

    #[test]
    fn what_failed_is_asked_again_later() {
        let now = Instant::now();
        let mut refresher = Refresher::default();
        refresher.heard(&event(7), now);
        let query = refresher.plan(now, |_| false).remove(0);
        refresher.failed(&query, now);
        assert_eq!(refresher.plan(now + BETWEEN_ROUNDS, |_| false), []);
        assert_eq!(refresher.plan(now + AFTER_FAILURE, |_| false), [query]);
        refresher.answered(&Query::Grant(grant(7)));
        let two = [1, 2].map(|number| Subject::Grant(grant(number)));
        let two = Query::These(two.to_vec());
        refresher.failed(&two, now);
        assert_eq!(refresher.plan(now + seconds(9), |_| false), [two]);
    }
}
