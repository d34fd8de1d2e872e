//! Forged histories: whatever is wrong with one is found, and an honest one is believed.

use std::collections::BTreeMap;

use super::check::{End, Event, Row, Truth, Verdict, check};
use super::history::{Access, Call, Certified, Fault, Frame, History, Look, Outcome, Seen, Verb};

fn call(verb: Verb, subject: &str, (start, end): (u64, u64), version: i64, state: &str) -> Call {
    Call {
        start,
        end,
        who: "ada".to_owned(),
        verb,
        subject: subject.to_owned(),
        key: format!("{verb:?} {subject}"),
        tries: 1,
        unknown: false,
        outcome: Outcome::Done {
            id: subject.to_owned(),
            version,
            state: state.to_owned(),
        },
    }
}

fn event(index: i64, code: &str, request: Option<&str>, grant: Option<&str>) -> Event {
    Event {
        index,
        id: 100 + u128::try_from(index).unwrap(),
        code: code.to_owned(),
        actor: if code == "grant.ended" {
            "portcullis"
        } else {
            "ada"
        }
        .to_owned(),
        request: request.map(str::to_owned),
        grant: grant.map(str::to_owned),
        reason: None,
    }
}

fn row(id: &str, state: &str, version: i64) -> Row {
    Row {
        id: id.to_owned(),
        state: state.to_owned(),
        version,
    }
}

/// One request that is withdrawn, and one that becomes a grant, which ends after 10 seconds.
fn honest() -> (History, Truth) {
    let history = History {
        calls: vec![
            call(Verb::Submit, "R-1", (0, 10), 1, "pending"),
            call(Verb::Withdraw, "R-1", (20, 30), 2, "withdrawn"),
            call(Verb::Submit, "R-2", (40, 50), 1, "pending"),
            call(Verb::Approve, "R-2", (60, 70), 2, "approved"),
        ],
        frames: BTreeMap::from([("console".to_owned(), (1..5).map(frame).collect())]),
        seen: vec![seen(9_999, Access::Login), seen(10_900, Access::Session)],
        ..History::default()
    };
    let truth = Truth {
        epoch: 1,
        events: vec![
            event(0, "request.submitted", Some("R-1"), None),
            event(1, "request.withdrawn", Some("R-1"), None),
            event(2, "request.submitted", Some("R-2"), None),
            event(3, "request.approved", Some("R-2"), None),
            event(4, "grant.ended", Some("R-2"), Some("G-2")),
        ],
        requests: vec![row("R-1", "withdrawn", 2), row("R-2", "approved", 2)],
        grants: vec![row("G-2", "ended", 4)],
        reviews: 1,
        ends: BTreeMap::from([(
            "G-2".to_owned(),
            End {
                expires: 10_000,
                ended: Some(11_000),
            },
        )]),
        ..Truth::default()
    };
    (history, truth)
}

fn frame(index: i64) -> Frame {
    Frame {
        epoch: 1,
        index,
        id: 100 + u128::try_from(index).unwrap(),
    }
}

fn seen(at: i64, by: Access) -> Seen {
    Seen {
        at,
        grant: "G-2".to_owned(),
        by,
    }
}

/// What is found after something was forged.
fn found(forge: impl FnOnce(&mut History, &mut Truth)) -> Verdict {
    let (mut history, mut truth) = honest();
    forge(&mut history, &mut truth);
    check(&history, &truth)
}

#[test]
fn an_honest_history_is_believed() {
    let verdict = found(|_, _| {});
    assert_eq!(verdict.wrong(), Vec::<&String>::new());
    assert_eq!((verdict.worst_login, verdict.worst_session), (0, 900));
}

#[test]
fn a_change_that_was_acknowledged_and_is_not_there_is_found() {
    let verdict = found(|_, truth| {
        truth.requests[0] = row("R-1", "pending", 1);
        truth.events[1] = event(1, "request.claimed", Some("R-1"), None);
    });
    assert!(!verdict.lost.is_empty());
    let verdict = found(|history, _| {
        history
            .calls
            .push(call(Verb::Submit, "R-3", (80, 90), 1, "pending"));
    });
    assert!(!verdict.lost.is_empty());
}

#[test]
fn an_effect_that_came_twice_is_found() {
    let verdict = found(|_, truth| {
        truth.requests.push(row("R-3", "pending", 1));
        truth
            .events
            .push(event(5, "request.submitted", Some("R-3"), None));
    });
    assert!(!verdict.doubled.is_empty());
    let verdict = found(|_, truth| {
        truth
            .events
            .push(event(5, "request.withdrawn", Some("R-1"), None));
    });
    assert!(!verdict.doubled.is_empty());
}

#[test]
fn a_change_of_unknown_outcome_may_be_there_or_not() {
    let open = |history: &mut History| {
        let mut unknown = call(Verb::Submit, "", (80, 90), 1, "pending");
        unknown.outcome = Outcome::Open;
        history.calls.push(unknown);
    };
    assert_eq!(
        found(|history, _| open(history)).wrong(),
        Vec::<&String>::new()
    );
    let verdict = found(|history, truth| {
        open(history);
        truth.requests.push(row("R-3", "pending", 1));
        truth
            .events
            .push(event(5, "request.submitted", Some("R-3"), None));
    });
    assert_eq!(verdict.wrong(), Vec::<&String>::new());
}

#[test]
fn an_event_without_its_change_and_a_change_without_its_event_are_found() {
    let verdict = found(|_, truth| truth.reviews = 2);
    assert!(!verdict.torn.is_empty());
    let verdict = found(|_, truth| truth.grants.push(row("G-3", "active", 1)));
    assert!(!verdict.torn.is_empty());
}

#[test]
fn a_gap_in_the_record_and_an_event_that_is_there_twice_are_found() {
    assert!(!found(|_, truth| truth.events[4].index = 5).torn.is_empty());
    assert!(
        !found(|_, truth| truth.events[4].id = 100)
            .doubled
            .is_empty()
    );
}

#[test]
fn a_stream_with_a_gap_and_one_with_another_event_are_found() {
    let stream = |frames: Vec<Frame>| {
        found(move |history, _| {
            history.frames.insert("console".to_owned(), frames);
        })
    };
    assert!(!stream(vec![frame(1), frame(3)]).torn.is_empty());
    let twin = Frame { id: 7, ..frame(2) };
    assert!(!stream(vec![frame(1), twin]).torn.is_empty());
    let other = Frame {
        epoch: 2,
        ..frame(2)
    };
    assert!(!stream(vec![frame(1), other]).torn.is_empty());
    let again = stream(vec![frame(1), frame(2), frame(2), frame(3)]);
    assert_eq!((again.wrong(), again.told_again), (Vec::new(), 1));
}

#[test]
fn what_was_shown_too_old_is_found_unless_it_said_so() {
    let look = |start: u64, version: i64, stale: bool| {
        let look = Look {
            start,
            id: "R-1".to_owned(),
            version,
            stale,
        };
        found(|history, _| history.looks.push(look)).torn.len()
    };
    assert_eq!(look(30, 1, false), 1);
    assert_eq!(look(10, 0, false), 1);
    assert_eq!(look(30, 1, true), 0);
    assert_eq!(look(29, 1, false), 0);
    assert_eq!(look(30, 2, false), 0);
}

#[test]
fn a_fault_of_the_server_is_found_and_a_refusal_is_none() {
    let said = |what: &str| {
        found(|history, _| {
            history.troubles.insert(what.to_owned(), 1);
        })
    };
    assert_eq!(said("500 fault").torn.len(), 1);
    assert!(said("503 no-writable-store").wrong().is_empty());
}

#[test]
fn a_record_that_went_back_is_found() {
    let verdict = found(|history, _| {
        history
            .calls
            .push(call(Verb::Claim, "R-2", (80, 90), 1, "pending"));
    });
    assert!(!verdict.torn.is_empty());
    let verdict = found(|_, truth| truth.requests[1].state = "denied".to_owned());
    assert!(!verdict.torn.is_empty());
}

#[test]
fn a_login_and_a_session_past_their_bound_are_found() {
    for (at, by) in [
        (15_001, Access::Login),
        (21_001, Access::Session),
        (11_001, Access::Login),
    ] {
        let verdict = found(|history, truth| {
            if at > 12_000 {
                truth.ends.get_mut("G-2").unwrap().ended = None;
            }
            history.seen.push(seen(at, by));
        });
        assert_eq!(verdict.late.len(), 1, "{at}: {:?}", verdict.late);
    }
    // Nobody but the target can end it while nothing can be written, and the session waits for us.
    let broken = |at| {
        found(move |history, truth| {
            truth.ends.get_mut("G-2").unwrap().ended = None;
            history.faults.push(Fault {
                start: 9_000_000,
                end: 20_000_000,
                what: "no primary".to_owned(),
                outage: true,
            });
            history.seen.push(seen(at, Access::Session));
        })
    };
    assert_eq!(broken(61_000).wrong(), Vec::<&String>::new());
    assert_eq!(broken(61_001).late.len(), 1);
}

#[test]
fn a_certificate_past_its_grant_and_a_use_past_a_certificate_are_found() {
    let with = |until: i64, at: i64, by: Access| {
        found(move |history, truth| {
            truth.ends.get_mut("G-2").unwrap().ended = None;
            history.certificates.push(Certified {
                grant: "G-2".to_owned(),
                until,
            });
            history.seen.push(seen(at, by));
        })
        .late
        .len()
    };
    assert_eq!(with(9_000, 9_000, Access::Certificate), 0);
    assert_eq!(with(10_001, 9_000, Access::Certificate), 1);
    assert_eq!(with(9_000, 14_001, Access::Certificate), 1);
    assert_eq!(with(9_000, 20_000, Access::Host), 0);
    assert_eq!(with(9_000, 20_001, Access::Host), 1);
}

#[test]
fn what_was_revoked_and_could_still_be_used_is_found() {
    let verdict = found(|history, truth| {
        truth.ends.get_mut("G-2").unwrap().expires = 100_000;
        truth.ends.get_mut("G-2").unwrap().ended = None;
        let revoked = call(Verb::Revoke, "G-2", (900_000, 1_000_000), 4, "closing");
        history.calls.push(revoked);
        history.seen.push(seen(12_001, Access::Login));
    });
    assert_eq!(verdict.late.len(), 1, "{:?}", verdict.late);
}
