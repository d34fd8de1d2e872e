//! What a question shows of standing access.

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::wire::StandingView;

/// Lines of the reason given before; the rest is in the detail.
const REASON_LINES: usize = 3;

/// What saying something about standing access means.
pub(super) fn describe(doc: &mut Doc, view: &StandingView, kind: Kind, world: &World) {
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
        doc.quote(&format!("reason, written by {by}"), reason, REASON_LINES);
    }
}
