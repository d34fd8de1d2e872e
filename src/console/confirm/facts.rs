//! What a question shows of its row, and what counts as a difference between two looks at it.

use chrono::TimeDelta;

use crate::console::confirm::{Kind, Strip};
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::store::Seen;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::domain::span::Span;
use crate::wire::{GrantView, RequestView};

/// Lines of a stranger's reason in a question; the rest is one key away.
const REASON_LINES: usize = 3;

/// Writes down what is to be decided: structured facts first, in fixed places, and words of others last.
pub(super) fn describe(doc: &mut Doc, strip: &Strip, world: &World) {
    match &strip.seen {
        Seen::Request(view) => request(doc, strip, view, world),
        Seen::Grant(view) => grant(doc, strip, view, world),
    }
}

fn request(doc: &mut Doc, strip: &Strip, view: &RequestView, world: &World) {
    let now = world.server_now();
    let role = show::granted(&view.role, &view.role_granted);
    doc.fact(
        "Who",
        &format!("{} asks for {role} on {}", view.requester, view.target),
        Role::TextStrong,
    );
    let length = show::granted(&view.duration, &view.duration_granted);
    match strip.kind {
        Kind::Deny => doc.fact("For", &length, Role::Text),
        Kind::Narrow => {
            let end = strip
                .span()
                .map(|span| view.not_before.map_or(now, |start| start.max(now)) + span.to_chrono());
            let end = end.map_or_else(|_| "?".to_owned(), |end| show::moment(end, now));
            doc.fact(
                "For",
                &format!("{length}; as typed below it would end {end}"),
                Role::Text,
            )
        }
        _ => {
            let end = show::moment(show::would_end(view, now), now);
            doc.fact(
                "For",
                &format!("{length}, ends {end} if approved now"),
                Role::Text,
            )
        }
    };
    let (have, need) = show::progress(view);
    let by: Vec<&str> = view
        .reviews
        .iter()
        .map(|review| review.reviewer.as_str())
        .collect();
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(" ({})", by.join(", "))
    };
    doc.fact(
        "Policy",
        &format!("{}; {have} of {need} approvals{by}", view.verdict),
        Role::Text,
    );
    let history = &view.history;
    let past = match history.grants_30d {
        0 => (
            format!("first time on {} in 30 days", view.target),
            Role::StatusWarn,
        ),
        times => (
            format!(
                "{times} grants there in 30 days, {} revoked",
                history.revoked_30d
            ),
            Role::Text,
        ),
    };
    doc.fact("History", &past.0, past.1);
    doc.quote(
        &format!("reason, written by {}", view.requester),
        &view.reason,
        REASON_LINES,
    );
}

fn grant(doc: &mut Doc, strip: &Strip, view: &GrantView, world: &World) {
    let what = format!("{} holds {} on {}", view.holder, view.role, view.target);
    doc.fact("Who", &what, Role::TextStrong);
    if strip.kind == Kind::Extend {
        extension(doc, strip, view, world);
        return;
    }
    let now = world.server_now();
    let left = countdown::text(world.clock.left(view.expires_at, world.now));
    let end = show::moment(view.expires_at, now);
    let state = match view.state.as_str() {
        "active" => format!("active, {left} left (until {end})"),
        other => other.to_owned(),
    };
    doc.fact("State", &state, Role::Text);
    doc.fact(
        "Effect",
        "open sessions are cut, the access is removed, then the target is read back",
        Role::Text,
    );
    doc.quote(
        &format!("reason, written by {}", view.holder),
        &view.reason,
        REASON_LINES,
    );
}

fn extension(doc: &mut Doc, strip: &Strip, view: &GrantView, world: &World) {
    let now = world.server_now();
    let end = show::moment(view.expires_at, now);
    let by = strip.span().ok();
    let new = by.map_or_else(
        || "?".to_owned(),
        |by| show::moment(view.expires_at + by.to_chrono(), now),
    );
    let total = by.map_or_else(|| "?".to_owned(), |by| total(view, by));
    let cap = show::moment(view.max_expires_at, now);
    doc.fact("End", &format!("{end} -> {new}"), Role::TextStrong);
    doc.fact(
        "Total",
        &format!("{total} of at most {} (until {cap})", view.max_total),
        Role::Text,
    );
    doc.fact("Reason", strip.sentence.text(), Role::Text);
}

/// The length of the whole grant after an extension.
fn total(view: &GrantView, by: Span) -> String {
    let start = view.starts_at.unwrap_or(view.not_before);
    Span::from_chrono(view.expires_at - start + by.to_chrono())
        .map_or_else(|_| "too long".to_owned(), |span| span.to_string())
}

/// Says whether the length typed is one that the server can accept.
pub(super) fn check_length(strip: &Strip) -> Result<(), String> {
    match (&strip.seen, strip.kind) {
        (Seen::Grant(view), Kind::Extend) => {
            let by = strip.span()?;
            let room = view.max_expires_at - view.expires_at;
            if by.to_chrono() <= room {
                return Ok(());
            }
            Err(match Span::from_chrono(room) {
                Ok(most) if room > TimeDelta::zero() => {
                    format!("at most {most} more: {} in total", view.max_total)
                }
                _ => format!("it already lasts the {} that policy allows", view.max_total),
            })
        }
        (Seen::Request(view), Kind::Narrow) => {
            let span = strip.span()?;
            match view.duration_granted.parse::<Span>() {
                Ok(asked) if span.seconds() > asked.seconds() => {
                    Err(format!("only less than {asked} can be given"))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What a person must hear of when a row changes under their question.
pub(super) fn differences(old: &Seen, new: &Seen) -> Vec<String> {
    facts(old)
        .into_iter()
        .zip(facts(new))
        .filter(|(old, new)| old != new)
        .map(|((label, old), (_, new))| match label {
            // Their words never stand on our lines.
            "reason" => "reason: it was written anew".to_owned(),
            _ => format!("{label}: {old} -> {new}"),
        })
        .collect()
}

fn facts(seen: &Seen) -> Vec<(&'static str, String)> {
    match seen {
        Seen::Request(view) => {
            let reviews: Vec<String> = view
                .reviews
                .iter()
                .map(|review| format!("{} by {}", review.decision, review.reviewer))
                .collect();
            vec![
                ("state", view.state.clone()),
                (
                    "reviews",
                    if reviews.is_empty() {
                        "none".to_owned()
                    } else {
                        reviews.join(", ")
                    },
                ),
                ("who", view.requester.clone()),
                ("target", view.target.clone()),
                ("role", view.role_granted.clone()),
                ("for", view.duration_granted.clone()),
                ("reason", view.reason.clone()),
            ]
        }
        Seen::Grant(view) => vec![
            ("state", view.state.clone()),
            ("end", view.expires_at.format("%H:%M:%SZ").to_string()),
            (
                "closed by",
                view.closed_by
                    .clone()
                    .unwrap_or_else(|| "nobody".to_owned()),
            ),
            ("who", view.holder.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
        ],
    }
}
