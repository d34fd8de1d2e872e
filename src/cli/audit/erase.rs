//! `portcullis audit erase`: takes what people typed and where they were out of the history.

use crate::cli::{Context, Exit, Failure};
use crate::client::IdempotencyKey;
use crate::domain::ids::PrincipalName;
use crate::wire::Erasure;

/// Erase reasons and addresses from the history, of a person or of one event; the log stays whole
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Names, moments and what happened stay. Also erased is what the person typed into requests, reviews,\ngrants and locks that are over. Exports, backups and what was delivered elsewhere are yours to clean.\nExample: portcullis audit erase --person ada --reason \"asked for it, PRIV-12\""
)]
pub(super) struct Erase {
    /// Of everything that this person did, and that is about them
    #[arg(long, value_name = "NAME", required_unless_present = "event")]
    person: Option<PrincipalName>,
    /// Of one event, and of what repeats it
    #[arg(long, value_name = "INDEX", conflicts_with = "person", value_parser = clap::value_parser!(i64).range(0..))]
    event: Option<i64>,
    /// Why; it goes on the record, so it must not repeat what is erased
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(context: &Context<'_>, asked: Erase) -> Result<Exit, Failure> {
    let client = context.client()?;
    let erasure = Erasure {
        person: asked.person.map(|name| name.to_string()),
        event: asked.event,
        reason: asked.reason,
    };
    let erased = client.erase(&erasure, &IdempotencyKey::new()?).await?;
    context.printer.answer(&erased, |printer| {
        printer.line(&match erased.events {
            0 => "there was nothing to erase".to_owned(),
            1 => "1 event lost its reason and its address; that is on record".to_owned(),
            more => format!("{more} events lost their reasons and addresses; that is on record"),
        })
    })?;
    Ok(Exit::DONE)
}
