//! `portcullis deny`: denies a request, with a comment.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::RequestId;
use crate::wire::Denial;

/// Deny a request
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request
    #[arg(value_name = "REQUEST")]
    id: RequestId,
    /// Why; the requester reads it
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Only if the request still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.request(arguments.id.as_str()).await?;
    context.printer.line(&words::asked(&seen))?;
    context.printer.block("  ", &seen.reason)?;
    let version = arguments.if_version.unwrap_or(seen.version);
    for line in words::noted(&seen) {
        context.printer.line(&line)?;
    }
    let denial = Denial {
        comment: arguments.comment,
    };
    let request = client
        .deny(&seen.id, version, &denial, &IdempotencyKey::new()?)
        .await?;
    context
        .printer
        .answer(&request, |printer| printer.line(&request.state))?;
    Ok(Exit::DONE)
}
