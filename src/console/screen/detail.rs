//! Everything about one row: structured facts in fixed places first, words of others behind a gutter.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::doc::Doc;
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::{Role, Theme};
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::domain::ids::{GrantId, RequestId};
use crate::text::{clean, suspicious};
use crate::wire::{AllowedAction, EventView, GrantView, RequestView};

/// All lines of a text of the longest that the server takes.
const WHOLE: usize = 2_000;
/// Events shown with a row; the record has the others.
const EVENTS: usize = 8;

/// A request in two lines.
pub(super) fn request_preview(view: &RequestView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let end = show::moment(show::would_end(view, now), now);
    let end = if view.state == "pending" {
        format!("ends {end} if approved now")
    } else {
        format!("{} {end}", view.state)
    };
    doc.pieces(vec![
        (format!("{} ", view.requester), Role::TextStrong),
        (
            format!(
                "{} on {} for {}, ",
                view.role_granted, view.target, view.duration_granted
            ),
            Role::Text,
        ),
        (end, Role::TextMuted),
    ]);
    doc.excerpt(&view.reason);
    doc
}

/// A grant in two lines.
pub(super) fn grant_preview(view: &GrantView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let what = vec![
        (format!("{} ", view.holder), Role::TextStrong),
        (format!("{} on {}, ", view.role, view.target), Role::Text),
    ];
    let state = if let Some(error) = &view.last_error {
        let text = format!("{}, attempt {}: {error}", view.state, view.attempts);
        (text, Role::StatusDanger)
    } else {
        let end = show::moment(view.ended_at.unwrap_or(view.expires_at), now);
        let by = view.closed_by.as_deref();
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        (format!("{}{by}, end {end}", view.state), Role::TextMuted)
    };
    doc.pieces(what.into_iter().chain([state]).collect());
    doc.excerpt(view.close_reason.as_deref().unwrap_or(&view.reason));
    doc
}

/// A request in full.
pub(super) fn request(view: &RequestView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let look = show::request(view);
    let waiting = match view.decided_at {
        Some(at) => format!("since {}", show::moment(at, now)),
        None => format!(
            "for {}, undecided it expires {}",
            show::age(view.created_at, now),
            show::moment(view.decide_by, now)
        ),
    };
    doc.fact("State", &format!("{} {waiting}", look.word), look.role);
    doc.fact("Who", &view.requester, Role::TextStrong);
    if let Some(suspicion) = suspicious(&view.requester) {
        doc.fact(
            "",
            &format!("this name {}", suspicion.words()),
            Role::StatusWarn,
        );
    }
    let kind = if view.kind == "extend" {
        "extension of "
    } else {
        ""
    };
    let role = show::granted(&view.role, &view.role_granted);
    doc.fact(
        "What",
        &format!("{kind}{role} on {}", view.target),
        Role::TextStrong,
    );
    let end = show::moment(show::would_end(view, now), now);
    let start = view
        .not_before
        .map(|start| format!("not before {}, ", show::moment(start, now)))
        .unwrap_or_default();
    let ends = if view.state == "pending" {
        format!("{start}ends {end} if approved now")
    } else {
        format!("{start}end {end}")
    };
    doc.fact(
        "How long",
        &format!(
            "{}; {ends}",
            show::granted(&view.duration, &view.duration_granted)
        ),
        Role::Text,
    );
    doc.quote(
        &format!("why, written by {}", view.requester),
        &view.reason,
        WHOLE,
    );
    if let Some(ticket) = &view.ticket {
        doc.fact("Ticket", ticket, Role::Text);
    }
    doc.fact("Policy", &view.verdict, Role::Text);
    for way in &view.ways {
        let by = way
            .reviewers
            .as_deref()
            .map_or_else(|| "nobody".to_owned(), |group| format!("by {group}"));
        let text = format!(
            "{}: {} of {} approvals {by}; at most {}",
            way.policy, way.approvals, way.threshold, way.max_duration
        );
        doc.fact("", &text, Role::TextMuted);
    }
    for review in &view.reviews {
        let text = format!(
            "{} by {} {}",
            review.decision,
            review.reviewer,
            show::moment(review.created_at, now)
        );
        doc.fact(
            "Review",
            &text,
            if review.decision == "deny" {
                Role::StatusDanger
            } else {
                Role::StatusOk
            },
        );
        if let Some(comment) = &review.comment {
            doc.quote(&format!("written by {}", review.reviewer), comment, WHOLE);
        }
    }
    let history = &view.history;
    let mut past = match history.grants_30d {
        0 => format!("first time on {} in 30 days", view.target),
        1 => format!("1 grant on {} in 30 days", view.target),
        many => format!("{many} grants on {} in 30 days", view.target),
    };
    if history.grants_30d > 0 {
        past.push_str(&format!(", {} revoked", history.revoked_30d));
        past.push_str(
            &history
                .longest
                .as_ref()
                .map(|longest| format!(", longest {longest}"))
                .unwrap_or_default(),
        );
        past.push_str(
            &history
                .last_at
                .map(|at| format!(", last {}", show::moment(at, now)))
                .unwrap_or_default(),
        );
    }
    let role = if history.grants_30d == 0 || history.revoked_30d > 0 {
        Role::StatusWarn
    } else {
        Role::Text
    };
    doc.fact("History", &past, role);
    let open = view.state == "pending";
    you(&mut doc, &view.allowed_actions, open, world);
    if let Some(grant) = &view.grant {
        doc.fact("Grant", grant, Role::Text);
    }
    doc.fact(
        "Asked",
        &show::moment(view.created_at, now),
        Role::TextMuted,
    );
    if let Ok(id) = view.id.parse::<RequestId>() {
        events(&mut doc, world, &Subject::Request(id));
    }
    doc
}

/// A grant in full.
pub(super) fn grant(view: &GrantView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let look = show::grant(view);
    let state = match view.state.as_str() {
        "active" => format!(
            "active, {} left",
            countdown::text(world.clock.left(view.expires_at, world.now))
        ),
        "closing" => format!(
            "closing, attempt {}: not closed before the target was read back",
            view.attempts.max(1)
        ),
        other => other.to_owned(),
    };
    doc.fact("State", &state, look.role);
    if let Some(error) = &view.last_error {
        doc.fact("Error", error, Role::StatusDanger);
    }
    if let Some(kind) = &view.close_kind {
        let by = view
            .closed_by
            .as_deref()
            .map(|by| format!(" by {by}"))
            .unwrap_or_default();
        doc.fact("Closed", &format!("{kind}{by}"), Role::Text);
        if let Some(reason) = &view.close_reason {
            doc.quote(
                &format!("written by {}", view.closed_by.as_deref().unwrap_or("them")),
                reason,
                WHOLE,
            );
        }
    }
    doc.fact("Who", &view.holder, Role::TextStrong);
    if let Some(suspicion) = suspicious(&view.holder) {
        doc.fact(
            "",
            &format!("this name {}", suspicion.words()),
            Role::StatusWarn,
        );
    }
    let kind = view
        .target_kind
        .as_deref()
        .unwrap_or("no longer in the catalogue");
    doc.fact(
        "What",
        &format!("{} on {} ({kind})", view.role, view.target),
        Role::TextStrong,
    );
    let start = match view.starts_at {
        Some(at) => format!("usable since {}", show::moment(at, now)),
        None => format!(
            "not usable yet, planned for {}",
            show::moment(view.not_before, now)
        ),
    };
    doc.fact("Start", &start, Role::Text);
    let extensions = match view.extensions {
        0 => String::new(),
        1 => ", extended once".to_owned(),
        times => format!(", extended {times} times"),
    };
    doc.fact(
        "End",
        &format!("{}{extensions}", show::moment(view.expires_at, now)),
        Role::Text,
    );
    let cap = format!(
        "{} in total, until {}",
        view.max_total,
        show::moment(view.max_expires_at, now)
    );
    doc.fact("Cap", &cap, Role::Text);
    if let Some(at) = view.ended_at {
        doc.fact("Gone", &show::moment(at, now), Role::Text);
    }
    doc.fact(
        "Enforced",
        enforcement(view.enforcement.as_deref()),
        Role::Text,
    );
    doc.quote(
        &format!("why, written by {}", view.holder),
        &view.reason,
        WHOLE,
    );
    let open = view.ended_at.is_none();
    you(&mut doc, &view.allowed_actions, open, world);
    doc.fact("Request", &view.request, Role::TextMuted);
    if let Ok(id) = view.id.parse::<GrantId>() {
        events(&mut doc, world, &Subject::Grant(id));
    }
    doc
}

/// An event in full.
pub(super) fn event(view: &EventView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let look = show::event(view);
    doc.fact("Event", &view.event, Role::TextStrong);
    doc.fact("Outcome", &look.word, look.role);
    let local = view.time.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string();
    doc.fact(
        "Time",
        &format!("{local}, {} ago", show::age(view.time, now)),
        Role::Text,
    );
    doc.fact(
        "Actor",
        &format!("{} ({})", view.actor.name, view.actor.kind),
        Role::TextStrong,
    );
    if let Some(suspicion) = suspicious(&view.actor.name) {
        doc.fact(
            "",
            &format!("this name {}", suspicion.words()),
            Role::StatusWarn,
        );
    }
    let optional = [
        ("For", &view.principal),
        ("Target", &view.target),
        ("Role", &view.role),
        ("Request", &view.request),
        ("Grant", &view.grant),
        ("From", &view.address),
        ("Trace", &view.trace),
    ];
    for (label, value) in optional {
        if let Some(value) = value {
            doc.fact(label, value, Role::Text);
        }
    }
    doc.fact("Channel", &view.channel, Role::TextMuted);
    doc.fact("Index", &view.index.to_string(), Role::TextMuted);
    if let Some(reason) = &view.reason {
        let title = match view.actor.kind.as_str() {
            "principal" => format!("reason, written by {}", view.actor.name),
            _ => "reason, in the words of whoever caused it".to_owned(),
        };
        doc.quote(&title, reason, WHOLE);
    }
    for (name, value) in &view.details {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        doc.fact("Detail", &format!("{name}: {value}"), Role::TextMuted);
    }
    doc
}

/// An event in two lines.
pub(super) fn event_preview(view: &EventView, width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let about = [
        &view.principal,
        &view.role,
        &view.target,
        &view.grant,
        &view.request,
    ];
    let about: Vec<&str> = about.iter().filter_map(|value| value.as_deref()).collect();
    doc.pieces(vec![
        (format!("{} ", view.actor.name), Role::TextStrong),
        (format!("{} ", view.event), Role::Text),
        (about.join(" "), Role::TextMuted),
    ]);
    doc.excerpt(view.reason.as_deref().unwrap_or(&view.sentence));
    doc
}

/// What stands in an empty list, so that empty, loading and broken do not look alike.
pub(super) fn empty(
    area: Rect,
    world: &World,
    theme: &Theme,
    what: &str,
    more: &str,
    buffer: &mut Buffer,
) {
    let text = if world.me.is_none() {
        format!("waiting for {}", world.server)
    } else {
        format!("{what}: {more}")
    };
    let line = Rect {
        x: area.x + 3,
        y: area.y + 1,
        width: area.width.saturating_sub(3),
        height: 1,
    };
    if area.height > 1 {
        let text = clean(&text);
        buffer.set_stringn(
            line.x,
            line.y,
            text.as_str(),
            usize::from(line.width),
            theme.style(Role::TextMuted),
        );
    }
}

fn you(doc: &mut Doc, actions: &[AllowedAction], open: bool, world: &World) {
    let may: Vec<&str> = actions
        .iter()
        .filter(|action| action.allowed)
        .map(|action| action.action.as_str())
        .collect();
    let text = if may.is_empty() {
        "may only look".to_owned()
    } else {
        format!("may {}", may.join(", "))
    };
    doc.fact("You", &text, Role::Text);
    let decide = ["approve", "extend", "revoke"];
    let why = actions
        .iter()
        .filter(|action| open && !action.allowed && decide.contains(&action.action.as_str()));
    for (action, reason) in why.filter_map(|action| Some((&action.action, action.reason.as_ref()?)))
    {
        doc.fact("", &format!("not {action}: {reason}"), Role::TextMuted);
    }
    if world.readonly {
        doc.fact(
            "",
            "this console was started with `--readonly`",
            Role::TextMuted,
        );
    }
}

fn events(doc: &mut Doc, world: &World, subject: &Subject) {
    let now = world.server_now();
    let mut title = "Timeline";
    for event in world.store.events_about(subject).take(EVENTS) {
        let text = format!(
            "{} {} by {}",
            show::moment(event.time, now),
            event.event,
            event.actor.name
        );
        doc.fact(title, &text, Role::TextMuted);
        title = "";
    }
}

fn enforcement(class: Option<&str>) -> &'static str {
    match class {
        Some("A") => "A: the target itself refuses new logins at the end, also when no server runs",
        Some("A+") => "A+: the target itself ends access and sessions, also when no server runs",
        Some("C") => "C: only a running server ends it",
        _ => "unknown",
    }
}
