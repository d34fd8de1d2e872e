//! `portcullis audit prune`: lets the oldest part of the history go, once an export of it was checked.

use std::path::PathBuf;

use chrono::Local;

use crate::cli::audit::verify;
use crate::cli::when::{Toward, When};
use crate::cli::{Context, Exit, Failure};
use crate::client::IdempotencyKey;
use crate::wire::Pruning;

/// Take the oldest events away that are in an export; their hashes stay, so that the rest can be checked as before
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The export is checked first, with the key that this machine knows. The server takes nothing away that is\nyounger than `retention`, or not delivered to every `[[siem]]` yet. Events go in whole bundles of 256.\nExample: portcullis audit prune --before 2025-11-01 --export /mnt/worm/portcullis --reason \"retention\""
)]
pub(super) struct Prune {
    /// What happened before this moment
    #[arg(
        long,
        value_name = "MOMENT",
        allow_hyphen_values = true,
        required_unless_present = "to"
    )]
    before: Option<When>,
    /// What has a smaller index
    #[arg(long, value_name = "INDEX", conflicts_with = "before", value_parser = clap::value_parser!(i64).range(0..))]
    to: Option<i64>,
    /// The folder that `audit export` wrote
    #[arg(long, value_name = "FOLDER")]
    export: PathBuf,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(context: &Context<'_>, asked: Prune) -> Result<Exit, Failure> {
    let client = context.client()?;
    let before = match asked.before {
        None => None,
        Some(when) => {
            let now = context.now(&client).await?;
            let moment = when.resolve(now, &Local, Toward::Past);
            Some(moment.map_err(|text| Failure::usage(text, ""))?)
        }
    };
    let checkpoint = verify::checked(context, &client, asked.export).await?;
    let pruning = Pruning {
        to: asked.to,
        before,
        checkpoint,
        reason: asked.reason,
    };
    let pruned = client.prune(&pruning, &IdempotencyKey::new()?).await?;
    context.printer.answer(&pruned, |printer| {
        printer.line(&format!(
            "the history begins with event {} now",
            pruned.minimum
        ))?;
        if pruned.minimum < pruned.to {
            printer.line(&format!("the server is still at it, up to {}", pruned.to))?;
        }
        Ok(())
    })?;
    Ok(Exit::DONE)
}
