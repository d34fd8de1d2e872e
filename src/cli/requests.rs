//! `portcullis requests`: lists requests, newest first.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, filter, words};
use crate::client::{Client, RequestsQuery};
use crate::domain::ids::TargetName;
use crate::query::List;
use crate::wire::{Page, RequestView};

/// The most that the server gives at once.
pub(super) const PAGE: u32 = 200;

/// List requests, newest first
#[derive(Debug, clap::Args)]
#[command(after_long_help = filter::help(List::Requests))]
pub(super) struct Arguments {
    /// Only your own
    #[arg(long)]
    mine: bool,
    /// Only in this state; may be given several times
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = ["pending", "approved", "denied", "withdrawn", "expired"])]
    state: Vec<String>,
    /// Only for this target
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
    let query = RequestsQuery {
        states: arguments.state,
        mine: arguments.mine,
        target: arguments.target.map(|target| target.to_string()),
        q: arguments
            .filter
            .map(|text| filter::read(context, &text, List::Requests))
            .transpose()?,
        ..RequestsQuery::default()
    };
    let page = collect(&client, query, arguments.limit).await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STATE", Cut::Never),
            ("REQUESTER", Cut::Middle),
            ("TARGET", Cut::Middle),
            ("ROLE", Cut::Middle),
            ("FOR", Cut::Never),
            ("ASKED", Cut::Never),
            ("NOTED", Cut::End),
            ("REASON", Cut::End),
        ]);
        for request in &page.items {
            let more = if request.kind == "extend" { "+" } else { "" };
            table.row([
                request.id.clone(),
                words::state(request),
                request.requester.clone(),
                request.target.clone(),
                request.role_granted.clone(),
                format!("{more}{}", request.duration_granted),
                words::moment(request.created_at),
                words::noted_briefly(request),
                request.reason.clone(),
            ]);
        }
        table.leave_out_empty("NOTED");
        printer.table(&table, "no requests")
    })?;
    if page.next.is_some() {
        context.printer.note("there are more: raise --limit");
    }
    Ok(Exit::DONE)
}

/// Requests, over as many pages as it takes.
pub(super) async fn collect(
    client: &Client,
    mut query: RequestsQuery,
    limit: u32,
) -> Result<Page<RequestView>, Failure> {
    let mut items: Vec<RequestView> = Vec::new();
    loop {
        let missing = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        query.limit = Some(missing.min(PAGE));
        let page = client.requests(&query).await?;
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
