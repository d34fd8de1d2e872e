//! `portcullis history`: one's own requests and grants of before, newest first, with how each ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::try_join;
use serde::Serialize;

use crate::cli::grants::{self, OPEN};
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, requests, words};
use crate::client::{Client, GrantsQuery, RequestsQuery};
use crate::domain::ids::TargetName;
use crate::wire::{GrantView, Page, RequestView};

/// The states that a request never leaves.
const DECIDED: [&str; 4] = ["approved", "denied", "withdrawn", "expired"];

/// Show your requests and grants of before, newest first, with how each ended
#[derive(Debug, clap::Args)]
#[command(after_help = "What is open still is in `portcullis status`.")]
pub(super) struct Arguments {
    /// Only for this target
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// One thing of the past.
#[derive(Debug, Serialize)]
struct Past {
    request: RequestView,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantView>,
    ended_at: DateTime<Utc>,
    /// As a sentence for people.
    ending: String,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let target = arguments.target.map(|target| target.to_string());
    let (past, more) = past(&client, target, arguments.limit).await?;
    let page = Page {
        items: past,
        next: None,
    };
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("REQUEST", Cut::Never),
            ("GRANT", Cut::Never),
            ("TARGET", Cut::Middle),
            ("ROLE", Cut::Middle),
            ("FOR", Cut::Never),
            ("OVER", Cut::Never),
            ("HOW IT ENDED", Cut::End),
            ("REASON", Cut::End),
        ]);
        for past in &page.items {
            let more = if past.request.kind == "extend" {
                "+"
            } else {
                ""
            };
            table.row([
                past.request.id.clone(),
                past.request.grant.clone().unwrap_or_default(),
                past.request.target.clone(),
                past.request.role_granted.clone(),
                format!("{more}{}", past.request.duration_granted),
                words::moment(past.ended_at),
                past.ending.clone(),
                past.request.reason.clone(),
            ]);
        }
        table.leave_out_empty("GRANT");
        printer.table(
            &table,
            "nothing yet: what is open is in `portcullis status`",
        )
    })?;
    if more {
        context.printer.note("there is more: raise --limit");
    }
    Ok(Exit::DONE)
}

/// What is over, and whether there may be more than was asked for.
async fn past(
    client: &Client,
    target: Option<String>,
    limit: u32,
) -> Result<(Vec<Past>, bool), Failure> {
    let asked = RequestsQuery {
        states: DECIDED.map(str::to_owned).to_vec(),
        mine: true,
        target: target.clone(),
        ..RequestsQuery::default()
    };
    let given = GrantsQuery {
        mine: true,
        target,
        ..GrantsQuery::default()
    };
    let (asked, given) = try_join!(
        requests::collect(client, asked, limit),
        grants::collect(client, given, limit),
    )?;
    let mut known: HashMap<String, GrantView> = given
        .items
        .into_iter()
        .map(|grant| (grant.id.clone(), grant))
        .collect();
    let mut past = Vec::new();
    for request in asked.items {
        let mut grant = None;
        if let Some(id) = &request.grant {
            if !known.contains_key(id) {
                // An extension is newer than its grant, and may be on this page where that is not.
                known.insert(id.clone(), client.grant(id).await?);
            }
            grant = known.get(id).cloned();
        }
        // An extension is over when it is decided, whatever becomes of its grant.
        let is_own = request.kind != "extend";
        let open = |grant: &GrantView| OPEN.contains(&grant.state.as_str());
        if is_own && grant.as_ref().is_some_and(open) {
            continue;
        }
        past.push(Past {
            ended_at: ended_at(&request, grant.as_ref().filter(|_| is_own)),
            ending: ending(&request, grant.as_ref().filter(|_| is_own)),
            request,
            grant,
        });
    }
    Ok((past, asked.next.is_some()))
}

fn ended_at(request: &RequestView, grant: Option<&GrantView>) -> DateTime<Utc> {
    let of_grant = grant.map(|grant| grant.ended_at.unwrap_or(grant.expires_at));
    of_grant.or(request.decided_at).unwrap_or(request.decide_by)
}

fn ending(request: &RequestView, grant: Option<&GrantView>) -> String {
    if let Some(grant) = grant {
        return words::ended(grant);
    }
    match request.state.as_str() {
        "denied" => words::denial(request).unwrap_or_else(|| "denied".to_owned()),
        "expired" => "nobody decided in time".to_owned(),
        "approved" if request.kind == "extend" => "extended".to_owned(),
        state => state.to_owned(),
    }
}
