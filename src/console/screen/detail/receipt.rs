//! The receipt of an ending: what the target acknowledged and when, from the events that are there anyway.

use crate::console::doc::Doc;
use crate::console::screen::detail::known;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::domain::grant::told::{Kind, Line, Told};
use crate::wire::EventView;

/// Lines from the end that are shown; the whole of it is in `portcullis receipt`.
const SHOWN: usize = 16;

/// Shows how the end went, once it has begun.
pub(super) fn receipt(doc: &mut Doc, world: &World, subject: &Subject) {
    let events = known(world, subject);
    let mut lines: Vec<Line> = events.values().flat_map(|event| of(event)).collect();
    lines.sort_by_key(|line| line.at);
    let mut title = "Receipt";
    let hidden = lines.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let text = format!("{hidden} earlier steps are in `portcullis receipt`");
        doc.fact(title, &text, Role::TextMuted);
        title = "";
    }
    for line in lines.iter().skip(hidden) {
        let role = match line.kind {
            Kind::Failed | Kind::Found => Role::StatusDanger,
            Kind::Unproved | Kind::Proposed | Kind::Overridden => Role::StatusWarn,
            Kind::Ended => Role::StatusOk,
            Kind::Asked | Kind::Blocked | Kind::Acknowledged => Role::Text,
        };
        let attempt = match (line.kind, line.attempt) {
            (Kind::Failed, Some(attempt)) => format!("attempt {attempt} failed: "),
            (Kind::Unproved, _) => "not proved: ".to_owned(),
            _ => String::new(),
        };
        let at = line.at.format("%H:%M:%S%.3fZ");
        doc.fact(title, &format!("{at} {attempt}{}", line.what), role);
        title = "";
    }
}

fn of(event: &EventView) -> Vec<Line> {
    let Ok(code) = event.event.parse() else {
        return Vec::new();
    };
    let told = Told {
        code,
        actor: &event.actor.name,
        at: event.time,
        reason: event.reason.as_deref(),
        details: &event.details,
    };
    told.lines()
}
