//! `portcullis revoke`: takes a grant away, and says so only after the target was read back.

use std::time::Duration;

use crate::cli::{Context, Exit, Failure, wait, words};
use crate::client::{Client, IdempotencyKey};
use crate::domain::ids::GrantId;
use crate::wire::{EventView, GrantView, Revocation};

/// Somebody may extend the grant at the same moment; taking it away is right in any case.
const TRIES: u32 = 3;

/// Take a grant away
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The grant
    #[arg(value_name = "GRANT")]
    id: GrantId,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only if the grant still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
    /// Wait as long as it takes, not only 30 seconds
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let grant = revoke(context, &client, &arguments).await?;
    let limit = (!arguments.wait).then_some(Duration::from_secs(30));
    wait_until_off(context, &client, grant, limit).await
}

async fn revoke(
    context: &Context<'_>,
    client: &Client,
    arguments: &Arguments,
) -> Result<GrantView, Failure> {
    let revocation = Revocation {
        reason: arguments.reason.clone(),
    };
    let mut tried = 0;
    loop {
        let seen = client.grant(arguments.id.as_str()).await?;
        if tried == 0 {
            context.printer.line(&format!(
                "{}, until {}",
                words::held(&seen),
                words::moment(seen.expires_at)
            ))?;
        }
        tried += 1;
        let version = arguments.if_version.unwrap_or(seen.version);
        match client
            .revoke(&seen.id, version, &revocation, &IdempotencyKey::new()?)
            .await
        {
            Err(error)
                if error.code() == Some("conflict")
                    && arguments.if_version.is_none()
                    && tried < TRIES => {}
            other => return Ok(other?),
        }
    }
}

/// Waits for a closing grant to be off on its target, and says each step once.
pub(super) async fn wait_until_off(
    context: &Context<'_>,
    client: &Client,
    grant: GrantView,
    limit: Option<Duration>,
) -> Result<Exit, Failure> {
    let id = grant.id.clone();
    let mut said = String::new();
    let mut last_error = None;
    let mut step = |grant: GrantView| -> Result<Option<GrantView>, Failure> {
        if grant.state != "closing" {
            return Ok(Some(grant));
        }
        let line = match &grant.last_error {
            Some(error) => format!("closing, try {}: {error}", grant.attempts),
            None => format!(
                "closing: nobody gets in any more; taking it off {}",
                grant.target
            ),
        };
        last_error.clone_from(&grant.last_error);
        if line != said {
            context.printer.line(&line)?;
            said = line;
        }
        Ok(None)
    };
    let mut off = step(grant)?;
    if off.is_none() {
        let concerns = |event: &EventView| event.grant.as_deref() == Some(id.as_str());
        let look = async || step(client.grant(&id).await?);
        off = wait::until(context, client, limit, concerns, look).await?;
    }
    let Some(grant) = off else {
        let why = last_error.map_or_else(String::new, |error| format!(": {error}"));
        return Err(Failure::timed_out(
            format!("`{id}` is still closing{why}"),
            "Portcullis refuses its use and goes on trying; watch it with `portcullis grants`",
        ));
    };
    context.printer.answer(&grant, |printer| {
        let how = words::overridden(&grant);
        let how = how.unwrap_or_else(|| "confirmed by the target".to_owned());
        printer.line(&format!("{}: {how}", grant.state))
    })?;
    Ok(Exit::DONE)
}
