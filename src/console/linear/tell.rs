//! Rows and changes as sentences. A state is a word; everything that others typed is cleaned and comes last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use chrono::{DateTime, Utc};

use crate::console::app::App;
use crate::console::confirm::{Incident, locked};
use crate::console::show;
use crate::console::store::{Seen, SessionKey, Subject};
use crate::console::world::Trail;
use crate::query::{List, parse};
use crate::text::{DisplayText, clean};
use crate::wire::{AllowedAction, GrantView, IncidentReceipt, LockView, RequestView, SessionView};

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
                Seen::Session(_) => true,
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
                Seen::Session(_) => continue,
            });
        }
        self.locks = world.locks_read.is_some();
        if first {
            lines.extend(list(app, List::Requests, false, "", choices).unwrap_or_default());
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

/// The rows of a list with their numbers: those that matter at the moment, or all, as far as a filter lets them
/// through. The error says what is wrong with the filter.
pub(super) fn list(
    app: &App,
    list: List,
    all: bool,
    filter: &str,
    choices: &mut Vec<Subject>,
) -> Result<Vec<DisplayText>, String> {
    let world = app.world();
    let parsed = parse(filter, list, &world.shelf.saved);
    if let Some(problem) = parsed.problems.first() {
        return Err(format!("The filter makes no sense: {problem}"));
    }
    let (expr, asking, now) = (parsed.expr, world.asking(), world.server_now());
    let store = &world.store;
    let mut rows: Vec<(String, Subject)> = Vec::new();
    let (none, one, many) = match list {
        List::Requests => {
            let views = store.requests().map(|(_, view)| view);
            let mut views: Vec<_> = views
                .filter(|view| all || view.state == "pending")
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by(|a, b| {
                let key = |view: &RequestView| (view.state != "pending", view.created_at);
                (key(a), &a.id).cmp(&(key(b), &b.id))
            });
            let row = |view: &&Rc<RequestView>| {
                Some((request(view, now), Subject::Request(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "No request waits.",
                "One request:",
                "requests, the oldest first:",
            )
        }
        List::Sessions => {
            let mut views: Vec<_> = store
                .sessions()
                .filter(|(_, view)| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|(key, view)| (view.started_at, (*key).clone()));
            let row = |(key, view): &(&SessionKey, &Rc<SessionView>)| {
                (session(view, now), Subject::Session((*key).clone()))
            };
            rows.extend(views.iter().map(row));
            (
                "Nobody is connected, as far as the targets report it.",
                "One session:",
                "sessions, the oldest first:",
            )
        }
        List::Locks => {
            let mut views: Vec<_> = store
                .locks()
                .map(|(_, view)| view)
                .filter(|view| all || view.state == "in_force")
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|view| (view.state != "in_force", view.created_at, view.id.clone()));
            let row = |view: &&Rc<LockView>| {
                Some((lock(view, now), Subject::Lock(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "Nothing is locked.",
                "One lock:",
                "locks, the oldest first:",
            )
        }
        List::Grants | List::Audit => {
            let is_open =
                |state: &str| matches!(state, "scheduled" | "activating" | "active" | "closing");
            let mut views: Vec<_> = store
                .grants()
                .map(|(_, view)| view)
                .filter(|view| all || is_open(&view.state))
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|view| (!is_open(&view.state), view.expires_at, view.id.clone()));
            let row = |view: &&Rc<GrantView>| {
                Some((grant(view, now), Subject::Grant(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "Nobody has access.",
                "One grant:",
                "grants, the one that ends first is first:",
            )
        }
    };
    let head = match (rows.len(), filter.is_empty()) {
        (0, true) => none.to_owned(),
        (0, false) => "The filter lets nothing through.".to_owned(),
        (1, _) => one.to_owned(),
        (count, _) => format!("{count} {many}"),
    };
    let lines = rows
        .iter()
        .enumerate()
        .map(|(at, (line, _))| format!("{}. {line}", at + 1));
    let mut lines: Vec<DisplayText> = std::iter::once(head)
        .chain(lines)
        .map(|line| clean(&line))
        .collect();
    if list == List::Sessions {
        let missing = store.sources().iter().filter_map(|source| {
            let problem = source.problem.as_ref()?;
            Some(clean(&format!("{}: {problem}", source.target)))
        });
        lines.extend(missing);
        lines.extend(world.sessions_problem.as_deref().map(clean));
    }
    *choices = rows.into_iter().map(|(_, subject)| subject).collect();
    Ok(lines)
}

/// One row on a line of its own.
pub(super) fn row(app: &App, subject: &Subject) -> Option<String> {
    let now = app.world().server_now();
    Some(match app.world().store.get(subject)? {
        Seen::Request(view) => request(&view, now),
        Seen::Grant(view) => grant(&view, now),
        Seen::Session(view) => session(&view, now),
        Seen::Lock(view) => lock(&view, now),
    })
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

/// What the record says about a row.
pub(super) fn record(trail: &Trail, now: DateTime<Utc>) -> Vec<DisplayText> {
    let mut lines = vec!["On record:".to_owned()];
    let events = trail.events.iter().flatten().rev();
    lines.extend(
        events.map(|event| format!("{} {}", show::moment(event.time, now), event.sentence)),
    );
    if trail.more {
        lines.push("Older events are in the record.".to_owned());
    }
    if let Some(why) = &trail.problem {
        lines.push(format!("The record was not read: {why}"));
    }
    lines.iter().map(|line| clean(line)).collect()
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

/// Everything about one row.
pub(super) fn detail(app: &App, subject: &Subject) -> Vec<DisplayText> {
    let now = app.world().server_now();
    let mut lines = Vec::new();
    match app.world().store.get(subject) {
        None => lines.push("It is no longer there.".to_owned()),
        Some(Seen::Session(view)) => {
            lines.push(session(&view, now));
            lines.extend(
                view.command
                    .as_ref()
                    .map(|command| format!("Last command, as the target tells it: {command}")),
            );
            lines.push(may(&view.allowed_actions));
        }
        Some(Seen::Lock(view)) => {
            lines.push(lock(&view, now));
            lines.extend(
                view.incident
                    .as_ref()
                    .map(|incident| format!("Placed in incident {incident}")),
            );
            if let (Some(who), Some(at)) = (&view.lifted_by, view.lifted_at) {
                lines.push(format!("Lifted by {who} {}", show::moment(at, now)));
            }
            lines.push(may(&view.allowed_actions));
        }
        Some(Seen::Request(view)) => {
            lines.push(request(&view, now));
            lines.push(format!("Policy: {}", view.verdict));
            lines.extend(
                view.ticket
                    .as_ref()
                    .map(|ticket| format!("Ticket: {ticket}")),
            );
            for way in &view.ways {
                let who = way.reviewers.as_deref().unwrap_or("nobody has to review");
                lines.push(format!(
                    "Way {}: {} of {} approvals, {who}; at most {}, {} in all",
                    way.policy, way.approvals, way.threshold, way.max_duration, way.max_total
                ));
            }
            if view.role_granted != view.role || view.duration_granted != view.duration {
                lines.push(format!(
                    "An approval gives {} for {}",
                    view.role_granted, view.duration_granted
                ));
            }
            let claim = view.claim.as_ref().filter(|claim| claim.until > now);
            lines.extend(claim.map(|claim| {
                format!(
                    "{} is on it since {}",
                    claim.by,
                    show::moment(claim.since, now)
                )
            }));
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
            lines.push(may(&view.allowed_actions));
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
            lines.push(may(&view.allowed_actions));
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
    let mut locks: Vec<_> = store.locks().map(|(_, view)| view).collect();
    locks.sort_by_key(|view| view.created_at);
    let requests = requests.into_iter().cloned().map(Seen::Request);
    requests
        .chain(grants.into_iter().cloned().map(Seen::Grant))
        .chain(locks.into_iter().cloned().map(Seen::Lock))
        .collect()
}

fn subject(seen: &Seen) -> Option<Subject> {
    match seen {
        Seen::Request(view) => view.id.parse().ok().map(Subject::Request),
        Seen::Grant(view) => view.id.parse().ok().map(Subject::Grant),
        Seen::Lock(view) => view.id.parse().ok().map(Subject::Lock),
        Seen::Session(_) => None,
    }
}

fn may(actions: &[AllowedAction]) -> String {
    let may: Vec<&str> = actions
        .iter()
        .filter(|action| action.allowed)
        .map(|action| action.action.as_str())
        .collect();
    if may.is_empty() {
        "You may only look".to_owned()
    } else {
        format!("You may {}", may.join(", "))
    }
}

fn session(view: &SessionView, now: DateTime<Utc>) -> String {
    let up = view
        .started_at
        .map_or_else(String::new, |at| format!(", up for {}", show::age(at, now)));
    let doing = view.activity.as_ref().map_or_else(String::new, |doing| {
        format!(", {}", doing.replace('_', " "))
    });
    format!(
        "{} {} as {} on {} under {}{up}{doing}, {} from {}",
        view.id,
        view.holder,
        view.role,
        view.target,
        view.grant,
        view.program.as_deref().unwrap_or("an unnamed program"),
        view.address.as_deref().unwrap_or("somewhere")
    )
}

fn lock(view: &LockView, now: DateTime<Utc>) -> String {
    let end = match (view.state.as_str(), view.ends_at) {
        ("in_force", Some(at)) => format!(" until {}", show::moment(at, now)),
        ("in_force", None) => " until somebody lifts it".to_owned(),
        _ => String::new(),
    };
    format!(
        "{} on {} {}{end}, placed by {} {}, {} closed. Reason: {}",
        view.id,
        locked(&view.on),
        view.state.replace('_', " "),
        view.placed_by,
        show::moment(view.created_at, now),
        show::count(view.grants_closed as usize, "grant"),
        view.reason
    )
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
