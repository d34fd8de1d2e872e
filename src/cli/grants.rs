//! `portcullis grants`: lists grants, open ones unless all are asked for.

use crate::cli::requests::PAGE;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, filter, keep, words};
use crate::client::{Client, GrantsQuery};
use crate::domain::ids::TargetName;
use crate::query::List;
use crate::wire::{GrantView, Page};

/// The states in which a grant is not over.
pub(super) const OPEN: [&str; 4] = ["scheduled", "activating", "active", "closing"];

/// List grants that are open: who has access to what, and until when
#[derive(Debug, clap::Args)]
#[command(after_long_help = filter::help(List::Grants))]
pub(super) struct Arguments {
    /// Only your own
    #[arg(long)]
    mine: bool,
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// Only on this target
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,
    /// Only those that a filter lets through, like 'env:prod age:>30m'; --help explains
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let states = if arguments.all {
        Vec::new()
    } else {
        OPEN.map(str::to_owned).to_vec()
    };
    let query = GrantsQuery {
        states,
        mine: arguments.mine,
        target: arguments.target.map(|target| target.to_string()),
        q: arguments
            .filter
            .map(|text| filter::read(context, &text, List::Grants))
            .transpose()?,
        ..GrantsQuery::default()
    };
    let page = collect(&client, query, arguments.limit).await?;
    keep::grants(context, &client, &page.items);
    if context.printer.json {
        context.printer.json_line(&page)?;
        return Ok(Exit::DONE);
    }
    let now = context.now(&client).await?;
    let mut table = Table::new(&[
        ("ID", Cut::Never),
        ("STATE", Cut::Never),
        ("HOLDER", Cut::Middle),
        ("TARGET", Cut::Middle),
        ("ROLE", Cut::Middle),
        ("LEFT", Cut::Never),
        ("ENDS", Cut::Never),
        ("REASON", Cut::End),
    ]);
    for grant in &page.items {
        let left = if grant.state == "active" {
            words::left(now, grant.expires_at)
        } else {
            String::new()
        };
        table.row([
            grant.id.clone(),
            words::grant_state(grant),
            grant.holder.clone(),
            grant.target.clone(),
            grant.role.clone(),
            left,
            words::moment(grant.ended_at.unwrap_or(grant.expires_at)),
            grant.reason.clone(),
        ]);
    }
    context.printer.table(
        &table,
        if arguments.all {
            "no grants"
        } else {
            "no open grants"
        },
    )?;
    if page.next.is_some() {
        context.printer.note("there are more: raise --limit");
    }
    Ok(Exit::DONE)
}

/// Grants, over as many pages as it takes.
pub(super) async fn collect(
    client: &Client,
    mut query: GrantsQuery,
    limit: u32,
) -> Result<Page<GrantView>, Failure> {
    let mut items: Vec<GrantView> = Vec::new();
    loop {
        let missing = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        query.limit = Some(missing.min(PAGE));
        let page = client.grants(&query).await?;
        items.extend(page.items);
        if page.next.is_none() || items.len() >= limit as usize {
            return Ok(Page {
                items,
                next: page.next,
            });
        }
        query.after = page.next;
    }
}
