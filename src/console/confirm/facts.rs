//! What a question shows of its row, and what counts as a difference between two looks at it.

use chrono::TimeDelta;

use crate::console::confirm::{Kind, Strip, locked, people, standing};
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::store::Seen;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::domain::span::Span;
use crate::wire::{BreakGlassView, GrantView, LockView, RequestView, SessionView};

/// Lines of a stranger's reason in a question; the rest is one key away.
const REASON_LINES: usize = 3;

/// Writes down what is to be decided: structured facts first, in fixed places, and words of others last.
pub(super) fn describe(doc: &mut Doc, strip: &Strip, world: &World) {
    match &strip.seen {
        Seen::Request(view) => request(doc, strip, view, world),
        Seen::Grant(view) => grant(doc, strip, view, world),
        Seen::Session(view) => session(doc, view, world),
        Seen::Lock(view) => lock(doc, view, world),
        Seen::SignIn(view) => people::sign_in(doc, view, world),
        Seen::Service(view) => people::service(doc, view, strip.kind, world),
        Seen::Standing(view) => standing::describe(doc, view, strip.kind, world),
        Seen::Use(view) => used(doc, strip, view, world),
    }
}

fn session(doc: &mut Doc, view: &SessionView, world: &World) {
    let what = format!("{} as {} on {}", view.holder, view.role, view.target);
    doc.fact("Who", &what, Role::TextStrong);
    let up = view.started_at.map_or_else(String::new, |at| {
        format!(", up for {}", show::age(at, world.server_now()))
    });
    let program = view.program.as_deref().unwrap_or("an unnamed program");
    let from = view.address.as_deref().unwrap_or("somewhere");
    doc.fact(
        "Session",
        &format!("{program} from {from}{up}, under {}", view.grant),
        Role::Text,
    );
    doc.fact(
        "Effect",
        "this connection is cut; the grant stays, and its holder may connect again",
        Role::Text,
    );
    if let Some(command) = &view.command {
        doc.quote(
            "last command, as the target tells it",
            command,
            REASON_LINES,
        );
    }
}

fn lock(doc: &mut Doc, view: &LockView, world: &World) {
    let now = world.server_now();
    doc.fact("Lock", &locked(&view.on), Role::TextStrong);
    let end = view.ends_at.map_or_else(
        || "until somebody lifts it".to_owned(),
        |at| format!("until {}", show::moment(at, now)),
    );
    doc.fact(
        "Placed",
        &format!(
            "by {} {}, {end}",
            view.placed_by,
            show::moment(view.created_at, now)
        ),
        Role::Text,
    );
    doc.fact(
        "Effect",
        "requests are possible again; what the lock took away does not come back",
        Role::Text,
    );
    doc.quote(
        &format!("reason, written by {}", view.placed_by),
        &view.reason,
        REASON_LINES,
    );
}

fn used(doc: &mut Doc, strip: &Strip, view: &BreakGlassView, world: &World) {
    let now = world.server_now();
    let what = format!(
        "{} broke glass for {} on {} for {}",
        view.person, view.role, view.target, view.duration
    );
    doc.fact("Who", &what, Role::TextStrong);
    let when = format!(
        "{}; its access is {}",
        show::moment(view.created_at, now),
        world.store.access_of(view)
    );
    doc.fact("When", &when, Role::Text);
    let verdict = match strip.kind {
        Kind::Object => "it was not justified; that goes on the record",
        _ => "it was justified",
    };
    let effect = format!("{verdict}, and {} may break glass again", view.person);
    doc.fact("Effect", &effect, Role::Text);
    if let (Some(code), Some(by)) = (&view.sealed_code, &view.sealed_by) {
        doc.fact("Code", &format!("{code}, made by {by}"), Role::StatusWarn);
    }
    doc.quote(
        &format!("reason, written by {}", view.person),
        &view.reason,
        REASON_LINES,
    );
}

/// Who and what a row is about, for a list.
pub(super) fn in_short(seen: &Seen) -> (String, String) {
    match seen {
        Seen::Request(view) => (
            view.requester.clone(),
            format!(
                "{} on {} for {}",
                view.role_granted, view.target, view.duration_granted
            ),
        ),
        Seen::Grant(view) => (
            view.holder.clone(),
            format!("{} on {}", view.role, view.target),
        ),
        Seen::Session(view) => (
            view.holder.clone(),
            format!("{} on {} of {}", view.role, view.target, view.grant),
        ),
        Seen::Use(view) => (
            view.person.clone(),
            format!("break-glass: {} on {}", view.role, view.target),
        ),
        Seen::Lock(view) => (
            view.placed_by.clone(),
            format!("lock on {}", locked(&view.on)),
        ),
        Seen::SignIn(view) => (
            view.principal.clone(),
            format!("{}, by {}", view.device, view.method),
        ),
        Seen::Service(view) => (view.name.clone(), format!("of {}", view.owner)),
        Seen::Standing(view) => (
            view.subject.clone(),
            format!("{} on {}", view.kind, view.target),
        ),
    }
}

/// What a person wrote about a row.
pub(super) fn words(seen: &Seen) -> &str {
    match seen {
        Seen::Request(view) => &view.reason,
        Seen::Grant(view) => &view.reason,
        Seen::Lock(view) => &view.reason,
        Seen::Use(view) => &view.reason,
        Seen::Session(view) => view.command.as_deref().unwrap_or_default(),
        Seen::SignIn(_) | Seen::Service(_) => "",
        Seen::Standing(view) => view.reason.as_deref().unwrap_or_default(),
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
        Kind::Narrow => lessened(doc, strip, view, world),
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

/// What would be given instead of what was asked.
fn lessened<'a>(doc: &'a mut Doc, strip: &Strip, view: &RequestView, world: &World) -> &'a mut Doc {
    let now = world.server_now();
    let length = show::granted(&view.duration, &view.duration_granted);
    let Ok(less) = strip.less.chosen(now) else {
        return doc.fact("For", &length, Role::Text);
    };
    let start = less
        .not_before
        .or(view.not_before)
        .map_or(now, |start| start.max(now));
    let span = less
        .duration
        .or_else(|| view.duration_granted.parse::<Span>().ok());
    let end = span.map_or_else(
        || "?".to_owned(),
        |span| show::moment(start + span.to_chrono(), now),
    );
    doc.fact(
        "For",
        &format!("{length}; as typed it would end {end}"),
        Role::Text,
    );
    let role = match (strip.less.role(), strip.less.lesser_roles()) {
        (role, _) if *role != view.role_granted => {
            format!("{role} instead of {}", view.role_granted)
        }
        (role, 0) => format!("{role}, there is no lesser one"),
        (role, 1) => format!("{role}, 1 lesser role to choose"),
        (role, more) => format!("{role}, {more} lesser roles to choose"),
    };
    doc.fact("Role", &role, Role::Text);
    let begins = less.not_before.map_or_else(
        || "at once".to_owned(),
        |start| format!("not before {}", show::moment(start, now)),
    );
    doc.fact("Start", &begins, Role::Text)
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
    let sessions = world
        .store
        .sessions()
        .filter(|(key, _)| key.grant.as_str() == view.id)
        .count();
    let sessions = match sessions {
        0 => "open sessions are".to_owned(),
        1 => "1 open session is".to_owned(),
        count => format!("{count} open sessions are"),
    };
    doc.fact(
        "Effect",
        &format!("{sessions} cut, the access is removed, then the target is read back"),
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
        (_, Kind::RotateService | Kind::ImportStanding) => strip.span().map(drop),
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
        Seen::Session(view) => vec![
            ("who", view.holder.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
        ],
        Seen::Use(view) => vec![
            ("state", view.state.clone()),
            ("signed off", view.sign_offs.len().to_string()),
            ("who", view.person.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
            ("reason", view.reason.clone()),
        ],
        Seen::Lock(view) => vec![
            ("state", view.state.clone()),
            ("lock", locked(&view.on)),
            ("reason", view.reason.clone()),
        ],
        Seen::SignIn(view) => vec![
            ("who", view.principal.clone()),
            ("device", view.device.clone()),
            ("method", view.method.clone()),
        ],
        Seen::Standing(view) => vec![
            ("state", view.state.clone()),
            ("rights", view.rights.join(", ")),
            ("owner", view.owner.clone().unwrap_or_default()),
        ],
        Seen::Service(view) => vec![
            ("owner", view.owner.clone()),
            ("scopes", view.scopes.join(" ")),
            ("groups", view.groups.join(" ")),
        ],
    }
}
