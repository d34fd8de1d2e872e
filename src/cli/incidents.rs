//! `portcullis incidents`: lists incidents, newest first.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};

/// List incidents, newest first
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context<'_>, _: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let page = client.incidents(None).await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STARTED", Cut::Never),
            ("BY", Cut::Middle),
            ("ITEMS", Cut::Never),
            ("STATE", Cut::Never),
            ("ABOUT", Cut::Middle),
            ("REASON", Cut::End),
        ]);
        for incident in &page.items {
            let state = if incident.done {
                "done".to_owned()
            } else {
                format!("{} not off yet", incident.revoking)
            };
            table.row([
                incident.id.clone(),
                words::moment(incident.created_at),
                incident.started_by.clone(),
                incident.items.to_string(),
                state,
                words::scope(&incident.scope),
                incident.reason.clone(),
            ]);
        }
        printer.table(&table, "no incidents")
    })?;
    if page.next.is_some() {
        context.printer.note("there are older ones");
    }
    Ok(Exit::DONE)
}
