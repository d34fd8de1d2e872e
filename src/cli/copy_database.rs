//! `portcullis copy-database`: from the SQLite file of one node to a PostgreSQL database for several.

use std::time::{Duration, Instant};

use crate::cli::node::{Place, fault};
use crate::cli::{Context, Exit, Failure};
use crate::store::copy::copy;

/// A line about progress comes no more often than this.
const PAUSE: Duration = Duration::from_secs(2);

/// Copy the whole installation from its SQLite file into an empty PostgreSQL database, and check the copy
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop the server first. Everything goes along: people stay signed in, live grants end when they were to, and the\nrecord goes on. Afterwards rows, their digests and the root of the record are compared; the file stays as it is.\nA copy that is broken off leaves a database on which no server starts: run it again.\nExample: portcullis copy-database --to postgres://portcullis@db/portcullis"
)]
pub(super) struct Arguments {
    /// The PostgreSQL database, which is empty
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let node = arguments.place.take(context)?;
    let file = node.instance.database();
    if !file.exists() {
        return Err(Failure::here(
            format!("there is no database to copy at `{}`", file.display()),
            "say where the server keeps its data with `--data-dir`",
        ));
    }
    let mut told: Option<Instant> = None;
    let mut tell = |table: &str, done: u64, all: u64| {
        let due = told.is_none_or(|told| told.elapsed() >= PAUSE);
        if due && all > 0 {
            told = Some(Instant::now());
            context
                .printer
                .note(&format!("copying `{table}`: {done} of {all} rows"));
        }
    };
    let copied = copy(&file, &arguments.to, &mut tell)
        .await
        .map_err(|error| fault(&error))?;
    context.printer.answer(&copied, |printer| {
        let rows: u64 = copied.tables.iter().map(|table| table.rows).sum();
        printer.line(&format!(
            "copied and checked: {} tables, {rows} rows, {} events of the record with the root {}",
            copied.tables.len(),
            copied.events,
            copied.root
        ))?;
        printer.line("the file is as it was; start the server with `--database` and this URL, and keep the file as a backup")
    })?;
    Ok(Exit::DONE)
}
