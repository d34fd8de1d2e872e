//! An event in full and in two lines.

use crate::console::doc::Doc;
use crate::console::screen::Proof;
use crate::console::screen::detail::WHOLE;
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::text::suspicious;
use crate::wire::EventView;

/// An event in full, and whether it is in the signed log, where somebody asked.
pub(in crate::console::screen) fn event(
    view: &EventView,
    proof: Option<&Proof>,
    world: &World,
    width: u16,
) -> Doc {
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
    if let Some(proof) = proof {
        prove(&mut doc, proof);
    }
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

/// What came of looking for an event in the signed log.
fn prove(doc: &mut Doc, proof: &Proof) {
    let (text, role) = match proof {
        Proof::Asked => (
            "looking for it in the signed log".to_owned(),
            Role::TextMuted,
        ),
        Proof::Unknown(why) => (format!("not known: {why}"), Role::StatusWarn),
        Proof::Wrong(why) => (format!("NOT PROVED: {why}"), Role::StatusDanger),
        Proof::Proved(proved) => {
            let seen = &proved.watched;
            let before = match seen.before {
                Some(before) => format!("; it continues the {before} that this machine saw before"),
                None => "; this machine sees that log for the first time".to_owned(),
            };
            let text = format!(
                "it is in the signed log of {} events, as it is shown{before}",
                seen.checkpoint.size
            );
            let (text, role) = match &proved.shows {
                None => (text, Role::StatusOk),
                Some(shows) => (shows.clone(), Role::StatusWarn),
            };
            doc.fact("Proof", &text, role);
            doc.fact("Root", &seen.checkpoint.root.to_string(), Role::TextMuted);
            (
                format!("{}, {} hashes", seen.checkpoint.origin, proved.hashes),
                Role::TextMuted,
            )
        }
    };
    let label = if matches!(proof, Proof::Proved(_)) {
        "Log"
    } else {
        "Proof"
    };
    doc.fact(label, &text, role);
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
