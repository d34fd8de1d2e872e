//! `portcullis recover`: what an operator does after a backup of the database was put back.

use std::sync::Arc;

use serde::Serialize;

use crate::cli::node::{Place, fault};
use crate::cli::{Context, Exit, Failure, type_in};
use crate::domain::ids::PrincipalName;
use crate::domain::refusal::Refusal;
use crate::gate::log::Signer;
use crate::gate::restore::{GoOn, WentOn};
use crate::gate::{self, Error, Gate};
use crate::store::{Clock, Store};

/// Go on with a database that was restored from a backup; on the server's machine, while no server runs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A server refuses to start on a database that is not the one it has seen (`database-restored`): what was revoked\nsince the backup would be good again. This opens the next epoch of the record, which says what was lost, who went on\nand why; ends every sign-in, token, invitation, sealed code and device key; closes every live grant; and has every\ntarget compared with its grants when a server starts, so that access from after the backup is taken away.\nStop every server first. Nothing undoes it.\nExample: portcullis recover --reason \"INC-4127: the disk failed, restored the backup of 02:00\""
)]
pub(super) struct Arguments {
    /// What happened; it stays in the record for ever
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Let live grants go on with the end that they have in the backup, also those that were revoked since
    #[arg(long)]
    keep_grants: bool,
    /// The database was restored, although this node has seen nothing that is gone: its data folder is new, or was
    /// restored, too
    #[arg(long)]
    after_restore: bool,
    /// Make a code with which this admin signs in; without an identity provider one is made for the first admin
    #[arg(long, value_name = "NAME")]
    admin: Option<PrincipalName>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Answer<'a> {
    epoch: u32,
    begins: u64,
    key: &'a str,
    found: &'a str,
    grants_closed: usize,
    grants_kept: usize,
    sign_ins: u64,
    codes: u64,
    sealed_codes: u64,
    device_keys: u64,
    targets: usize,
    admin: Option<&'a str>,
    code: Option<&'a str>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let node = arguments.place.take(context)?;
    let rules = Arc::new(node.rules(context)?);
    let opened = Store::open(&node.location(), Clock::Database).await;
    let store = Arc::new(opened.map_err(|error| fault(&error))?);
    let settings = gate::Settings {
        audit: node.settings.audit.clone(),
        ..gate::Settings::default()
    };
    let gate = Gate::new(Arc::clone(&store), rules, settings)
        .map_err(|error| fault(&error))?
        .with_signer(Signer::kept_in(node.instance.checkpoint()));
    let gone = gate.gone_back().await.map_err(told)?;
    let found = match (&gone, arguments.after_restore) {
        (Some(why), _) => why.clone(),
        (None, true) => "nothing that this node has seen is gone".to_owned(),
        (None, false) => {
            return Err(Failure {
                code: Some(Refusal::NothingToRecover.code()),
                ..Failure::refused(
                    "the database has everything that this node has seen, so there is nothing to recover from",
                    "if you know that a backup was put back, say so with `--after-restore`",
                )
            });
        }
    };
    context
        .printer
        .note(&format!("the database was restored: {found}"));
    if !arguments.yes {
        confirm(arguments.keep_grants).await?;
    }
    let identity = node.settings.identity.is_some();
    let ask = GoOn {
        reason: arguments.reason,
        operator: operator(),
        keep_grants: arguments.keep_grants,
        unseen: gone.is_none(),
        admin: match arguments.admin {
            Some(name) => Some(Some(name)),
            None if identity => None,
            None => Some(None),
        },
    };
    let went_on = gate.go_on_restored(&ask).await.map_err(told)?;
    store.close().await;
    tell(context, &went_on)?;
    Ok(Exit::DONE)
}

async fn confirm(keep_grants: bool) -> Result<(), Failure> {
    if !type_in::somebody_is_there() {
        return Err(Failure::usage(
            "nobody is there to be asked",
            "say `--yes` to go on without a question",
        ));
    }
    let grants = if keep_grants {
        "Live grants go on as the backup has them"
    } else {
        "Every live grant is closed"
    };
    let question = format!(
        "Every sign-in, token and code is taken back. {grants}. No server may run on this database.\nType `recover` to go on: "
    );
    if type_in::line(&question).await?.trim() == "recover" {
        return Ok(());
    }
    Err(Failure::here("nothing was done", ""))
}

fn tell(context: &Context<'_>, done: &WentOn) -> Result<(), Failure> {
    let epoch = done.link.link.epoch;
    let admin = done.admin.as_ref();
    let answer = Answer {
        epoch: epoch.number,
        begins: epoch.begins,
        key: &done.link.key,
        found: &done.found,
        grants_closed: done.grants_closed,
        grants_kept: done.grants_kept,
        sign_ins: done.taken_back.sign_ins,
        codes: done.taken_back.codes,
        sealed_codes: done.taken_back.sealed_codes,
        device_keys: done.taken_back.device_keys,
        targets: done.targets,
        admin: admin.map(|(name, _)| name.as_str()),
        code: admin.map(|(_, code)| code.expose()),
    };
    context.printer.answer(&answer, |printer| {
        printer.line(&format!(
            "the record goes on in epoch {}, from event {} on; its key is {}",
            epoch.number, epoch.begins, done.link.key
        ))?;
        if done.again {
            printer.line("another node had gone on with this backup: what it has ended stays ended, and who signed in since stays signed in")?;
        } else {
            printer.line(&format!(
                "taken back: {} sign-ins, {} invitations, {} sealed codes, {} device keys",
                done.taken_back.sign_ins,
                done.taken_back.codes,
                done.taken_back.sealed_codes,
                done.taken_back.device_keys
            ))?;
            let kept = match done.grants_kept {
                0 => String::new(),
                kept => format!(", {kept} kept"),
            };
            printer.line(&format!("grants: {} closed{kept}", done.grants_closed))?;
            printer.line(&format!(
                "{} targets are compared with their grants as soon as a server starts: `portcullis audit --event target.reconciled`",
                done.targets
            ))?;
        }
        if let Some((name, code)) = admin {
            printer.line(&format!(
                "{name} signs in with this one-time code, good for 24 hours:"
            ))?;
            printer.line(&format!("  portcullis login --code {}", code.expose()))?;
        }
        Ok(())
    })
}

fn told(error: Error) -> Failure {
    match error {
        Error::Fault(error) => fault(&error),
        Error::Refused(refusal) => fault(&refusal.into()),
    }
}

/// Who runs this, as the machine knows them; behind `sudo` both.
fn operator() -> String {
    let number = rustix::process::getuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == number.to_string()).then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| format!("user {number}"));
    let behind = std::env::var("SUDO_USER").ok();
    let behind = behind.filter(|behind| !behind.is_empty() && *behind != name);
    match behind {
        Some(behind) => format!("{behind} as {name}"),
        None => name,
    }
}
