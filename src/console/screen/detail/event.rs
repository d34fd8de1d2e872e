//! An event in full and in two lines.

use crate::console::doc::Doc;
use crate::console::screen::detail::WHOLE;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::text::suspicious;
use crate::wire::EventView;

/// An event in full.
pub(in crate::console::screen) fn event(view: &EventView, world: &World, width: u16) -> Doc {
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
pub(in crate::console::screen) fn event_preview(view: &EventView, width: u16) -> Doc {
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
