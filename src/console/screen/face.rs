//! What the screens with a list draw alike: the detail beside or below the rows.

use std::hash::Hash;

use ratatui::buffer::Buffer;

use crate::console::doc::Doc;
use crate::console::layout::Panes;
use crate::console::screen::list::List;
use crate::console::screen::page;
use crate::console::theme::Theme;

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
