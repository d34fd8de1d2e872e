//! How the timeline is drawn: labels at the left, bars at the right.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::fate;
use crate::console::keymap::Place;
use crate::console::layout::Panes;
use crate::console::screen::column::{Cell, fixed, flex};
use crate::console::screen::timeline::Timeline;
use crate::console::screen::timeline::chart::Chart;
use crate::console::screen::{boxed, detail, face};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::{Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Column, Cut, Row, Table};
use crate::console::world::World;
use crate::text::clean;
use crate::wire::GrantView;

/// The labels by person and by target.
const COLUMNS: [[Column; 3]; 2] = [labels("WHO", "WHAT"), labels("TARGET", "WHO")];

const fn labels(group: &'static str, what: &'static str) -> [Column; 3] {
    [
        flex(group, 9, 1, Cut::Middle),
        flex(what, 12, 2, Cut::Middle),
        fixed("STATE", 11, Cut::End),
    ]
}

impl Timeline {
    fn labels(&self, view: &GrantView, theme: &Theme) -> Vec<Cell> {
        let look = show::grant(view);
        let text = theme.style(Role::Text);
        let (group, what) = if self.by_target {
            (
                view.target.clone(),
                format!("{} as {}", view.holder, view.role),
            )
        } else {
            (
                view.holder.clone(),
                format!("{} on {}", view.role, view.target),
            )
        };
        vec![
            (clean(&group), theme.style(Role::TextStrong)),
            (clean(&what), text),
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
        ]
    }

    /// Divides the inside of the list into labels and bars.
    pub(super) fn divide(area: Rect) -> (Rect, Rect) {
        let labels = (area.width * 2 / 5).clamp(38.min(area.width), 64);
        let left = Rect {
            width: labels,
            ..area
        };
        let right = Rect {
            x: left.right() + 1,
            width: area.width.saturating_sub(labels + 1),
            ..area
        };
        (left, right)
    }

    fn draw_chart(&self, world: &World, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        let chart = Chart {
            window: &self.window,
            now: world.server_now(),
            theme,
        };
        let scale = Rect {
            height: area.height.min(1),
            ..area
        };
        let body = Rect {
            y: area.y + scale.height,
            height: area.height - scale.height,
            ..area
        };
        chart.scale(scale, buffer);
        chart.lines(body, buffer);
        let rows = self.list.order.rows().iter().skip(self.list.top);
        let selected = self.list.order.selected_place();
        for ((row, y), place) in rows.zip(body.y..body.bottom()).zip(self.list.top..) {
            let line = Rect {
                y,
                height: 1,
                ..body
            };
            if let Some(view) = world.store.grant(&row.id) {
                chart.bar(view, line, buffer);
            }
            if selected == Some(place) {
                let left = Rect {
                    x: line.x.saturating_sub(1),
                    width: line.width + 1,
                    ..line
                };
                buffer.set_style(left, theme.style(Role::Selection));
            }
        }
    }

    /// Draws list and detail; gives the place of the selected row.
    pub(super) fn paint(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut cursor = None;
        if panes.list.height > 0 {
            let now = world.server_now();
            let title = format!(
                "Who holds what, {} to {}",
                show::moment(self.window.from(now), now),
                show::moment(self.window.until(now), now)
            );
            let inner = boxed(panes.list, &title, theme, true, buffer);
            let (left, right) = Self::divide(inner);
            cursor = self.draw_labels(world, theme, left, buffer);
            self.draw_chart(world, theme, right, buffer);
            if self.list.order.rows().is_empty() {
                let more = if self.list.filter.filter().is_empty() {
                    "none in this time".to_owned()
                } else {
                    detail::filtered(world, Place::Timeline)
                };
                detail::empty(left, world, theme, "no grant", &more, buffer);
            }
        }
        let selected = self.list.order.selected();
        let title = match (self.list.zoomed, selected) {
            (true, Some(row)) => format!("Grant {}", row.id),
            _ => "Who had access".to_owned(),
        };
        face::detail(&self.list, &title, theme, panes, buffer, |width| {
            if self.list.zoomed {
                let view = self.view(world)?;
                return Some(if self.list.raw {
                    detail::json(view.as_ref(), world, width)
                } else {
                    detail::grant(view, world, width)
                });
            }
            Some(if panes.shape == Shape::Narrow {
                self.preview(world, width)
            } else {
                self.doc(world, width)
            })
        });
        cursor
    }

    fn draw_labels(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let rows = self.list.order.rows();
        let [by_person, by_target] = &COLUMNS;
        let columns = if self.by_target { by_target } else { by_person };
        let table = Table {
            theme,
            columns,
            rows: rows.len(),
            top: self.list.top,
            selected: self.list.order.selected_place(),
            cell: None,
            sorted: None,
        };
        let drawn = table.draw(area, buffer, |place| {
            let Some(row) = rows.get(place) else {
                return Row::default();
            };
            let view = world.store.grant(&row.id);
            Row {
                cells: view
                    .map(|view| self.labels(view, theme))
                    .unwrap_or_default(),
                marked: self.list.order.is_marked(&row.id),
                gone: row.gone,
                note: row
                    .gone
                    .then(|| fate::of(world, &Subject::Grant(row.id.clone()))),
            }
        });
        drawn.cursor
    }
}
