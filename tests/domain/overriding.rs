//! Overriding an end: whatever people try in whatever order, one of them alone never ends a grant without its target.

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::event::EventCode;
use portcullis::domain::extent::Place;
use portcullis::domain::grant::{
    Attempt, Grant, GrantState, OVERDUE, Overrider, PROPOSED_FOR, authorize,
};
use portcullis::domain::ids::{GrantId, PrincipalId, RequestId};
use portcullis::domain::lock::Locks;
use portcullis::domain::principal::{Principal, PrincipalRef, ProductRole};
use portcullis::domain::refusal::Refusal;
use portcullis::domain::service::Service;
use proptest::prelude::*;

const TICK: TimeDelta = TimeDelta::milliseconds(1);

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn person(number: u64, role: ProductRole) -> Principal {
    Principal {
        id: PrincipalId::from_bits(number),
        name: format!("p{number}").parse().unwrap(),
        roles: [role].into(),
        groups: [].into(),
        service: None,
    }
}

/// The holder is an admin, too, and so are the two next; the others are not.
fn people() -> [Principal; 5] {
    [
        person(0, ProductRole::Admin),
        person(1, ProductRole::Admin),
        person(2, ProductRole::Admin),
        person(3, ProductRole::Reviewer),
        person(4, ProductRole::Requester),
    ]
}

/// A grant of `p0` that was revoked at noon.
fn closing() -> Grant {
    let hour = TimeDelta::hours(1);
    let active = Grant {
        id: GrantId::from_bits(1),
        request: RequestId::from_bits(1),
        holder: PrincipalRef {
            id: PrincipalId::from_bits(0),
            name: "p0".parse().unwrap(),
        },
        target: "orders-db".parse().unwrap(),
        role: "readonly".parse().unwrap(),
        reason: "INC-1 look".to_owned(),
        state: GrantState::Active,
        duration: "4h".parse().unwrap(),
        max_total: "4h".parse().unwrap(),
        not_before: noon() - hour,
        starts_at: Some(noon() - hour),
        expires_at: noon() + hour * 3,
        max_expires_at: noon() + hour * 3,
        close_kind: None,
        close_reason: None,
        closed_by: None,
        close_due_at: None,
        overriding: None,
        attempts: 0,
        last_error: None,
        extensions: 0,
        epoch: 1,
        credential_ends_at: None,
        created_at: noon() - hour,
        ended_at: None,
        version: 3,
    };
    active
        .revoke(&people()[3], "laptop stolen", noon())
        .unwrap()
        .0
}

fn by<'a>(who: &'a Principal, holder: &'a Principal) -> Overrider<'a> {
    Overrider {
        who,
        holder,
        place: Place::Everywhere,
    }
}

fn propose(grant: &Grant, who: usize, now: DateTime<Utc>) -> Result<Grant, Refusal> {
    let people = people();
    grant
        .propose_override(by(&people[who], &people[0]), "host scrapped, CHG-77", now)
        .map(|(grant, _)| grant)
}

fn confirm(grant: &Grant, who: usize, now: DateTime<Utc>) -> Result<Grant, Refusal> {
    let people = people();
    let said = grant.overriding.as_ref().map(|said| &said.proposed.by.id);
    let proposer = people.iter().find(|who| Some(&who.id) == said);
    grant
        .confirm_override(by(&people[who], &people[0]), proposer, "saw the note", now)
        .map(|(grant, _)| grant)
}

#[derive(Debug, Clone)]
enum Try {
    Propose(usize),
    Confirm(usize),
    /// An attempt at the target fails.
    Fails,
    Confirms,
    Pass(i64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = prop_oneof![
        (0..5_usize).prop_map(Try::Propose),
        (0..5_usize).prop_map(Try::Confirm),
        Just(Try::Fails),
        Just(Try::Pass(20)),
        (0..5_000_i64).prop_map(Try::Pass),
    ];
    let rarely = prop_oneof![30 => one, 1 => Just(Try::Confirms)];
    prop::collection::vec(rarely, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_end_without_proof_takes_two_who_do_not_have_the_access(tries in tries()) {
        let (mut grant, mut now) = (closing(), noon());
        for one in tries {
            let before = grant.clone();
            let done = match one {
                Try::Propose(who) => propose(&grant, who, now).ok(),
                Try::Confirm(who) => confirm(&grant, who, now).ok(),
                Try::Fails => grant.close_retried("no route", &Attempt::default(), now).map(|(grant, _)| grant),
                Try::Confirms => grant.closed(&Attempt::default(), now).map(|(grant, _)| grant),
                Try::Pass(seconds) => {
                    now += TimeDelta::seconds(seconds);
                    None
                }
            };
            grant = done.unwrap_or(grant);
            prop_assert!(authorize(&grant, Locks::NONE, now).is_err(), "nothing of it gives access again");
            if before.state.is_final() {
                prop_assert_eq!(&before, &grant, "what is over stays as it is");
            }
            if grant != before {
                prop_assert_eq!(grant.version, before.version + 1);
            }
            let Some(overriding) = &grant.overriding else { continue };
            let (proposed, admins) = (&overriding.proposed, [1, 2].map(PrincipalId::from_bits));
            prop_assert!(admins.contains(&proposed.by.id) && proposed.at >= noon() + OVERDUE);
            match &overriding.confirmed {
                None => prop_assert_eq!(grant.state, GrantState::Closing, "a proposal ends nothing"),
                Some(confirmed) => {
                    prop_assert!(admins.contains(&confirmed.by.id) && confirmed.by.id != proposed.by.id);
                    prop_assert!(confirmed.at >= proposed.at && confirmed.at < proposed.at + PROPOSED_FOR);
                    prop_assert_eq!((grant.state, grant.ended_at), (GrantState::Revoked, Some(confirmed.at)));
                }
            }
        }
    }
}

#[track_caller]
fn assert_refused(result: Result<Grant, Refusal>, code: &str) {
    assert_eq!(result.unwrap_err().code(), code);
}

#[test]
fn only_what_is_overdue_is_overridden_and_a_proposal_is_good_for_an_hour() {
    let (grant, due) = (closing(), noon() + OVERDUE);
    assert_refused(propose(&grant, 1, due - TICK), "not-overdue");
    assert_refused(confirm(&grant, 2, due), "override-not-proposed");
    let proposed = propose(&grant, 1, due).unwrap();
    assert_refused(propose(&proposed, 1, due), "override-proposed");
    assert_refused(propose(&proposed, 2, due), "override-proposed");
    let last = due + PROPOSED_FOR;
    assert!(confirm(&proposed, 2, last - TICK).is_ok());
    assert_refused(confirm(&proposed, 2, last), "override-not-proposed");
    assert!(propose(&proposed, 2, last).is_ok(), "and then anew");
    // The target was faster.
    let (gone, _) = proposed.closed(&Attempt::default(), due).unwrap();
    assert_eq!(gone.overriding, None);
    assert_refused(confirm(&gone, 2, due), "not-overdue");
}

#[test]
fn neither_the_holder_nor_whoever_speaks_for_it_nor_the_same_person_twice() {
    let (grant, due) = (closing(), noon() + OVERDUE);
    assert_refused(propose(&grant, 0, due), "override-own-access");
    assert_refused(propose(&grant, 3, due), "not-allowed");
    let waiting = propose(&grant, 1, due).unwrap();
    assert_refused(confirm(&waiting, 1, due), "override-own-proposal");
    assert_refused(confirm(&waiting, 0, due), "override-own-access");
    let [_, one, two, _, other] = people();
    let machine = Principal {
        service: Some(Service {
            owner: two.as_ref(),
            scopes: [].into(),
            maker: Some(one.id.clone()),
        }),
        ..person(0, ProductRole::Requester)
    };
    for behind in [&one, &two] {
        let refused = grant.propose_override(by(behind, &machine), "host scrapped", due);
        assert_eq!(refused.unwrap_err().code(), "override-own-access");
    }
    // Whoever proposed it has lost the right since, or is somebody else.
    let former = Principal {
        roles: [ProductRole::Auditor].into(),
        ..one
    };
    for proposer in [None, Some(&former), Some(&other)] {
        let by = by(&two, &other);
        let refused = waiting.confirm_override(by, proposer, "saw the note", due);
        assert_eq!(refused.unwrap_err().code(), "override-not-proposed");
    }
}

#[test]
fn each_part_is_one_event_with_its_reason() {
    let (grant, due, people) = (closing(), noon() + OVERDUE, people());
    let (proposed, step) = grant
        .propose_override(by(&people[1], &people[0]), "host scrapped", due)
        .unwrap();
    let event = step.event;
    assert_eq!(
        (event.code, event.reason.as_deref(), event.actor.name()),
        (
            EventCode::GrantOverrideProposed,
            Some("host scrapped"),
            "p1"
        )
    );
    assert!(
        step.work.is_empty() && step.done.is_empty(),
        "the target is asked as before"
    );
    let (_, step) = proposed
        .confirm_override(
            by(&people[2], &people[0]),
            Some(&people[1]),
            "saw the note",
            due,
        )
        .unwrap();
    let event = step.event;
    assert_eq!(
        (event.code, event.reason.as_deref(), event.actor.name()),
        (EventCode::GrantOverridden, Some("saw the note"), "p2")
    );
    assert_eq!(event.details["proposed_by"], "p1");
    assert_eq!(step.done.len(), 2, "nothing is promised any more");
}
