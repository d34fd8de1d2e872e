//! Draws the console: the same value gives the same picture, and nothing is remembered between two.
//!
//! Each file draws a part of the window: `head.rs` name, connection and tabs, `filter.rs` the filter and what could be
//! typed next, `question.rs` what is asked before a change, `foot.rs` place and keys. Lists and details are drawn by
//! their [`screen`](crate::console::screen).

mod filter;
mod foot;
mod head;
mod question;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::confirm::IncidentStep;
use crate::console::keymap::{Action, Place};
use crate::console::screen::Tally;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::view::filter::{filter, offers};
use crate::console::view::foot::{hints, status};
use crate::console::view::head::{header, tabs};
use crate::console::view::question::{draw_strip, framed, full};
use crate::console::widget::frame::Shape;
use crate::console::widget::status::Bar;
use crate::text::clean;

pub use head::tab_at;

/// Draws everything.
pub fn view(app: &App, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(at) = paint(app, theme, area, frame.buffer_mut()) {
        frame.set_cursor_position(at);
    }
}

/// Draws everything into a buffer as large as the window; gives where the terminal's cursor belongs.
pub fn paint(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let layout = app.layout();
    buffer.set_style(
        area,
        theme.style(Role::Surface).patch(theme.style(Role::Text)),
    );
    if layout.regions.shape == Shape::TooSmall {
        too_small(app, theme, area, buffer);
        return None;
    }
    header(app, theme, layout.regions.header, buffer);
    tabs(app, theme, layout.regions.tabs, buffer);
    let silent = app.world().banner().map(|text| (text, Role::BannerStale));
    let alarm = || app.world().alarm().map(|text| (text, Role::BannerIncident));
    let both = match (silent, alarm()) {
        (Some((link, role)), Some((alarm, _))) => Some((format!("{link}   {alarm}"), role)),
        (one, other) => one.or(other),
    };
    if let (Some(place), Some((text, role))) = (layout.banner, both) {
        let style = theme.style(role);
        buffer.set_style(place, style);
        Bar::new().left(clean(&format!(" {text}")), style).draw(
            place,
            buffer,
            theme.glyph(Glyph::Ellipsis),
        );
    }
    let mut cursor = layout
        .filter
        .and_then(|place| filter(app, theme, place, buffer));
    if app.incident().is_some() || app.review().is_some() {
        let body = layout.regions.body;
        cursor = full(app, theme, body, buffer).or(cursor);
    } else if let Some(screen) = app.screen() {
        let row = screen.draw(app.world(), theme, &layout.panes, buffer);
        cursor = cursor.or(row);
    }
    if let Some(place) = layout.filter {
        offers(app, theme, place, layout.regions.body, buffer);
    }
    if let (Some(place), Some(strip)) = (layout.strip, app.strip()) {
        cursor = draw_strip(app, strip, theme, place, buffer).or(cursor);
    }
    if let (Some(place), Some(form)) = (layout.strip, app.form()) {
        let inside = framed(&form.title(), theme, place, buffer);
        cursor = form.draw(app.world(), theme, inside, buffer).or(cursor);
    }
    status(app, theme, &layout, buffer);
    hints(app, theme, layout.regions.hints, buffer);
    if let Some(overlay) = app.overlay() {
        let mut over = Rect {
            y: layout.regions.body.y,
            height: layout.regions.hints.y.saturating_sub(layout.regions.body.y),
            ..area
        };
        if overlay.is_whole() {
            over = area;
        }
        let cursor = overlay.draw(app, theme, over, buffer);
        if !overlay.is_whole() {
            // The last lines say what the chosen thing is; messages keep to the top.
            let keep = layout.regions.body.bottom().checked_sub(2);
            app.toasts().draw(layout.regions.body, buffer, theme, keep);
        }
        return cursor.filter(|at| area.contains(*at));
    }
    let free = Rect {
        height: layout
            .strip
            .map_or(layout.regions.body.bottom(), |strip| strip.y),
        ..area
    };
    // A list that has the whole body has its keys in the last line.
    let own = 2 * u16::from(app.incident().is_some() || app.review().is_some());
    let free = Rect {
        y: layout.regions.body.y,
        height: free.height.saturating_sub(layout.regions.body.y + own),
        ..area
    };
    // INVARIANT: nothing lies over a row that somebody is about to confirm
    // (`nothing_is_done_without_its_confirmation`); what is said meanwhile is among the messages.
    let reviewed = app.review().is_some_and(|review| !review.is_sent())
        || app
            .incident()
            .is_some_and(|incident| incident.step() == IncidentStep::Review);
    if !reviewed {
        app.toasts()
            .draw(free, buffer, theme, cursor.map(|at| at.y));
    }
    cursor.filter(|at| area.contains(*at))
}

fn too_small(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (screens, _) = app.screens();
    let link = app.world().link.shown(app.world().now);
    let mut lines = vec![
        format!("needs 80x20, this is {}x{}", area.width, area.height),
        link.text,
    ];
    for screen in screens {
        let Tally {
            count,
            urgent,
            word,
        } = screen.tally(app.world());
        let Some(count) = count else { continue };
        let urgent = if urgent > 0 {
            format!(" !{urgent}")
        } else {
            String::new()
        };
        lines.push(format!("{} {count}{urgent} {word}", screen.title()));
    }
    let quit = app.world().keymap.key(Place::Anywhere, Action::Quit);
    lines.push(format!("{quit} quit"));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let text = clean(line).cut_end(usize::from(area.width), theme.glyph(Glyph::Ellipsis));
        buffer.set_stringn(
            area.x,
            y,
            text.as_str(),
            usize::from(area.width),
            theme.style(Role::Text),
        );
    }
}
