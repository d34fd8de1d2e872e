//! `portcullis policy diff`: which questions two policies answer differently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::catalog;
use crate::cli::context::environment;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure};
use crate::config::paths;
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName};
use crate::domain::policy::{Ask, Effect, Mentioned, Policy, Verdict, Way};
use crate::domain::principal::{Principal, ProductRole};
use crate::domain::request::RequestKind;
use crate::domain::span::Span;
use crate::domain::target::Target;

/// Say which questions two policies answer differently: each target, role and group, with and without a ticket, at
/// each hour of a weekday and of a Saturday, for an hour and for as long as any policy gives
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The one
    old: PathBuf,
    /// The other
    new: PathBuf,
    /// The folder of portcullis.toml, whose catalogue the questions are about
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// The name of whoever asks; policies seldom look at it
    #[arg(long = "as", value_name = "NAME", default_value = "somebody")]
    person: PrincipalName,
}

/// Questions that have everything but the hour in common, and are answered differently.
#[derive(Debug, Serialize)]
struct Different {
    target: String,
    role: String,
    group: String,
    duration: String,
    ticket: bool,
    before: String,
    after: String,
    /// At how many of the hours.
    hours: usize,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = paths::config_dir(arguments.config_dir.as_deref(), &environment);
    let (targets, zone) = catalog::targets(&folder).map_err(|problems| {
        let first = problems.into_iter().next().map(|problem| problem.message);
        Failure::refused(first.unwrap_or_default(), "run `portcullis config check`")
    })?;
    if targets.is_empty() {
        return Err(Failure::usage(
            format!("there is no target in {}", folder.display()),
            "name the folder of portcullis.toml with `--config-dir`",
        ));
    }
    let old = super::policy(&arguments.old)?.in_zone(zone.clone());
    let new = super::policy(&arguments.new)?.in_zone(zone);
    let (asked, different) = compare(&old, &new, &targets, &arguments.person);
    let body = serde_json::json!({"asked": asked, "different": different});
    context.printer.answer(&body, |printer| {
        let mut table = Table::new(&[
            ("GROUP", Cut::End),
            ("WHAT", Cut::End),
            ("HOURS", Cut::Never),
            ("WAS", Cut::End),
            ("WOULD BE", Cut::End),
        ]);
        for one in &different {
            let ticket = if one.ticket { " with a ticket" } else { "" };
            table.row([
                one.group.clone(),
                format!(
                    "{} on {} for {}{ticket}",
                    one.role, one.target, one.duration
                ),
                if one.hours == HOURS {
                    "all".to_owned()
                } else {
                    format!("{} of {HOURS}", one.hours)
                },
                one.before.clone(),
                one.after.clone(),
            ]);
        }
        printer.table(&table, "every question is answered alike")?;
        printer.line(&format!(
            "{} of {asked} questions are answered differently",
            different.iter().map(|one| one.hours).sum::<usize>()
        ))
    })?;
    Ok(Exit::DONE)
}

/// How many hours a question is asked at.
const HOURS: usize = 48;

/// The hours of a Wednesday and of the Saturday after it.
fn hours() -> impl Iterator<Item = i64> {
    (0..24).chain(72..96)
}

fn compare(
    old: &Policy,
    new: &Policy,
    targets: &[Target],
    name: &PrincipalName,
) -> (usize, Vec<Different>) {
    let wednesday = DateTime::from_timestamp(1_795_564_800, 0).unwrap_or_default();
    let mut everybody: Vec<Option<GroupName>> = vec![None];
    everybody.extend(groups(old, new).into_iter().map(Some));
    let (mut count, mut found) = (0, BTreeMap::new());
    for target in targets {
        for role in target.roles.keys() {
            for group in &everybody {
                let asker = asker(name, group.as_ref());
                for duration in durations(old, new) {
                    for ticket in [None, Some("INC-1")] {
                        for hour in hours() {
                            let ask = Ask {
                                asker: &asker,
                                target,
                                role,
                                kind: RequestKind::Access,
                                duration,
                                total: duration,
                                ticket,
                                reason_length: 40,
                                now: at(wednesday, hour),
                            };
                            count += 1;
                            let (before, after) = (answer(old, &ask), answer(new, &ask));
                            if before != after {
                                let group = group
                                    .as_ref()
                                    .map_or_else(|| "(none)".to_owned(), ToString::to_string);
                                let key = (
                                    target.name.to_string(),
                                    role.to_string(),
                                    group,
                                    duration.to_string(),
                                    ticket.is_some(),
                                    before,
                                    after,
                                );
                                *found.entry(key).or_insert(0) += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    let different = found.into_iter().map(
        |((target, role, group, duration, ticket, before, after), hours)| Different {
            target,
            role,
            group,
            duration,
            ticket,
            before,
            after,
            hours,
        },
    );
    (count, different.collect())
}

fn at(day: DateTime<Utc>, hour: i64) -> DateTime<Utc> {
    day + TimeDelta::hours(hour)
}

fn asker(name: &PrincipalName, group: Option<&GroupName>) -> Principal {
    Principal {
        id: PrincipalId::from_bits(1),
        name: name.clone(),
        roles: [ProductRole::Requester].into(),
        groups: group.into_iter().cloned().collect(),
        service: None,
    }
}

/// What it takes, whatever the policies are called.
fn answer(policy: &Policy, ask: &Ask<'_>) -> String {
    match policy.decide(ask) {
        Verdict::Denied(_) => "denied".to_owned(),
        Verdict::Permitted { ways } => {
            let needs: BTreeSet<String> = ways.iter().map(Way::needs).collect();
            needs.into_iter().collect::<Vec<_>>().join(", or ")
        }
    }
}

fn groups(old: &Policy, new: &Policy) -> BTreeSet<GroupName> {
    old.mentions()
        .iter()
        .chain(new.mentions())
        .filter(|mention| mention.what == Mentioned::Group)
        .filter_map(|mention| mention.name.parse().ok())
        .collect()
}

/// An hour, and as long as any policy gives.
fn durations(old: &Policy, new: &Policy) -> BTreeSet<Span> {
    let longest = old
        .rules()
        .chain(new.rules())
        .filter_map(|rule| match &rule.effect {
            Effect::Permit(way) => Some(way.max_duration),
            Effect::Allow | Effect::Forbid { .. } => None,
        });
    longest.chain("1h".parse().ok()).collect()
}
