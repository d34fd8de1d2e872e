//! Rules at their limits: just before, at and just after.

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::event::EventCode;
use portcullis::domain::grant::{Attempt, Grant, GrantState, authorize};
use portcullis::domain::ids::{GrantId, RequestId};
use portcullis::domain::lock::Locks;
use portcullis::domain::policy::{Needed, Snapshot, Way};
use portcullis::domain::refusal::Refusal;
use portcullis::domain::request::{About, Ask, LATEST_START, REASON_MAX, Request, RequestState};
use portcullis::domain::review::Narrowing;
use portcullis::domain::span::Span;

use super::machine::{person, target};

const TICK: TimeDelta = TimeDelta::microseconds(1);

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn way(threshold: u32) -> Way {
    Way {
        policy_id: "prod".to_owned(),
        line: 1,
        threshold,
        reviewers: vec![Needed {
            group: "dba".parse().unwrap(),
            count: threshold,
        }],
        max_duration: "4h".parse().unwrap(),
        max_total: "2h".parse().unwrap(),
        decide_within: Span::HOUR,
    }
}

fn snapshot(threshold: u32) -> Snapshot {
    Snapshot {
        policy_version: "v1".to_owned(),
        ways: vec![way(threshold)],
    }
}

fn ask(role: &str) -> Ask {
    Ask {
        target: "orders-db".parse().unwrap(),
        role: role.parse().unwrap(),
        duration: Span::HOUR,
        not_before: None,
        reason: "INC-1 look".to_owned(),
        ticket: None,
    }
}

fn submit(ask: Ask, threshold: u32) -> Result<Request, Refusal> {
    let (request, grant) = (RequestId::from_bits(1), GrantId::from_bits(1));
    Request::submit(
        request,
        &person(0, &[]),
        ask,
        snapshot(threshold),
        grant,
        Locks::NONE,
        noon(),
    )
    .map(|(request, _)| request)
}

fn approve(
    request: &Request,
    who: usize,
    narrowed: Narrowing,
    now: DateTime<Utc>,
) -> Result<Request, Refusal> {
    let about = About {
        target: &target(),
        parent: None,
        grant: &GrantId::from_bits(2),
        locks: Locks::NONE,
    };
    request
        .approve_by(&person(who, &["dba"]), None, narrowed, about, now)
        .map(|(request, _)| request)
}

fn active() -> Grant {
    let request = submit(ask("admin"), 0).unwrap();
    let (grant, _) = Grant::schedule(GrantId::from_bits(1), &request, &way(0), noon());
    let (grant, _) = grant.activate(noon()).unwrap();
    grant.activated(grant.epoch, noon()).unwrap().0
}

#[test]
fn a_decision_in_the_last_moment_counts_and_one_at_the_deadline_does_not() {
    let request = submit(ask("admin"), 1).unwrap();
    let deadline = request.decide_by;
    assert_eq!(deadline, noon() + TimeDelta::hours(1));
    assert!(request.expire(deadline - TICK).is_none());
    assert_eq!(
        approve(&request, 1, Narrowing::default(), deadline - TICK)
            .unwrap()
            .state,
        RequestState::Approved
    );
    for late in [deadline, deadline + TICK] {
        let refused = approve(&request, 1, Narrowing::default(), late).unwrap_err();
        assert_eq!(
            refused,
            Refusal::DeadlinePassed {
                request: request.id.clone()
            }
        );
        assert_eq!(
            request.withdraw(&person(0, &[]), late).unwrap_err().code(),
            "deadline-passed"
        );
        assert_eq!(request.expire(late).unwrap().0.state, RequestState::Expired);
    }
}

#[test]
fn access_begins_with_the_start_and_is_over_at_the_end() {
    let grant = active();
    assert_eq!(grant.expires_at, noon() + TimeDelta::hours(1));
    let allowed = |at| authorize(&grant, Locks::NONE, at).is_ok();
    assert_eq!(
        [noon() - TICK, noon(), noon() + TICK].map(allowed),
        [false, true, true]
    );
    let end = grant.expires_at;
    assert_eq!(
        [end - TICK, end, end + TICK].map(allowed),
        [true, false, false]
    );
    assert!(grant.end(end - TICK).is_none());
    assert_eq!(grant.end(end).unwrap().0.state, GrantState::Closing);
}

#[test]
fn an_extension_fills_the_cap_to_the_second_and_comes_before_the_end() {
    let grant = active();
    let seconds = |seconds| Span::from_seconds(seconds).unwrap();
    assert!(
        grant
            .check_extension(seconds(3_600), Locks::NONE, noon())
            .is_ok()
    );
    let refused = grant
        .check_extension(seconds(3_601), Locks::NONE, noon())
        .unwrap_err();
    assert_eq!(
        refused,
        Refusal::OverTotalCap {
            cap: "2h".parse().unwrap(),
            left: Some(Span::HOUR)
        }
    );
    assert!(
        grant
            .check_extension(Span::MINUTE, Locks::NONE, grant.expires_at - TICK)
            .is_ok()
    );
    assert_eq!(
        grant
            .check_extension(Span::MINUTE, Locks::NONE, grant.expires_at)
            .unwrap_err()
            .code(),
        "grant-not-active"
    );
}

#[test]
fn an_extension_without_its_grant_gives_nothing() {
    let grant = active();
    let (request, _) = Request::submit_extension(
        RequestId::from_bits(9),
        &grant,
        &person(0, &[]),
        &person(0, &[]),
        Span::MINUTE,
        "still at it",
        snapshot(1),
        Locks::NONE,
        noon(),
    )
    .unwrap();
    let refused = approve(&request, 1, Narrowing::default(), noon()).unwrap_err();
    assert_eq!(refused.code(), "not-found");
}

#[test]
fn an_approval_may_take_away_and_never_add() {
    let narrow = |duration: Option<&str>, role: Option<&str>, start: Option<i64>| Narrowing {
        duration: duration.map(|text| text.parse().unwrap()),
        role: role.map(|name| name.parse().unwrap()),
        not_before: start.map(|minutes| noon() + TimeDelta::minutes(minutes)),
    };
    let request = submit(ask("ops"), 3).unwrap();
    let cases = [
        (narrow(Some("1h"), None, None), Ok(())),
        (narrow(Some("1s"), Some("readonly"), Some(5)), Ok(())),
        (
            narrow(Some("1h1s"), None, None),
            Err("an approval can only shorten: 1h1s is longer than 1h"),
        ),
        (narrow(None, Some("ops"), None), Ok(())),
        (
            narrow(None, Some("admin"), None),
            Err("an approval can only give a lesser role: `admin` is not contained in `ops`"),
        ),
        (
            narrow(None, Some("export"), None),
            Err("an approval can only give a lesser role: `export` is not contained in `ops`"),
        ),
        (
            narrow(None, Some("nothing"), None),
            Err("an approval can only give a lesser role: `nothing` is not contained in `ops`"),
        ),
        (narrow(None, None, Some(0)), Ok(())),
        (
            narrow(None, None, Some(-1)),
            Err("an approval can only start the access later"),
        ),
    ];
    for (narrowed, expected) in cases {
        let answer = approve(&request, 1, narrowed.clone(), noon())
            .map(|_| ())
            .map_err(|refusal| refusal.text());
        assert_eq!(answer, expected.map_err(str::to_owned), "{narrowed:?}");
    }
    // The second reviewer starts from what the first one left, and cannot give it back.
    let first = approve(
        &request,
        1,
        narrow(Some("30m"), Some("readonly"), Some(10)),
        noon(),
    )
    .unwrap();
    for wider in [
        narrow(Some("31m"), None, None),
        narrow(None, Some("ops"), None),
        narrow(None, None, Some(9)),
    ] {
        assert_eq!(
            approve(&first, 2, wider, noon()).unwrap_err().code(),
            "not-narrower"
        );
    }
    let second = approve(&first, 2, narrow(Some("10m"), None, None), noon()).unwrap();
    let third = approve(&second, 3, Narrowing::default(), noon()).unwrap();
    let terms = third.terms();
    assert_eq!(
        (terms.duration.to_string().as_str(), terms.role.as_str()),
        ("10m", "readonly")
    );
    assert_eq!(terms.not_before, Some(noon() + TimeDelta::minutes(10)));
}

#[test]
fn a_start_is_soon_and_not_in_the_past() {
    let start = |at: DateTime<Utc>| {
        submit(
            Ask {
                not_before: Some(at),
                ..ask("ops")
            },
            1,
        )
        .map(|request| request.not_before)
    };
    assert_eq!(start(noon() - TimeDelta::minutes(5)), Ok(None));
    assert_eq!(
        start(noon() - TimeDelta::minutes(5) - TICK),
        Err(Refusal::StartInPast)
    );
    assert_eq!(
        start(noon() + LATEST_START),
        Ok(Some(noon() + LATEST_START))
    );
    assert_eq!(
        start(noon() + LATEST_START + TimeDelta::milliseconds(1))
            .unwrap_err()
            .code(),
        "start-too-far"
    );
    assert_eq!(
        start(DateTime::<Utc>::MAX_UTC).unwrap_err().code(),
        "start-too-far"
    );
    assert_eq!(start(DateTime::<Utc>::MIN_UTC), Err(Refusal::StartInPast));
}

#[test]
fn a_reason_is_a_sentence_and_a_ticket_is_one_word() {
    let reason = |text: &str| {
        submit(
            Ask {
                reason: text.to_owned(),
                ..ask("ops")
            },
            1,
        )
        .map(|request| request.reason)
    };
    assert_eq!(reason("  fix\n\tit  ").unwrap(), "fix\n\tit");
    assert_eq!(
        reason(&"ä".repeat(REASON_MAX)).unwrap().chars().count(),
        REASON_MAX
    );
    for bad in [
        "",
        "  ",
        "ab",
        "a\u{7}bcd",
        "a\u{1b}[2Jbcd",
        "a\u{9b}bcd",
        "a\u{0}bcd",
        &"ä".repeat(REASON_MAX + 1),
    ] {
        assert_eq!(reason(bad).unwrap_err().code(), "bad-reason", "{bad:?}");
    }
    let ticket = |text: &str| {
        submit(
            Ask {
                ticket: Some(text.to_owned()),
                ..ask("ops")
            },
            1,
        )
        .map(|request| request.ticket)
    };
    assert_eq!(ticket(" INC-1/2 "), Ok(Some("INC-1/2".to_owned())));
    assert_eq!(ticket("  "), Ok(None));
    for bad in ["a b", "ä", "a\u{202e}", &"x".repeat(65)] {
        assert_eq!(ticket(bad), Err(Refusal::BadTicket), "{bad:?}");
    }
}

#[test]
fn own_request_cannot_be_reviewed_whatever_one_is() {
    let request = submit(ask("admin"), 1).unwrap();
    let refused = approve(&request, 0, Narrowing::default(), noon()).unwrap_err();
    assert_eq!(
        refused,
        Refusal::SelfReview {
            request: request.id.clone()
        }
    );
    assert_eq!(
        request
            .deny_by(&person(0, &["dba"]), "no no", noon())
            .unwrap_err()
            .code(),
        "self-review"
    );
}

#[test]
fn the_first_way_of_closing_is_kept_until_a_stronger_one_comes() {
    let (holder, reviewer) = (person(0, &[]), person(1, &[]));
    let (returned, _) = active().give_back(&holder, noon()).unwrap();
    let (same, step) = returned.give_back(&holder, noon()).unwrap();
    assert_eq!(
        (same, step.event.code),
        (returned.clone(), EventCode::GrantCloseIgnored)
    );
    let (revoked, step) = returned.revoke(&reviewer, "leaving", noon()).unwrap();
    assert_eq!(
        (step.event.code, revoked.epoch),
        (EventCode::GrantClosing, returned.epoch)
    );
    let (gone, _) = revoked.closed(&Attempt::default(), noon()).unwrap();
    assert_eq!(gone.state, GrantState::Revoked);
    let (same, step) = gone.revoke(&reviewer, "leaving", noon()).unwrap();
    assert_eq!(
        (same, step.event.code),
        (gone, EventCode::GrantCloseIgnored)
    );
}

#[test]
fn an_end_is_overdue_a_minute_after_it_was_due_however_often_it_was_tried() {
    let (closing, _) = active().revoke(&person(1, &[]), "leaving", noon()).unwrap();
    let due = noon() + TimeDelta::seconds(60);
    assert!(!closing.is_overdue(due - TICK) && closing.is_overdue(due));
    let far = noon() + TimeDelta::minutes(30);
    let (tried, _) = closing
        .close_retried("no route", &Attempt::default(), far)
        .unwrap();
    assert_eq!(
        tried.overdue_at(),
        Some(due),
        "an attempt postpones nothing"
    );
    let (gone, _) = tried.closed(&Attempt::default(), far).unwrap();
    assert_eq!(gone.overdue_at(), None);
    // What nobody has begun to take away is overdue as well.
    let grant = active();
    let end = grant.expires_at + TimeDelta::seconds(60);
    assert!(!grant.is_overdue(end - TICK) && grant.is_overdue(end));
}

#[test]
fn what_cannot_be_taken_back_is_due_by_the_planned_end() {
    let (closing, _) = active().revoke(&person(1, &[]), "leaving", noon()).unwrap();
    let minute = TimeDelta::seconds(60);
    let waits = |until| {
        let nothing = Attempt::default();
        closing
            .close_waits(until, "its last certificate ends then", &nothing, until)
            .unwrap()
    };
    let soon = noon() + TimeDelta::minutes(8);
    let (waiting, step) = waits(soon);
    assert_eq!(waiting.overdue_at(), Some(soon + minute));
    assert_eq!(step.event.code, EventCode::GrantCloseFailed);
    assert_eq!(
        waiting.last_error.as_deref(),
        Some("until 12:08:00Z: its last certificate ends then")
    );
    let (never, _) = waits(noon() + TimeDelta::days(365));
    assert_eq!(never.overdue_at(), Some(closing.expires_at + minute));
}
