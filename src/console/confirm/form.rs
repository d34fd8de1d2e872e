//! Forms: several lines to fill in, the last of which is the name of what the form is about, typed once more.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::{LockForm, Outcome, ServiceForm};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::input::Line;
use crate::console::world::World;
use crate::text::clean;

/// Columns for the labels of lines.
const LABELS: u16 = 12;

/// The open form.
#[derive(Debug, Clone)]
pub enum Form {
    Lock(LockForm),
    Service(ServiceForm),
}

/// One line of a form, to be drawn.
pub(super) struct Row<'a> {
    pub(super) label: &'a str,
    pub(super) line: &'a Line,
    pub(super) hint: &'a str,
    /// It has the keys.
    pub(super) active: bool,
    /// The hint stays until something is typed.
    pub(super) stays: bool,
}

impl Form {
    /// When keys begin to count.
    pub fn armed_at(&self) -> Instant {
        match self {
            Self::Lock(form) => form.armed_at(),
            Self::Service(form) => form.armed_at(),
        }
    }

    /// The title above the form.
    pub fn title(&self) -> String {
        match self {
            Self::Lock(form) => form.title(),
            Self::Service(form) => form.title(),
        }
    }

    /// How many lines the form has inside its border.
    pub fn height(&self, world: &World, width: u16) -> u16 {
        match self {
            Self::Lock(form) => form.height(world, width),
            Self::Service(_) => ServiceForm::height(width),
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, world: &World) -> Outcome {
        match self {
            Self::Lock(form) => form.key(key, world),
            Self::Service(form) => form.key(key, world),
        }
    }

    /// Takes pasted text; the name to confirm with must be typed.
    pub fn paste(&mut self, text: &str, now: Instant) {
        match self {
            Self::Lock(form) => form.paste(text, now),
            Self::Service(form) => form.paste(text, now),
        }
    }

    /// Draws the form and gives the place of the terminal's cursor.
    pub fn draw(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        match self {
            Self::Lock(form) => form.draw(world, theme, area, buffer),
            Self::Service(form) => form.draw(world, theme, area, buffer),
        }
    }
}

/// Draws the lines from the top of an area and gives the place of the terminal's cursor.
pub(super) fn draw_rows(
    rows: &[Row<'_>],
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let mut cursor = None;
    for (row, y) in rows.iter().zip(area.y..area.bottom()) {
        let role = if row.active {
            Role::KeyHint
        } else {
            Role::TextMuted
        };
        let label = clean(row.label);
        let labels = usize::from(LABELS);
        buffer.set_stringn(area.x, y, label.as_str(), labels, theme.style(role));
        let place = Rect {
            x: area.x + LABELS,
            y,
            width: area.width.saturating_sub(LABELS),
            height: 1,
        };
        let empty = row.line.text().is_empty();
        if empty && (row.stays || !row.active) {
            let hint = clean(row.hint);
            let width = usize::from(place.width.saturating_sub(2));
            let style = theme.style(Role::TextMuted);
            buffer.set_stringn(place.x + 2, y, hint.as_str(), width, style);
        }
        if row.active {
            let one = Rect {
                width: place.width.min(1),
                ..place
            };
            let full = if empty { one } else { place };
            cursor = Some(row.line.draw(full, buffer, theme.style(Role::TextStrong)));
        } else if !empty {
            row.line.draw(place, buffer, theme.style(Role::Text));
        }
    }
    cursor
}
