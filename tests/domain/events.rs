//! Every audit event: its code is stable for ever, and some rule or some part of the gate emits it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis::domain::event::{Actor, Event, EventCode};
use portcullis::domain::grant::CloseKind;

use super::machine::{Machine, Step, Story};

/// Events that no transition of a request or grant emits. Each is asserted in the test named beside it.
const BY_THE_GATE: [(EventCode, &str); 71] = [
    (EventCode::AccessRefused, "api::requests"),
    (EventCode::BreakGlassUsed, "api::break_glass"),
    (EventCode::BreakGlassSignedOff, "api::break_glass"),
    (EventCode::BreakGlassReviewed, "api::break_glass"),
    (EventCode::SealedCodesMade, "api::sealed_codes"),
    (EventCode::SealedCodeRevoked, "api::sealed_codes"),
    (EventCode::SealedCodeUsed, "api::sealed_codes"),
    (EventCode::IncidentStarted, "api::incidents"),
    (EventCode::PrincipalInvited, "api::people"),
    (EventCode::SignedIn, "api::people"),
    (EventCode::SignedOut, "api::people"),
    (EventCode::SignInRefused, "api::people"),
    (EventCode::TokenReused, "api::people"),
    (EventCode::TokenMisused, "api::tokens"),
    (EventCode::ServiceCreated, "api::services"),
    (EventCode::ServiceRotated, "api::services"),
    (EventCode::ServiceDeleted, "api::services"),
    (EventCode::SignInRevoked, "api::people"),
    (EventCode::SteppedUp, "api::step_up"),
    (EventCode::StepUpRefused, "api::step_up"),
    (EventCode::TriedTooOften, "api::step_up"),
    (EventCode::FactorAdded, "api::second_factors"),
    (EventCode::FactorRemoved, "api::second_factors"),
    (EventCode::GroupsChanged, "identity::real"),
    (EventCode::DeviceEnrolled, "identity::device"),
    (EventCode::DeviceRevoked, "identity::device"),
    (EventCode::IdentityLapsed, "identity::lapsed"),
    (EventCode::IdentityGone, "identity::lapsed"),
    (EventCode::FactorsReset, "api::second_factors"),
    (EventCode::RecoveryCodesMade, "api::second_factors"),
    (EventCode::PasswordSet, "api::accounts"),
    (EventCode::ConfigLoaded, "reload"),
    (EventCode::ConfigRejected, "reload"),
    (EventCode::PolicyWaiting, "api::policy_changes"),
    (EventCode::PolicyApplied, "api::policy_changes"),
    (EventCode::TlsLoaded, "api::tls"),
    (EventCode::TlsRejected, "api::tls"),
    (EventCode::LogRewritten, "api::log"),
    (EventCode::LogRecovered, "api::recover"),
    (EventCode::LogKeyRotated, "api::recover"),
    (EventCode::PolicyFailed, "api::policy"),
    (EventCode::SessionEnding, "api::sessions"),
    (EventCode::SessionEndFailed, "api::sessions"),
    (EventCode::SessionEndIgnored, "api::sessions"),
    (EventCode::SessionEnded, "api::sessions"),
    (EventCode::StandingFound, "api::standing"),
    (EventCode::StandingChanged, "api::standing"),
    (EventCode::StandingGone, "api::standing"),
    (EventCode::StandingImported, "api::standing"),
    (EventCode::StandingIgnored, "api::standing"),
    (EventCode::StandingReopened, "api::standing"),
    (EventCode::OrphanRemoved, "story"),
    (EventCode::TargetDrifted, "story"),
    (EventCode::HistoryRead, "leaving::reads"),
    (EventCode::ExportStarted, "leaving::export"),
    (EventCode::HistoryExported, "leaving::export"),
    (EventCode::EvidenceTaken, "leaving::evidence"),
    (EventCode::HistoryErased, "leaving::erase"),
    (EventCode::HistoryPruned, "leaving::prune"),
    (EventCode::DeliveryFailed, "leaving::delivery"),
    (EventCode::DeliveryResumed, "leaving::delivery"),
    (EventCode::NoticeGivenUp, "notices::mail"),
    (EventCode::NoticesChosen, "notices::wishes"),
    (EventCode::DatabaseSwitched, "store::failover"),
    (EventCode::ServerStarted, "api::audit"),
    (EventCode::ServerStopped, "api::audit"),
    (EventCode::GrantKept, "operate::restore"),
    (EventCode::GrantOverrideProposed, "api::endings"),
    (EventCode::GrantOverridden, "api::endings"),
    (EventCode::TargetReconciled, "operate::restore"),
    (EventCode::ServerRecovered, "operate::restore"),
];

#[test]
fn codes_are_stable_for_ever() {
    let mut codes = String::new();
    for code in EventCode::ALL {
        writeln!(codes, "{:<26} {}", code.as_str(), code.phrase()).unwrap();
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
    insta::assert_snapshot!(codes);
    let different: BTreeSet<_> = EventCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(different.len(), EventCode::ALL.len());
}

#[test]
fn every_event_is_emitted_by_a_rule_or_listed() {
    let mut seen: BTreeSet<EventCode> = BY_THE_GATE.iter().map(|(code, _)| *code).collect();
    assert_eq!(seen.len(), BY_THE_GATE.len());
    for story in stories() {
        let mut machine = Machine::new(&story);
        for step in &story.steps {
            machine.take(step);
        }
        for event in &machine.events {
            let gate = BY_THE_GATE.iter().any(|(code, _)| *code == event.code);
            assert!(
                !gate,
                "a rule emits {}: it does not belong on the list",
                event.code.as_str()
            );
            seen.insert(event.code);
        }
    }
    let missing: Vec<_> = EventCode::ALL
        .iter()
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(missing.is_empty(), "no rule test emits {missing:?}");
}

/// A life in which everything goes well, and the ways in which it does not.
fn stories() -> Vec<Story> {
    let approve = |who| Step::Approve {
        request: 0,
        who,
        shorter: None,
        role: None,
        start_in: None,
        stale: false,
    };
    let submit = Step::Submit {
        who: 0,
        role: 0,
        minutes: 30,
        start_in: None,
    };
    let close = |kind| Step::Close {
        grant: 0,
        who: 0,
        kind,
        stale: false,
    };
    let story = |ways: &[(u32, usize, u32, u32, u32)], steps: Vec<Step>| Story {
        ways: ways.to_vec(),
        steps,
    };
    let reviewed = [(1, 0, 60, 60, 30)];
    let given = || vec![submit.clone(), approve(1), Step::Activate(0)];
    let active = || {
        [
            given(),
            vec![Step::Acknowledge {
                grant: 0,
                stale: false,
            }],
        ]
        .concat()
    };
    let lock = Step::Lock {
        what: 3,
        who: 0,
        minutes: None,
    };
    vec![
        story(&reviewed, [active(), vec![lock, Step::Unlock(0)]].concat()),
        story(
            &[(2, 0, 60, 60, 30)],
            vec![submit.clone(), approve(1), approve(2)],
        ),
        story(
            &reviewed,
            vec![
                submit.clone(),
                Step::Deny {
                    request: 0,
                    who: 1,
                    stale: false,
                },
            ],
        ),
        story(
            &reviewed,
            vec![submit.clone(), Step::Withdraw { request: 0, who: 0 }],
        ),
        story(
            &reviewed,
            vec![
                submit.clone(),
                Step::Claim { request: 0, who: 1 },
                Step::Release { request: 0, who: 1 },
            ],
        ),
        story(
            &reviewed,
            vec![submit.clone(), Step::Pass(30 * 60_000), Step::Expire(0)],
        ),
        story(
            &reviewed,
            [
                given(),
                vec![Step::RetryActivation(0), Step::FailActivation(0)],
            ]
            .concat(),
        ),
        story(
            &reviewed,
            [
                active(),
                vec![
                    Step::Credential { grant: 0, who: 0 },
                    Step::Extend {
                        grant: 0,
                        who: 1,
                        minutes: 10,
                    },
                    close(CloseKind::Return),
                    close(CloseKind::Return),
                    Step::RetryClose(0),
                    Step::Confirm(0),
                ],
            ]
            .concat(),
        ),
        story(
            &reviewed,
            [active(), vec![close(CloseKind::Revoke), Step::Confirm(0)]].concat(),
        ),
        story(
            &reviewed,
            [
                active(),
                vec![
                    Step::Pass(31 * 60_000),
                    close(CloseKind::End),
                    Step::Confirm(0),
                ],
            ]
            .concat(),
        ),
    ]
}

#[test]
fn a_sentence_names_who_did_what_to_whom() {
    let mut event = Event::new(EventCode::GrantRevoked, Actor::System).reason(Some("done"));
    event.role = Some("readonly".parse().unwrap());
    event.target = Some("orders-db".parse().unwrap());
    event.principal = Some("ada".parse().unwrap());
    assert_eq!(
        event.sentence(),
        "portcullis confirmed as revoked readonly on orders-db for ada: done"
    );
    let event = Event::new(EventCode::SignInRefused, Actor::Anonymous);
    assert_eq!(event.sentence(), "anonymous was refused a sign-in");
}
