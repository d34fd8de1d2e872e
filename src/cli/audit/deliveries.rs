//! `portcullis audit deliveries`: how the history gets to places outside.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};

/// Show where the history is delivered to, which witnesses sign it, and how far each is behind
#[derive(Debug, clap::Args)]
pub(super) struct Deliveries {}

pub(super) async fn run(context: &Context<'_>, _: Deliveries) -> Result<Exit, Failure> {
    let page = context.client()?.deliveries().await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("NAME", Cut::Never),
            ("BEHIND", Cut::Never),
            ("SINCE", Cut::Never),
            ("LAST", Cut::Never),
            ("TO", Cut::Middle),
            ("TROUBLE", Cut::End),
        ]);
        for place in &page.items {
            let trouble = match (&place.failing_since, &place.error) {
                (Some(since), Some(error)) => {
                    format!("since {}: {error}", words::moment(*since))
                }
                _ => String::new(),
            };
            let moment = |at: Option<_>| at.map_or_else(|| "-".to_owned(), words::moment);
            table.row([
                place.name.clone(),
                place.lag.to_string(),
                moment(place.oldest),
                moment(place.delivered_at),
                place.to.clone(),
                trouble,
            ]);
        }
        printer.table(
            &table,
            "the history is delivered nowhere: see `[[siem]]` and `[[witness]]` in portcullis.toml",
        )
    })?;
    Ok(Exit::DONE)
}
