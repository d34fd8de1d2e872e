//! Which rows to read again, and when. A storm of events costs a handful of calls, and a single event is answered
//! at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::console::msg::{Query, Slice};
use crate::console::store::Subject;
use crate::domain::ids::{GrantId, RequestId};
use crate::wire::EventView;

/// Rows read one by one in a round.
const SINGLES: usize = 8;
/// With more than this many changed rows the lists are read instead.
const MANY: usize = 32;
/// More ids than this are not worth remembering: the lists will show them.
const MOST: usize = 2_000;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);
const BETWEEN_LISTS: Duration = Duration::from_secs(2);
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Pages of open rows read at most; more than 2,000 pending requests are not read by people.
const PAGES: u32 = 10;

/// Remembers what has changed since it was last read.
#[derive(Debug, Clone, Default)]
pub struct Refresher {
    changed: BTreeSet<Subject>,
    lists: bool,
    in_flight: Vec<Query>,
    pages: u32,
    not_before: Option<Instant>,
    listed: Option<Instant>,
}

impl Refresher {
    /// An event came: the rows it names have changed.
    pub fn heard(&mut self, event: &EventView) {
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
        self.changed.extend(request.map(Subject::Request));
        self.changed.extend(grant.map(Subject::Grant));
        if self.changed.len() > MOST {
            self.changed.clear();
            self.lists = true;
        }
    }

    /// A row has probably changed.
    pub fn mark(&mut self, subject: Subject) {
        self.changed.insert(subject);
    }

    /// Everything may have changed; takes effect at once.
    pub fn all(&mut self) {
        self.lists = true;
        self.not_before = None;
        self.listed = None;
    }

    /// A row was read.
    pub fn read(&mut self, subject: &Subject) {
        self.changed.remove(subject);
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
            Query::Request(id) => self.mark(Subject::Request(id.clone())),
            Query::Grant(id) => self.mark(Subject::Grant(id.clone())),
            Query::Lock(id) => self.mark(Subject::Lock(id.clone())),
            Query::Requests { .. } | Query::Grants { .. } => self.lists = true,
            // Whoever asked these asks again.
            Query::Me
            | Query::Audit { .. }
            | Query::Find { .. }
            | Query::Facets { .. }
            | Query::Past { .. }
            | Query::Sessions
            | Query::Locks
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

    /// What to read at this moment.
    pub fn plan(&mut self, now: Instant) -> Vec<Query> {
        if self.due(now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        let many = self.changed.len() > MANY;
        let lists_rest = self
            .listed
            .is_some_and(|listed| now < listed + BETWEEN_LISTS);
        let mut queries = Vec::new();
        if (self.lists || many) && !lists_rest {
            self.lists = false;
            self.listed = Some(now);
            self.pages = 0;
            for slice in [Slice::Open, Slice::Past] {
                queries.push(Query::Requests { slice, after: None });
                queries.push(Query::Grants { slice, after: None });
            }
        } else {
            while queries.len() < SINGLES {
                queries.extend(match self.changed.pop_first() {
                    Some(Subject::Request(id)) => Some(Query::Request(id)),
                    Some(Subject::Grant(id)) => Some(Query::Grant(id)),
                    Some(Subject::Lock(id)) => Some(Query::Lock(id)),
                    Some(Subject::Session(_)) => None,
                    None => break,
                });
            }
        }
        self.in_flight.clone_from(&queries);
        self.not_before = Some(now + BETWEEN_ROUNDS);
        queries
    }

    /// When there is something to read.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if !self.in_flight.is_empty() || (self.changed.is_empty() && !self.lists) {
            return None;
        }
        // With nothing else to read, lists wait for their own pause.
        let rest = self
            .listed
            .filter(|_| self.changed.is_empty())
            .map(|listed| listed + BETWEEN_LISTS);
        Some(self.not_before.max(rest).unwrap_or(now))
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

    #[test]
    fn one_event_is_answered_at_once_by_one_call() {
        let now = Instant::now();
        let mut refresher = Refresher::default();
        refresher.heard(&event(7));
        assert_eq!(refresher.plan(now), [Query::Grant(GrantId::from_bits(7))]);
        refresher.heard(&event(7));
        assert_eq!(
            refresher.plan(now),
            [],
            "not while the answer is on its way"
        );
        refresher.answered(&Query::Grant(GrantId::from_bits(7)));
        assert_eq!(refresher.plan(now), [], "nor in the same moment");
        assert_eq!(
            refresher.plan(now + BETWEEN_ROUNDS),
            [Query::Grant(GrantId::from_bits(7))]
        );
    }

    #[test]
    fn a_thousand_events_a_second_cost_few_calls() {
        let start = Instant::now();
        let mut refresher = Refresher::default();
        let mut calls = 0;
        for milli in 0..10_000_u64 {
            let now = start + Duration::from_millis(milli);
            refresher.heard(&event(milli));
            for query in refresher.plan(now) {
                calls += 1;
                refresher.answered(&query);
            }
        }
        assert!(calls < 1_000, "{calls} calls for 10,000 events");
    }

    #[test]
    fn what_failed_is_asked_again_later() {
        let now = Instant::now();
        let mut refresher = Refresher::default();
        refresher.heard(&event(7));
        let query = refresher.plan(now).remove(0);
        refresher.failed(&query, now);
        assert_eq!(refresher.plan(now + BETWEEN_ROUNDS), []);
        assert_eq!(refresher.plan(now + AFTER_FAILURE), [query]);
    }
}
