//! One sentence for each kind of row. What others typed stands last in it.

use chrono::{DateTime, Utc};

use crate::console::app::App;
use crate::console::confirm::locked;
use crate::console::show;
use crate::console::store::{Seen, Subject};
use crate::console::world::World;
use crate::wire::{
    BreakGlassView, GrantView, LockView, RequestView, ServiceView, SessionView, SignInView,
    StandingView,
};

/// One row on a line of its own.
pub(super) fn row(app: &App, subject: &Subject) -> Option<String> {
    let now = app.world().server_now();
    Some(match app.world().store.get(subject)? {
        Seen::Request(view) => request(&view, now),
        Seen::Grant(view) => grant(&view, now),
        Seen::Session(view) => session(&view, now),
        Seen::Lock(view) => lock(&view, now),
        Seen::SignIn(view) => sign_in(&view, now),
        Seen::Service(view) => service(&view, now),
        Seen::Standing(view) => standing(&view, now),
        Seen::Use(view) => used(&view, app.world()),
    })
}

pub(super) fn session(view: &SessionView, now: DateTime<Utc>) -> String {
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

pub(super) fn lock(view: &LockView, now: DateTime<Utc>) -> String {
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

pub(super) fn standing(view: &StandingView, now: DateTime<Utc>) -> String {
    let said = match (&view.owner, view.until, &view.said_by, &view.reason) {
        (Some(owner), Some(until), _, Some(reason)) if view.state == "imported" => format!(
            ", {owner} answers for it until {}. Reason: {reason}",
            show::moment(until, now)
        ),
        (_, _, Some(by), Some(reason)) if view.state == "ignored" => {
            format!(", ignored by {by}. Reason: {reason}")
        }
        _ => format!(", {}", view.state),
    };
    format!(
        "{} {} {} on {}, found {} ago, {}{said}",
        view.id,
        view.kind,
        view.subject,
        view.target,
        show::age(view.found_at, now),
        view.rights.join(", ")
    )
}

pub(super) fn used(view: &BreakGlassView, world: &World) -> String {
    let now = world.server_now();
    format!(
        "{} {} broke glass for {} on {} for {} {}, {}, its access is {}. Reason: {}",
        view.id,
        view.person,
        view.role,
        view.target,
        view.duration,
        show::moment(view.created_at, now),
        match view.state.as_str() {
            "open" => "not signed off".to_owned(),
            state => format!("found {}", state.replace('_', " ")),
        },
        world.store.access_of(view),
        view.reason
    )
}

pub(super) fn request(view: &RequestView, now: DateTime<Utc>) -> String {
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

pub(super) fn grant(view: &GrantView, now: DateTime<Utc>) -> String {
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
    let glass = if view.break_glass {
        " by break-glass"
    } else {
        ""
    };
    format!(
        "{} {}{trouble}: {} as {} on {}{glass}{left}",
        view.id, view.state, view.holder, view.role, view.target
    )
}

pub(super) fn sign_in(view: &SignInView, now: DateTime<Utc>) -> String {
    format!(
        "{} {}: {} by {} on {}, last used {} ago, ends {} (in {})",
        view.id,
        show::sign_in(view).word,
        view.principal,
        view.method,
        view.device,
        show::age(view.last_used_at, now),
        show::moment(view.expires_at, now),
        show::age(now, view.expires_at)
    )
}

pub(super) fn service(view: &ServiceView, now: DateTime<Utc>) -> String {
    let token = view.expires_at.map_or_else(
        || "no token that works".to_owned(),
        |at| {
            format!(
                "its token ends {} (in {})",
                show::moment(at, now),
                show::age(now, at)
            )
        },
    );
    format!(
        "{} of {}: {token}. It may {}",
        view.name,
        view.owner,
        view.scopes.join(", ")
    )
}
