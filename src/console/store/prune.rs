//! Rows that are over are let go of, the oldest first: the server keeps them, and a console that is open for weeks
//! must not.

use chrono::{DateTime, Utc};

use crate::console::store::{Store, Subject};

/// Rows of a kind that are over and stay.
const KEPT: usize = 400;
/// So many more before anything is done, so that it is done seldom.
const SLACK: usize = 100;
/// Grants that stay at most when somebody reads back in time.
const MOST: usize = 5_000;

/// What was let go of.
#[derive(Debug, Clone)]
pub struct Pruned {
    pub rows: Vec<Subject>,
    /// When the latest grant among it was made: further back, grants may be missing.
    pub latest: Option<DateTime<Utc>>,
}

impl Store {
    /// Rows that are over were read on purpose, and are kept beyond the usual number.
    pub fn reach_back(&mut self, rows: usize) {
        self.past = (self.past + rows).min(MOST - KEPT);
    }

    /// Lets go of what is over, but not of what is held; gives what is gone.
    pub fn prune(&mut self, holds: impl Fn(&Subject) -> bool) -> Option<Pruned> {
        let over = self
            .requests
            .values()
            .filter(|view| view.state != "pending");
        let requests = too_many(over.count(), KEPT);
        let live = ["scheduled", "activating", "active", "closing"];
        let is_over = |state: &str| !live.contains(&state);
        let over = self.grants.values().filter(|view| is_over(&view.state));
        let grants = too_many(over.count(), KEPT + self.past);
        if requests + grants == 0 {
            return None;
        }
        let over = self
            .requests
            .iter()
            .filter(|(_, view)| view.state != "pending");
        let mut gone = oldest(
            over.map(|(id, view)| {
                let at = view.decided_at.unwrap_or(view.created_at);
                (at, view.created_at, Subject::Request(id.clone()))
            }),
            requests,
            &holds,
        );
        let over = self.grants.iter().filter(|(_, view)| is_over(&view.state));
        gone.extend(oldest(
            over.map(|(id, view)| {
                let at = view.ended_at.unwrap_or(view.expires_at);
                (at, view.created_at, Subject::Grant(id.clone()))
            }),
            grants,
            &holds,
        ));
        let of_grants = gone.iter().filter(|(_, subject)| subject.grant().is_some());
        let latest = of_grants.map(|(made, _)| *made).max();
        let rows: Vec<Subject> = gone.into_iter().map(|(_, subject)| subject).collect();
        for subject in &rows {
            self.forget(subject);
        }
        let Self {
            asked,
            requests,
            grants,
            locks,
            uses,
            ..
        } = self;
        asked.retain(|subject, _| match subject {
            Subject::Request(id) => requests.contains_key(id),
            Subject::Grant(id) => grants.contains_key(id),
            Subject::Lock(id) => locks.contains_key(id),
            Subject::Use(id) => uses.contains_key(id),
            Subject::Session(_)
            | Subject::SignIn(_)
            | Subject::Service(_)
            | Subject::Standing(_) => false,
        });
        (!rows.is_empty()).then_some(Pruned { rows, latest })
    }
}

/// How many of so many have to go.
fn too_many(count: usize, kept: usize) -> usize {
    if count > kept + SLACK {
        count - kept
    } else {
        0
    }
}

type Over = (DateTime<Utc>, DateTime<Utc>, Subject);

/// The rows that were over first, with when they were made.
fn oldest(
    rows: impl Iterator<Item = Over>,
    count: usize,
    holds: &impl Fn(&Subject) -> bool,
) -> Vec<(DateTime<Utc>, Subject)> {
    if count == 0 {
        return Vec::new();
    }
    let mut rows: Vec<Over> = rows.collect();
    rows.sort_unstable_by_key(|(over, _, _)| *over);
    rows.into_iter()
        .take(count)
        .filter(|(_, _, subject)| !holds(subject))
        .map(|(_, made, subject)| (made, subject))
        .collect()
}
