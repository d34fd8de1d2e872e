//! `portcullis override`: two admins say that a grant counts as ended although its target never confirmed.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::{Client, ClientError, IdempotencyKey};
use crate::domain::ids::GrantId;
use crate::wire::{GrantView, OverrideWord};

/// The target is asked again and again, and each attempt is a new version of the grant.
const TRIES: u32 = 3;

/// Let a grant count as ended although its target never confirmed; two admins have to say so
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "For a target that cannot confirm any more, such as a host that was scrapped. Without this, Portcullis asks it \
    for ever. One admin proposes it once the end is overdue, another one confirms within an hour, neither of them the holder. \
    What was handed out may still work until it ends by itself; the grant and the record keep the mark. What is found on \
    the target later is removed as ever.\n\n\
    Example: portcullis override G-7k3qm2xd0v --reason 'host scrapped, CHG-77'\n\
             portcullis override G-7k3qm2xd0v --confirm --reason 'saw the scrap note, CHG-77'"
)]
pub(super) struct Arguments {
    /// The grant
    #[arg(value_name = "GRANT")]
    id: GrantId,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Confirm what another admin has proposed
    #[arg(long)]
    confirm: bool,
    /// Only if the grant still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    show(context, &client, &arguments).await?;
    let mut tried = 0;
    let grant = loop {
        tried += 1;
        match part(&client, &arguments).await {
            Err(error)
                if error.code() == Some("conflict")
                    && arguments.if_version.is_none()
                    && tried < TRIES => {}
            other => break other?,
        }
    };
    context.printer.answer(&grant, |printer| {
        printer.line(&match words::overridden(&grant) {
            Some(overridden) => format!("{}: {overridden}", grant.state),
            None => format!(
                "proposed; another admin confirms within an hour: portcullis override {} --confirm --reason TEXT",
                grant.id
            ),
        })
    })?;
    Ok(Exit::DONE)
}

async fn part(client: &Client, arguments: &Arguments) -> Result<GrantView, ClientError> {
    let word = OverrideWord {
        reason: arguments.reason.clone(),
    };
    let seen = client.grant(arguments.id.as_str()).await?;
    let version = arguments.if_version.unwrap_or(seen.version);
    let key = IdempotencyKey::new()?;
    if arguments.confirm {
        client
            .confirm_override(&seen.id, version, &word, &key)
            .await
    } else {
        client
            .propose_override(&seen.id, version, &word, &key)
            .await
    }
}

/// What is decided on is shown first: who has what, and who proposed what for which reason.
async fn show(
    context: &Context<'_>,
    client: &Client,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let receipt = client.receipt(arguments.id.as_str()).await?;
    let printer = context.printer;
    printer.line(&format!(
        "{} {} of {} on {}: {}, {} attempts failed",
        receipt.grant,
        receipt.role,
        receipt.holder,
        receipt.target,
        receipt.state,
        receipt.attempts
    ))?;
    let last = |kind: &str| receipt.steps.iter().rev().find(|step| step.kind == kind);
    let proposed = last("proposed").filter(|_| arguments.confirm);
    for step in last("failed").into_iter().chain(proposed) {
        printer.line(&format!("  {}  {}", words::exact(step.at), step.what))?;
        if let Some(reason) = &step.reason {
            printer.block("    ", reason)?;
        }
    }
    Ok(())
}
