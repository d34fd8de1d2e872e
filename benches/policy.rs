//! How many decisions a policy makes in a second, and how long one takes, with few policies and with many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use portcullis::domain::ids::PrincipalId;
use portcullis::domain::policy::{Ask, Policy};
use portcullis::domain::principal::{Principal, ProductRole};
use portcullis::domain::request::RequestKind;
use portcullis::domain::target::{EnforcementClass, Target, TargetKind, TargetRole};

use crate::table::{self, Line, Times};

/// How many decisions are timed for each number of policies.
const DECISIONS: usize = 5_000;

/// As many policies as asked for, each for a group, a target and a role of its own, every tenth a `forbid`.
fn text(count: usize) -> String {
    let mut text = String::new();
    for nth in 0..count {
        let (group, target) = (nth % 20, nth % 40);
        let role = if nth % 2 == 0 { "readonly" } else { "admin" };
        let scope = format!(
            "(principal in Group::\"g{group}\", action == Action::\"request\", resource == Target::\"t{target}\")"
        );
        let when = format!("when {{ context.role == \"{role}\" && context.minutes <= 240 }}");
        let _ = if nth % 10 == 9 {
            writeln!(
                text,
                "@id(\"p{nth}\") forbid {scope} {when} unless {{ context.hour >= 7 }};"
            )
        } else {
            writeln!(
                text,
                "@id(\"p{nth}\") @reviewers(\"g1:1, g2:1\") @max_duration(\"4h\") permit {scope} {when};"
            )
        };
    }
    text
}

/// Prints one line for each number of policies.
pub(crate) fn decisions() -> anyhow::Result<()> {
    let role = TargetRole {
        description: String::new(),
        includes: BTreeSet::new(),
    };
    let target = Target {
        name: "t1".parse()?,
        kind: TargetKind::Postgres,
        description: String::new(),
        tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        roles: BTreeMap::from([("admin".parse()?, role)]),
        enforcement: EnforcementClass::A,
    };
    let mut groups = BTreeSet::new();
    for name in ["g1", "g2", "g3"] {
        groups.insert(name.parse()?);
    }
    let asker = Principal {
        id: PrincipalId::from_bits(1),
        name: "ada".parse()?,
        roles: [ProductRole::Requester].into(),
        groups,
        service: None,
    };
    let mut lines = Vec::new();
    for count in [10, 50, 200] {
        let policy =
            Policy::parse(&text(count)).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let ask = Ask {
            asker: &asker,
            target: &target,
            role: &"admin".parse()?,
            kind: RequestKind::Access,
            duration: "1h".parse()?,
            total: "1h".parse()?,
            ticket: Some("INC-1"),
            reason_length: 40,
            now: "2026-11-25T10:00:00Z".parse()?,
        };
        let mut times = Times::default();
        let started = Instant::now();
        for _ in 0..DECISIONS {
            let from = Instant::now();
            std::hint::black_box(policy.decide(&ask));
            times.push(from.elapsed());
        }
        let rate = f64::from(u32::try_from(DECISIONS)?) / started.elapsed().as_secs_f64();
        let (p50, p99) = (times.p50() * 1_000.0, times.p99() * 1_000.0);
        let took = format!("{rate:.0}/s, {p50:.0} / {p99:.0} µs");
        lines.push(Line::new(format!("{count} policies"), took).goal("p99 100 µs", p99 <= 100.0));
    }
    table::print("Decisions of a policy", &lines)
}
