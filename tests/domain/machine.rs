//! A whole Portcullis made of rules only: people, requests, grants, promises and events in memory.
//!
//! It writes changes as the store does, by compare-and-set on the version, and remembers what a judge needs who
//! trusts nothing that the rules say about themselves: who belonged to which group when they approved, which ways of
//! closing were asked for, which extensions were approved.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::change::{Change, Record, WorkKind};
use portcullis::domain::event::{Event, EventCode};
use portcullis::domain::grant::{CloseKind, Grant, GrantState};
use portcullis::domain::ids::{GrantId, GroupName, LockId, PrincipalId, RequestId, RoleName};
use portcullis::domain::lock::{Blocked, Lock, Locks};
use portcullis::domain::policy::{Needed, Snapshot, Way};
use portcullis::domain::principal::{Principal, ProductRole};
use portcullis::domain::request::{About, Ask, Request, RequestKind, RequestState};
use portcullis::domain::review::{Decision, Narrowing};
use portcullis::domain::span::Span;
use portcullis::domain::target::{Target, TargetKind, TargetRole};
use proptest::prelude::*;

pub(crate) const PEOPLE: usize = 5;
pub(crate) const GROUPS: [&str; 3] = ["dba", "leads", "oncall"];
/// `admin` contains `ops`, which contains `readonly`; `export` stands alone.
pub(crate) const ROLES: [&str; 4] = ["admin", "ops", "readonly", "export"];

/// One thing that somebody does, or that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// What would come next if all went its way; the number decides where there is a choice.
    Proceed {
        who: usize,
        choice: u32,
    },
    Pass(u32),
    /// To about the end of a grant, in milliseconds from it.
    ReachEnd(usize, i64),
    /// To about the deadline of a request, in milliseconds from it.
    ReachDeadline(usize, i64),
    /// Somebody's groups become these, as bits.
    Regroup(usize, u8),
    Submit {
        who: usize,
        role: usize,
        minutes: u32,
        start_in: Option<u32>,
    },
    Approve {
        request: usize,
        who: usize,
        shorter: Option<u32>,
        role: Option<usize>,
        start_in: Option<u32>,
        stale: bool,
    },
    Deny {
        request: usize,
        who: usize,
        stale: bool,
    },
    Withdraw {
        request: usize,
        who: usize,
    },
    Claim {
        request: usize,
        who: usize,
    },
    Release {
        request: usize,
        who: usize,
    },
    Expire(usize),
    Activate(usize),
    Acknowledge {
        grant: usize,
        stale: bool,
    },
    RetryActivation(usize),
    FailActivation(usize),
    Extend {
        grant: usize,
        who: usize,
        minutes: u32,
    },
    Close {
        grant: usize,
        who: usize,
        kind: CloseKind,
        stale: bool,
    },
    RetryClose(usize),
    Confirm(usize),
    Credential {
        grant: usize,
        who: usize,
    },
    /// Somebody outside of the story locks this person, a role, a tag, the target or everything.
    Lock {
        what: usize,
        who: usize,
        minutes: Option<u32>,
    },
    Unlock(usize),
}

/// What policy says in one run, and everything that happens.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) ways: Vec<(u32, usize, u32, u32, u32)>,
    pub(crate) steps: Vec<Step>,
}

/// Any story: one to three ways, and up to sixty steps that favour the life of a grant.
///
/// Each step is drawn from one number: that is ten times faster than a strategy for each of its parts.
pub(crate) fn story() -> impl Strategy<Value = Story> {
    let numbers = |most| prop::collection::vec(any::<u64>(), 1..most);
    (numbers(4), numbers(60)).prop_map(|(ways, steps)| Story {
        ways: ways.into_iter().map(way).collect(),
        steps: steps.into_iter().map(step).collect(),
    })
}

/// Draws one choice after the other out of one number.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        let drawn = u32::try_from(self.0 % u64::from(end)).unwrap();
        self.0 /= u64::from(end);
        drawn
    }

    fn index(&mut self, end: usize) -> usize {
        self.below(u32::try_from(end).unwrap()) as usize
    }

    /// True once in so many times, and never for a number that has shrunk to nothing.
    fn rarely(&mut self, once_in: u32) -> bool {
        self.below(once_in) == once_in - 1
    }
}

fn way(number: u64) -> (u32, usize, u32, u32, u32) {
    let mut draw = Draw(number);
    let threshold = [1, 0, 1, 2, 2, 3][draw.index(6)];
    let group = draw.index(GROUPS.len());
    (
        threshold,
        group,
        30 + draw.below(210),
        draw.below(240),
        5 + draw.below(85),
    )
}

fn step(number: u64) -> Step {
    let mut draw = Draw(number);
    // Mostly the newest request or grant: one that has a future.
    let nth = |draw: &mut Draw| [0, 0, 0, 1, 1, 2][draw.index(6)];
    let (kind, nth, who) = (draw.below(90), nth(&mut draw), draw.index(PEOPLE));
    match kind {
        0 => Step::Pass(draw.below(120)),
        1..3 => Step::Pass(draw.below(2_400_000)),
        3..5 => Step::Regroup(who, u8::try_from(draw.below(8)).unwrap()),
        5..7 => Step::Submit {
            who,
            role: draw.index(ROLES.len()),
            minutes: 1 + draw.below(239),
            start_in: draw.rarely(5).then(|| draw.below(90)),
        },
        7..18 => Step::Approve {
            request: nth,
            who,
            stale: draw.rarely(10),
            shorter: draw.rarely(3).then(|| 1 + draw.below(239)),
            role: draw.rarely(3).then(|| draw.index(ROLES.len())),
            start_in: draw.rarely(10).then(|| draw.below(90)),
        },
        22 => Step::Deny {
            request: nth,
            who,
            stale: draw.rarely(10),
        },
        23 => Step::Withdraw { request: nth, who },
        24..26 => Step::Expire(nth),
        26..32 => Step::Activate(nth),
        32..39 => Step::Acknowledge {
            grant: nth,
            stale: draw.rarely(7),
        },
        39 => Step::RetryActivation(nth),
        40 => Step::FailActivation(nth),
        18..22 | 41..46 => Step::Extend {
            grant: nth,
            who,
            minutes: 1 + draw.below(119),
        },
        46..50 => Step::Close {
            grant: nth,
            who,
            // `end` twice as often: it needs the right moment, too.
            kind: [
                CloseKind::Return,
                CloseKind::End,
                CloseKind::End,
                CloseKind::Revoke,
            ][draw.index(4)],
            stale: draw.rarely(5),
        },
        50 => Step::RetryClose(nth),
        51..54 => Step::Confirm(nth),
        54..56 => Step::Credential { grant: nth, who },
        56..59 => Step::ReachEnd(nth, i64::from(draw.below(3)) - 1),
        59 => Step::ReachDeadline(nth, i64::from(draw.below(3)) - 1),
        60..62 => Step::Claim { request: nth, who },
        62 => Step::Release { request: nth, who },
        86 => Step::Lock {
            what: draw.index(5),
            who,
            minutes: draw.rarely(2).then(|| 1 + draw.below(60)),
        },
        87..90 => Step::Unlock(nth),
        _ => Step::Proceed {
            who,
            choice: draw.below(24),
        },
    }
}

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

/// Everything there is.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) clock: DateTime<Utc>,
    pub(crate) people: Vec<Principal>,
    pub(crate) target: Target,
    pub(crate) snapshot: Snapshot,
    pub(crate) requests: Vec<Filed>,
    pub(crate) grants: Vec<Held>,
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

    /// Places a lock as the gate does: what it matches goes in the same change.
    fn lock(&mut self, what: usize, who: usize, length: Option<u32>) {
        let on = match what {
            0 => Blocked::Principal(self.people[who].as_ref()),
            1 => Blocked::Role(self.target.name.clone(), role(who % ROLES.len())),
            2 => Blocked::Tag {
                name: "env".to_owned(),
                value: ["prod", "dev"][who % 2].to_owned(),
            },
            3 => Blocked::Target(self.target.name.clone()),
            _ => Blocked::Everything,
        };
        let (id, now, keeper) = (LockId::from_bits(self.bits()), self.clock, person(99, &[]));
        let placed = Lock::place(
            id,
            on,
            length.map(minutes),
            "INC-1 leak",
            (&keeper, None),
            now,
        );
        let lock = placed.unwrap();
        let locks = Locks::new(std::slice::from_ref(&lock), Some(&self.target.tags));
        let mut change = vec![lock.placed()];
        for held in &self.grants {
            let grant = &held.now;
            if grant.state != GrantState::Closing && locks.on(grant.into(), now).is_some() {
                let cut = grant.cut(Some(&keeper.as_ref()), "INC-1 leak", ("lock", "L-1"), now);
                change.extend(cut.map(|(_, step)| step));
            }
        }
        self.write(Some(change), None);
    }

    fn unlock(&mut self, nth: usize) {
        let Some(lock) = self.locks.iter().rev().nth(nth) else {
            return;
        };
        let (keeper, now) = (person(99, &[]), self.clock);
        let lifted = lock.lift(&keeper, "calm again", self.in_force(), now);
        self.write(lifted.ok().map(|(_, step)| vec![step]), None);
    }

    fn bits(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// The next step in the life of the newest request or grant.
    fn next(&self, who: usize, choice: u32) -> Step {
        let role = choice as usize % ROLES.len();
        let submit = Step::Submit {
            who,
            role,
            minutes: 5 + choice,
            start_in: None,
        };
        if let Some(filed) = self
            .requests
            .last()
            .filter(|filed| filed.now.state == RequestState::Pending)
        {
            let holder = &filed.now.requester.id;
            let other = if self.people[who].id == *holder {
                (who + 1) % PEOPLE
            } else {
                who
            };
            match filed.now.claim_at(self.clock) {
                Some(claim) if choice % 4 == 1 => {
                    let mut people = self.people.iter();
                    let who = people.position(|person| person.id == claim.by.id);
                    return Step::Release {
                        request: 0,
                        who: who.unwrap(),
                    };
                }
                None if choice % 6 == 1 => {
                    return Step::Claim {
                        request: 0,
                        who: other,
                    };
                }
                _ => {}
            }
            return Step::Approve {
                request: 0,
                who: other,
                shorter: (choice.is_multiple_of(3)).then_some(5 + choice),
                role: (choice.is_multiple_of(4)).then_some(ROLES.len() - 2),
                start_in: None,
                stale: false,
            };
        }
        let Some(held) = self.grants.last() else {
            return submit;
        };
        let holder = self
            .people
            .iter()
            .position(|person| person.id == held.now.holder.id)
            .unwrap();
        let close = |kind| Step::Close {
            grant: 0,
            who: holder,
            kind,
            stale: false,
        };
        match held.now.state {
            GrantState::Scheduled if self.clock < held.now.not_before => Step::Pass(60_000),
            GrantState::Scheduled => Step::Activate(0),
            GrantState::Activating => Step::Acknowledge {
                grant: 0,
                stale: false,
            },
            GrantState::Active if self.clock >= held.now.expires_at => close(CloseKind::End),
            GrantState::Active => match choice % 6 {
                0 => Step::Credential {
                    grant: 0,
                    who: holder,
                },
                1 => Step::ReachEnd(0, i64::from(choice / 8) - 1),
                2 => close(CloseKind::Return),
                3 => close(CloseKind::Revoke),
                _ => Step::Extend {
                    grant: 0,
                    who,
                    minutes: 1 + choice,
                },
            },
            GrantState::Closing if choice.is_multiple_of(3) => Step::RetryClose(0),
            GrantState::Closing => Step::Confirm(0),
            _ => submit,
        }
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

    /// Takes one step; what the rules refuse changes nothing.
    pub(crate) fn take(&mut self, step: &Step) {
        let now = self.clock;
        match *step {
            Step::Proceed { who, choice } => self.take(&self.next(who, choice)),
            Step::Pass(millis) => self.clock += TimeDelta::milliseconds(i64::from(millis)),
            Step::ReachEnd(grant, aside) => {
                let end = self.held(grant, false).map(|grant| grant.expires_at);
                self.reach(end, aside);
            }
            Step::ReachDeadline(request, aside) => {
                let deadline = self.filed(request, false).map(|request| request.decide_by);
                self.reach(deadline, aside);
            }
            Step::Regroup(who, bits) => {
                self.people[who].groups = (0..GROUPS.len())
                    .filter(|index| bits & (1 << index) != 0)
                    .map(group)
                    .collect();
            }
            Step::Submit {
                who,
                role: wanted,
                minutes: length,
                start_in,
            } => {
                let ask = Ask {
                    target: self.target.name.clone(),
                    role: role(wanted),
                    duration: minutes(length),
                    not_before: start_in
                        .map(|minutes| now + TimeDelta::minutes(i64::from(minutes))),
                    reason: "INC-1 look".to_owned(),
                    ticket: None,
                };
                let (request, grant) = (
                    RequestId::from_bits(self.bits()),
                    GrantId::from_bits(self.bits()),
                );
                let filed = Request::submit(
                    request,
                    &self.people[who],
                    ask,
                    self.snapshot.clone(),
                    grant,
                    self.in_force(),
                    now,
                );
                self.write(filed.map(|(_, change)| change).ok(), None);
            }
            Step::Approve {
                request,
                who,
                shorter,
                role: lesser,
                start_in,
                stale,
            } => {
                let Some(request) = self.filed(request, stale) else {
                    return;
                };
                let narrowed = Narrowing {
                    duration: shorter.map(minutes),
                    role: lesser.map(role),
                    not_before: start_in
                        .map(|minutes| now + TimeDelta::minutes(i64::from(minutes))),
                };
                let parent = self.parent(&request);
                let grant = GrantId::from_bits(self.bits());
                let about = About {
                    target: &self.target,
                    parent: parent.as_ref(),
                    grant: &grant,
                    locks: self.in_force(),
                };
                let approved = request.approve_by(&self.people[who], None, narrowed, about, now);
                self.write(approved.map(|(_, change)| change).ok(), Some(who));
            }
            Step::Deny {
                request,
                who,
                stale,
            } => {
                let Some(request) = self.filed(request, stale) else {
                    return;
                };
                let denied = request.deny_by(&self.people[who], "not today", now);
                self.write(denied.map(|(_, change)| change).ok(), Some(who));
            }
            Step::Withdraw { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                self.write(
                    request
                        .withdraw(&self.people[who], now)
                        .map(|(_, change)| change)
                        .ok(),
                    None,
                );
            }
            Step::Claim { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                let claimed = request.take_claim(&self.people[who], now);
                self.write(claimed.map(|(_, change)| change).ok(), None);
            }
            Step::Release { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                let released = request.release_claim(&self.people[who], now);
                self.write(released.map(|(_, change)| change).ok(), None);
            }
            Step::Expire(request) => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                self.write(request.expire(now).map(|(_, change)| change), None);
            }
            Step::Extend {
                grant,
                who,
                minutes: by,
            } => self.extend(grant, who, minutes(by)),
            Step::Close {
                grant,
                who,
                kind,
                stale,
            } => {
                let Some(grant) = self.held(grant, stale) else {
                    return;
                };
                let closed = match kind {
                    CloseKind::End => grant.end(now),
                    CloseKind::Return => grant.give_back(&self.people[who], now).ok(),
                    CloseKind::Revoke => grant.revoke(&self.people[who], "leaving", now).ok(),
                };
                self.write(closed.map(|(_, step)| vec![step]), None);
            }
            Step::Credential { grant, who } => {
                let Some(grant) = self.held(grant, false) else {
                    return;
                };
                let issued = grant.credential_issued(
                    &self.people[who],
                    grant.expires_at.min(now + TimeDelta::minutes(10)),
                    "password",
                    self.in_force(),
                    now,
                );
                self.write(issued.map(|(_, step)| vec![step]).ok(), None);
            }
            Step::Lock { what, who, minutes } => self.lock(what, who, minutes),
            Step::Unlock(nth) => self.unlock(nth),
            _ => self.work(step),
        }
    }

    fn work(&mut self, step: &Step) {
        let now = self.clock;
        let soon = now + TimeDelta::seconds(1);
        let (Step::Activate(nth)
        | Step::RetryActivation(nth)
        | Step::FailActivation(nth)
        | Step::RetryClose(nth)
        | Step::Confirm(nth)
        | Step::Acknowledge { grant: nth, .. }) = *step
        else {
            return;
        };
        let Some(grant) = self.held(nth, false) else {
            return;
        };
        let done = match step {
            Step::Activate(_) => grant.activate(now),
            // A worker that slept tells of an attempt that was overtaken.
            Step::Acknowledge { stale, .. } => {
                grant.activated(grant.epoch - i64::from(*stale), now)
            }
            Step::RetryActivation(_) => grant.activation_retried(grant.epoch, "no route", soon),
            Step::FailActivation(_) => grant.activation_failed(grant.epoch, "no such role", now),
            Step::RetryClose(_) => grant.close_retried("no route", soon),
            _ => grant.closed(&["gone".to_owned()], 0, now),
        };
        self.write(done.map(|(_, step)| vec![step]), None);
    }

    /// As the gate does it: the holder's own wish waits, somebody else's carries that person's approval.
    fn extend(&mut self, nth: usize, who: usize, by: Span) {
        let now = self.clock;
        let Some(grant) = self.held(nth, false) else {
            return;
        };
        let id = RequestId::from_bits(self.bits());
        let who_is = self.people[who].clone();
        let holder = self
            .people
            .iter()
            .find(|person| person.id == grant.holder.id)
            .unwrap_or(&who_is)
            .clone();
        let Ok((request, mut change)) = Request::submit_extension(
            id,
            &grant,
            &holder,
            &who_is,
            by,
            "still at it",
            self.snapshot.clone(),
            self.in_force(),
            now,
        ) else {
            return;
        };
        let other = who_is.id != grant.holder.id;
        if other && request.state == RequestState::Pending {
            let about = About {
                target: &self.target,
                parent: Some(&grant),
                grant: &grant.id,
                locks: self.in_force(),
            };
            match request.approve_by(&who_is, None, Narrowing::default(), about, now) {
                Ok((_, more)) => change.extend(more),
                Err(_) => return,
            }
        }
        self.write(Some(change), other.then_some(who));
    }

    /// Writes a change as the store does: all of it, or nothing when a version is not the one that was read.
    fn write(&mut self, change: Option<Change>, reviewer: Option<usize>) {
        let Some(change) = change.filter(|change| self.fits(change)) else {
            return;
        };
        for step in change {
            self.record(step.record, &step.event, reviewer);
            for done in step.done {
                self.promises.remove(&done);
            }
            for work in step.work {
                self.promises.insert((work.grant, work.kind), work.due_at);
            }
            self.events.push(step.event);
        }
    }

    /// The store's condition on every update: the version before, and a state that can still change.
    fn fits(&self, change: &Change) -> bool {
        let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
        let requests = self.requests.iter().map(|filed| &filed.now);
        let requests = requests.filter(|request| request.state == RequestState::Pending);
        versions.extend(requests.map(|request| (request.id.as_str(), request.version)));
        let grants = self.grants.iter().map(|held| &held.now);
        let grants = grants.filter(|grant| !grant.state.is_final());
        versions.extend(grants.map(|grant| (grant.id.as_str(), grant.version)));
        change.iter().all(|step| match &step.record {
            // Break-glass has rules of its own beside its code; nobody here does it.
            Record::NewUse(_) | Record::Use(..) => false,
            Record::Nothing | Record::NewLock(_) | Record::NewIncident(_) => true,
            Record::NewRequest(request) => versions.insert(request.id.as_str(), 1).is_none(),
            Record::NewGrant(grant) => versions.insert(grant.id.as_str(), 1).is_none(),
            Record::Request(request, _) => {
                versions.insert(request.id.as_str(), request.version) == Some(request.version - 1)
            }
            Record::Claim { request, .. } => {
                versions.get(request.id.as_str()) == Some(&request.version)
            }
            Record::Grant(grant) => {
                versions.insert(grant.id.as_str(), grant.version) == Some(grant.version - 1)
            }
            Record::Credential(grant) => {
                versions.get(grant.id.as_str()) == Some(&grant.version)
                    && grant.state == GrantState::Active
            }
            Record::Lock(lock) => self
                .locks
                .iter()
                .any(|now| now.id == lock.id && now.version == lock.version - 1),
        })
    }

    fn record(&mut self, record: Record, event: &Event, reviewer: Option<usize>) {
        match record {
            Record::Nothing => self.note_close(event),
            Record::NewIncident(_) | Record::NewUse(_) | Record::Use(..) => {}
            Record::NewLock(lock) => self.locks.push(lock),
            Record::Lock(lock) => {
                let mut all = self.locks.iter_mut();
                let held = all.find(|now| now.id == lock.id).unwrap();
                *held = lock;
            }
            Record::NewRequest(request) => self.requests.push(Filed {
                first: Rc::new(request.clone()),
                now: request,
                before: None,
                approvals: Vec::new(),
                events: 1,
                decided: None,
            }),
            Record::Request(request, review) => {
                let approved = review.filter(|review| review.decision == Decision::Approve);
                let witness = approved.and(reviewer).map(|who| Witnessed {
                    who: self.people[who].id.clone(),
                    groups: self.people[who].groups.clone(),
                    at: self.clock,
                });
                let mut all = self.requests.iter_mut();
                let filed = all.find(|filed| filed.now.id == request.id).unwrap();
                filed.approvals.extend(witness);
                filed.events += 1;
                if request.state != RequestState::Pending {
                    filed.decided = Some(Rc::new(request.clone()));
                }
                filed.before = Some(Rc::new(std::mem::replace(&mut filed.now, request)));
            }
            Record::Claim { request, .. } => {
                let mut all = self.requests.iter_mut();
                let filed = all.find(|filed| filed.now.id == request.id).unwrap();
                filed.now = request;
            }
            Record::NewGrant(grant) => self.grants.push(Held {
                now: grant,
                before: None,
                events: 1,
                promised_end: None,
                strongest: None,
                over: None,
            }),
            Record::Grant(grant) => {
                let added = self.extension_of(event);
                let mut all = self.grants.iter_mut();
                let held = all.find(|held| held.now.id == grant.id).unwrap();
                held.events += 1;
                if event.code == EventCode::GrantActivated {
                    held.promised_end = Some(grant.expires_at);
                }
                if let (Some(end), Some(added)) = (&mut held.promised_end, added) {
                    *end += added;
                }
                if grant.state.is_final() {
                    held.over = Some(Rc::new(grant.clone()));
                }
                held.before = Some(Rc::new(std::mem::replace(&mut held.now, grant)));
                self.note_close(event);
            }
            Record::Credential(grant) => {
                let mut all = self.grants.iter_mut();
                let held = all.find(|held| held.now.id == grant.id).unwrap();
                held.now = grant;
            }
        }
    }

    /// How much later the end becomes by an extension, from the approved request alone.
    fn extension_of(&self, event: &Event) -> Option<TimeDelta> {
        if event.code != EventCode::GrantExtended {
            return None;
        }
        let request = self
            .requests
            .iter()
            .find(|filed| Some(&filed.now.id) == event.request.as_ref())?;
        let approved =
            request.now.state == RequestState::Approved && request.now.kind == RequestKind::Extend;
        approved.then(|| request.now.terms().duration.to_chrono())
    }

    fn note_close(&mut self, event: &Event) {
        let word = event
            .details
            .get("close_kind")
            .and_then(|word| word.as_str());
        let Some(kind) = CloseKind::ALL
            .into_iter()
            .find(|kind| Some(kind.as_str()) == word)
        else {
            return;
        };
        let Some(held) = self
            .grants
            .iter_mut()
            .find(|held| Some(&held.now.id) == event.grant.as_ref())
        else {
            return;
        };
        // What is asked of a grant that is over comes too late to count.
        if held.over.is_none() {
            held.strongest = held.strongest.max(Some(kind));
        }
    }
}
