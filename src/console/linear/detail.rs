//! Everything about one row, and what the record says about it, line by line.

use chrono::{DateTime, Utc};

use crate::console::app::App;
use crate::console::linear::sentence::{
    grant, lock, request, service, session, sign_in, standing, used,
};
use crate::console::show;
use crate::console::store::{Seen, Subject};
use crate::console::world::Trail;
use crate::text::{DisplayText, clean};
use crate::wire::AllowedAction;

/// So many of the newest events that are known here.
const EVENTS: usize = 20;

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
        Some(Seen::SignIn(view)) => lines.push(sign_in(&view, now)),
        Some(Seen::Service(view)) => lines.push(service(&view, now)),
        Some(Seen::Standing(view)) => {
            lines.push(standing(&view, now));
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
        Some(Seen::Use(view)) => {
            lines.push(used(&view, app.world()));
            lines.push(format!("Skipped: {}", view.skipped.join(", ")));
            for sign_off in &view.sign_offs {
                lines.push(format!(
                    "{} by {} {}: {}",
                    sign_off.verdict.replace('_', " "),
                    sign_off.reviewer,
                    show::moment(sign_off.created_at, now),
                    sign_off.comment
                ));
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
            if show::is_overdue(&view, now) {
                lines.push("Overdue: its target should have confirmed the end before".to_owned());
            }
            if let Some(overriding) = &view.overriding {
                let by = &overriding.proposed_by;
                lines.push(match &overriding.confirmed_by {
                    Some(other) => {
                        format!("Overridden by {by} and {other}: its target never confirmed")
                    }
                    None => format!("Override proposed by {by}, not confirmed"),
                });
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
