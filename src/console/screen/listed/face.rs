//! How a list with its detail is drawn, and what its status line says.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::fate;
use crate::console::layout::Panes;
use crate::console::screen::column::{Sorting, looks, wanted};
use crate::console::screen::listed::Listed;
use crate::console::screen::rows::Rows;
use crate::console::screen::{boxed, detail, face};
use crate::console::theme::Theme;
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Row, Table};
use crate::console::world::World;

impl<R: Rows> Listed<R> {
    /// Left and right half of the status line.
    pub(super) fn words(&self, world: &World) -> (String, String) {
        let more = R::has_more(world);
        let left = self.list.position(&world.keymap, R::PLACE, more);
        if self.list.is_amid() {
            return (left, String::new());
        }
        let Sorting { by, reversed } = self.list.sorting;
        let column = by.and_then(Self::column);
        let right = match column {
            Some(column) => format!("by {}", column.look.title.to_lowercase()),
            None => self.rows.status(world),
        };
        let reversed = if reversed { "reversed: " } else { "" };
        (left, format!("{reversed}{right}"))
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
            cursor = self.draw_list(world, theme, panes, buffer);
        }
        let selected = self.list.order.selected();
        let title = selected.map_or_else(
            || "Detail".to_owned(),
            |row| format!("{} {}", R::ONE, R::subject(&row.id).as_str()),
        );
        face::detail(&self.list, &title, theme, panes, buffer, |width| {
            let Some(view) = self.view(world) else {
                return R::nothing(world, width);
            };
            let zoomed = self.list.zoomed;
            Some(if zoomed && self.list.raw {
                detail::json(view.as_ref(), world, width)
            } else if panes.shape == Shape::Narrow && !zoomed {
                R::preview(view, world, width)
            } else {
                R::doc(view, world, width)
            })
        });
        cursor
    }

    fn title(&self) -> String {
        let matching = if self.list.filter.filter().is_empty() {
            ""
        } else {
            " that match"
        };
        format!("{}{matching}", self.rows.heading())
    }

    fn draw_list(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let filter = self.list.filter.filter();
        let inner = boxed(panes.list, &self.title(), theme, true, buffer);
        R::border(filter, world, theme, panes.list, buffer);
        let columns = wanted(R::COLUMNS, R::LIST, world);
        let find = |name: &str| columns.iter().position(|column| column.name == name);
        let sorting = self.list.sorting;
        let rows = self.list.order.rows();
        let table = Table {
            theme,
            columns: &looks(&columns),
            rows: rows.len(),
            top: self.list.top,
            selected: self.list.order.selected_place(),
            cell: self.list.cells.at().and_then(find),
            sorted: sorting
                .by
                .and_then(find)
                .map(|column| (column, sorting.reversed)),
        };
        let drawn = table.draw(inner, buffer, |place| {
            let Some(row) = rows.get(place) else {
                return Row::default();
            };
            let view = R::get(world, &row.id);
            let cells = view.map(|view| {
                let cells = columns.iter();
                cells
                    .map(|column| column.cell(view, world, theme))
                    .collect()
            });
            Row {
                cells: cells.unwrap_or_default(),
                marked: self.list.order.is_marked(&row.id),
                gone: row.gone,
                note: row.gone.then(|| fate::of(world, &R::subject(&row.id))),
            }
        });
        if rows.is_empty() {
            let more = if filter.is_empty() {
                self.rows.empty(world)
            } else {
                detail::filtered(world, R::PLACE)
            };
            let none = format!("no {}", R::ONE.to_lowercase());
            detail::empty(inner, world, theme, &none, &more, buffer);
        }
        drawn.cursor
    }
}
