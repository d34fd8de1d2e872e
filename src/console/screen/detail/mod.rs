//! Everything about one row: structured facts in fixed places first, words of others behind a gutter.

mod event;
mod grant;
mod receipt;
mod related;
mod request;

use std::borrow::Cow;
use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::Serialize;

pub(super) use self::event::{event, event_preview};
pub(super) use self::grant::{grant, grant_preview};
pub(super) use self::request::{request, request_preview};
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::{Role, Theme};
use crate::console::world::World;
use crate::text::clean;
use crate::wire::{AllowedAction, EventView};

/// All lines of a text of the longest that the server takes.
const WHOLE: usize = 2_000;
/// Events of memory shown with a row whose record was not read.
const EVENTS: usize = 8;

/// A row as the server sent it. It holds words of others, so all of it stands behind the gutter.
pub(super) fn json(view: &impl Serialize, world: &World, width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let text = serde_json::to_string_pretty(view).unwrap_or_else(|error| error.to_string());
    let key = world.keymap.key(Place::Anywhere, Action::Json);
    let title = format!("as the server sent it ({key} goes back)");
    doc.quote(&title, &text, usize::MAX);
    doc
}

/// What an empty list says when a filter is in force.
pub(super) fn filtered(world: &World, place: Place) -> String {
    let key = world.keymap.key(place, Action::Back);
    format!("the filter hides every row, {key} drops it")
}

/// What stands in an empty list, so that empty, loading and broken do not look alike.
pub(super) fn empty(
    area: Rect,
    world: &World,
    theme: &Theme,
    what: &str,
    more: &str,
    buffer: &mut Buffer,
) {
    let text = if world.me.is_none() {
        format!("waiting for {}", world.server)
    } else {
        format!("{what}: {more}")
    };
    let line = Rect {
        x: area.x + 3,
        y: area.y + 1,
        width: area.width.saturating_sub(3),
        height: 1,
    };
    if area.height > 1 {
        let text = clean(&text);
        buffer.set_stringn(
            line.x,
            line.y,
            text.as_str(),
            usize::from(line.width),
            theme.style(Role::TextMuted),
        );
    }
}

fn you(doc: &mut Doc, actions: &[AllowedAction], open: bool, world: &World) {
    let may: Vec<&str> = actions
        .iter()
        .filter(|action| action.allowed)
        .map(|action| action.action.as_str())
        .collect();
    let text = if may.is_empty() {
        "may only look".to_owned()
    } else {
        format!("may {}", may.join(", "))
    };
    doc.fact("You", &text, Role::Text);
    let decide = ["approve", "extend", "revoke"];
    let why = actions
        .iter()
        .filter(|action| open && !action.allowed && decide.contains(&action.action.as_str()));
    for (action, reason) in why.filter_map(|action| Some((&action.action, action.reason.as_ref()?)))
    {
        doc.fact("", &format!("not {action}: {reason}"), Role::TextMuted);
    }
    if world.readonly {
        doc.fact(
            "",
            "this console was started with `--readonly`",
            Role::TextMuted,
        );
    }
}

/// The events of a row by their index: what the server has of them, and what came since.
fn known<'w>(world: &'w World, subject: &Subject) -> BTreeMap<i64, Cow<'w, EventView>> {
    let trail = world.trail.as_ref();
    let trail = trail.filter(|trail| trail.subject == *subject);
    let mut events: BTreeMap<i64, Cow<'_, EventView>> = BTreeMap::new();
    let read = trail.and_then(|trail| trail.events.as_ref());
    let of_server = read.into_iter().flatten();
    events.extend(of_server.map(|event| (event.index, Cow::Borrowed(event.as_ref()))));
    let memory = world.store.events_about(subject);
    let memory: Vec<_> = if read.is_some() {
        memory.collect()
    } else {
        memory.take(EVENTS).collect()
    };
    events.extend(
        memory
            .into_iter()
            .map(|event| (event.index, Cow::Owned(event.view()))),
    );
    events
}

/// What the record says about a row: what the server has of it, and what came since.
fn events(doc: &mut Doc, world: &World, subject: &Subject) {
    let now = world.server_now();
    let trail = world
        .trail
        .as_ref()
        .filter(|trail| trail.subject == *subject);
    let events = known(world, subject);
    let mut title = "Timeline";
    for event in events.values() {
        let look = show::event(event);
        let text = format!(
            "{} {} by {}",
            show::moment(event.time, now),
            event.event,
            event.actor.name
        );
        let role = if event.outcome == "success" {
            Role::TextMuted
        } else {
            look.role
        };
        doc.fact(title, &text, role);
        title = "";
    }
    let note = match trail {
        Some(trail) if trail.problem.is_some() => {
            format!(
                "the record was not read: {}",
                trail.problem.as_deref().unwrap_or_default()
            )
        }
        Some(trail) if trail.events.is_none() => "reading the record".to_owned(),
        Some(trail) if trail.more => "older events are in the record".to_owned(),
        _ => return,
    };
    doc.fact(title, &note, Role::TextMuted);
}
