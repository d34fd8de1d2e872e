//! `portcullis incident`: takes many grants away at once, exactly those that were listed, and follows each until its
//! target has confirmed.

mod receipts;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cli::lock::Tag;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::{IncidentId, PrincipalName, TargetName};
use crate::domain::incident::ItemId;
use crate::domain::span::Span;
use crate::wire::{IncidentCommit, IncidentPreview, IncidentPreviewAsk, IncidentScope};

/// Take away many grants at once: lists them, asks, and follows each until it is off
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "portcullis incident [OPTIONS] --reason <TEXT>"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show an incident and how far the end of each grant has come
    Show {
        /// The incident
        #[arg(value_name = "INCIDENT")]
        id: IncidentId,
    },
}

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
struct Start {
    /// Grants on this target; may be given several times
    #[arg(long, value_name = "TARGET")]
    target: Vec<TargetName>,
    /// Grants on targets with this tag; of several all must be there
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<Tag>,
    /// Grants of this person; may be given several times
    #[arg(long, value_name = "NAME")]
    principal: Vec<PrincipalName>,
    /// Every grant there is
    #[arg(long)]
    everything: bool,
    /// Only grants that this filter lets through
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Also lock all of it, so that nothing new begins
    #[arg(long)]
    lock: bool,
    /// Also deny what is asked for in it
    #[arg(long)]
    deny_pending: bool,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Stop after the list
    #[arg(long)]
    dry_run: bool,
    /// Leave this grant or request of the list as it is; may be given several times
    #[arg(long, value_name = "ID")]
    keep: Vec<ItemId>,
    /// How many are on the list and not kept, for scripts; without it you are asked
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// How long to wait until all of them are off
    #[arg(long, value_name = "TIME", default_value = "2m")]
    wait: Span,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    if let Some(Command::Show { id }) = arguments.command {
        return receipts::show(context, &id).await;
    }
    let start = arguments.start;
    let client = context.client()?;
    let ask = ask(&start);
    let preview = client.preview_incident(&ask).await?;
    let keep = kept(&preview, &start.keep)?;
    if start.dry_run {
        context
            .printer
            .answer(&preview, |_| list(context, &preview, &keep))?;
        return Ok(Exit::DONE);
    }
    list(context, &preview, &keep)?;
    let items = u32::try_from(preview.items.len() - keep.len()).unwrap_or(u32::MAX);
    if items == 0 && preview.locks.is_empty() {
        context.printer.line("nothing is to be done")?;
        return Ok(Exit::DONE);
    }
    confirmed(context, start.count, items).await?;
    let commit = IncidentCommit {
        token: preview.token,
        ask,
        items: preview.items,
        keep: keep.into_iter().collect(),
        count: items,
        reason: start.reason.unwrap_or_default(),
    };
    let incident = client
        .commit_incident(&commit, &IdempotencyKey::new()?)
        .await?;
    receipts::follow(context, &client, incident, start.wait).await
}

fn ask(start: &Start) -> IncidentPreviewAsk {
    let tags = start.tag.iter();
    IncidentPreviewAsk {
        scope: IncidentScope {
            targets: start.target.iter().map(ToString::to_string).collect(),
            tags: tags
                .map(|tag| (tag.name.clone(), tag.value.clone()))
                .collect(),
            principals: start.principal.iter().map(ToString::to_string).collect(),
            filter: start.filter.clone(),
            everything: start.everything,
        },
        lock: start.lock,
        deny_pending: start.deny_pending,
    }
}

/// What stays as it is; all of it has to be on the list, or somebody believes that something is kept which is not.
fn kept(preview: &IncidentPreview, keep: &[ItemId]) -> Result<BTreeSet<String>, Failure> {
    let listed = |id: &&ItemId| preview.items.iter().any(|item| item.id == id.as_str());
    if let Some(stranger) = keep.iter().find(|id| !listed(id)) {
        return Err(Failure::refused(
            format!(
                "`{}` is not on the list, so it cannot be kept: nothing was done",
                stranger.as_str()
            ),
            "look at the list with --dry-run",
        ));
    }
    Ok(keep.iter().map(|id| id.as_str().to_owned()).collect())
}

/// Shows exactly what would go, and what is kept.
fn list(
    context: &Context<'_>,
    preview: &IncidentPreview,
    keep: &BTreeSet<String>,
) -> Result<(), Failure> {
    let printer = context.printer;
    let mut table = Table::new(&[
        ("KEPT", Cut::Never),
        ("ID", Cut::Never),
        ("STATE", Cut::Never),
        ("WHO", Cut::Middle),
        ("TARGET", Cut::Middle),
        ("ROLE", Cut::Middle),
        ("ENDS", Cut::Never),
        ("REASON", Cut::End),
    ]);
    let stays = |id: &str| if keep.contains(id) { "kept" } else { "" }.to_owned();
    for grant in &preview.grants {
        table.row([
            stays(&grant.id),
            grant.id.clone(),
            words::grant_state(grant),
            grant.holder.clone(),
            grant.target.clone(),
            grant.role.clone(),
            words::moment(grant.expires_at),
            grant.reason.clone(),
        ]);
    }
    for request in &preview.requests {
        table.row([
            stays(&request.id),
            request.id.clone(),
            words::state(request),
            request.requester.clone(),
            request.target.clone(),
            request.role.clone(),
            String::new(),
            request.reason.clone(),
        ]);
    }
    if printer.json {
        return Ok(());
    }
    table.leave_out_empty("KEPT");
    printer.table(&table, "no open grants")?;
    for lock in &preview.locks {
        printer.line(&format!("locks {lock}"))?;
    }
    let going = |id: &str| !keep.contains(id);
    let grants: Vec<_> = preview
        .grants
        .iter()
        .filter(|grant| going(&grant.id))
        .collect();
    let people: BTreeSet<&str> = grants.iter().map(|grant| grant.holder.as_str()).collect();
    let denied = preview
        .requests
        .iter()
        .filter(|request| going(&request.id))
        .count();
    let requests = match denied {
        0 => String::new(),
        1 => " and denies 1 request".to_owned(),
        more => format!(" and denies {more} requests"),
    };
    let many = |count: usize, one: &str, more: &str| {
        let word = if count == 1 { one } else { more };
        format!("{count} {word}")
    };
    let stay = match keep.len() {
        0 => String::new(),
        count => format!(", keeps {count}"),
    };
    printer.line(&format!(
        "revokes {} of {}{requests}{stay}; the list is good until {}",
        many(grants.len(), "grant", "grants"),
        many(people.len(), "person", "people"),
        words::exact(preview.good_until)
    ))
}

/// The count is typed by whoever has read the list, or by whoever wrote the script.
async fn confirmed(context: &Context<'_>, given: Option<u32>, items: u32) -> Result<(), Failure> {
    let wrong = |said: &str| {
        Failure::refused(
            format!("the list has {items}, not {said}: nothing was done"),
            "look at the list with --dry-run, and repeat it with the count of that list",
        )
    };
    if let Some(given) = given {
        return if given == items {
            Ok(())
        } else {
            Err(wrong(&given.to_string()))
        };
    }
    if !std::io::stdin().is_terminal() || context.printer.json {
        return Err(Failure::usage(
            "nobody is here to confirm the list",
            format!("add --count {items}, or --dry-run to see it only"),
        ));
    }
    context.printer.ask(&format!(
        "type {items} to do exactly this, anything else stops:"
    ));
    let mut typed = String::new();
    BufReader::new(tokio::io::stdin())
        .read_line(&mut typed)
        .await
        .map_err(|error| Failure::here(format!("the answer cannot be read: {error}"), ""))?;
    if typed.trim() == items.to_string() {
        Ok(())
    } else {
        Err(wrong(typed.trim()))
    }
}
