//! How the record is drawn, and what its status line says.

use std::collections::HashSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::record::Total;
use crate::console::screen::audit::Audit;
use crate::console::screen::audit::column::COLUMNS;
use crate::console::screen::column::{looks, wanted};
use crate::console::screen::{boxed, detail, page};
use crate::console::theme::Theme;
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Row, Table};
use crate::console::world::World;
use crate::query::List;
use crate::wire::EventView;

/// Left and right half of the status line.
pub(super) fn status(audit: &Audit, world: &World) -> (String, String) {
    let rows = audit.record.rows().len();
    let place = if rows == 0 { 0 } else { audit.place() + 1 };
    let key = |action| world.keymap.key(Place::Audit, action);
    let mode = if audit.record.is_paused() {
        let waiting = audit.record.waiting();
        format!("PAUSED +{waiting} ({} follows)", key(Action::Follow))
    } else {
        "FOLLOWING".to_owned()
    };
    let cell = audit.cells.hint(&world.keymap, Place::Audit);
    let beyond = match (
        audit.record.problem(),
        audit.sought.is_some() || audit.record.is_loading(),
        audit.record.is_complete(),
        audit.record.is_adrift(),
    ) {
        (Some(problem), ..) => format!("other rows did not come: {problem}"),
        (None, true, ..) => "reading".to_owned(),
        (None, false, true, false) => "all of it".to_owned(),
        (None, false, false, false) => "older rows come as you scroll".to_owned(),
        (None, false, _, true) => "older and newer rows come as you scroll".to_owned(),
    };
    let total = total(audit);
    let beyond = if cell.is_empty() {
        beyond
    } else {
        String::new()
    };
    (
        format!("{mode}   {place} of {rows} here{total}{cell}"),
        beyond,
    )
}

/// How many rows match in all, in words.
fn total(audit: &Audit) -> String {
    let here = u64::try_from(audit.record.rows().len()).unwrap_or(u64::MAX);
    match audit.record.total() {
        Some(Total::Exactly(all)) if all == here => String::new(),
        Some(Total::Exactly(all)) => format!(", {all} in all"),
        Some(Total::About(all)) => format!(", about {} in all", rounded(all)),
        None => String::new(),
    }
}

/// An estimate with no more digits than it deserves.
fn rounded(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(1));
    (number + unit / 2) / unit * unit
}

/// Draws list and detail; gives the place of the selected row.
pub(super) fn draw(
    audit: &Audit,
    world: &World,
    theme: &Theme,
    panes: &Panes,
    buffer: &mut Buffer,
) -> Option<Position> {
    let mut cursor = None;
    let rows = audit.record.rows();
    let here = rows.get(audit.place()).map(|row| row.time);
    audit.over_time.draw(here, panes.over_time, theme, buffer);
    if panes.list.height > 0 {
        let title = if audit.record.is_paused() {
            "Audit, paused"
        } else {
            "Audit, live"
        };
        let inner = boxed(panes.list, title, theme, true, buffer);
        let selected = (!rows.is_empty()).then(|| audit.place());
        let columns = wanted(COLUMNS, List::Audit, world);
        let cell = audit
            .cells
            .at()
            .and_then(|name| columns.iter().position(|column| column.name == name));
        let table = Table {
            theme,
            columns: &looks(&columns),
            rows: rows.len(),
            top: audit.top,
            selected,
            cell,
            sorted: None,
        };
        let kept: HashSet<i64> = world.shelf.bookmarks(world.server.as_str()).collect();
        let row = |event: &EventView| Row {
            marked: kept.contains(&event.index),
            cells: columns
                .iter()
                .map(|column| column.cell(event, world, theme))
                .collect(),
            ..Row::default()
        };
        cursor = table
            .draw(inner, buffer, |place| {
                rows.get(place)
                    .map(|event| row(&event.view()))
                    .unwrap_or_default()
            })
            .cursor;
        if rows.is_empty() {
            let more = if audit.record.is_loading() {
                "reading the record"
            } else {
                "nothing in the record matches"
            };
            detail::empty(inner, world, theme, "no event", more, buffer);
        }
    }
    if panes.detail.height > 0 {
        let current = audit.current();
        let title = current.as_ref().map_or_else(
            || "Detail".to_owned(),
            |event| format!("Event {}", event.index),
        );
        let inner = page(panes.detail, &title, theme, audit.zoomed, buffer);
        if let Some(event) = &current {
            let narrow = panes.shape == Shape::Narrow && !audit.zoomed;
            let doc = if audit.zoomed && audit.raw {
                detail::json(event, world, inner.width)
            } else if narrow {
                detail::event_preview(event, inner.width)
            } else {
                detail::event(event, audit.proof_of(event), world, inner.width)
            };
            doc.draw(
                inner,
                buffer,
                theme,
                if audit.zoomed { audit.scroll } else { 0 },
            );
        }
    }
    cursor
}
