//! The keys that work, from the one list of them: those of the screen in front first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::app::App;
use crate::console::doc::Doc;
use crate::console::keymap::{Chord, Place};
use crate::console::screen::page;
use crate::console::theme::{Role, Theme};

/// How many lines the help has in a window of this width.
pub fn lines(app: &App, width: u16) -> u16 {
    doc(app, width.saturating_sub(4)).height()
}

/// Draws the help over everything.
pub fn draw(area: Rect, app: &App, scroll: u16, theme: &Theme, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    buffer.set_style(area, theme.style(Role::Overlay));
    let inner = page(area, "Keys (j k scroll, Esc closes)", theme, true, buffer);
    doc(app, inner.width).draw(inner, buffer, theme, scroll);
}

fn doc(app: &App, width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let (screens, _) = app.screens();
    let front = app
        .screen()
        .map_or(Place::Anywhere, |screen| screen.place());
    let mut places = vec![front];
    places.extend(screens.iter().map(|screen| screen.place()));
    places.extend([Place::Question, Place::Anywhere]);
    let mut shown: Vec<Place> = Vec::new();
    for place in places {
        if shown.contains(&place) {
            continue;
        }
        shown.push(place);
        doc.text(place.title(), Role::TextStrong);
        for (binding, keys) in app.world().keymap.all() {
            if binding.place == place && !keys.is_empty() && app.works(place, binding.action) {
                doc.labelled(&text(keys), 16, binding.doc);
            }
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

fn text(keys: &[Chord]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.text()).collect();
    keys.join(" ")
}
