//! A small list of what could be typed, under the line that is being typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::theme::{Glyph, Role, Theme};
use crate::query::complete::Candidate;
use crate::text::clean;

/// More rows than these would hide what the filter is about.
const ROWS: usize = 8;
/// Wide enough for a value and what it means.
const WIDTH: u16 = 64;

/// Draws the offers under a line; `at` is the column where what they replace begins.
pub fn draw(
    offers: &[Candidate],
    chosen: Option<usize>,
    at: u16,
    line: Rect,
    area: Rect,
    theme: &Theme,
    buffer: &mut Buffer,
) {
    let room = usize::from(area.bottom().saturating_sub(line.y + 1));
    let rows = offers.len().min(ROWS).min(room);
    if rows == 0 {
        return;
    }
    let first = chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(rows));
    let width = WIDTH.min(area.width);
    let place = Rect {
        x: at.min(area.right().saturating_sub(width)),
        y: line.y + 1,
        width,
        height: u16::try_from(rows).unwrap_or(u16::MAX),
    };
    Clear.render(place, buffer);
    let ground = theme.style(Role::Overlay).patch(theme.style(Role::Text));
    buffer.set_style(place, ground);
    let widest = offers
        .iter()
        .skip(first)
        .take(rows)
        .map(|offer| clean(&offer.insert).width())
        .max()
        .unwrap_or(0)
        .min(usize::from(width) / 2);
    let ellipsis = theme.glyph(Glyph::Ellipsis);
    for ((index, offer), y) in offers.iter().enumerate().skip(first).zip(place.rows()) {
        let selected = chosen == Some(index);
        let style = if selected {
            ground.patch(theme.style(Role::Selection))
        } else {
            ground
        };
        buffer.set_style(y, style);
        let insert = clean(&offer.insert)
            .cut_middle(widest, ellipsis)
            .pad(widest);
        let count = offer.count.map(|count| format!(" {count}"));
        let sign = if selected { '>' } else { ' ' };
        let line = clean(&format!(
            "{sign}{insert}{} {}",
            count.unwrap_or_default(),
            offer.help
        ));
        let line = line.cut_end(usize::from(width), ellipsis);
        buffer.set_stringn(y.x, y.y, line.as_str(), usize::from(width), style);
    }
}
