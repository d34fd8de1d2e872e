//! The keys that work, from the one list of them: those of the screen in front first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::doc::Doc;
use crate::console::keymap::{BINDINGS, Binding, Place};
use crate::console::screen::page;
use crate::console::theme::{Role, Theme};

/// How many lines the help has in a window of this width.
pub fn lines(place: Place, width: u16) -> u16 {
    doc(place, width.saturating_sub(4)).height()
}

/// Draws the help over everything.
pub fn draw(area: Rect, place: Place, scroll: u16, theme: &Theme, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    buffer.set_style(area, theme.style(Role::Overlay));
    let inner = page(area, "Keys (j k scroll, Esc closes)", theme, true, buffer);
    doc(place, inner.width).draw(inner, buffer, theme, scroll);
}

fn doc(place: Place, width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let others = [
        Place::Requests,
        Place::Grants,
        Place::Audit,
        Place::Question,
        Place::Anywhere,
    ];
    for group in std::iter::once(place).chain(others.into_iter().filter(|other| *other != place)) {
        doc.text(group.title(), Role::TextStrong);
        for binding in BINDINGS.iter().filter(|binding| binding.place == group) {
            doc.labelled(&keys(binding), 16, binding.doc);
        }
        doc.blank();
    }
    doc.text("Filters", Role::TextStrong);
    doc.text(
        "Words and field:value terms must all match. A comma is a choice, * stands for anything, - excludes: \
         event:grant.*,request.denied -actor:maya since:2h \"disk full\"",
        Role::Text,
    );
    doc
}

fn keys(binding: &Binding) -> String {
    let keys: Vec<String> = binding.keys.iter().map(|key| key.text()).collect();
    keys.join(" ")
}
