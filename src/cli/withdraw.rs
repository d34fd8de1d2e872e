//! `portcullis withdraw`: takes back one's own pending request.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::RequestId;

/// Take back your own pending request
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request
    #[arg(value_name = "REQUEST")]
    id: RequestId,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.request(arguments.id.as_str()).await?;
    context.printer.line(&words::asked(&seen))?;
    let request = client
        .withdraw(&seen.id, seen.version, &IdempotencyKey::new()?)
        .await?;
    context
        .printer
        .answer(&request, |printer| printer.line(&request.state))?;
    Ok(Exit::DONE)
}
