//! `portcullis status`: one's own access on one screen: what is held, what waits for a decision, what ends soon.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::try_join;
use serde::Serialize;

use crate::cli::grants::{self, OPEN};
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, keep, requests, words};
use crate::client::{Client, GrantsQuery, RequestsQuery};
use crate::wire::{GrantView, RequestView};

/// Nobody holds so many at once, and a screen does not show them.
const MOST: u32 = 200;
/// What ends within this time ends soon.
const SOON: TimeDelta = TimeDelta::minutes(10);

/// Show what you hold now, what waits for a decision and what ends soon; ends with 1 where there is nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: portcullis status && echo 'give it back when you are done'")]
pub(super) struct Arguments {}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    now: DateTime<Utc>,
    grants: Vec<GrantView>,
    requests: Vec<RequestView>,
    /// The grants among them that end within ten minutes.
    ends_soon: Vec<String>,
}

/// Looks at everything of one's own that is open, and keeps it for the prompt.
pub(super) async fn look(context: &Context<'_>, client: &Client) -> Result<Standing, Failure> {
    let held = GrantsQuery {
        states: OPEN.map(str::to_owned).to_vec(),
        mine: true,
        ..GrantsQuery::default()
    };
    let waiting = RequestsQuery {
        states: vec!["pending".to_owned()],
        mine: true,
        ..RequestsQuery::default()
    };
    let (now, held, waiting) = try_join!(
        context.now(client),
        grants::collect(client, held, MOST),
        requests::collect(client, waiting, MOST),
    )?;
    keep::standing(context, client, now, &held.items, &waiting.items);
    let mut grants = held.items;
    grants.sort_by_key(|grant| grant.expires_at);
    Ok(Standing {
        now,
        ends_soon: grants
            .iter()
            .filter(|grant| ends_soon(grant, now))
            .map(|grant| grant.id.clone())
            .collect(),
        grants,
        requests: waiting.items,
    })
}

pub(super) async fn run(context: &Context<'_>, _: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let standing = look(context, &client).await?;
    let now = standing.now;
    let nothing = standing.grants.is_empty() && standing.requests.is_empty();
    context.printer.answer(&standing, |printer| {
        if nothing {
            return printer.line("you hold nothing, and nothing of yours waits for a decision");
        }
        if !standing.grants.is_empty() {
            printer.table(&held_now(&standing), "")?;
        }
        for request in &standing.requests {
            printer.line(&format!(
                "waits: {} for {}, until {}",
                words::asked(request),
                words::awaited(request),
                words::moment(request.decide_by)
            ))?;
        }
        for id in &standing.ends_soon {
            if let Some(grant) = standing.grants.iter().find(|grant| grant.id == *id) {
                printer.line(&soon(grant, now))?;
            }
        }
        Ok(())
    })?;
    Ok(if nothing { Exit::REFUSED } else { Exit::DONE })
}

fn held_now(standing: &Standing) -> Table {
    let mut table = Table::new(&[
        ("ID", Cut::Never),
        ("STATE", Cut::Never),
        ("TARGET", Cut::Middle),
        ("ROLE", Cut::Middle),
        ("LEFT", Cut::Never),
        ("ENDS", Cut::Never),
        ("CLASS", Cut::Never),
    ]);
    for grant in &standing.grants {
        let left = match grant.state.as_str() {
            "active" => words::left(standing.now, grant.expires_at),
            "scheduled" => format!("starts {}", words::moment(grant.not_before)),
            _ => String::new(),
        };
        table.row([
            grant.id.clone(),
            words::grant_state(grant),
            grant.target.clone(),
            grant.role.clone(),
            left,
            words::moment(grant.expires_at),
            grant.enforcement.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn ends_soon(grant: &GrantView, now: DateTime<Utc>) -> bool {
    grant.state == "active" && grant.expires_at - now <= SOON
}

/// A warning with what to type, where that would not be refused.
fn soon(grant: &GrantView, now: DateTime<Utc>) -> String {
    let left = words::left(now, grant.expires_at);
    let what = format!("ends soon: {} on {} in {left}", grant.role, grant.target);
    let mut actions = grant.allowed_actions.iter();
    if actions.any(|action| action.action == "extend" && action.allowed) {
        return format!(
            "{what}: portcullis extend {} --by 15m --reason \"…\"",
            grant.id
        );
    }
    what
}
