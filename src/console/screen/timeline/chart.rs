//! The bars: one line for each grant, in the state it is in, with the present and the moment that is asked about.

use chrono::{DateTime, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::screen::timeline::window::{Window, stretch};
use crate::console::show;
use crate::console::theme::{Glyph, Role, Theme};
use crate::wire::GrantView;

/// What a chart is drawn with.
pub(super) struct Chart<'a> {
    pub(super) window: &'a Window,
    pub(super) now: DateTime<Utc>,
    pub(super) theme: &'a Theme,
}

impl Chart<'_> {
    /// Draws the scale above the bars.
    pub(super) fn scale(&self, area: Rect, buffer: &mut Buffer) {
        let style = self.theme.style(Role::TextMuted);
        for (column, text) in self.window.ticks(area.width, self.now) {
            let room = usize::from(area.width.saturating_sub(column));
            buffer.set_stringn(area.x + column, area.y, text, room, style);
        }
    }

    /// Draws the lines of the present and of the moment that is asked about, behind the bars.
    pub(super) fn lines(&self, area: Rect, buffer: &mut Buffer) {
        let now = self.window.column(self.now, area.width, self.now);
        let asked = self
            .window
            .column(self.window.at(self.now), area.width, self.now)
            .filter(|_| self.window.is_fixed());
        let marks = [
            (now, Glyph::Gutter, Role::TextMuted),
            (asked, Glyph::AsOf, Role::Match),
        ];
        for (column, glyph, role) in marks {
            let Some(column) = column else { continue };
            for y in area.y..area.bottom() {
                self.put(buffer, area, column, y, glyph, role);
            }
        }
    }

    /// Draws the bar of a grant on its line.
    pub(super) fn bar(&self, view: &GrantView, line: Rect, buffer: &mut Buffer) {
        let look = show::grant(view);
        let (start, end) = stretch(view, self.now);
        if view.state == "activation_failed" {
            if let Some(column) = self.window.column(start, line.width, self.now) {
                self.put(buffer, line, column, line.y, Glyph::StatusDanger, look.role);
            }
            return;
        }
        let open = show::is_open(view);
        let worked = view.starts_at.is_some();
        let parts = [
            // What was and is.
            worked.then(|| {
                let glyph = if open { Glyph::BarOpen } else { Glyph::BarOver };
                let end = if open {
                    end.min(self.now).min(view.expires_at)
                } else {
                    end
                };
                ((start, end), glyph, look.role)
            }),
            // What should be over and is not known to be.
            (view.state == "closing" && worked).then_some((
                (view.expires_at.min(self.now), self.now),
                Glyph::BarTrouble,
                look.role,
            )),
            // What is planned.
            (open && view.state != "closing").then(|| {
                let from = if worked { start.max(self.now) } else { start };
                ((from, end), Glyph::BarPlanned, look.role)
            }),
        ];
        for (stretch, glyph, role) in parts.into_iter().flatten() {
            let Some((first, last)) = self.window.columns(stretch, line.width, self.now) else {
                continue;
            };
            for column in first..=last {
                self.put(buffer, line, column, line.y, glyph, role);
            }
        }
    }

    fn put(&self, buffer: &mut Buffer, area: Rect, column: u16, y: u16, glyph: Glyph, role: Role) {
        if column < area.width {
            let sign = self.theme.glyph(glyph);
            buffer.set_stringn(area.x + column, y, sign, 1, self.theme.style(role));
        }
    }
}
