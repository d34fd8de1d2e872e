//! The last two lines: the place in the list and what is not answered yet, and the keys that work here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::app::App;
use crate::console::keymap::Action;
use crate::console::layout::Layout;
use crate::console::screen::FILTER;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::status::Bar;
use crate::text::clean;

pub(super) fn status(app: &App, theme: &Theme, layout: &Layout, buffer: &mut Buffer) {
    let Some(screen) = app.screen() else { return };
    let (left, right) = screen.status(app.world());
    let mut bar = Bar::new().left(clean(&format!(" {left}")), theme.style(Role::TextMuted));
    for text in app.waiting() {
        bar = bar.left(clean(&format!("   {text}")), theme.style(Role::StatusWarn));
    }
    if app.waiting().is_empty() {
        bar = bar.right(clean(&format!("{right} ")), theme.style(Role::TextMuted));
        // Which node answers is for whoever asks; that it changes calls nobody.
        if let Some(node) = app.world().link.node() {
            bar = bar.right(clean(&format!(" {node} ")), theme.style(Role::TextMuted));
        }
    }
    bar.draw(layout.regions.status, buffer, theme.glyph(Glyph::Ellipsis));
}

pub(super) fn hints(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(screen) = app.screen() else { return };
    let mut bar = Bar::new();
    if let Some(overlay) = app.overlay() {
        for (key, word) in overlay.hints(app) {
            bar = bar.left(clean(&format!(" {key}")), theme.style(Role::KeyHint));
            bar = bar.left(clean(&format!(" {word} ")), theme.style(Role::Text));
        }
    } else if app.is_asked() {
        let key = app.world().keymap.key(app.place(), Action::No);
        let text = clean(&format!(" answer the question, or {key}"));
        bar = bar.left(text, theme.style(Role::TextMuted));
    } else if let Some(typing) = screen.typing().filter(|typing| typing.active) {
        let text = if typing.label == FILTER {
            " Enter keep the filter   Esc drop it   Tab complete   Up used before"
        } else {
            " Enter show that moment   Esc leave it as it is"
        };
        bar = bar.left(clean(text), theme.style(Role::TextMuted));
    } else {
        let actions: &[Action] = if screen.zoomed() {
            &[Action::Back]
        } else {
            &[]
        };
        for action in actions.iter().chain(screen.commands()) {
            let Some((binding, keys)) = app.world().keymap.binding(screen.place(), *action) else {
                continue;
            };
            let Some(key_text) = keys.first().map(|chord| chord.text()) else {
                continue;
            };
            let refused = app.refusal(*action).is_some();
            let (key, word) = if refused {
                (Role::Disabled, Role::Disabled)
            } else {
                (Role::KeyHint, Role::Text)
            };
            bar = bar.left(clean(&format!(" {key_text}")), theme.style(key));
            bar = bar.left(clean(&format!(" {} ", binding.word)), theme.style(word));
        }
    }
    bar.draw(area, buffer, theme.glyph(Glyph::Ellipsis));
}
