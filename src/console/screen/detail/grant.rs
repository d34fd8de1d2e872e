//! A grant in full and in two lines.

use crate::console::doc::Doc;
use crate::console::screen::detail::{WHOLE, events, receipt, related, you};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::domain::ids::GrantId;
use crate::text::suspicious;
use crate::wire::GrantView;

/// A grant in two lines.
pub(in crate::console::screen) fn grant_preview(
    view: &GrantView,
    world: &World,
    width: u16,
) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let what = vec![
        (format!("{} ", view.holder), Role::TextStrong),
        (format!("{} on {}, ", view.role, view.target), Role::Text),
        (
            if view.break_glass {
                "break-glass, "
            } else {
                ""
            }
            .to_owned(),
            Role::StatusWarn,
        ),
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

/// A grant in full.
pub(in crate::console::screen) fn grant(view: &GrantView, world: &World, width: u16) -> Doc {
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
    if show::is_overdue(view, now) {
        let since = view.overdue_at.map_or(0, |at| (now - at).num_minutes()) + 1;
        let text = format!("its target should have confirmed the end {since} min ago");
        doc.fact("Overdue", &text, Role::StatusCritical);
        if view.state == "closing" && view.overriding.is_none() {
            let text = format!(
                "if it never can, two admins say so: portcullis override {} --reason TEXT",
                view.id
            );
            doc.fact("", &text, Role::TextMuted);
        }
    }
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
    if let Some(overriding) = &view.overriding {
        let by = &overriding.proposed_by;
        let text = match (&overriding.confirmed_by, overriding.open_until) {
            (Some(other), _) => {
                format!("counts as over, say {by} and {other}: its target never confirmed")
            }
            (None, Some(until)) => {
                let until = show::moment(until, now);
                format!("proposed by {by}; another admin can confirm it until {until}")
            }
            (None, None) => format!("proposed by {by}"),
        };
        doc.fact("Override", &text, Role::StatusWarn);
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
    if view.break_glass {
        let glass = "taken by break-glass, before anybody had reviewed it";
        doc.fact("Glass", glass, Role::StatusWarn);
    }
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
    related::sessions(&mut doc, world, &view.id, &view.target);
    related::grants(&mut doc, world, &view.holder, &view.target, &view.id);
    doc.fact("Request", &view.request, Role::TextMuted);
    if let Ok(id) = view.id.parse::<GrantId>() {
        let subject = Subject::Grant(id);
        receipt::receipt(&mut doc, world, &subject);
        events(&mut doc, world, &subject);
    }
    doc
}

/// Who ends access, in words.
pub(super) fn enforcement(class: Option<&str>) -> &'static str {
    match class {
        Some("A") => "A: the target itself refuses new logins at the end, also when no server runs",
        Some("A+") => "A+: the target itself ends access and sessions, also when no server runs",
        Some("C") => "C: only a running server ends it",
        _ => "unknown",
    }
}
