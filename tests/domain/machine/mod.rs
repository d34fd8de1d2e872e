//! A whole Portcullis made of rules only: people, requests, grants, uses of break-glass, promises and events in memory.
//!
//! It writes changes as the store does, by compare-and-set on the version, and remembers what a judge needs who
//! trusts nothing that the rules say about themselves: who belonged to which group when they approved, which ways of
//! closing were asked for, which extensions were approved.

mod glass;
mod plan;
mod step;
mod take;
mod write;

pub(crate) use step::{Step, Story, story};

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::break_glass::Use;
use portcullis::domain::change::WorkKind;
use portcullis::domain::event::Event;
use portcullis::domain::grant::{CloseKind, Grant};
use portcullis::domain::ids::{GrantId, GroupName, PrincipalId, RoleName};
use portcullis::domain::lock::{Lock, Locks};
use portcullis::domain::policy::{Needed, Snapshot, Way};
use portcullis::domain::principal::{Principal, ProductRole};
use portcullis::domain::request::{Request, RequestKind};
use portcullis::domain::span::Span;
use portcullis::domain::target::{EnforcementClass, Target, TargetKind, TargetRole};

pub(crate) const PEOPLE: usize = 5;
pub(crate) const GROUPS: [&str; 3] = ["dba", "leads", "oncall"];
/// `admin` contains `ops`, which contains `readonly`; `export` stands alone.
pub(crate) const ROLES: [&str; 4] = ["admin", "ops", "readonly", "export"];

/// One approval as a judge saw it.
#[derive(Debug, Clone)]
pub(crate) struct Witnessed {
    pub(crate) who: PrincipalId,
    pub(crate) groups: BTreeSet<GroupName>,
    pub(crate) at: DateTime<Utc>,
}

/// A request, how it was filed, and what was witnessed.
#[derive(Debug, Clone)]
pub(crate) struct Filed {
    pub(crate) now: Request,
    pub(crate) before: Option<Rc<Request>>,
    pub(crate) first: Rc<Request>,
    pub(crate) approvals: Vec<Witnessed>,
    pub(crate) events: i64,
    pub(crate) decided: Option<Rc<Request>>,
}

/// A grant, how it was made, and what was witnessed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) now: Grant,
    pub(crate) before: Option<Rc<Grant>>,
    pub(crate) events: i64,
    /// The end when the target acknowledged, with every approved extension since.
    pub(crate) promised_end: Option<DateTime<Utc>>,
    pub(crate) strongest: Option<CloseKind>,
    pub(crate) over: Option<Rc<Grant>>,
}

/// A use of break-glass, and what was witnessed of its sign-offs.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) now: Use,
    pub(crate) found_justified: Vec<Witnessed>,
    pub(crate) found_wrong: Vec<Witnessed>,
    /// The use as it was when it got its verdict.
    pub(crate) reviewed: Option<Rc<Use>>,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) clock: DateTime<Utc>,
    pub(crate) people: Vec<Principal>,
    pub(crate) target: Target,
    pub(crate) snapshot: Snapshot,
    pub(crate) requests: Vec<Filed>,
    pub(crate) grants: Vec<Held>,
    pub(crate) uses: Vec<Used>,
    /// How often somebody was kept from breaking glass because the last time waits for its sign-off.
    pub(crate) kept_waiting: u32,
    pub(crate) locks: Vec<Lock>,
    pub(crate) promises: BTreeMap<(GrantId, WorkKind), DateTime<Utc>>,
    pub(crate) events: Vec<Event>,
    ids: u64,
}

fn minutes(count: u32) -> Span {
    Span::from_seconds(u64::from(count.max(1)) * 60).unwrap()
}

fn group(index: usize) -> GroupName {
    GROUPS[index].parse().unwrap()
}

pub(crate) fn role(index: usize) -> RoleName {
    ROLES[index].parse().unwrap()
}

/// The target of every story.
pub(crate) fn target() -> Target {
    let role = |includes: &[&str]| TargetRole {
        description: String::new(),
        includes: includes.iter().map(|name| name.parse().unwrap()).collect(),
    };
    Target {
        name: "orders-db".parse().unwrap(),
        kind: TargetKind::Postgres,
        description: String::new(),
        tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        roles: BTreeMap::from([
            ("admin".parse().unwrap(), role(&["ops"])),
            ("ops".parse().unwrap(), role(&["readonly"])),
            ("readonly".parse().unwrap(), role(&[])),
            ("export".parse().unwrap(), role(&[])),
        ]),
        enforcement: EnforcementClass::A,
    }
}

/// Somebody in these groups.
pub(crate) fn person(index: usize, groups: &[&str]) -> Principal {
    Principal {
        id: PrincipalId::from_bits(index as u64),
        name: format!("p{index}").parse().unwrap(),
        roles: [
            ProductRole::Requester,
            ProductRole::Reviewer,
            ProductRole::Admin,
        ]
        .into(),
        groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
        service: None,
    }
}

fn needed(count: u32, reviewers: usize) -> Vec<Needed> {
    let group = group(reviewers);
    (count > 0)
        .then_some(Needed { group, count })
        .into_iter()
        .collect()
}

impl Machine {
    /// Nothing has happened yet.
    pub(crate) fn new(story: &Story) -> Self {
        let ways = story.ways.iter().enumerate().map(|(line, way)| {
            let (threshold, reviewers, longest, more, decide) = *way;
            Way {
                policy_id: format!("w{line}"),
                line,
                threshold,
                reviewers: needed(threshold, reviewers),
                max_duration: minutes(longest),
                max_total: minutes(longest + more),
                decide_within: minutes(decide),
            }
        });
        Self {
            clock: DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(),
            people: (0..PEOPLE).map(|index| person(index, &GROUPS)).collect(),
            target: target(),
            snapshot: Snapshot {
                policy_version: "v1".to_owned(),
                ways: ways.collect(),
            },
            requests: Vec::new(),
            grants: Vec::new(),
            uses: Vec::new(),
            kept_waiting: 0,
            locks: Vec::new(),
            promises: BTreeMap::new(),
            events: Vec::new(),
            ids: 0,
        }
    }

    /// The locks as they bear on the target.
    pub(crate) fn in_force(&self) -> Locks<'_> {
        Locks::new(&self.locks, Some(&self.target.tags))
    }

    fn bits(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Turns the clock, which never goes back.
    fn reach(&mut self, moment: Option<DateTime<Utc>>, aside: i64) {
        let moment = moment.map(|moment| moment + TimeDelta::milliseconds(aside));
        self.clock = self.clock.max(moment.unwrap_or(self.clock));
    }

    fn filed(&self, nth: usize, stale: bool) -> Option<Request> {
        let filed = self.requests.iter().rev().nth(nth)?;
        if stale {
            filed.before.as_deref().cloned()
        } else {
            Some(filed.now.clone())
        }
    }

    fn held(&self, nth: usize, stale: bool) -> Option<Grant> {
        let held = self.grants.iter().rev().nth(nth)?;
        if stale {
            held.before.as_deref().cloned()
        } else {
            Some(held.now.clone())
        }
    }

    fn parent(&self, request: &Request) -> Option<Grant> {
        let id = request
            .grant
            .as_ref()
            .filter(|_| request.kind == RequestKind::Extend)?;
        self.grants
            .iter()
            .map(|held| &held.now)
            .find(|grant| grant.id == *id)
            .cloned()
    }
}
