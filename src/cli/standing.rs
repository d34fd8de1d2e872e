//! `portcullis standing`: what lets people into targets although no grant backs it, and what is said about it.

use chrono::{DateTime, Utc};

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::{Client, IdempotencyKey};
use crate::domain::ids::{PrincipalName, StandingId, TargetName};
use crate::domain::report::is_silent;
use crate::domain::span::Span;
use crate::domain::standing::StandingState;
use crate::wire::{Page, StandingImport, StandingView, StandingWord, TargetView};

/// Silent hosts that are named one by one.
const SILENT_MAX: usize = 5;

/// List standing access: accounts, members and keys on targets that no grant backs
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "Portcullis looks at each target every 5 minutes, and SSH hosts tell it (portcullis target keys); it takes nothing away that it did not make. End it on the \
    target itself, lock the target while you look into it (portcullis lock --target TARGET), name somebody who answers for it, \
    or say why it stays. When its rights grow, it is open again."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Also what somebody answers for, what is ignored and what is gone
    #[arg(long)]
    all: bool,
    /// Only on this target
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say why it stays
    Ignore {
        /// The standing access
        #[arg(value_name = "STANDING")]
        id: StandingId,
        /// Why; it goes on the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Name somebody who answers for it until a date; then it is open again
    Import {
        /// The standing access
        #[arg(value_name = "STANDING")]
        id: StandingId,
        /// Who answers for it
        #[arg(long, value_name = "PERSON")]
        owner: PrincipalName,
        /// For how long, at most 30 days
        #[arg(long = "for", value_name = "SPAN", default_value = "30d")]
        length: Span,
        /// Why; it goes on the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take back what was said about it
    Reopen {
        /// The standing access
        #[arg(value_name = "STANDING")]
        id: StandingId,
        /// Why; it goes on the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Some(command) = arguments.command else {
        return list(context, &client, arguments.all, arguments.target.as_ref()).await;
    };
    let key = IdempotencyKey::new()?;
    let settled = match command {
        Command::Ignore { id, reason } => {
            let seen = look(context, &client, &id).await?;
            let word = StandingWord { reason };
            client
                .ignore_standing(&seen.id, seen.version, &word, &key)
                .await?
        }
        Command::Import {
            id,
            owner,
            length,
            reason,
        } => {
            let seen = look(context, &client, &id).await?;
            let import = StandingImport {
                owner: owner.to_string(),
                duration: length.to_string(),
                reason,
            };
            client
                .import_standing(&seen.id, seen.version, &import, &key)
                .await?
        }
        Command::Reopen { id, reason } => {
            let seen = look(context, &client, &id).await?;
            let word = StandingWord { reason };
            client
                .reopen_standing(&seen.id, seen.version, &word, &key)
                .await?
        }
    };
    context
        .printer
        .answer(&settled, |printer| printer.line(&state(&settled)))?;
    Ok(Exit::DONE)
}

/// What is decided on is shown first.
async fn look(
    context: &Context<'_>,
    client: &Client,
    id: &StandingId,
) -> Result<StandingView, Failure> {
    let seen = client.one_standing_access(id.as_str()).await?;
    context.printer.line(&format!(
        "{} {} `{}` on {}: {}",
        seen.id,
        seen.kind,
        seen.subject,
        seen.target,
        seen.rights.join(", ")
    ))?;
    Ok(seen)
}

async fn list(
    context: &Context<'_>,
    client: &Client,
    all: bool,
    target: Option<&TargetName>,
) -> Result<Exit, Failure> {
    let states = StandingState::ALL;
    let states = if all { states.as_slice() } else { &[] };
    let mut items: Vec<StandingView> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let target = target.map(TargetName::as_str);
        let page = client
            .standing_access(states, target, after.as_deref())
            .await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let now = context.now(client).await?;
    let page = Page { items, next: None };
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STATE", Cut::Never),
            ("TARGET", Cut::Middle),
            ("KIND", Cut::Never),
            ("WHO", Cut::Middle),
            ("AGE", Cut::Never),
            ("MAY", Cut::End),
        ]);
        for standing in &page.items {
            table.row([
                standing.id.clone(),
                state(standing),
                standing.target.clone(),
                standing.kind.clone(),
                standing.subject.clone(),
                words::left(standing.there_since(), now),
                standing.rights.join(", "),
            ]);
        }
        let empty = if all {
            "no standing access"
        } else {
            "no standing access that nobody said anything about"
        };
        printer.table(&table, empty)
    })?;
    if let Some(silent) = silent(&client.targets().await?.items, target, now) {
        context.printer.note(&silent);
    }
    Ok(Exit::DONE)
}

/// A sentence about the hosts that should tell who gets in there, and do not.
fn silent(targets: &[TargetView], only: Option<&TargetName>, now: DateTime<Utc>) -> Option<String> {
    let is_asked = |view: &&TargetView| only.is_none_or(|only| only.as_str() == view.name);
    let silent = targets.iter().filter(is_asked).filter_map(|target| {
        let name = &target.name;
        match target.reported.as_ref()?.at {
            None => Some(format!("{name} (never)")),
            Some(at) if is_silent(at, now) => Some(format!("{name} (since {})", words::moment(at))),
            Some(_) => None,
        }
    });
    let mut silent: Vec<String> = silent.collect();
    let more = silent.len().saturating_sub(SILENT_MAX);
    silent.truncate(SILENT_MAX);
    if more > 0 {
        silent.push(format!("{more} more"));
    }
    let hosts = silent.join(", ");
    (!silent.is_empty()).then(|| {
        format!("not told which keys open them: {hosts}; `portcullis config prepare TARGET` says how a host tells")
    })
}

fn state(standing: &StandingView) -> String {
    match (&standing.owner, standing.until) {
        (Some(owner), Some(until)) if standing.state == "imported" => {
            format!("{owner} until {}", words::moment(until))
        }
        _ => standing.state.clone(),
    }
}
