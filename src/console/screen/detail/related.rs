//! What else concerns a row: other access of the same person and on the same target, live sessions.

use crate::console::doc::Doc;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::wire::GrantView;

/// Rows named of each sort; the others are counted.
const NAMED: usize = 4;

/// The other open grants of a person and on a target; `own` is left out.
pub(super) fn grants(doc: &mut Doc, world: &World, who: &str, target: &str, own: &str) {
    let open = || {
        world
            .store
            .grants()
            .map(|(_, view)| view.as_ref())
            .filter(|view| show::is_open(view) && view.id != own)
    };
    let theirs: Vec<&GrantView> = open().filter(|view| view.holder == who).collect();
    let there: Vec<&GrantView> = open()
        .filter(|view| view.target == target && view.holder != who)
        .collect();
    name(doc, world, "Also has", theirs, |view| {
        format!("{} on {}", view.role, view.target)
    });
    name(doc, world, "Others", there, |view| {
        format!("{} as {}", view.holder, view.role)
    });
}

fn name(
    doc: &mut Doc,
    world: &World,
    label: &str,
    mut views: Vec<&GrantView>,
    text: impl Fn(&GrantView) -> String,
) {
    if views.is_empty() {
        return;
    }
    views.sort_by_key(|view| (view.expires_at, view.id.clone()));
    let named: Vec<String> = views
        .iter()
        .take(NAMED)
        .map(|view| {
            let left = countdown::text(world.clock.left(view.expires_at, world.now));
            format!("{} ({} {left})", text(view), view.state)
        })
        .collect();
    let more = match views.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    doc.fact(label, &format!("{}{more}", named.join("; ")), Role::Text);
}

/// Pending requests besides this one that concern the same target.
pub(super) fn requests(doc: &mut Doc, world: &World, target: &str, own: &str) {
    let waiting: Vec<String> = world
        .store
        .requests()
        .map(|(_, view)| view)
        .filter(|view| view.state == "pending" && view.target == target && view.id != own)
        .map(|view| format!("{} as {}", view.requester, view.role_granted))
        .collect();
    if !waiting.is_empty() {
        doc.fact("Also wait", &waiting.join("; "), Role::Text);
    }
}

/// Live connections under a grant, once somebody has asked the targets.
pub(super) fn sessions(doc: &mut Doc, world: &World, grant: &str, target: &str) {
    if world.store.sessions_at().is_none() {
        return;
    }
    let problem = world
        .store
        .sources()
        .iter()
        .find(|source| source.target == target)
        .and_then(|source| source.problem.as_deref());
    if let Some(problem) = problem {
        doc.fact("Sessions", problem, Role::StatusWarn);
        return;
    }
    let live: Vec<String> = world
        .store
        .sessions()
        .filter(|(key, _)| key.grant.as_str() == grant)
        .map(|(key, view)| {
            let program = view.program.as_deref().unwrap_or("unnamed");
            format!("{} {program}", key.id)
        })
        .collect();
    let text = match live.len() {
        0 => "none open".to_owned(),
        count => format!("{count} open: {}", live.join("; ")),
    };
    doc.fact("Sessions", &text, Role::Text);
}
