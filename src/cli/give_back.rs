//! `portcullis return`: gives one's own grant back early.

use std::time::Duration;

use crate::cli::find::{self, GrantOrTarget};
use crate::cli::{Context, Exit, Failure, keep, revoke, words};
use crate::client::IdempotencyKey;

/// Give your own grant back before its end
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The grant, or the target of your own active grant
    #[arg(value_name = "GRANT")]
    which: GrantOrTarget,
    /// Only if the grant still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
    /// Wait as long as it takes, not only 30 seconds
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = find::grant(&client, &arguments.which, None).await?;
    context.printer.line(&words::held(&seen))?;
    let version = arguments.if_version.unwrap_or(seen.version);
    let grant = client
        .give_back(&seen.id, version, &IdempotencyKey::new()?)
        .await?;
    keep::grants(context, &client, std::slice::from_ref(&grant));
    let limit = (!arguments.wait).then_some(Duration::from_secs(30));
    revoke::wait_until_off(context, &client, grant, limit).await
}
