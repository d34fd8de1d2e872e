//! `portcullis locks`: lists locks, those in force unless all are asked for.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, filter, words};
use crate::query::List;
use crate::wire::{LockView, Page};

/// List locks: what nobody gets past, by whom and why
#[derive(Debug, clap::Args)]
#[command(after_long_help = filter::help(List::Locks))]
pub(super) struct Arguments {
    /// Also those that were lifted or are over
    #[arg(long)]
    all: bool,
    /// Only those that a filter lets through, like 'kind:principal left:<1h'; --help explains
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let filter = arguments
        .filter
        .map(|text| filter::read(context, &text, List::Locks))
        .transpose()?;
    let mut items: Vec<LockView> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = client
            .locks_like(arguments.all, filter.as_deref(), after.as_deref())
            .await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let page = Page { items, next: None };
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STATE", Cut::Never),
            ("ON", Cut::Middle),
            ("BY", Cut::Middle),
            ("PLACED", Cut::Never),
            ("UNTIL", Cut::Never),
            ("CLOSED", Cut::Never),
            ("REASON", Cut::End),
        ]);
        for lock in &page.items {
            let until = match (lock.lifted_at, lock.ends_at) {
                (Some(at), _) | (None, Some(at)) => words::moment(at),
                _ => "it is lifted".to_owned(),
            };
            table.row([
                lock.id.clone(),
                lock.state.replace('_', " "),
                words::locked(&lock.on),
                lock.placed_by.clone(),
                words::moment(lock.created_at),
                until,
                lock.grants_closed.to_string(),
                lock.reason.clone(),
            ]);
        }
        let empty = if arguments.all {
            "no locks"
        } else {
            "no locks in force"
        };
        printer.table(&table, empty)
    })?;
    Ok(Exit::DONE)
}
