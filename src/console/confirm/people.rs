//! What a question shows of a sign-in and of a service account.

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::wire::{ServiceView, SignInView};

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
