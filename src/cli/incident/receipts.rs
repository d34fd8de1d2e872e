//! What became of each item of an incident: told once for each step, until every target has confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cli::{Context, Exit, Failure, wait, words};
use crate::client::Client;
use crate::domain::ids::IncidentId;
use crate::domain::span::Span;
use crate::wire::{EventView, IncidentReceipt, IncidentView};

/// `portcullis incident show`.
pub(super) async fn show(context: &Context<'_>, id: &IncidentId) -> Result<Exit, Failure> {
    let client = context.client()?;
    let incident = client.incident(id.as_str()).await?;
    context.printer.answer(&incident, |printer| {
        printer.line(&headline(&incident))?;
        printer.block("  ", &incident.reason)?;
        for receipt in &incident.items {
            printer.line(&line(receipt))?;
        }
        besides(context, &incident)
    })?;
    Ok(Exit::DONE)
}

/// Tells each step once, until nothing is left to wait for or the time is over.
pub(super) async fn follow(
    context: &Context<'_>,
    client: &Client,
    incident: IncidentView,
    limit: Span,
) -> Result<Exit, Failure> {
    let printer = context.printer;
    printer.line(&headline(&incident))?;
    let id = incident.id.clone();
    let ids: BTreeSet<String> = incident.items.iter().map(|item| item.id.clone()).collect();
    let mut said = BTreeMap::new();
    let mut last = incident.clone();
    let mut look = |now: IncidentView| -> Result<Option<IncidentView>, Failure> {
        for receipt in &now.items {
            let line = line(receipt);
            if said.get(&receipt.id) != Some(&line) {
                printer.line(&line)?;
                said.insert(receipt.id.clone(), line);
            }
        }
        last.clone_from(&now);
        Ok(now.done.then_some(now))
    };
    let mut over = look(incident)?;
    if over.is_none() {
        let concerns = |event: &EventView| {
            let grant = event.grant.as_ref();
            grant.is_some_and(|grant| ids.contains(grant))
        };
        let again = async || look(client.incident(&id).await?);
        over = wait::until(
            context,
            client,
            Some(Duration::from_secs(limit.seconds().into())),
            concerns,
            again,
        )
        .await?;
    }
    let Some(over) = over else {
        return Err(not_off(context, &last, &id)?);
    };
    printer.answer(&over, |_| besides(context, &over))?;
    let changed = over.items.iter().filter(|item| item.outcome == "changed");
    let overridden = over.items.iter();
    let overridden = overridden.filter(|item| item.outcome == "overridden");
    match (changed.count(), overridden.count()) {
        (0, 0) => {
            printer.line("all of it is off")?;
            Ok(Exit::DONE)
        }
        (0, count) => {
            printer.line(&format!(
                "all of it is over, {count} of it overridden: the targets of those never confirmed"
            ))?;
            Ok(Exit::DONE)
        }
        (count, _) => Err(Failure::refused(
            format!("{count} changed since the list was made, and nothing was done to them"),
            "look at them, and run it again",
        )),
    }
}

/// Names what is not off yet.
fn not_off(context: &Context<'_>, last: &IncidentView, id: &str) -> Result<Failure, Failure> {
    if context.printer.json {
        context.printer.json_line(last)?;
    }
    let open: Vec<&str> = last
        .items
        .iter()
        .filter(|item| item.outcome == "revoking")
        .map(|item| item.id.as_str())
        .collect();
    Ok(Failure::timed_out(
        format!("not off yet: {}", open.join(", ")),
        format!(
            "Portcullis refuses their use and goes on trying; watch it with `portcullis incident show {id}`"
        ),
    ))
}

fn headline(incident: &IncidentView) -> String {
    format!(
        "{} started by {} at {} on {}",
        incident.id,
        incident.started_by,
        words::exact(incident.created_at),
        words::scope(&incident.scope)
    )
}

fn besides(context: &Context<'_>, incident: &IncidentView) -> Result<(), Failure> {
    for lock in &incident.locks {
        context.printer.line(&format!(
            "{}: {} is locked ({})",
            lock.id,
            words::locked(&lock.on),
            lock.state.replace('_', " ")
        ))?;
    }
    if incident.appeared.is_empty() {
        return Ok(());
    }
    context.printer.line(&format!(
        "came up since the list was made: {}",
        incident.appeared.join(", ")
    ))
}

/// One item: who, what, and how far.
fn line(receipt: &IncidentReceipt) -> String {
    let mut out = format!(
        "{} {} {} on {}: {}",
        receipt.id,
        receipt.holder,
        receipt.role,
        receipt.target,
        receipt.outcome.replace('_', " ")
    );
    let blocked = receipt
        .blocked_at
        .map(|at| format!(" since {}", words::exact(at)));
    match receipt.outcome.as_str() {
        "revoking" => {
            out.push_str(&format!(", blocked{}", blocked.unwrap_or_default()));
            if let Some(error) = &receipt.last_error {
                out.push_str(&format!(", try {}: {error}", receipt.attempts));
            }
        }
        "revoked" => {
            let cut = match receipt.sessions_ended {
                None | Some(0) => String::new(),
                Some(1) => ", 1 session cut".to_owned(),
                Some(more) => format!(", {more} sessions cut"),
            };
            out.push_str(&cut);
            if let Some(at) = receipt.read_back_at {
                out.push_str(&format!(", read back at {}", words::exact(at)));
            }
        }
        _ => {}
    }
    if let Some(changed) = &receipt.changed {
        out.push_str(&format!(" ({changed})"));
    }
    out
}
