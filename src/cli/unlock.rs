//! `portcullis unlock`: lifts a lock.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::LockId;
use crate::wire::Lifting;

/// Lift a lock; what it took away does not come back
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The lock
    #[arg(value_name = "LOCK")]
    id: LockId,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.lock(arguments.id.as_str()).await?;
    context.printer.line(&format!(
        "{} on {}, placed by {}",
        seen.id,
        words::locked(&seen.on),
        seen.placed_by
    ))?;
    let lifting = Lifting {
        reason: arguments.reason,
    };
    let lock = client
        .lift(&seen.id, seen.version, &lifting, &IdempotencyKey::new()?)
        .await?;
    context
        .printer
        .answer(&lock, |printer| printer.line(&lock.state))?;
    Ok(Exit::DONE)
}
