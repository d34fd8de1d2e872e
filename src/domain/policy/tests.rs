//! The policy's rules as cases.

use std::sync::LazyLock;

use cedar_policy::{Authorizer, Decision, PolicySet};
use proptest::prelude::*;

use super::*;
use crate::domain::target::{EnforcementClass, TargetKind, TargetRole};

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
        enforcement: EnforcementClass::A,
    }
}

fn asker(groups: &[&str]) -> Principal {
    Principal {
        id: crate::domain::ids::PrincipalId::from_bits(1),
        name: "ada".parse().unwrap(),
        roles: [crate::domain::principal::ProductRole::Requester].into(),
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
        Verdict::Denied(_)
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
    let Verdict::Denied(denial) = verdict else {
        panic!("permitted")
    };
    let weekend = Cited {
        id: "weekend".to_owned(),
        line: 24,
    };
    assert_eq!((denial.by, denial.errors), (vec![weekend], vec![]));
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
        "resource.enforcement == \"A\"",
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
        let Verdict::Denied(Denial { by, errors, .. }) = &verdict else {
            panic!("permitted in spite of {text}")
        };
        assert_eq!((by.len(), by[0].id.as_str()), (1, "freeze"));
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
    assert!(matches!(verdict, Verdict::Denied(_)));
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
            let (request, entities) = policy
                .vocabulary
                .asking(Deed::Request, ask, &policy.zone)
                .unwrap();
            let all: PolicySet = text.parse().unwrap();
            let response = Authorizer::new().is_authorized(&request, &all, &entities);
            let erred = response.diagnostics().errors().count() > 0;
            let permitted = matches!(policy.decide(ask), Verdict::Permitted { .. });
            assert!(!(erred && permitted), "permitted with errors: {text}");
            let whole = response.decision() == Decision::Allow && !erred;
            assert_eq!(whole, permitted, "with policies left out it is another answer: {text}");
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
            Verdict::Denied(Denial { errors, .. }) => {
                prop_assert!(errors.is_empty());
                prop_assert!(minutes > 240 || minutes + more > 480);
            }
        }
    }
}

fn doing<'a>(deed: Deed, who: &'a Principal, target: &'a Target, role: &'a RoleName) -> Doing<'a> {
    let reviewing = matches!(deed, Deed::Review | Deed::Extend);
    Doing {
        deed,
        who,
        target,
        owner: (deed != Deed::Lock).then_some(who),
        role: (deed != Deed::Lock).then_some(role),
        kind: reviewing.then_some(RequestKind::Access),
        duration: reviewing.then_some(Span::MINUTE),
        ticket: None,
        on: (deed == Deed::Lock).then_some("target"),
        now: "2026-11-28T10:00:00Z".parse().unwrap(),
    }
}

/// What policy says to `ada` of these groups about each deed that is not asking.
fn deeds(text: &str, groups: &[&str]) -> Vec<(Deed, Result<(), String>)> {
    let policy = Policy::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (who, target, role) = (asker(groups), target(), "admin".parse().unwrap());
    [Deed::Review, Deed::Extend, Deed::Revoke, Deed::Lock]
        .into_iter()
        .map(|deed| {
            let said = policy.may(&doing(deed, &who, &target, &role));
            (deed, said.map_err(|denial| denial.why))
        })
        .collect()
}

#[test]
fn a_policy_without_an_action_in_its_scope_stops_nobody_from_taking_access_away() {
    let freeze =
        "@id(\"freeze\") forbid (principal, action, resource) when { context.role == \"admin\" };";
    for (deed, said) in deeds(freeze, &[]) {
        assert_eq!(said, Ok(()), "{deed}");
    }
}

#[test]
fn a_deed_that_only_forbids_are_about_is_allowed_to_everybody_else() {
    let text = "@id(\"no-weekend\") @because(\"nobody reviews on a weekend\") forbid (principal in Group::\"contractors\", action in [Action::\"review\", Action::\"lock\"], resource) when { context.weekday == \"sat\" };";
    assert!(deeds(text, &[]).iter().all(|(_, said)| said.is_ok()));
    let said: Vec<bool> = deeds(text, &["contractors"])
        .iter()
        .map(|(_, said)| said.is_ok())
        .collect();
    assert_eq!(said, [false, true, true, false]);
    let (_, review) = deeds(text, &["contractors"]).remove(0);
    assert_eq!(
        review.unwrap_err(),
        "policy `no-weekend` forbids it: nobody reviews on a weekend"
    );
}

#[test]
fn the_first_permit_of_a_deed_leaves_out_everybody_whom_none_names() {
    let text = "@id(\"revokers\") permit (principal in Group::\"oncall\", action == Action::\"revoke\", resource) when { context.owner in Group::\"oncall\" };";
    let revoke = |groups: &[&str]| deeds(text, groups).remove(2).1;
    assert_eq!(revoke(&["oncall"]), Ok(()));
    assert_eq!(
        revoke(&[]).unwrap_err(),
        "no policy lets `ada` revoke grants on `orders-db`"
    );
    // The others are as without policy.
    assert_eq!(deeds(text, &[]).remove(0).1, Ok(()));
}

#[test]
fn a_deed_that_cannot_be_evaluated_is_refused() {
    let text = "@id(\"broken\") forbid (principal, action == Action::\"revoke\", resource) when { context.hour * 9223372036854775807 > 1 };";
    let policy = Policy::parse(text).unwrap();
    let (who, target, role) = (asker(&[]), target(), "admin".parse().unwrap());
    let denial = policy
        .may(&doing(Deed::Revoke, &who, &target, &role))
        .unwrap_err();
    assert_eq!(denial.errors.len(), 1);
    assert_eq!(denial.by[0].id, "broken");
}

#[test]
fn glass_is_broken_only_where_a_policy_says_so() {
    let glass = "@id(\"glass\") @max_duration(\"30m\") @reviewers(\"security\") permit (principal in Group::\"oncall\", action == Action::\"break_glass\", resource);";
    let open = "@id(\"open\") @threshold(\"0\") @max_duration(\"1h\") permit (principal, action, resource);";
    let ask = |text: &str| {
        let policy = Policy::parse(text).unwrap();
        let (asker, target, role) = (asker(&["oncall"]), target(), "admin".parse().unwrap());
        let ask = Ask {
            asker: &asker,
            target: &target,
            role: &role,
            kind: RequestKind::Access,
            duration: Span::MINUTE,
            total: Span::MINUTE,
            ticket: None,
            reason_length: 20,
            now: "2026-11-25T10:00:00Z".parse().unwrap(),
        };
        policy.decide_as(Deed::BreakGlass, &ask).sentence()
    };
    assert_eq!(
        ask(open),
        "denied: no policy lets `ada` break glass for `admin` on `orders-db`"
    );
    assert_eq!(ask(glass), "needs 1 review by `security` (policy `glass`)");
}

#[test]
fn several_groups_are_one_way_with_several_thresholds() {
    let text = "@id(\"both\") @reviewers(\"dba:2, security:1\") @max_duration(\"1h\") permit (principal, action, resource);";
    let verdict = decide(text, &[], "admin", "1h", |_| {});
    assert_eq!(
        verdict.sentence(),
        "needs 2 reviews by `dba` and 1 by `security` (policy `both`)"
    );
    let Verdict::Permitted { ways } = verdict else {
        panic!("denied")
    };
    assert_eq!(ways[0].threshold, 3);
    let stored = serde_json::to_string(&ways).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Way>>(&stored).unwrap(), ways);
}

#[test]
fn one_group_is_stored_as_it_always_was() {
    let Verdict::Permitted { ways } = decide(STARTER, &["engineers"], "readonly", "1h", |_| {})
    else {
        panic!("denied")
    };
    let stored = serde_json::to_value(&ways[0]).unwrap();
    assert_eq!(stored["reviewers"], "reviewers");
    assert_eq!(serde_json::from_value::<Way>(stored).unwrap(), ways[0]);
}

#[test]
fn hours_are_those_of_the_zone() {
    let text = "@id(\"late\") @threshold(\"0\") @max_duration(\"1h\") permit (principal, action, resource) when { context.hour == 0 && context.weekday == \"thu\" };";
    let policy = Policy::parse(text).unwrap();
    let late = |policy: &Policy| {
        decide_by(policy, &[], "admin", "1h", |ask| {
            ask.now = "2026-11-25T23:30:00Z".parse().unwrap();
        })
    };
    assert!(matches!(late(&policy), Verdict::Denied(_)));
    let berlin = policy.in_zone("Europe/Berlin".parse().unwrap());
    assert!(matches!(late(&berlin), Verdict::Permitted { .. }));
}

/// What became of each policy, as one line each.
fn told(text: &str, groups: &[&str], role: &str, long: &str) -> Vec<String> {
    let policy = Policy::parse(text).unwrap();
    let (asker, target, role) = (asker(groups), target(), role.parse().unwrap());
    let duration = long.parse().unwrap();
    let ask = Ask {
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
    let (_, explained) = policy.explain(Deed::Request, &ask);
    explained
        .iter()
        .map(|one| {
            let failed = one.failed().map(|failed| {
                let looked: Vec<String> = failed
                    .looked_at
                    .iter()
                    .map(|looked| format!("{} is {}", looked.at, looked.is))
                    .collect();
                format!(
                    " line {}: {} [{}]",
                    failed.line,
                    failed.text,
                    looked.join(", ")
                )
            });
            format!("{} {:?}{}", one.id, one.outcome, failed.unwrap_or_default())
        })
        .collect()
}

#[test]
fn every_policy_says_which_condition_did_not_hold() {
    assert_eq!(
        told(STARTER, &["engineers"], "admin", "1h"),
        [
            "oncall-readonly NotMatched line 5: principal in Group::\"oncall\" []",
            "prod-readonly NotMatched line 14: context.role == \"readonly\" [context.role is \"admin\"]",
            "prod-admin NotMatched line 22: context has ticket [context.ticket is not there]",
            "weekend NotMatched line 27: [\"sat\", \"sun\"].contains(context.weekday) [context.weekday is \"wed\"]",
        ]
    );
    assert_eq!(
        told(STARTER, &["oncall"], "readonly", "2h"),
        [
            "oncall-readonly TooShort",
            "prod-readonly NotMatched line 13: principal in Group::\"engineers\" []",
            "prod-admin NotMatched line 21: principal in Group::\"engineers\" []",
            "weekend NotMatched line 27: context.role == \"admin\" [context.role is \"readonly\"]",
        ]
    );
}

#[test]
fn conditions_are_found_in_every_form_of_text() {
    let text = "@id(\"odd\") @because(\"a && b { (\")\nforbid (principal is Principal in Group::\"g\", action in [Action::\"request\"], resource)\nwhen { context.minutes > 1 // && not this\n && (context.hour == 1 || context.hour == 10) }\nunless { context has ticket && context.ticket like \"x;*\" }\nwhen { if context.minutes > 5 then true && true else false };";
    assert_eq!(told(text, &["g"], "admin", "1h"), ["odd Matched"]);
    assert_eq!(
        told(text, &["g"], "admin", "3m"),
        [
            "odd NotMatched line 6: if context.minutes > 5 then true && true else false [context.minutes is 3]"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_explained_is_what_cedar_decided(text in mutated(), weekend in any::<bool>(), minutes in 1_u64..400) {
        let Ok(policy) = Policy::parse(&text) else { return Ok(()); };
        let duration = Span::from_seconds(minutes * 60).unwrap();
        decide_by(&policy, &["engineers", "oncall"], "admin", "1h", |ask| {
            ask.ticket = Some("INC-1");
            ask.duration = duration;
            ask.total = duration;
            if weekend {
                ask.now = "2026-11-28T10:00:00Z".parse().unwrap();
            }
            let (verdict, explained) = policy.explain(Deed::Request, ask);
            let of = |outcome, effect: &str| explained.iter()
                .filter(|one| one.outcome == outcome && one.effect == effect)
                .map(|one| one.id.clone()).collect::<Vec<_>>();
            match verdict {
                Verdict::Permitted { mut ways } => {
                    ways.sort_by_key(|way| way.line);
                    let ids: Vec<String> = ways.into_iter().map(|way| way.policy_id).collect();
                    assert_eq!(ids, of(Outcome::Matched, "permit"), "{text}");
                }
                Verdict::Denied(denial) if !denial.errors.is_empty() => {
                    assert!(explained.iter().any(|one| one.outcome == Outcome::Error), "{text}");
                }
                Verdict::Denied(_) => {
                    let forbidden = !of(Outcome::Matched, "forbid").is_empty();
                    assert!(forbidden || of(Outcome::Matched, "permit").is_empty(), "{text}");
                }
            }
        });
    }
}

/// Policies about several targets, some of which err, decided with the index and without.
fn many() -> impl Strategy<Value = String> {
    let one = (0_usize..4, 0_usize..3, 0_usize..5, any::<bool>()).prop_map(|(target, group, condition, permit)| {
        let target = ["", " == Target::\"orders-db\"", " == Target::\"web-1\"", " is Target"][target];
        let group = ["", " in Group::\"engineers\"", " in Group::\"nobody\""][group];
        let condition = [
            "context.role == \"admin\"",
            "context.role == \"readonly\"",
            "context.minutes <= 60",
            "context.minutes * 9223372036854775807 > 1",
            "resource.hasTag(\"env\") && resource.getTag(\"env\") == \"prod\"",
        ][condition];
        let (annotations, effect) = if permit { ("@threshold(\"0\") @max_duration(\"9h\")", "permit") } else { ("", "forbid") };
        format!("{annotations} {effect} (principal{group}, action == Action::\"request\", resource{target}) when {{ {condition} }};")
    });
    prop::collection::vec(one, 1..7).prop_map(|all| {
        all.iter()
            .enumerate()
            .map(|(nth, text)| format!("@id(\"p{nth}\") {text}\n"))
            .collect::<Vec<_>>()
            .concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn leaving_policies_out_changes_no_answer(text in many(), admin in any::<bool>()) {
        let policy = Policy::parse(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let role = if admin { "admin" } else { "readonly" };
        decide_by(&policy, &["engineers"], role, "1h", |ask| {
            let (request, entities) = policy.vocabulary.asking(Deed::Request, ask, &policy.zone).unwrap();
            let all: PolicySet = text.parse().unwrap();
            let response = Authorizer::new().is_authorized(&request, &all, &entities);
            let erred = response.diagnostics().errors().count() > 0;
            let verdict = policy.decide(ask);
            assert_eq!(verdict.errors().is_empty(), !erred, "{text}");
            let whole = response.decision() == Decision::Allow && !erred;
            assert_eq!(matches!(verdict, Verdict::Permitted { .. }), whole, "{text}");
            let mut cited: Vec<String> = match verdict {
                Verdict::Permitted { ways } => ways.into_iter().map(|way| way.policy_id).collect(),
                Verdict::Denied(denial) => denial.by.into_iter().map(|cited| cited.id).collect(),
            };
            let named = |id: &str| policy.rule(id).unwrap().id.clone();
            let mut decided: Vec<String> = if erred {
                response.diagnostics().errors().map(|error| {
                    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                    named(error.policy_id().as_ref())
                }).collect()
            } else {
                response.diagnostics().reason().map(|id| named(id.as_ref())).collect()
            };
            cited.sort();
            decided.sort();
            assert_eq!(cited, decided, "{text}");
        });
    }
}
