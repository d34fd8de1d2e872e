//! `portcullis policy test`: cases that say what a policy means, and whether it does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cli::{Context, Exit, Failure};
use crate::config::paths;
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName, RoleName, TargetName};
use crate::domain::policy::{Ask, Deed, Policy, Verdict};
use crate::domain::principal::Principal;
use crate::domain::request::RequestKind;
use crate::domain::roles::Roles;
use crate::domain::span::Span;
use crate::domain::target::{EnforcementClass, Target, TargetKind, TargetRole};
use crate::domain::zone::Zone;
use crate::wire::PolicyLine;

/// Run the cases of a folder against a policy; ends with 1 when the policy means something else
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each *.toml file of the folder holds `[[case]]` tables: `name`, `person`, `groups`, `target`, `role`, \
                  `duration`, `time`, `ticket`, `reason`, `action` (request, extend or break_glass), and what is expected: \
                  `expect` (permit or deny), `way` (the id of a policy), `threshold`, `because` (a part of the sentence). \
                  `[target.NAME]` with `kind`, `tags` and `roles` says what a target is like; `time_zone` whose hours count. \
                  `portcullis policy starter small-team --cases` shows some."
)]
pub(super) struct Arguments {
    /// The folder of the cases
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The policy; without it policy.cedar in the folder or in the one above
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// What became of one case.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) verdict: String,
    /// What was expected and is not so; empty when it passed.
    pub(super) failures: Vec<String>,
    /// What became of each policy, where something failed.
    pub(super) told: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    target: BTreeMap<TargetName, Like>,
    #[serde(default)]
    case: Vec<Case>,
}

/// What a target of the cases is like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Like {
    #[serde(default = "postgres")]
    kind: TargetKind,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    roles: Vec<RoleName>,
    #[serde(default = "the_target")]
    enforcement: EnforcementClass,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    person: PrincipalName,
    #[serde(default)]
    groups: BTreeSet<GroupName>,
    #[serde(default)]
    product_roles: Roles,
    target: TargetName,
    role: RoleName,
    #[serde(default = "request")]
    action: String,
    duration: Span,
    /// With all extensions; the same as `duration`, if left out.
    total: Option<Span>,
    time: Option<DateTime<Utc>>,
    ticket: Option<String>,
    reason: Option<String>,
    expect: Expect,
    way: Option<String>,
    threshold: Option<u32>,
    because: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Permit,
    Deny,
}

fn postgres() -> TargetKind {
    TargetKind::Postgres
}

fn the_target() -> EnforcementClass {
    EnforcementClass::A
}

fn request() -> String {
    "request".to_owned()
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let beside = arguments.folder.join(paths::POLICY_FILE);
    let above = arguments.folder.join("..").join(paths::POLICY_FILE);
    let fallback = if beside.exists() { beside } else { above };
    let policy = super::policy(arguments.policy.as_ref().unwrap_or(&fallback))?;
    let folder = std::fs::read_dir(&arguments.folder).map_err(|error| {
        Failure::here(
            format!("{} cannot be read: {error}", arguments.folder.display()),
            "name the folder of the cases",
        )
    })?;
    let mut files: Vec<PathBuf> = folder
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let mut tried = Vec::new();
    for file in files {
        let found = of_text(&super::text(&file)?, &policy).map_err(|error| {
            Failure::usage(
                format!("{}: {error}", file.display()),
                "see `portcullis policy test --help`",
            )
        })?;
        tried.extend(found.into_iter().map(|one| Tried {
            file: file.display().to_string(),
            ..one
        }));
    }
    if tried.is_empty() {
        return Err(Failure::usage(
            format!("there is no case in {}", arguments.folder.display()),
            "see `portcullis policy test --help`",
        ));
    }
    let failed = tried.iter().filter(|one| !one.failures.is_empty()).count();
    context.printer.answer(&tried, |printer| {
        for one in tried.iter().filter(|one| !one.failures.is_empty()) {
            printer.line(&format!("FAILED {}: {}", one.file, one.name))?;
            for line in one.failures.iter().chain(&one.told) {
                printer.line(&format!("  {line}"))?;
            }
        }
        let passed = tried.len() - failed;
        printer.line(&format!("{passed} passed, {failed} failed"))
    })?;
    Ok(if failed == 0 {
        Exit::DONE
    } else {
        Exit::REFUSED
    })
}

/// Runs the cases of one file.
pub(super) fn of_text(text: &str, policy: &Policy) -> Result<Vec<Tried>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let zone = file.time_zone.as_deref().map(str::parse::<Zone>);
    let zone = zone.transpose().map_err(|error| error.to_string())?;
    let policy = policy.clone().in_zone(zone.unwrap_or_default());
    file.case
        .iter()
        .map(|case| one(case, &file.target, &policy))
        .collect()
}

fn one(
    case: &Case,
    targets: &BTreeMap<TargetName, Like>,
    policy: &Policy,
) -> Result<Tried, String> {
    let asker = Principal {
        id: PrincipalId::from_bits(1),
        name: case.person.clone(),
        roles: case.product_roles.clone(),
        groups: case.groups.clone(),
        service: None,
    };
    let target = target(case, targets.get(&case.target));
    let (deed, kind) = match case.action.as_str() {
        "request" => (Deed::Request, RequestKind::Access),
        "extend" => (Deed::Request, RequestKind::Extend),
        "break_glass" => (Deed::BreakGlass, RequestKind::BreakGlass),
        other => {
            return Err(format!(
                "case `{}`: `{other}` is not an action that a case can be about",
                case.name
            ));
        }
    };
    // A Wednesday at noon, so that a case without a time means the same on every day.
    let usual = DateTime::from_timestamp(1_795_608_000, 0).unwrap_or_default();
    let ask = Ask {
        asker: &asker,
        target: &target,
        role: &case.role,
        kind,
        duration: case.duration,
        total: case.total.unwrap_or(case.duration),
        ticket: case.ticket.as_deref(),
        reason_length: case
            .reason
            .as_ref()
            .map_or(40, |reason| reason.chars().count()),
        now: case.time.unwrap_or(usual),
    };
    let (verdict, explained) = policy.explain(deed, &ask);
    let failures = failures(case, &verdict);
    let told = explained.iter().map(|one| PolicyLine::from(one).sentence());
    Ok(Tried {
        file: String::new(),
        name: case.name.clone(),
        verdict: verdict.sentence(),
        told: if failures.is_empty() {
            Vec::new()
        } else {
            told.collect()
        },
        failures,
    })
}

fn target(case: &Case, like: Option<&Like>) -> Target {
    let plain = TargetRole {
        description: String::new(),
        includes: BTreeSet::new(),
    };
    let mut roles: BTreeMap<RoleName, TargetRole> = like
        .into_iter()
        .flat_map(|like| &like.roles)
        .map(|role| (role.clone(), plain.clone()))
        .collect();
    if roles.is_empty() {
        roles.insert(case.role.clone(), plain);
    }
    Target {
        name: case.target.clone(),
        kind: like.map_or(TargetKind::Postgres, |like| like.kind),
        description: String::new(),
        tags: like.map(|like| like.tags.clone()).unwrap_or_default(),
        roles,
        enforcement: like.map_or(EnforcementClass::A, |like| like.enforcement),
    }
}

fn failures(case: &Case, verdict: &Verdict) -> Vec<String> {
    let said = verdict.sentence();
    let mut failures = Vec::new();
    match (verdict, case.expect) {
        (Verdict::Permitted { .. }, Expect::Deny) => {
            failures.push(format!("expected no, and it is permitted: {said}"));
        }
        (Verdict::Denied(_), Expect::Permit) => {
            failures.push(format!("expected yes, and it is {said}"));
        }
        (Verdict::Permitted { ways }, Expect::Permit) => {
            let wanted = ways
                .iter()
                .find(|way| case.way.as_ref().is_none_or(|id| way.policy_id == *id));
            match (wanted, &case.way) {
                (None, Some(id)) => {
                    failures.push(format!("expected the way `{id}`; there is: {said}"));
                }
                (Some(way), _) => {
                    if let Some(threshold) = case.threshold.filter(|count| *count != way.threshold)
                    {
                        failures.push(format!(
                            "expected {threshold} reviews; it {}",
                            way.sentence()
                        ));
                    }
                }
                (None, None) => {}
            }
        }
        (Verdict::Denied(_), Expect::Deny) => {}
    }
    if let Some(because) = case
        .because
        .as_ref()
        .filter(|because| !said.contains(because.as_str()))
    {
        failures.push(format!("expected to read `{because}`; it says: {said}"));
    }
    failures
}
