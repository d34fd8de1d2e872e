//! Rows and changes as sentences. A state is a word; everything that others typed is cleaned and comes last.

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};

use crate::console::app::App;
use crate::console::show;
use crate::console::store::{Seen, Subject};
use crate::text::{DisplayText, clean};
use crate::wire::{GrantView, RequestView};

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
            lines.push(match &seen {
                Seen::Request(view) if before.is_none() => {
                    clean(&format!("New: {}", request(view, world.server_now())))
                }
                Seen::Request(view) => clean(&format!(
                    "{} is {}: {} for {} on {}",
                    view.id, view.state, view.requester, view.role, view.target
                )),
                Seen::Grant(view) => clean(&grant(view, world.server_now())),
                Seen::Session(_) | Seen::Lock(_) => continue,
            });
        }
        if first {
            lines.extend(requests(app, false, choices));
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

/// The requests that wait, or all, with their numbers.
pub(super) fn requests(app: &App, all: bool, choices: &mut Vec<Subject>) -> Vec<DisplayText> {
    let world = app.world();
    let mut views: Vec<_> = world
        .store
        .requests()
        .map(|(_, view)| view)
        .filter(|view| all || view.state == "pending")
        .collect();
    views.sort_by(|a, b| {
        (a.state != "pending", a.created_at, &a.id).cmp(&(
            b.state != "pending",
            b.created_at,
            &b.id,
        ))
    });
    *choices = views
        .iter()
        .filter_map(|view| view.id.parse().ok().map(Subject::Request))
        .collect();
    let head = match views.len() {
        0 => "No request waits.".to_owned(),
        1 => "One request:".to_owned(),
        count => format!("{count} requests, the oldest first:"),
    };
    let lines = views
        .iter()
        .enumerate()
        .map(|(at, view)| format!("{}. {}", at + 1, request(view, world.server_now())));
    std::iter::once(head)
        .chain(lines)
        .map(|line| clean(&line))
        .collect()
}

/// The grants that are open, or all, with their numbers.
pub(super) fn grants(app: &App, all: bool, choices: &mut Vec<Subject>) -> Vec<DisplayText> {
    let world = app.world();
    let is_open = |state: &str| matches!(state, "scheduled" | "activating" | "active" | "closing");
    let mut views: Vec<_> = world
        .store
        .grants()
        .map(|(_, view)| view)
        .filter(|view| all || is_open(&view.state))
        .collect();
    views.sort_by(|a, b| {
        (!is_open(&a.state), a.expires_at, &a.id).cmp(&(!is_open(&b.state), b.expires_at, &b.id))
    });
    *choices = views
        .iter()
        .filter_map(|view| view.id.parse().ok().map(Subject::Grant))
        .collect();
    let head = match views.len() {
        0 => "Nobody has access.".to_owned(),
        1 => "One grant:".to_owned(),
        count => format!("{count} grants, the one that ends first is first:"),
    };
    let lines = views
        .iter()
        .enumerate()
        .map(|(at, view)| format!("{}. {}", at + 1, grant(view, world.server_now())));
    std::iter::once(head)
        .chain(lines)
        .map(|line| clean(&line))
        .collect()
}

/// Everything about one row.
pub(super) fn detail(app: &App, subject: &Subject) -> Vec<DisplayText> {
    let now = app.world().server_now();
    let mut lines = Vec::new();
    match app.world().store.get(subject) {
        None | Some(Seen::Session(_) | Seen::Lock(_)) => {
            lines.push("It is no longer there.".to_owned());
        }
        Some(Seen::Request(view)) => {
            lines.push(request(&view, now));
            lines.push(format!("Policy: {}", view.verdict));
            for review in &view.reviews {
                lines.push(format!(
                    "Review: {} by {}",
                    review.decision, review.reviewer
                ));
            }
            for signal in &view.signals {
                lines.push(format!("Unusual: {}", signal.why));
            }
            let history = &view.history;
            lines.push(format!(
                "History: {} grants in 30 days, {} revoked",
                history.grants_30d, history.revoked_30d
            ));
            lines.push(format!(
                "Access would end {}",
                show::moment(show::would_end(&view, now), now)
            ));
            lines.push(format!("Decide by {}", show::moment(view.decide_by, now)));
        }
        Some(Seen::Grant(view)) => {
            lines.push(grant(&view, now));
            lines.extend(
                view.starts_at
                    .map(|at| format!("Since {}", show::moment(at, now))),
            );
            lines.push(format!(
                "At most until {}",
                show::moment(view.max_expires_at, now)
            ));
            if let Some(error) = &view.last_error {
                lines.push(format!("The target said: {error}"));
            }
            lines.push(format!("Reason: {}", view.reason));
        }
    }
    let events = app.world().store.events_about(subject).take(EVENTS);
    lines.extend(events.map(|event| {
        let sentence = event.view().sentence;
        format!("{} {sentence}", show::moment(event.time, now))
    }));
    lines.iter().map(|line| clean(line)).collect()
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
        format!("Server's time: {}", world.server_now().format("%H:%M:%SZ")),
    ];
    lines.extend(world.banner());
    lines.extend(app.waiting());
    lines.iter().map(|line| clean(line)).collect()
}

fn rows(app: &App) -> Vec<Seen> {
    let store = &app.world().store;
    let mut requests: Vec<_> = store.requests().map(|(_, view)| view).collect();
    requests.sort_by_key(|view| view.created_at);
    let mut grants: Vec<_> = store.grants().map(|(_, view)| view).collect();
    grants.sort_by_key(|view| view.created_at);
    let requests = requests.into_iter().cloned().map(Seen::Request);
    requests
        .chain(grants.into_iter().cloned().map(Seen::Grant))
        .collect()
}

fn subject(seen: &Seen) -> Option<Subject> {
    match seen {
        Seen::Request(view) => view.id.parse().ok().map(Subject::Request),
        Seen::Grant(view) => view.id.parse().ok().map(Subject::Grant),
        Seen::Session(_) | Seen::Lock(_) => None,
    }
}

fn request(view: &RequestView, now: DateTime<Utc>) -> String {
    let (have, need) = show::progress(view);
    let progress = if view.state == "pending" && need > 0 {
        format!(", {have} of {need} approvals")
    } else {
        String::new()
    };
    format!(
        "{} {}{progress}: {} wants {} on {} for {}, asked {} ago. Reason: {}",
        view.id,
        view.state,
        view.requester,
        view.role,
        view.target,
        show::granted(&view.duration, &view.duration_granted),
        show::age(view.created_at, now),
        view.reason
    )
}

fn grant(view: &GrantView, now: DateTime<Utc>) -> String {
    let left = match view.state.as_str() {
        "active" | "activating" | "scheduled" => format!(
            ", ends {} (in {})",
            show::moment(view.expires_at, now),
            show::age(now, view.expires_at)
        ),
        _ => String::new(),
    };
    let trouble =
        if view.last_error.is_some() && matches!(view.state.as_str(), "closing" | "activating") {
            ", the target does not answer as it has to"
        } else {
            ""
        };
    format!(
        "{} {}{trouble}: {} as {} on {}{left}",
        view.id, view.state, view.holder, view.role, view.target
    )
}
