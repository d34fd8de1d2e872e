//! States, moments and lengths as people read them. A state is a sign, a word and a colour, never a colour alone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::console::theme::{Glyph, Role};
use crate::console::widget::countdown;
use crate::wire::{
    BreakGlassView, EventView, GrantView, LockView, RequestView, SessionView, SignInView,
    StandingView,
};

/// Whoever has to make another token needs some days.
const SOON: TimeDelta = TimeDelta::days(7);

/// How a state looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub glyph: Glyph,
    pub role: Role,
    pub word: String,
}

fn look(glyph: Glyph, role: Role, word: &str) -> Look {
    Look {
        glyph,
        role,
        word: word.to_owned(),
    }
}

/// The look of a request.
pub fn request(view: &RequestView) -> Look {
    match view.state.as_str() {
        "pending" => look(Glyph::StatusPending, Role::StatusPending, "pending"),
        "approved" => look(Glyph::StatusOk, Role::StatusOk, "approved"),
        "denied" => look(Glyph::StatusDanger, Role::StatusDanger, "denied"),
        other => look(Glyph::Idle, Role::TextMuted, other),
    }
}

/// The look of a grant. Trouble is never quiet: a target that does not let go stands out more than an open grant.
pub fn grant(view: &GrantView) -> Look {
    match view.state.as_str() {
        "active" => look(Glyph::StatusOk, Role::StatusOk, "active"),
        "scheduled" => look(Glyph::StatusPending, Role::StatusPending, "scheduled"),
        "activating" if view.last_error.is_some() => {
            look(Glyph::StatusWarn, Role::StatusWarn, "activating")
        }
        "activating" => look(Glyph::StatusInfo, Role::StatusInfo, "activating"),
        "closing" if view.last_error.is_some() => {
            look(Glyph::StatusCritical, Role::StatusCritical, "closing")
        }
        "closing" => look(Glyph::StatusWarn, Role::StatusWarn, "closing"),
        "activation_failed" => look(Glyph::StatusDanger, Role::StatusDanger, "failed"),
        other => look(Glyph::Idle, Role::TextMuted, other),
    }
}

/// Says whether a grant still gives or may give access.
pub fn is_open(view: &GrantView) -> bool {
    matches!(
        view.state.as_str(),
        "scheduled" | "activating" | "active" | "closing"
    )
}

/// Says whether the target of a grant should have confirmed its end before.
pub fn is_overdue(view: &GrantView, now: DateTime<Utc>) -> bool {
    view.overdue_at.is_some_and(|at| at <= now)
}

/// Says whether a grant needs somebody: its target does not let go, or it never worked.
pub fn is_trouble(view: &GrantView) -> bool {
    matches!(view.state.as_str(), "closing" | "activation_failed")
}

/// The look of a lock.
pub fn lock(view: &LockView) -> Look {
    match view.state.as_str() {
        "in_force" => look(Glyph::StatusWarn, Role::StatusWarn, "in force"),
        other => look(Glyph::Idle, Role::TextMuted, other),
    }
}

/// The look of a use of break-glass.
pub fn used(view: &BreakGlassView) -> Look {
    match view.state.as_str() {
        "open" => look(Glyph::StatusCritical, Role::StatusCritical, "open"),
        "not_justified" => look(Glyph::StatusDanger, Role::StatusDanger, "not justified"),
        other => look(Glyph::StatusOk, Role::StatusOk, other),
    }
}

/// The look of a session.
pub fn session(view: &SessionView) -> Look {
    match view.activity.as_deref() {
        Some("running") => look(Glyph::StatusInfo, Role::StatusInfo, "running"),
        Some("idle") => look(Glyph::Idle, Role::TextMuted, "idle"),
        Some("idle_in_transaction") => look(Glyph::StatusWarn, Role::StatusWarn, "idle in tx"),
        _ => look(Glyph::Live, Role::StatusOk, "live"),
    }
}

/// The look of a sign-in. One whose tokens work anywhere stands out.
pub fn sign_in(view: &SignInView) -> Look {
    match (view.current, view.bound) {
        (true, _) => look(Glyph::Live, Role::StatusOk, "this one"),
        (false, true) => look(Glyph::StatusOk, Role::StatusOk, "bound"),
        (false, false) if view.method == "service" => look(Glyph::Idle, Role::TextMuted, "service"),
        (false, false) => look(Glyph::StatusWarn, Role::StatusWarn, "unbound"),
    }
}

/// The look of a service account; its token ends in `left`.
pub fn service(left: Option<TimeDelta>) -> Look {
    match left {
        None => look(Glyph::Idle, Role::TextMuted, "no token"),
        Some(left) if left < SOON => look(Glyph::StatusWarn, Role::StatusWarn, "ends soon"),
        Some(_) => look(Glyph::StatusOk, Role::StatusOk, "good"),
    }
}

/// The look of standing access.
pub fn standing(view: &StandingView) -> Look {
    match view.state.as_str() {
        "open" => look(Glyph::StatusWarn, Role::StatusWarn, "open"),
        "imported" => look(Glyph::StatusOk, Role::StatusOk, "imported"),
        other => look(Glyph::Idle, Role::TextMuted, other),
    }
}

/// The look of an event.
pub fn event(view: &EventView) -> Look {
    match view.outcome.as_str() {
        "success" => look(Glyph::StatusOk, Role::StatusOk, "ok"),
        "denied" => look(Glyph::StatusDanger, Role::StatusDanger, "denied"),
        "error" => look(Glyph::StatusCritical, Role::StatusCritical, "error"),
        other => look(Glyph::StatusInfo, Role::Text, other),
    }
}

/// A moment, with its date when that is not today's.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M:%SZ"
    } else {
        "%Y-%m-%d %H:%M:%SZ"
    };
    at.format(format).to_string()
}

/// The same in a column: milliseconds today, the date before.
pub fn stamp(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M:%S%.3f"
    } else {
        "%m-%d %H:%M"
    };
    at.format(format).to_string()
}

/// So many of something: `1 grant`, `3 grants`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// So many people.
pub fn people(number: usize) -> String {
    match number {
        1 => "1 person".to_owned(),
        number => format!("{number} people"),
    }
}

/// How long ago.
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    countdown::text((now - at).to_std().unwrap_or_default())
}

/// Approvals so far and needed, for the way that is nearest to done.
pub fn progress(view: &RequestView) -> (u32, u32) {
    let nearest = view
        .ways
        .iter()
        .min_by_key(|way| way.threshold.saturating_sub(way.approvals));
    nearest.map_or((0, 0), |way| (way.approvals, way.threshold))
}

/// When the access would end if the request were approved at `now`.
pub fn would_end(view: &RequestView, now: DateTime<Utc>) -> DateTime<Utc> {
    if view.state != "pending" || view.kind != "access" {
        return view.would_end_at;
    }
    let start = view.not_before.map_or(now, |start| start.max(now));
    match view.duration_granted.parse::<crate::domain::span::Span>() {
        Ok(span) => start + span.to_chrono(),
        Err(_) => view.would_end_at,
    }
}

/// What an approval gives, in words: `1h`, or `30m (asked for 1h)` when somebody narrowed it.
pub fn granted(asked: &str, granted: &str) -> String {
    if asked == granted {
        asked.to_owned()
    } else {
        format!("{granted} (asked for {asked})")
    }
}
