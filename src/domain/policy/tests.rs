//! The policy's rules as cases.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::target::{TargetKind, TargetRole};

const STARTER: &str = r#"
@id("oncall-readonly")
@threshold("0")
@max_duration("1h")
permit (principal in Group::"oncall", action == Action::"request", resource)
when { context.role == "readonly" };

@id("prod-readonly")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
@max_total("8h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { resource.hasTag("env") && resource.getTag("env") == "prod" && context.role == "readonly" };

@id("prod-admin")
@threshold("2")
@reviewers("dba")
@max_duration("2h")
@decide_within("6h")
permit (principal in Group::"engineers", action == Action::"request", resource == Target::"orders-db")
when { context.role == "admin" && context has ticket && context.ticket like "INC-*" };

@id("weekend")
@because("admin access is for weekdays")
forbid (principal, action, resource)
when { context.role == "admin" && ["sat", "sun"].contains(context.weekday) };
"#;

static STARTER_POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::parse(STARTER).unwrap());

fn target() -> Target {
    let role = |includes: &[&str]| TargetRole {
        description: String::new(),
        includes: includes.iter().map(|role| role.parse().unwrap()).collect(),
    };
    Target {
        name: "orders-db".parse().unwrap(),
        kind: TargetKind::Postgres,
        description: String::new(),
        tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        roles: BTreeMap::from([
            ("readonly".parse().unwrap(), role(&[])),
            ("admin".parse().unwrap(), role(&["readonly"])),
        ]),
    }
}

fn asker(groups: &[&str]) -> Principal {
    Principal {
        id: crate::domain::ids::PrincipalId::from_bits(1),
        name: "ada".parse().unwrap(),
        roles: std::collections::BTreeSet::from([crate::domain::principal::ProductRole::Requester]),
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        service: None,
    }
}

/// Decides for `ada` in these groups; a Wednesday at ten unless the case says otherwise.
fn decide(
    text: &str,
    groups: &[&str],
    role: &str,
    long: &str,
    change: impl Fn(&mut Ask<'_>),
) -> Verdict {
    decide_by(&Policy::parse(text).unwrap(), groups, role, long, change)
}

fn decide_by(
    policy: &Policy,
    groups: &[&str],
    role: &str,
    long: &str,
    change: impl Fn(&mut Ask<'_>),
) -> Verdict {
    let (asker, target, role) = (asker(groups), target(), role.parse().unwrap());
    let duration = long.parse().unwrap();
    let mut ask = Ask {
        asker: &asker,
        target: &target,
        role: &role,
        kind: RequestKind::Access,
        duration,
        total: duration,
        ticket: None,
        reason_length: 20,
        now: "2026-11-25T10:00:00Z".parse().unwrap(),
    };
    change(&mut ask);
    policy.decide(&ask)
}

#[test]
fn each_matching_permit_is_one_way_the_easiest_first() {
    let verdict = decide(STARTER, &["engineers", "oncall"], "readonly", "1h", |_| {});
    assert_eq!(
        verdict.sentence(),
        "needs no review (policy `oncall-readonly`), or needs 1 review by `reviewers` (policy `prod-readonly`)"
    );
    let Verdict::Permitted { ways } = verdict else {
        panic!("denied")
    };
    assert_eq!(ways[0].max_total, ways[0].max_duration);
    assert_eq!((ways[1].line, ways[1].decide_within), (8, Span::DAY));
}

#[test]
fn nothing_is_permitted_unless_a_policy_says_so() {
    let cases: [(&[&str], &str, &str, &str); 5] = [
        (
            &[],
            "readonly",
            "1h",
            "denied: no policy lets `ada` ask for `readonly` on `orders-db`",
        ),
        (
            &["oncall"],
            "readonly",
            "2h",
            "denied: the longest that policy `oncall-readonly` gives is `1h`",
        ),
        (
            &["oncall", "engineers"],
            "readonly",
            "5h",
            "denied: the longest that policy `prod-readonly` gives is `4h`",
        ),
        (
            &["engineers"],
            "admin",
            "1h",
            "denied: no policy lets `ada` ask for `admin` on `orders-db`",
        ),
        (
            &["engineers"],
            "owner",
            "1h",
            "denied: target `orders-db` has no role `owner`",
        ),
    ];
    for (groups, role, long, sentence) in cases {
        assert_eq!(
            decide(STARTER, groups, role, long, |_| {}).sentence(),
            sentence
        );
    }
    assert!(matches!(
        decide("", &["engineers"], "readonly", "1h", |_| {}),
        Verdict::Denied { .. }
    ));
}

#[test]
fn a_ticket_counts_only_when_given_and_of_the_right_form() {
    let with = |ticket| {
        decide(STARTER, &["engineers"], "admin", "1h", move |ask| {
            ask.ticket = ticket;
        })
        .sentence()
    };
    assert_eq!(
        with(Some("INC-4127")),
        "needs 2 reviews by `dba` (policy `prod-admin`)"
    );
    assert_eq!(
        with(Some("JIRA-1")),
        "denied: no policy lets `ada` ask for `admin` on `orders-db`"
    );
    assert_eq!(with(None), with(Some("x")));
}

#[test]
fn a_forbid_wins_and_says_why() {
    let verdict = decide(STARTER, &["engineers"], "admin", "1h", |ask| {
        ask.ticket = Some("INC-1");
        ask.now = "2026-11-28T10:00:00Z".parse().unwrap();
    });
    assert_eq!(
        verdict.sentence(),
        "denied: policy `weekend` forbids it: admin access is for weekdays"
    );
    let Verdict::Denied { by, errors, .. } = verdict else {
        panic!("permitted")
    };
    assert_eq!((by, errors), (vec!["weekend".to_owned()], vec![]));
}

#[test]
fn an_extension_may_not_pass_the_total() {
    let extend = |total: &str| {
        let total = total.parse().unwrap();
        decide(STARTER, &["engineers"], "readonly", "30m", move |ask| {
            ask.kind = RequestKind::Extend;
            ask.total = total;
        })
        .sentence()
    };
    assert_eq!(
        extend("8h"),
        "needs 1 review by `reviewers` (policy `prod-readonly`)"
    );
    assert_eq!(
        extend("8h1m"),
        "denied: the longest that policy `prod-readonly` gives in all is `8h`"
    );
}

#[test]
fn every_word_of_the_schema_can_be_used() {
    let conditions = [
        "principal == Principal::\"ada\"",
        "principal.name == \"ada\" && principal.roles.contains(\"requester\")",
        "principal.id like \"P-*\"",
        "resource.kind == \"postgres\" && resource.name == \"orders-db\"",
        "context.kind == \"access\"",
        "context.minutes <= 60 && context.total_minutes <= 60",
        "context.hour >= 8 && context.hour < 18",
        "context.weekday == \"wed\"",
        "context.now > datetime(\"2026-11-25\") && context.now < datetime(\"2026-11-26\")",
        "context.reason_length >= 20",
        "!(context has ticket)",
    ];
    for condition in conditions {
        let text = format!(
            "@id(\"x\") @threshold(\"0\") @max_duration(\"1h\") permit (principal, action, resource) when {{ {condition} }};"
        );
        let verdict = decide(&text, &[], "readonly", "1h", |_| {});
        assert_eq!(
            verdict.sentence(),
            "needs no review (policy `x`)",
            "{condition}"
        );
    }
}

#[test]
fn a_policy_that_errs_never_permits() {
    let permit = "@id(\"open\") @threshold(\"0\") @max_duration(\"1h\") permit (principal, action, resource);";
    let erring = [
        "@id(\"freeze\") forbid (principal, action, resource) when { context.minutes * 9223372036854775807 > 1 };",
        "@id(\"freeze\") @threshold(\"0\") @max_duration(\"1h\") permit (principal, action, resource) when { context.minutes * 9223372036854775807 > 1 };",
        "@id(\"freeze\") forbid (principal, action, resource) unless { context.total_minutes - 9223372036854775807 - 9223372036854775807 > 1 };",
    ];
    for text in erring {
        let verdict = decide(&format!("{permit}\n{text}"), &[], "readonly", "1h", |_| {});
        let Verdict::Denied { by, errors, .. } = &verdict else {
            panic!("permitted in spite of {text}")
        };
        assert_eq!(by, &["freeze"]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with("policy `freeze` could not be evaluated: "),
            "{errors:?}"
        );
        assert_eq!(
            verdict.sentence(),
            "denied: policy `freeze` could not be evaluated, and what cannot be decided is denied"
        );
    }
}

#[test]
fn typed_text_is_a_value_and_never_policy() {
    let hostile = "INC-1\" } ; permit(principal, action, resource) when { \"\" == \"";
    let verdict = decide(STARTER, &[], "admin", "1h", |ask| {
        ask.ticket = Some(hostile);
    });
    assert!(matches!(verdict, Verdict::Denied { .. }));
}

#[test]
fn equal_texts_have_equal_versions() {
    let one = Policy::parse(STARTER).unwrap();
    assert_eq!(one.version().len(), 12);
    assert_eq!(one.version(), Policy::parse(STARTER).unwrap().version());
    assert_ne!(
        one.version(),
        Policy::parse(&format!("{STARTER} ")).unwrap().version()
    );
}

#[test]
fn a_snapshot_survives_storage() {
    let Verdict::Permitted { ways } = decide(STARTER, &["engineers"], "readonly", "1h", |_| {})
    else {
        panic!("denied")
    };
    let snapshot = Policy::parse(STARTER).unwrap().snapshot(ways);
    let stored = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&stored).unwrap(), snapshot);
    assert_eq!(snapshot.decide_within(), Some(Span::DAY));
    assert_eq!(snapshot.immediate(), None);
}

#[test]
fn names_in_the_text_are_found_with_their_places() {
    let policy = Policy::parse(STARTER).unwrap();
    let found: Vec<_> = policy
        .mentions()
        .iter()
        .filter(|mention| mention.what != Mentioned::Group)
        .map(|mention| (mention.what, mention.name.as_str(), mention.place.line))
        .collect();
    assert_eq!(
        found,
        [
            (Mentioned::Role, "readonly", 6),
            (Mentioned::Tag, "env", 14),
            (Mentioned::Tag, "env", 14),
            (Mentioned::Role, "readonly", 14),
            (Mentioned::Target, "orders-db", 21),
            (Mentioned::Role, "admin", 22),
            (Mentioned::Role, "admin", 27),
        ]
    );
}

/// What somebody may do to a policy file by accident.
fn mutated() -> impl Strategy<Value = String> {
    let swaps = prop::sample::select(vec![
        ("context.role", "context.minutes"),
        ("\"readonly\"", "7"),
        ("context has ticket && ", ""),
        ("resource.hasTag(\"env\") && ", ""),
        ("context.ticket", "context.reason"),
        ("principal", "resource"),
        ("Group::", "Target::"),
        ("\"admin\"", "context.minutes * 9223372036854775807 * 2"),
        ("==", "<"),
        ("&&", "||"),
        ("forbid", "permit"),
        (".contains(", ".containsAll("),
        ("context.weekday", "context.hour"),
        ("\"4h\"", "\"four hours\""),
    ]);
    (swaps, 0_usize..12, 0_usize..STARTER.len(), 0_usize..6).prop_map(
        |((from, to), nth, at, cut)| {
            let mut text = STARTER.to_owned();
            if let Some((start, _)) = STARTER.match_indices(from).nth(nth) {
                text.replace_range(start..start + from.len(), to);
            }
            let at = at.min(text.len() - cut);
            text.replace_range(at..at + cut, "");
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_damaged_policy_is_refused_with_a_place_or_decides_without_error(text in mutated(), weekend in any::<bool>()) {
        let policy = match Policy::parse(&text) {
            Ok(policy) => policy,
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.line >= 1 && problem.column >= 1);
                    prop_assert!(problem.line <= text.lines().count() + 1);
                    prop_assert!(!problem.message.contains('\n') && !problem.message.contains("`policy"), "{}", problem.message);
                }
                return Ok(());
            }
        };
        let verdict = decide_by(&policy, &["engineers", "oncall"], "admin", "1h", |ask| {
            ask.ticket = Some("INC-1");
            if weekend {
                ask.now = "2026-11-28T10:00:00Z".parse().unwrap();
            }
            // The invariant, held against what Cedar itself reports.
            let (request, entities) = policy.vocabulary.question(ask).unwrap();
            let response = Authorizer::new().is_authorized(&request, &policy.set, &entities);
            let erred = response.diagnostics().errors().count() > 0;
            let permitted = matches!(policy.decide(ask), Verdict::Permitted { .. });
            assert!(!(erred && permitted), "permitted with errors: {text}");
        });
        if let Verdict::Permitted { ways } = &verdict {
            prop_assert!(!ways.is_empty());
        }
    }

    #[test]
    fn an_ask_longer_than_the_policy_allows_is_never_permitted(minutes in 1_u64..2_000, more in 0_u64..2_000) {
        let duration = Span::from_seconds(minutes * 60).unwrap();
        let total = Span::from_seconds((minutes + more) * 60).unwrap();
        let verdict = decide_by(&STARTER_POLICY, &["engineers", "oncall"], "readonly", "1h", |ask| {
            ask.duration = duration;
            ask.total = total;
        });
        match verdict {
            Verdict::Permitted { ways } => {
                for way in ways {
                    prop_assert!(way.max_duration >= duration && way.max_total >= total);
                }
            }
            Verdict::Denied { errors, .. } => {
                prop_assert!(errors.is_empty());
                prop_assert!(minutes > 240 || minutes + more > 480);
            }
        }
    }
}
