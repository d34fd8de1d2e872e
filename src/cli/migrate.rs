//! `portcullis migrate`: brings the server's database to the schema of this version, or says what that would be.

use serde::Serialize;

use crate::cli::node::{Place, fault, location_of};
use crate::cli::{Context, Exit, Failure, serve};
use crate::config::Database;
use crate::server::instance::Instance;
use crate::store::migrate::{self, Schema, known};

/// Something is outstanding.
const OUTSTANDING: Exit = Exit(2);

/// Bring the database to the schema of this version; `serve` does it by itself when it starts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nodes of the version before go on meanwhile where it says so, also when they are started again; a node that\ncannot says `schema-too-new`. Ends with 0 when nothing is left to do, with 1 at a fault, and with 2 when --check\nfinds something outstanding.\nExample: portcullis migrate --check --database postgres://portcullis@db/portcullis"
)]
pub(super) struct Arguments {
    /// Only say what is outstanding
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Answer {
    schema: i64,
    known: i64,
    /// What a node has to know to go on afterwards.
    oldest: i64,
    outstanding: Vec<Next>,
    others_go_on: bool,
    applied: bool,
}

#[derive(Serialize)]
struct Next {
    version: i64,
    what: String,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    bring(context, arguments).await.map_err(|failure| Failure {
        exit: Exit::REFUSED,
        ..failure
    })
}

async fn bring(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let (settings, _) = arguments.place.settings(context)?;
    let location = location_of(&settings);
    let schema = migrate::compare(&location)
        .await
        .map_err(|error| fault(&error))?;
    schema.fits().map_err(|error| fault(&error.into()))?;
    if arguments.check || schema.outstanding.is_empty() {
        let left = !schema.outstanding.is_empty();
        tell(context, schema, false)?;
        return Ok(if left { OUTSTANDING } else { Exit::DONE });
    }
    serve::log_to_stderr(&settings.log)?;
    // A file has one process at a time; a server of several nodes goes on.
    let held = match settings.database {
        Database::Sqlite => Some(Instance::take(&settings.data_dir)),
        Database::Postgres(_) => None,
    };
    let held = held.transpose().map_err(|error| fault(&error))?;
    migrate::apply(&location)
        .await
        .map_err(|error| fault(&error))?;
    drop(held);
    tell(context, schema, true)?;
    Ok(Exit::DONE)
}

fn tell(context: &Context<'_>, schema: Schema, applied: bool) -> Result<(), Failure> {
    let go_on = schema.others_go_on();
    let outstanding = schema.outstanding.into_iter();
    let answer = Answer {
        schema: schema.version,
        known: known(),
        oldest: schema.oldest,
        outstanding: outstanding
            .map(|next| Next {
                version: next.version,
                what: next.what,
            })
            .collect(),
        others_go_on: go_on,
        applied,
    };
    context.printer.answer(&answer, |printer| {
        if answer.outstanding.is_empty() {
            let more = if schema.version > answer.known {
                format!(
                    ", and this version, which knows {}, may go on with it",
                    answer.known
                )
            } else {
                String::new()
            };
            return printer.line(&format!(
                "the database has schema {}: nothing is outstanding{more}",
                schema.version
            ));
        }
        let (done, verb) = if applied {
            ("brought from", "went through")
        } else {
            ("to be brought from", "outstanding")
        };
        printer.line(&format!(
            "the database is {done} schema {} to {}",
            schema.version, answer.known
        ))?;
        for next in &answer.outstanding {
            printer.line(&format!("  {verb}: {:04} {}", next.version, next.what))?;
        }
        printer.line(match (schema.version, go_on) {
            (0, _) => "it was empty",
            (_, true) => "nodes of the version before go on meanwhile",
            (_, false) => "nodes of the version before do not go on with it: stop them first",
        })
    })
}
