//! What a question shows of a sign-in, of a service account and of standing access.

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::wire::{ServiceView, SignInView, StandingView};

/// What ending a sign-in means.
pub(super) fn sign_in(doc: &mut Doc, view: &SignInView, world: &World) {
    let now = world.server_now();
    let who = format!("{}, signed in on {}", view.principal, view.device);
    doc.fact("Who", &who, Role::TextStrong);
    let since = format!(
        "by {} {}, last used {} ago",
        view.method,
        show::moment(view.created_at, now),
        show::age(view.last_used_at, now)
    );
    doc.fact("Since", &since, Role::Text);
    let effect = "its tokens stop working at once and its streams end; grants of this person stay";
    doc.fact("Effect", effect, Role::Text);
    if view.current {
        let text = "this is the sign-in that you are using: you have to sign in again";
        doc.fact("Careful", text, Role::StatusWarn);
    }
}

/// What deleting a service account, or giving it another token, means.
pub(super) fn service(doc: &mut Doc, view: &ServiceView, kind: Kind, world: &World) {
    let now = world.server_now();
    let who = format!("{}, answered for by {}", view.name, view.owner);
    doc.fact("Who", &who, Role::TextStrong);
    doc.fact("May", &view.scopes.join(", "), Role::Text);
    let token = view.expires_at.map_or_else(
        || "none that works".to_owned(),
        |at| format!("until {}", show::moment(at, now)),
    );
    doc.fact("Token", &token, Role::Text);
    let effect = if kind == Kind::RotateService {
        "the token before stops working at once; the new one is shown once, on a screen of its own"
    } else {
        "its token stops working at once; what it did stays on record under its name"
    };
    doc.fact("Effect", effect, Role::Text);
}

/// What saying something about standing access means.
pub(super) fn standing(doc: &mut Doc, view: &StandingView, kind: Kind, world: &World) {
    let now = world.server_now();
    let who = format!("{} `{}` on {}", view.kind, view.subject, view.target);
    doc.fact("Who", &who, Role::TextStrong);
    doc.fact("Rights", &view.rights.join(", "), Role::Text);
    let since = format!("{} ago", show::age(view.found_at, now));
    doc.fact("Found", &since, Role::Text);
    let effect = match kind {
        Kind::ImportStanding => format!(
            "it stays, {} answers for it until then, and it is open again afterwards",
            world.my_name()
        ),
        Kind::ReopenStanding => "it counts as open again; nothing changes on the target".to_owned(),
        _ => "it stays, and is open again when its rights grow".to_owned(),
    };
    doc.fact("Effect", &effect, Role::Text);
    if let (Some(by), Some(reason)) = (&view.said_by, &view.reason) {
        doc.quote(&format!("reason, written by {by}"), reason, 3);
    }
}
