//! What the screens with a list draw alike: rows with their signs, and the detail beside or below them.

use std::hash::Hash;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::doc::Doc;
use crate::console::layout::Panes;
use crate::console::screen::list::List;
use crate::console::screen::page;
use crate::console::theme::Theme;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::text::DisplayText;

/// One text with its style.
pub(super) type Cell = (DisplayText, Style);

/// A column that is always there.
pub(super) const fn fixed(title: &'static str, width: u16, cut: Cut) -> Column {
    Column {
        title,
        width: Width::Fixed(width),
        cut,
        optional: false,
    }
}

/// A column that grows.
pub(super) const fn flex(title: &'static str, min: u16, share: u16, cut: Cut) -> Column {
    Column {
        title,
        width: Width::Flex { min, share },
        cut,
        optional: false,
    }
}

/// A column that is left out where there is no room.
pub(super) const fn spare(column: Column) -> Column {
    Column {
        optional: true,
        ..column
    }
}

/// Draws the rows, those that are gone with a note; gives the place of the selected one.
pub(super) fn rows<I: Clone + Eq + Hash>(
    list: &List<I>,
    columns: &[Column],
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    cells: impl Fn(&I) -> Vec<Cell>,
    note: impl Fn(&I) -> DisplayText,
) -> Option<Position> {
    let rows = list.order.rows();
    let table = Table {
        theme,
        columns,
        rows: rows.len(),
        top: list.top,
        selected: list.order.selected_place(),
    };
    table
        .draw(area, buffer, |place| {
            rows.get(place)
                .map(|row| Row {
                    cells: cells(&row.id),
                    marked: list.order.is_marked(&row.id),
                    gone: row.gone,
                    note: row.gone.then(|| note(&row.id)),
                })
                .unwrap_or_default()
        })
        .cursor
}

/// Draws the detail; `doc` is given the columns that it has.
pub(super) fn detail<I: Clone + Eq + Hash>(
    list: &List<I>,
    title: &str,
    theme: &Theme,
    panes: &Panes,
    buffer: &mut Buffer,
    doc: impl FnOnce(u16) -> Option<Doc>,
) {
    if panes.detail.height == 0 {
        return;
    }
    let inner = page(panes.detail, title, theme, list.zoomed, buffer);
    let scroll = if list.zoomed { list.scroll } else { 0 };
    if let Some(doc) = doc(inner.width) {
        doc.draw(inner, buffer, theme, scroll);
    }
}
