//! `portcullis audit recover` and `rotate-key`: what an admin does about the log itself.

use crate::cli::{Context, Exit, Failure};
use crate::client::IdempotencyKey;
use crate::wire::{LogLinkView, LogRecovery};

/// Go on with the record where what was signed before is not there any more; for admins
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A server that finds the record shorter or other than what it signed signs nothing more. This begins another\nepoch of the record: its first entry has what was signed last, what was found, who went on and why, and\neverybody who checks the record is shown it. It needs your second factor, and nothing undoes it.\nExample: portcullis audit recover --reason \"INC-4127: the disk failed, restored the backup of 02:00\""
)]
pub(super) struct Recover {
    /// What happened; it stays in the record for ever
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Change the key of the record; the present one vouches for the next; for admins
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Machines that know the key of before follow by themselves; `audit verify` shows the key of now.\nExample: portcullis audit rotate-key"
)]
pub(super) struct RotateKey {}

pub(super) async fn recover(context: &Context<'_>, asked: Recover) -> Result<Exit, Failure> {
    let recovery = LogRecovery {
        reason: asked.reason,
    };
    let client = context.client()?;
    let link = client
        .recover_log(&recovery, &IdempotencyKey::new()?)
        .await?;
    let said = format!(
        "the record goes on in epoch {}, from event {} on",
        link.epoch, link.begins
    );
    tell(context, &link, &said)
}

pub(super) async fn rotate_key(context: &Context<'_>, _: RotateKey) -> Result<Exit, Failure> {
    let client = context.client()?;
    let link = client.rotate_log_key(&IdempotencyKey::new()?).await?;
    let said = format!(
        "the record is signed with key {} of epoch {} from now on",
        link.generation, link.epoch
    );
    tell(context, &link, &said)
}

fn tell(context: &Context<'_>, link: &LogLinkView, said: &str) -> Result<Exit, Failure> {
    context.printer.answer(link, |printer| {
        printer.line(said)?;
        printer.line(&format!("its key is {}", link.key))
    })?;
    Ok(Exit::DONE)
}
