//! `portcullis policy replay`: recorded requests, decided once more by another policy.

use std::path::PathBuf;

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::wire::{ReplayAsk, ReplayPage};

/// Decide the requests of the last days once more, by another policy, and list what would be decided differently
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The other policy
    #[arg(value_name = "FILE")]
    policy: PathBuf,
    /// How many days back
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    super::policy(&arguments.policy)?;
    let client = context.client()?;
    let mut ask = ReplayAsk {
        policy: super::text(&arguments.policy)?,
        days: arguments.days,
        after: None,
    };
    let mut whole = ReplayPage::default();
    loop {
        let page = client.replay_policy(&ask).await?;
        whole.looked_at += page.looked_at;
        whole.different.extend(page.different);
        ask.after = page.next;
        if ask.after.is_none() {
            break;
        }
    }
    context.printer.answer(&whole, |printer| {
        let mut table = Table::new(&[
            ("REQUEST", Cut::Never),
            ("ASKED", Cut::Never),
            ("WHO", Cut::End),
            ("WHAT", Cut::End),
            ("WAS", Cut::End),
            ("WOULD BE", Cut::End),
        ]);
        for one in &whole.different {
            table.row([
                one.request.clone(),
                words::moment(one.created_at),
                one.requester.clone(),
                format!("{} on {} for {}", one.role, one.target, one.duration),
                one.before.clone(),
                one.after.clone(),
            ]);
        }
        printer.table(&table, "nothing would be decided differently")?;
        printer.line(&format!(
            "{} of {} requests would be decided differently",
            whole.different.len(),
            whole.looked_at
        ))
    })?;
    Ok(Exit::DONE)
}
