//! `portcullis policy apply`: puts a policy that waits, or an earlier one, into use.

use crate::cli::{Context, Exit, Failure};
use crate::client::IdempotencyKey;
use crate::wire::PolicyApply;

use super::status;

/// Put a policy that waits, or an earlier one, into use on every node; needs a second factor
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which, as `portcullis policy status` says
    #[arg(value_name = "VERSION")]
    version: String,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let before = client.policy().await?;
    let waiting = before.waiting.as_ref();
    // What is confirmed with the second factor is what the person sees here.
    if let Some(waiting) = waiting.filter(|waiting| waiting.version == arguments.version) {
        for line in status::differences(waiting) {
            context.printer.note(&line);
        }
    }
    let apply = PolicyApply {
        version: arguments.version,
        instead_of: before.version,
        reason: arguments.reason,
    };
    let after = client.apply_policy(&apply, &IdempotencyKey::new()?).await?;
    context
        .printer
        .answer(&after, |printer| printer.line(&status::in_use(&after)))?;
    Ok(Exit::DONE)
}
