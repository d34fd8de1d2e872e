//! The invariants of `product.md` that are pure, over arbitrary stories. Each has its name in a comment beside the rule.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use portcullis::domain::allowed;
use portcullis::domain::change::WorkKind;
use portcullis::domain::claim::CLAIM_LASTS;
use portcullis::domain::event::EventCode;
use portcullis::domain::grant::{CloseKind, GrantState, authorize, others_holding};
use portcullis::domain::ids::PrincipalId;
use portcullis::domain::lock::{Blocked, LockState, Locks};
use portcullis::domain::request::{Request, RequestKind, RequestState};
use portcullis::domain::review::{Decision, Review};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::machine::{Filed, Held, Machine, Story, story};

/// Cases of each property, together well beyond the ten thousand that `reliability.md` asks for.
const CASES: u32 = 10_000;

pub(super) type Judged = Result<(), TestCaseError>;

/// Runs stories, and lets the judge look at everything after each step.
pub(super) fn in_every_story(judge: impl Fn(&Machine) -> Judged) {
    run(|story| {
        let mut machine = Machine::new(story);
        story.steps.iter().try_for_each(|step| {
            machine.take(step);
            judge(&machine)
        })
    });
}

/// Runs stories, and lets the judge look at how they end. Each beginning of a story is a story, too.
pub(super) fn at_the_end_of_every_story(judge: impl Fn(&Machine) -> Judged) {
    run(|story| judge(&ended(story)));
}

/// As that, for those who count how often something happens: the stories are the same each time.
pub(super) fn at_the_end_of_the_same_stories(judge: impl Fn(&Machine) -> Judged) {
    let same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runner = TestRunner::new_with_rng(config(), same);
    tell(runner, |story| judge(&ended(story)));
}

fn ended(story: &Story) -> Machine {
    let mut machine = Machine::new(story);
    story.steps.iter().for_each(|step| machine.take(step));
    machine
}

fn config() -> Config {
    Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    }
}

fn run(judge: impl Fn(&Story) -> Judged) {
    tell(TestRunner::new(config()), judge);
}

fn tell(mut runner: TestRunner, judge: impl Fn(&Story) -> Judged) {
    if let Err(error) = runner.run(&story(), |story| judge(&story)) {
        panic!("{error}");
    }
}

fn each_request(judge: impl Fn(&Machine, &Filed) -> Judged) {
    in_every_story(|machine| {
        machine
            .requests
            .iter()
            .try_for_each(|filed| judge(machine, filed))
    });
}

fn each_grant(judge: impl Fn(&Machine, &Held) -> Judged) {
    in_every_story(|machine| {
        machine
            .grants
            .iter()
            .try_for_each(|held| judge(machine, held))
    });
}

#[test]
fn approvals_never_exceed_distinct_people_and_never_include_the_requester() {
    each_request(|_, filed| {
        let request = &filed.now;
        let approving = request
            .reviews
            .iter()
            .filter(|review| review.decision == Decision::Approve);
        let people: BTreeSet<&PrincipalId> = request
            .reviews
            .iter()
            .map(|review| &review.reviewer.id)
            .collect();
        prop_assert_eq!(
            people.len(),
            request.reviews.len(),
            "one person counts once"
        );
        prop_assert!(
            !people.contains(&request.requester.id),
            "nobody reviews their own request"
        );
        prop_assert_eq!(
            approving.count(),
            filed.approvals.len(),
            "every approval was given by somebody"
        );

        // Counted again by somebody who saw the groups as they were at each approval.
        let enough = request.snapshot.ways.iter().any(|way| {
            let counted: BTreeSet<&PrincipalId> = filed
                .approvals
                .iter()
                .filter(|seen| way.groups().any(|group| seen.groups.contains(group)))
                .map(|seen| &seen.who)
                .filter(|who| **who != request.requester.id)
                .collect();
            counted.len() >= way.threshold as usize
        });
        match request.state {
            // Its review comes afterwards.
            _ if request.kind == RequestKind::BreakGlass => {
                prop_assert_eq!(request.state, RequestState::Approved);
                prop_assert!(request.reviews.is_empty());
            }
            RequestState::Approved => {
                prop_assert!(enough, "approved with too few: {:#?}", filed.approvals);
            }
            _ => prop_assert!(
                !enough,
                "enough people approved, and it is {}",
                request.state
            ),
        }
        Ok(())
    });
}

#[test]
fn a_decision_is_taken_in_time_and_stays() {
    each_request(|_, filed| {
        let request = &filed.now;
        prop_assert_eq!(request.version, filed.events, "one event for each version");
        prop_assert!(request.decide_by > request.created_at);
        prop_assert_eq!(
            request.decided_at.is_some(),
            request.state != RequestState::Pending
        );
        if let Some(at) = request.decided_at {
            prop_assert_eq!(
                at >= request.decide_by,
                request.state == RequestState::Expired
            );
        }
        for seen in &filed.approvals {
            prop_assert!(seen.at < request.decide_by, "approved after the deadline");
        }
        prop_assert_eq!(
            filed.decided.as_deref().unwrap_or(request),
            request,
            "a decided request never changes"
        );
        // What was asked, and the policy that it was asked under, are what they were when it was filed.
        let asked = Request {
            state: filed.first.state,
            decided_at: None,
            grant: filed.first.grant.clone(),
            reviews: Vec::new(),
            claim: None,
            version: 1,
            ..request.clone()
        };
        prop_assert_eq!(&asked, &*filed.first);
        Ok(())
    });
}

#[test]
fn a_claim_is_short_never_the_requesters_and_over_with_the_decision() {
    each_request(|machine, filed| {
        let request = &filed.now;
        let Some(claim) = &request.claim else {
            return Ok(());
        };
        prop_assert_eq!(request.state, RequestState::Pending);
        prop_assert_ne!(&claim.by.id, &request.requester.id);
        prop_assert!(claim.since < claim.until);
        prop_assert!(claim.until - machine.clock <= CLAIM_LASTS);
        let reviewed = |review: &Review| review.reviewer.id == claim.by.id;
        prop_assert!(
            !request.reviews.iter().any(reviewed),
            "whoever has reviewed looks no longer"
        );
        // Whoever could review without the claim still can.
        let unclaimed = Request {
            claim: None,
            ..request.clone()
        };
        for who in &machine.people {
            prop_assert_eq!(
                request.may_review(who, machine.clock),
                unclaimed.may_review(who, machine.clock)
            );
        }
        Ok(())
    });
}

#[test]
fn an_approval_can_only_make_the_access_smaller() {
    each_request(|machine, filed| {
        let request = &filed.now;
        let mut before = Request {
            reviews: Vec::new(),
            ..request.clone()
        }
        .terms();
        for seen in 0..request.reviews.len() {
            let reviews = request.reviews[..=seen].to_vec();
            let terms = Request {
                reviews,
                ..request.clone()
            }
            .terms();
            prop_assert!(terms.duration <= before.duration);
            prop_assert!(
                terms.role == before.role || machine.target.is_lesser(&terms.role, &before.role)
            );
            prop_assert!(terms.not_before >= before.not_before);
            before = terms;
        }
        let made = machine.grants.iter().find(|held| {
            Some(&held.now.id) == request.grant.as_ref() && request.kind != RequestKind::Extend
        });
        prop_assert_eq!(
            made.is_some(),
            request.kind != RequestKind::Extend && request.state == RequestState::Approved
        );
        if let Some(held) = made {
            prop_assert_eq!(&held.now.request, &request.id);
            prop_assert_eq!(&held.now.role, &before.role);
            prop_assert_eq!(held.now.duration, before.duration);
            prop_assert!(
                Some(held.now.not_before) >= before.not_before
                    && Some(held.now.not_before) >= request.decided_at
            );
        }
        Ok(())
    });
}

#[test]
fn access_is_given_only_while_active_and_inside_the_window() {
    each_grant(|machine, held| {
        let grant = &held.now;
        let moments = [
            Some(machine.clock),
            grant.starts_at,
            Some(grant.expires_at),
            Some(grant.max_expires_at),
        ];
        for moment in moments.into_iter().flatten() {
            for aside in [-1, 0, 1] {
                let at = moment + TimeDelta::microseconds(aside);
                let inside =
                    grant.starts_at.is_some_and(|start| start <= at) && at < grant.expires_at;
                prop_assert_eq!(
                    authorize(grant, Locks::NONE, at).is_ok(),
                    grant.state == GrantState::Active && inside
                );
            }
        }
        let credentials_end = grant
            .credential_ends_at
            .is_none_or(|end| end <= grant.expires_at);
        prop_assert!(credentials_end, "a credential outlives its grant");
        Ok(())
    });
}

#[test]
fn the_end_moves_later_only_by_approved_extensions_and_never_past_the_cap() {
    each_grant(|_, held| {
        let grant = &held.now;
        prop_assert!(
            grant.not_before < grant.expires_at,
            "there is always an end, after the start"
        );
        prop_assert!(grant.expires_at <= grant.max_expires_at);
        prop_assert!(grant.duration <= grant.max_total);
        match (grant.starts_at, held.promised_end) {
            (Some(start), Some(end)) => {
                prop_assert_eq!(
                    grant.expires_at,
                    end,
                    "the end is not what was promised and approved"
                );
                prop_assert!(grant.expires_at - start <= grant.max_total.to_chrono());
            }
            (None, None) => {
                prop_assert_eq!(grant.extensions, 0);
                prop_assert!(grant.state != GrantState::Active);
            }
            other => prop_assert!(
                false,
                "started without a promise, or the other way round: {other:?}"
            ),
        }
        if let Some(before) = held
            .before
            .as_ref()
            .filter(|before| before.starts_at.is_some())
        {
            prop_assert_eq!(grant.starts_at, before.starts_at);
            prop_assert_eq!(grant.max_expires_at, before.max_expires_at);
            prop_assert!(grant.expires_at >= before.expires_at);
        }
        Ok(())
    });
}

#[test]
fn a_stronger_way_of_closing_wins_and_final_states_stay() {
    each_grant(|_, held| {
        let grant = &held.now;
        prop_assert_eq!(grant.version, held.events, "one event for each version");
        prop_assert_eq!(
            held.over.as_deref().unwrap_or(grant),
            grant,
            "a final state never changes"
        );
        if let Some(before) = &held.before {
            prop_assert!(grant.close_kind >= before.close_kind);
            prop_assert!(
                grant.epoch >= before.epoch,
                "an older effect could win on the target"
            );
            let ends = before.expires_at != grant.expires_at
                || before.state != GrantState::Closing && grant.state == GrantState::Closing;
            prop_assert!(
                !ends || grant.epoch > before.epoch,
                "the target could not tell the new end from the old"
            );
        }
        let closing = matches!(
            grant.state,
            GrantState::Closing | GrantState::Ended | GrantState::Returned | GrantState::Revoked
        );
        prop_assert_eq!(closing, grant.close_kind.is_some());
        if closing {
            prop_assert_eq!(grant.close_kind, held.strongest);
        }
        let (state, kind) = (grant.state, grant.close_kind);
        match state {
            GrantState::Ended => prop_assert_eq!(kind, Some(CloseKind::End)),
            GrantState::Returned => prop_assert_eq!(kind, Some(CloseKind::Return)),
            GrantState::Revoked => {
                prop_assert_eq!(kind, Some(CloseKind::Revoke));
                prop_assert!(grant.close_reason.is_some() && grant.closed_by.is_some());
            }
            _ => {}
        }
        prop_assert_eq!(grant.ended_at.is_some(), state.is_final());
        Ok(())
    });
}

#[test]
fn whatever_is_open_has_its_closing_promised_and_whatever_is_over_has_nothing() {
    each_grant(|machine, held| {
        let grant = &held.now;
        let promised = |kind| machine.promises.get(&(grant.id.clone(), kind)).copied();
        let (activate, close) = (promised(WorkKind::Activate), promised(WorkKind::Close));
        match grant.state {
            state if state.is_final() => prop_assert_eq!((activate, close), (None, None)),
            GrantState::Closing => {
                prop_assert!(close.is_some(), "nobody will take it away");
                prop_assert_eq!(activate, None, "it would be made again");
            }
            GrantState::Active => prop_assert_eq!(close, Some(grant.expires_at)),
            _ => {
                prop_assert!(activate.is_some(), "nobody will make it");
                prop_assert_eq!(close, Some(grant.expires_at));
            }
        }
        Ok(())
    });
}

#[test]
fn closing_one_grant_spares_what_another_live_grant_gives() {
    at_the_end_of_every_story(|machine| {
        let all: Vec<_> = machine.grants.iter().map(|held| held.now.clone()).collect();
        for closing in &all {
            let spared: BTreeSet<_> =
                others_holding(closing, &all, machine.in_force(), machine.clock)
                    .map(|grant| &grant.id)
                    .collect();
            for other in &all {
                let same = (&other.holder.id, &other.target, &other.role)
                    == (&closing.holder.id, &closing.target, &closing.role);
                let gives = other.id != closing.id
                    && same
                    && authorize(other, machine.in_force(), machine.clock).is_ok();
                prop_assert_eq!(spared.contains(&other.id), gives);
            }
        }
        Ok(())
    });
}

#[test]
fn no_lock_in_force_is_ever_passed() {
    run(|story| {
        let mut machine = Machine::new(story);
        let mut seen = 0;
        for step in &story.steps {
            let before = machine.locks.clone();
            machine.take(step);
            let now = machine.clock;
            // Matched again by somebody who knows only what the lock names.
            let blocked = |holder: &str, role: &str| {
                before
                    .iter()
                    .filter(|lock| lock.state(now) == LockState::InForce)
                    .any(|lock| match &lock.on {
                        Blocked::Principal(who) => who.name.as_str() == holder,
                        Blocked::Role(_, locked) => locked.as_str() == role,
                        Blocked::Tag { value, .. } => value == "prod",
                        Blocked::Target(_) | Blocked::Everything => true,
                    })
            };
            for event in machine.events.iter().skip(seen) {
                let gives = matches!(
                    event.code,
                    EventCode::RequestSubmitted
                        | EventCode::GrantScheduled
                        | EventCode::GrantActivating
                        | EventCode::GrantExtended
                        | EventCode::CredentialIssued
                );
                let about = event.principal.as_ref().zip(event.role.as_ref());
                if let Some((holder, role)) = about.filter(|_| gives) {
                    prop_assert!(
                        !blocked(holder.as_str(), role.as_str()),
                        "{} passes a lock",
                        event.code.as_str()
                    );
                }
            }
            seen = machine.events.len();
            let locks = machine.in_force();
            for grant in machine.grants.iter().map(|held| &held.now) {
                if locks.on(grant.into(), now).is_some() {
                    prop_assert!(authorize(grant, locks, now).is_err());
                    prop_assert!(
                        grant.state == GrantState::Closing || grant.state.is_final(),
                        "{} is {} under a lock",
                        grant.id,
                        grant.state
                    );
                }
            }
        }
        Ok(())
    });
}

#[test]
fn every_change_has_exactly_one_event_that_names_it() {
    at_the_end_of_every_story(|machine| {
        let changes: i64 = machine
            .requests
            .iter()
            .map(|filed| filed.events)
            .chain(machine.grants.iter().map(|held| held.events))
            .chain(machine.locks.iter().map(|lock| lock.version))
            .chain(machine.uses.iter().map(|used| used.now.version))
            .sum();
        let aside = [
            EventCode::GrantCloseIgnored,
            EventCode::CredentialIssued,
            EventCode::RequestClaimed,
            EventCode::RequestReleased,
        ];
        let explained = machine
            .events
            .iter()
            .filter(|event| !aside.contains(&event.code))
            .count();
        prop_assert_eq!(i64::try_from(explained).unwrap(), changes);
        let of_locks = [EventCode::LockPlaced, EventCode::LockLifted];
        for event in &machine.events {
            prop_assert!(
                of_locks.contains(&event.code)
                    || event.request.is_some()
                        && event.target.is_some()
                        && event.principal.is_some()
            );
            let of_grant = event.code.as_str().starts_with("grant.")
                || event.code == EventCode::CredentialIssued;
            prop_assert!(
                !of_grant || event.grant.is_some(),
                "{} does not say which grant",
                event.code.as_str()
            );
        }
        Ok(())
    });
}

fn around(machine: &Machine) -> allowed::Around<'_> {
    allowed::Around {
        locks: machine.in_force(),
        policy: &|_| Ok(()),
        now: machine.clock,
    }
}

#[test]
fn what_is_offered_is_what_is_allowed() {
    at_the_end_of_every_story(|machine| {
        let now = machine.clock;
        for who in &machine.people {
            for filed in &machine.requests {
                let offered = |action: &str| {
                    let all = allowed::on_request(who, &filed.now, around(machine));
                    all.into_iter().find(|(name, _)| *name == action).unwrap().1
                };
                prop_assert_eq!(offered("claim").err(), filed.now.take_claim(who, now).err());
                prop_assert_eq!(
                    offered("release").err(),
                    filed.now.release_claim(who, now).err()
                );
                prop_assert_eq!(
                    offered("deny").err(),
                    filed.now.deny_by(who, "not today", now).err()
                );
                prop_assert_eq!(
                    offered("withdraw").err(),
                    filed.now.withdraw(who, now).err()
                );
                prop_assert_eq!(
                    offered("approve").err(),
                    filed
                        .now
                        .may_review(who, now)
                        .and_then(|()| machine.in_force().check_approval(&filed.now, &who.id, now))
                        .err()
                );
            }
            for held in &machine.grants {
                let offered = |action: &str| {
                    let all = allowed::on_grant(who, &held.now, around(machine));
                    all.into_iter()
                        .find(|(name, _)| *name == action)
                        .unwrap()
                        .1
                        .is_ok()
                };
                let issued =
                    held.now
                        .credential_issued(who, now, "password", machine.in_force(), now);
                prop_assert_eq!(offered("connect"), issued.is_ok());
                let strikes = held
                    .now
                    .revoke(who, "leaving", now)
                    .is_ok_and(|(_, step)| step.event.code == EventCode::GrantClosing);
                prop_assert!(
                    !strikes || offered("revoke"),
                    "a revocation that would count is not offered"
                );
            }
        }
        Ok(())
    });
}

/// A property that holds for stories in which nothing happens says little. All that can happen does, and often enough
/// to mean something.
#[test]
fn stories_come_everywhere() {
    let seen: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    at_the_end_of_the_same_stories(|machine| {
        let mut what: BTreeSet<&str> = machine
            .events
            .iter()
            .map(|event| event.code.as_str())
            .collect();
        if machine.grants.iter().any(|held| held.now.extensions > 1) {
            what.insert("extended twice");
        }
        let narrowed = |filed: &Filed| {
            filed
                .now
                .reviews
                .iter()
                .filter(|review| !review.narrowed.is_empty())
                .count()
        };
        if machine.requests.iter().any(|filed| narrowed(filed) > 1) {
            what.insert("narrowed twice");
        }
        for word in what {
            *seen.borrow_mut().entry(word).or_default() += 1;
        }
        Ok(())
    });
    let aside = [
        "access",
        "principal",
        "auth",
        "config",
        "policy",
        "target",
        "server",
        "session",
        "service",
        "incident",
        "factor",
        "account",
        "break_glass.code",
        "tls",
        "audit",
        "database",
        "grant.kept",
        "grant.overrid",
        "delivery",
        "standing",
        "notice",
    ];
    let of_rules = EventCode::ALL.iter().map(|code| code.as_str());
    let of_rules = of_rules.filter(|code| !aside.iter().any(|family| code.starts_with(family)));
    let seen = seen.into_inner();
    for what in of_rules.chain(["extended twice", "narrowed twice"]) {
        assert!(
            seen.get(what).is_some_and(|times| *times > 20),
            "{what} in too few stories: {seen:#?}"
        );
    }
}
