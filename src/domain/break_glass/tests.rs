//! The rules of break-glass, case by case.

use super::*;
use crate::domain::ids::{CodeId, PrincipalId};
use crate::domain::policy::Needed;
use crate::domain::principal::ProductRole;

fn person(nth: u64, groups: &[&str]) -> Principal {
    Principal {
        id: PrincipalId::from_bits(nth),
        name: format!("p{nth}").parse().unwrap(),
        roles: [ProductRole::Reviewer].into(),
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        service: None,
    }
}

fn way(needs: &[(&str, u32)], max: &str) -> Way {
    let reviewers: Vec<Needed> = needs
        .iter()
        .map(|(group, count)| Needed {
            group: group.parse().unwrap(),
            count: *count,
        })
        .collect();
    Way {
        policy_id: "glass".to_owned(),
        line: 1,
        threshold: reviewers.iter().map(|needed| needed.count).sum(),
        reviewers,
        max_duration: max.parse().unwrap(),
        max_total: Span::DAY,
        decide_within: Span::DAY,
    }
}

fn used(ways: Vec<Way>, code: Option<CodeRef>) -> Use {
    Use {
        request: RequestId::from_bits(1),
        grant: GrantId::from_bits(1),
        person: person(1, &[]).as_ref(),
        target: "orders-db".parse().unwrap(),
        role: "admin".parse().unwrap(),
        duration: Span::MINUTE,
        reason: "INC-1 look".to_owned(),
        ticket: None,
        ways,
        skipped: vec![person(2, &[]).as_ref(), person(3, &[]).as_ref()],
        code,
        created_at: DateTime::UNIX_EPOCH,
        sign_offs: Vec::new(),
        verdict: None,
        reviewed_at: None,
        version: 1,
    }
}

fn code(refusal: Result<impl std::fmt::Debug, Refusal>) -> &'static str {
    refusal.unwrap_err().code()
}

#[test]
fn no_use_is_longer_than_the_ceiling_or_than_policy_says() {
    let limits = Limits {
        max: "45m".parse().unwrap(),
    };
    let ways = vec![
        way(&[("dba", 1)], "30m"),
        way(&[("dba", 1)], "4h"),
        way(&[], "4h"),
    ];
    let capped = limits.cap(ways);
    let lengths: Vec<String> = capped
        .iter()
        .map(|way| format!("{} {}", way.max_duration, way.max_total))
        .collect();
    assert_eq!(
        lengths,
        ["30m 30m", "45m 45m"],
        "a way without reviewers is none"
    );
}

#[test]
fn nobody_signs_off_their_own_use() {
    let maker = person(3, &["dba"]);
    let made = CodeRef {
        id: CodeId::from_bits(1),
        made_by: maker.as_ref(),
    };
    let of = used(vec![way(&[("dba", 1)], "30m")], Some(made));
    assert_eq!(code(of.may_sign_off(&person(1, &["dba"]))), "self-review");
    assert_eq!(code(of.may_sign_off(&maker)), "own-code");
    assert_eq!(
        code(of.may_sign_off(&person(2, &["sre"]))),
        "not-a-reviewer"
    );
    assert_eq!(of.may_sign_off(&person(2, &["dba"])), Ok(()));
}

#[test]
fn a_use_is_justified_by_as_many_distinct_people_as_policy_asks() {
    let now = DateTime::UNIX_EPOCH;
    let of = used(vec![way(&[("dba", 1), ("sec", 1)], "30m")], None);
    let say = |of: &Use, who: &Principal, verdict| of.sign_off(who, verdict, "looked at it", now);
    let (dba, both) = (person(2, &["dba"]), person(3, &["dba", "sec"]));
    let (half, change) = say(&of, &both, Verdict::Justified).unwrap();
    assert_eq!((half.state(), half.version), (UseState::Open, 2));
    assert_eq!(change[0].event.code, EventCode::BreakGlassSignedOff);
    assert_eq!(
        code(say(&half, &both, Verdict::Justified)),
        "already-reviewed"
    );
    // Whoever is in both groups counts where that helps.
    let (whole, change) = say(&half, &dba, Verdict::Justified).unwrap();
    assert_eq!(whole.state(), UseState::Reviewed(Verdict::Justified));
    assert_eq!(change[0].event.code, EventCode::BreakGlassReviewed);
    let late = person(4, &["sec"]);
    assert_eq!(
        code(say(&whole, &late, Verdict::NotJustified)),
        "break-glass-reviewed"
    );
    // One who finds it not justified is enough.
    let (no, _) = say(&half, &dba, Verdict::NotJustified).unwrap();
    assert_eq!(no.state(), UseState::Reviewed(Verdict::NotJustified));
    for empty in ["", "  ", "ok"] {
        let refused = of.sign_off(&dba, Verdict::Justified, empty, now);
        assert_eq!(code(refused), "sign-off-without-comment");
    }
}

#[test]
fn the_event_names_everybody_who_was_skipped() {
    let step = used(vec![way(&[("dba", 1)], "30m")], None).used();
    assert_eq!(step.event.code, EventCode::BreakGlassUsed);
    assert_eq!(
        step.event.details["skipped"],
        serde_json::json!(["p2", "p3"])
    );
}
