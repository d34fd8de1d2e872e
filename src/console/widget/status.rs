//! One line with something on its left and something on its right: header, status and hints are drawn by it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::text::DisplayText;

/// A line in two halves. The right half is drawn whole or not at all, the left is cut.
#[derive(Debug, Clone, Default)]
pub struct Bar {
    left: Vec<(DisplayText, Style)>,
    right: Vec<(DisplayText, Style)>,
}

impl Bar {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to the left half.
    #[must_use]
    pub fn left(mut self, text: DisplayText, style: Style) -> Self {
        self.left.push((text, style));
        self
    }

    /// Adds to the right half.
    #[must_use]
    pub fn right(mut self, text: DisplayText, style: Style) -> Self {
        self.right.push((text, style));
        self
    }

    /// Draws the first line of `area`; returns where each piece of the left half came to lie, for the mouse.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, ellipsis: &str) -> Vec<Rect> {
        let area = Rect {
            height: area.height.min(1),
            ..area
        }
        .intersection(buffer.area);
        if area.is_empty() {
            return vec![area; self.left.len()];
        }
        let wanted: usize = self.right.iter().map(|(text, _)| text.width()).sum();
        let right = u16::try_from(wanted)
            .ok()
            .filter(|width| *width <= area.width)
            .unwrap_or(0);
        let mut at = area;
        at.width -= right;
        let mut places = Vec::with_capacity(self.left.len());
        for (text, style) in &self.left {
            // Between the halves stays one column, so that a cut left half does not run into the right one.
            let room = if right > 0 {
                at.width.saturating_sub(1)
            } else {
                at.width
            };
            let place = put(
                at,
                room,
                buffer,
                &text.cut_end(usize::from(room), ellipsis),
                *style,
            );
            at.x = place.right();
            at.width -= place.width;
            places.push(place);
        }
        if right > 0 {
            let mut at = Rect {
                x: area.right() - right,
                width: right,
                ..area
            };
            for (text, style) in &self.right {
                let place = put(at, at.width, buffer, text, *style);
                at.x = place.right();
                at.width -= place.width;
            }
        }
        places
    }
}

fn put(at: Rect, room: u16, buffer: &mut Buffer, text: &DisplayText, style: Style) -> Rect {
    let (end, _) = buffer.set_stringn(at.x, at.y, text.as_str(), usize::from(room), style);
    Rect {
        width: end.saturating_sub(at.x),
        ..at
    }
}
