//! The columns of the record.

use crate::console::screen::column::{Col, Key, fixed, flex, muted, plain, spare, state};
use crate::console::show;
use crate::console::theme::Role;
use crate::console::widget::vtable::Cut;
use crate::text::clean;
use crate::wire::EventView;

/// Every column of the record. Nothing is sorted by them: a record is in the order in which things happened.
pub(super) const COLUMNS: &[Col<EventView>] = &[
    Col::<EventView>::new(
        "time",
        fixed("TIME (Z)", 12, Cut::End),
        |event, world, theme| muted(&show::stamp(event.time, world.server_now()), theme),
        |event, _| Key::time(event.time),
    ),
    Col::<EventView>::new(
        "outcome",
        fixed("OUT", 8, Cut::End),
        |event, _, theme| state(&show::event(event), theme),
        |event, _| Key::text(&event.outcome),
    )
    .of("outcome"),
    Col::<EventView>::new(
        "event",
        flex("EVENT", 18, 2, Cut::End),
        |event, _, theme| {
            let role = match event.outcome.as_str() {
                "success" => Role::Text,
                _ => show::event(event).role,
            };
            (clean(&event.event), theme.style(role))
        },
        |event, _| Key::text(&event.event),
    )
    .of("event"),
    Col::<EventView>::text("who", flex("WHO", 10, 2, Cut::Middle), plain, |event| {
        &event.actor.name
    })
    .of("actor"),
    Col::<EventView>::new(
        "target",
        flex("TARGET", 12, 2, Cut::Middle),
        |event, _, theme| plain(event.target.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.target.as_deref()),
    )
    .of("target"),
    Col::<EventView>::new(
        "about",
        spare(fixed("ABOUT", 12, Cut::End)),
        |event, _, theme| muted(about(event).unwrap_or_default(), theme),
        |event, _| Key::maybe(about(event)),
    )
    .of("about"),
    Col::<EventView>::new(
        "reason",
        spare(flex("REASON", 16, 5, Cut::End)),
        |event, _, theme| muted(event.reason.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.reason.as_deref()),
    )
    .of("reason"),
    Col::<EventView>::new(
        "number",
        fixed("NUMBER", 9, Cut::Right),
        |event, _, theme| muted(&event.index.to_string(), theme),
        |event, _| Key::Number(event.index),
    )
    .extra(),
    Col::<EventView>::new(
        "for",
        flex("FOR", 10, 1, Cut::Middle),
        |event, _, theme| plain(event.principal.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.principal.as_deref()),
    )
    .of("principal")
    .extra(),
    Col::<EventView>::new(
        "role",
        flex("ROLE", 9, 1, Cut::Middle),
        |event, _, theme| muted(event.role.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.role.as_deref()),
    )
    .of("role")
    .extra(),
    Col::<EventView>::text("channel", fixed("VIA", 7, Cut::End), muted, |event| {
        &event.channel
    })
    .of("channel")
    .extra(),
    Col::<EventView>::new(
        "address",
        fixed("FROM", 15, Cut::End),
        |event, _, theme| muted(event.address.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.address.as_deref()),
    )
    .of("address")
    .extra(),
    Col::<EventView>::new(
        "trace",
        flex("TRACE", 12, 1, Cut::End),
        |event, _, theme| muted(event.trace.as_deref().unwrap_or_default(), theme),
        |event, _| Key::maybe(event.trace.as_deref()),
    )
    .of("trace")
    .extra(),
];

/// The grant or request that an event is about.
pub(super) fn about(event: &EventView) -> Option<&str> {
    event.grant.as_deref().or(event.request.as_deref())
}

/// What an event has, for filters.
pub(super) fn values(event: &EventView) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        ("event", event.event.clone()),
        ("actor", event.actor.name.clone()),
        ("target", text(&event.target)),
        ("principal", text(&event.principal)),
        ("outcome", event.outcome.clone()),
        ("grant", text(&event.grant)),
        ("request", text(&event.request)),
        ("trace", text(&event.trace)),
        ("channel", event.channel.clone()),
        ("address", text(&event.address)),
        ("role", text(&event.role)),
        ("reason", text(&event.reason)),
    ]
}

/// The field and value that a column holds.
pub(super) fn value(event: &EventView, field: &str) -> Option<(&'static str, String)> {
    let fields: &[&str] = match field {
        "about" => &["grant", "request"],
        _ => &[field],
    };
    let values = values(event);
    fields.iter().find_map(|field| {
        values
            .iter()
            .find(|(known, value)| known == field && !value.is_empty())
            .cloned()
    })
}
