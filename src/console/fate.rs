//! What became of a row that is no longer on its list, in the words of the event that took it away: `approved by bob
//! 3 s ago`.

use chrono::{DateTime, Utc};

use crate::console::show;
use crate::console::store::{Seen, Subject};
use crate::console::world::World;
use crate::text::{DisplayText, clean};
use crate::wire::EventView;

/// Says what became of a row.
pub fn of(world: &World, subject: &Subject) -> DisplayText {
    let now = world.server_now();
    let seen = world.store.get(subject);
    let event = world.store.events_about(subject).next();
    let event = event.map(|event| event.view());
    // The system confirms what a person began; who that was stands in the row itself.
    let person = |event: &EventView| event.actor.kind == "principal";
    let told = event.filter(|event| match &seen {
        Some(seen) => person(event) && verb(event) == seen.state(),
        None => true,
    });
    if let Some(event) = told {
        let who = person(&event).then_some(event.actor.name.as_str());
        return say(&verb(&event).replace('_', " "), who, Some(event.time), now);
    }
    match seen {
        Some(Seen::Grant(view)) if view.state == "closing" => {
            say("closing, begun", view.closed_by.as_deref(), None, now)
        }
        Some(seen) if is_open(&seen) => clean("no longer matches"),
        Some(Seen::Request(view)) => {
            let last = view.reviews.last();
            let who = last.filter(|_| matches!(view.state.as_str(), "approved" | "denied"));
            let who = who.map(|review| review.reviewer.as_str());
            say(&view.state, who, view.decided_at, now)
        }
        Some(Seen::Grant(view)) => {
            let (who, at) = (view.closed_by.as_deref(), view.ended_at);
            say(&view.state.replace('_', " "), who, at, now)
        }
        Some(Seen::Use(view)) => {
            let last = view.sign_offs.last();
            let who = last.map(|last| last.reviewer.as_str());
            let found = format!("found {}", view.state.replace('_', " "));
            say(&found, who, view.reviewed_at, now)
        }
        Some(Seen::Lock(view)) => say(&view.state, view.lifted_by.as_deref(), view.lifted_at, now),
        Some(Seen::Session(_) | Seen::SignIn(_) | Seen::Service(_) | Seen::Standing(_)) | None => {
            match subject {
                Subject::Session(_) => clean("no longer connected"),
                Subject::SignIn(_) => clean("no longer signed in"),
                Subject::Service(_) => clean("deleted"),
                Subject::Standing(_) => clean("gone from its target"),
                _ => clean("no longer shown to you"),
            }
        }
    }
}

/// Says whether the row is as open as those on the list, so that only the filter can have taken it away.
fn is_open(seen: &Seen) -> bool {
    is_open_state(seen.state())
}

/// Says whether something can still become of a row in this state.
pub(in crate::console) fn is_open_state(state: &str) -> bool {
    matches!(
        state,
        "pending"
            | "scheduled"
            | "activating"
            | "active"
            | "closing"
            | "in_force"
            | "live"
            | "open"
    )
}

/// What an event says was done: `approved` of `request.approved`.
fn verb(event: &EventView) -> &str {
    let split = event.event.split_once('.');
    split.map_or(event.event.as_str(), |(_, verb)| verb)
}

fn say(
    verb: &str,
    who: Option<&str>,
    at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DisplayText {
    let by = who.map(|who| format!(" by {who}")).unwrap_or_default();
    let ago = at.map(|at| match (now - at).num_seconds() {
        seconds @ ..60 => format!(" {} s ago", seconds.max(0)),
        _ => format!(" {} ago", show::age(at, now)),
    });
    clean(&format!("{verb}{by}{}", ago.unwrap_or_default()))
}
