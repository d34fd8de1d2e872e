//! Rows and changes as sentences. A state is a word; everything that others typed is cleaned and comes last.

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};

use crate::console::app::App;
use crate::console::confirm::Incident;
use crate::console::linear::list;
use crate::console::linear::sentence::{grant, lock, request, used};
use crate::console::show;
use crate::console::store::{Seen, Subject};
use crate::query::List;
use crate::text::{DisplayText, clean};
use crate::wire::IncidentReceipt;

/// Events kept for `audit`.
const EVENTS: usize = 20;

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    states: HashMap<Subject, (String, i64)>,
    revision: Option<u64>,
    link: String,
    toasts: HashSet<String>,
    record: VecDeque<DisplayText>,
    last: Option<i64>,
    /// The list of locks was read: one that is not known from then on was placed since.
    locks: bool,
}

impl Told {
    /// Sentences for what changed since the last time.
    pub(super) fn news(&mut self, app: &App, choices: &mut Vec<Subject>) -> Vec<DisplayText> {
        let mut lines = Vec::new();
        let world = app.world();
        let link = world.link.shown(world.now).text;
        // The rest of it is a number that changes all the time.
        let state = link.split(' ').next().unwrap_or_default();
        if state != self.link {
            state.clone_into(&mut self.link);
            lines.push(clean(&format!("Connection: {link}")));
        }
        let toasts: HashSet<String> = app
            .toasts()
            .shown()
            .iter()
            .map(|toast| toast.text.to_string())
            .collect();
        let fresh = app.toasts().shown().iter();
        let fresh = fresh.filter(|toast| !self.toasts.contains(toast.text.as_str()));
        lines.extend(fresh.map(|toast| toast.text.clone()));
        self.toasts = toasts;
        self.listen(app);
        if !world.loaded || self.revision == Some(world.store.revision()) {
            return lines;
        }
        let first = self.revision.replace(world.store.revision()).is_none();
        for seen in rows(app) {
            let subject = subject(&seen);
            let Some(subject) = subject else { continue };
            let state = (seen.state().to_owned(), seen.version());
            let before = self.states.insert(subject, state.clone());
            if first || before.as_ref() == Some(&state) {
                continue;
            }
            // What was read because somebody looked further back is no news.
            let old = match &seen {
                Seen::Request(view) => view.state != "pending",
                Seen::Grant(view) => {
                    matches!(
                        view.state.as_str(),
                        "ended" | "returned" | "revoked" | "activation_failed"
                    )
                }
                Seen::Lock(_) => !self.locks,
                Seen::Use(view) => view.state != "open",
                Seen::Session(_) | Seen::SignIn(_) | Seen::Service(_) | Seen::Standing(_) => true,
            };
            if before.is_none() && old {
                continue;
            }
            lines.push(match &seen {
                Seen::Request(view) if before.is_none() => {
                    clean(&format!("New: {}", request(view, world.server_now())))
                }
                Seen::Request(view) => clean(&format!(
                    "{} is {}: {} for {} on {}",
                    view.id, view.state, view.requester, view.role, view.target
                )),
                Seen::Grant(view) => clean(&grant(view, world.server_now())),
                Seen::Lock(view) => clean(&format!("Lock {}", lock(view, world.server_now()))),
                Seen::Use(view) => clean(&format!("Break-glass {}", used(view, world))),
                Seen::Session(_) | Seen::SignIn(_) | Seen::Service(_) | Seen::Standing(_) => {
                    continue;
                }
            });
        }
        self.locks = world.locks_read.is_some();
        if first {
            lines.extend(list::rows(app, List::Requests, false, "", choices).unwrap_or_default());
            lines.push(clean("Type `help` for what can be typed."));
        }
        lines
    }

    /// The last events as they came.
    pub(super) fn record(&self) -> Vec<DisplayText> {
        if self.record.is_empty() {
            return vec![clean("No event has come since the start.")];
        }
        self.record.iter().cloned().collect()
    }

    fn listen(&mut self, app: &App) {
        let store = &app.world().store;
        let last = store.latest(1).next().map(|event| event.index);
        if last == self.last {
            return;
        }
        self.last = last;
        self.record = store
            .latest(EVENTS)
            .map(|event| {
                let event = event.view();
                let at = event.time.format("%H:%M:%SZ");
                clean(&format!(
                    "{at} {} {}: {}",
                    event.event, event.outcome, event.sentence
                ))
            })
            .collect();
    }
}

/// Everything that was said, with its time.
pub(super) fn messages(app: &App) -> Vec<DisplayText> {
    let world = app.world();
    let said = app.toasts().said();
    if said.is_empty() {
        return vec![clean("Nothing has been said.")];
    }
    said.iter()
        .map(|said| {
            let at = world.clock.at(said.at).format("%H:%M:%SZ");
            let times = match said.times {
                0 | 1 => String::new(),
                times => format!(" ({times} times)"),
            };
            let trace = said
                .trace
                .as_ref()
                .map_or_else(String::new, |trace| format!(" [{trace}]"));
            clean(&format!("{at} {}{times}{trace}", said.text))
        })
        .collect()
}

/// Exactly what an incident would take away.
pub(super) fn dry_run(app: &App) -> Vec<DisplayText> {
    let Some(preview) = app.incident().and_then(Incident::preview) else {
        return Vec::new();
    };
    let now = app.world().server_now();
    let mut lines = vec![format!(
        "Dry run as of {}: {} would go, of {}. It is good until {}.",
        show::moment(preview.as_of, now),
        show::count(preview.items.len(), "row"),
        show::people(preview.people as usize),
        show::moment(preview.good_until, now)
    )];
    lines.extend(preview.locks.iter().map(|lock| format!("It locks {lock}")));
    let mut lines: Vec<DisplayText> = lines.iter().map(|line| clean(line)).collect();
    lines.extend((1..=preview.items.len()).flat_map(|number| dry_row(app, number)));
    lines
}

/// One row of it, by its number.
pub(super) fn dry_row(app: &App, number: usize) -> Vec<DisplayText> {
    let Some(incident) = app.incident() else {
        return Vec::new();
    };
    let now = app.world().server_now();
    let preview = incident.preview();
    let line = preview.and_then(|preview| {
        let item = preview.items.get(number.checked_sub(1)?)?;
        let granted = preview.grants.iter().find(|view| view.id == item.id);
        let asked = preview.requests.iter().find(|view| view.id == item.id);
        let text = granted
            .map(|view| grant(view, now))
            .or_else(|| asked.map(|view| request(view, now)))?;
        let kept = if incident.kept_as_they_are().contains(&item.id) {
            ", kept as it is"
        } else {
            ""
        };
        Some(format!("{number}. {text}{kept}"))
    });
    line.iter().map(|line| clean(line)).collect()
}

/// How far one row of an incident is.
pub(super) fn receipt(receipt: &IncidentReceipt, now: DateTime<Utc>) -> String {
    let word = match (receipt.outcome.as_str(), &receipt.last_error) {
        ("revoking", Some(_)) => "not off yet, in trouble".to_owned(),
        ("revoking", None) => "closing".to_owned(),
        ("revoked", _) => receipt.read_back_at.map_or_else(
            || "off".to_owned(),
            |at| format!("off, read back {}", show::moment(at, now)),
        ),
        ("already_over", _) => "was over already".to_owned(),
        (other, _) => other.replace('_', " "),
    };
    let mut line = format!(
        "{} {} {} on {}: {word}",
        receipt.id, receipt.holder, receipt.role, receipt.target
    );
    if let Some(cut) = receipt.sessions_ended.filter(|cut| *cut > 0) {
        line.push_str(&format!(", {} cut", show::count(cut as usize, "session")));
    }
    if let Some(changed) = &receipt.changed {
        line.push_str(&format!(". Since it was shown: {changed}"));
    }
    if let (Some(error), "revoking") = (&receipt.last_error, receipt.outcome.as_str()) {
        line.push_str(&format!(". The target said: {error}"));
    }
    line
}

/// Who sits here, and how the connection is.
pub(super) fn status(app: &App) -> Vec<DisplayText> {
    let world = app.world();
    let who = world.me.as_ref().map_or_else(
        || "not known yet".to_owned(),
        |me| format!("{}, {}", me.name, me.roles.join(", ")),
    );
    let mut lines = vec![
        format!("Server: {}", world.server),
        format!("You: {who}"),
        format!("Connection: {}", world.link.shown(world.now).text),
        format!("Node: {}", world.link.node().unwrap_or("not known yet")),
        format!("Server's time: {}", world.server_now().format("%H:%M:%SZ")),
    ];
    lines.extend(world.banner());
    lines.extend(world.alarm());
    lines.extend(app.waiting());
    lines.iter().map(|line| clean(line)).collect()
}

fn rows(app: &App) -> Vec<Seen> {
    let store = &app.world().store;
    let mut requests: Vec<_> = store.requests().map(|(_, view)| view).collect();
    requests.sort_by_key(|view| view.created_at);
    let mut grants: Vec<_> = store.grants().map(|(_, view)| view).collect();
    grants.sort_by_key(|view| view.created_at);
    let mut locks: Vec<_> = store.locks().map(|(_, view)| view).collect();
    locks.sort_by_key(|view| view.created_at);
    let mut uses: Vec<_> = store.uses().map(|(_, view)| view).collect();
    uses.sort_by_key(|view| view.created_at);
    let requests = requests.into_iter().cloned().map(Seen::Request);
    requests
        .chain(grants.into_iter().cloned().map(Seen::Grant))
        .chain(locks.into_iter().cloned().map(Seen::Lock))
        .chain(uses.into_iter().cloned().map(Seen::Use))
        .collect()
}

fn subject(seen: &Seen) -> Option<Subject> {
    match seen {
        Seen::Request(view) => view.id.parse().ok().map(Subject::Request),
        Seen::Grant(view) => view.id.parse().ok().map(Subject::Grant),
        Seen::Lock(view) => view.id.parse().ok().map(Subject::Lock),
        Seen::Session(_) | Seen::SignIn(_) | Seen::Service(_) | Seen::Standing(_) => None,
        Seen::Use(view) => view.id.parse().ok().map(Subject::Use),
    }
}
