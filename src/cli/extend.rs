//! `portcullis extend`: asks for a later end of an active grant.

use crate::cli::find::{self, GrantOrTarget};
use crate::cli::{Context, Exit, Failure, keep, words};
use crate::client::IdempotencyKey;
use crate::domain::span::Span;
use crate::wire::NewExtension;

/// Ask for a later end of an active grant; a reviewer extends with it
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The grant, or the target of your own active grant
    #[arg(value_name = "GRANT")]
    which: GrantOrTarget,
    /// By how long, like 15m
    #[arg(long, value_name = "TIME")]
    by: Span,
    /// Why it takes longer
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only if the grant still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = find::grant(&client, &arguments.which, None).await?;
    context.printer.line(&format!(
        "{} until {}",
        words::held(&seen),
        words::moment(seen.expires_at)
    ))?;
    let version = arguments.if_version.unwrap_or(seen.version);
    let extension = NewExtension {
        by: arguments.by.to_string(),
        reason: arguments.reason,
    };
    let request = client
        .extend(&seen.id, version, &extension, &IdempotencyKey::new()?)
        .await?;
    if context.printer.json {
        context.printer.json_line(&request)?;
        return Ok(Exit::DONE);
    }
    if request.state == "approved" {
        let grant = client.grant(&seen.id).await?;
        keep::grants(context, &client, std::slice::from_ref(&grant));
        context.printer.line(&format!(
            "extended with {}: until {}",
            request.id,
            words::moment(grant.expires_at)
        ))?;
    } else {
        context.printer.line(&format!(
            "asked with {}: waits for {}, until {}",
            request.id,
            words::awaited(&request),
            words::moment(request.decide_by)
        ))?;
    }
    Ok(Exit::DONE)
}
