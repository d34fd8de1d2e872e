//! Where everything lies. Update and view ask the same function, so a click hits what was drawn and a page is as
//! long as it looks.

use ratatui::layout::{Rect, Size};

use crate::console::widget::frame::{Regions, Shape};

/// Border and titles of a list, which hold no rows.
const LIST_FRAME: u16 = 3;
/// In a body with fewer lines the rows themselves need them all.
const ROOMY: u16 = 24;

/// The parts that a screen draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panes {
    /// How they share the window.
    pub shape: Shape,
    /// The list with its border; empty while the detail has everything.
    pub list: Rect,
    /// The detail with its border.
    pub detail: Rect,
    /// Counts over time above the list; without height where there is no room or no wish for them.
    pub over_time: Rect,
}

impl Panes {
    /// How many rows the list shows.
    pub fn rows(&self) -> usize {
        usize::from(self.list.height.saturating_sub(LIST_FRAME))
    }

    /// The columns and lines of text inside the border of the detail.
    pub fn inside(&self) -> (u16, u16) {
        (
            self.detail.width.saturating_sub(4),
            self.detail.height.saturating_sub(2),
        )
    }

    /// The row of the list at a place on the screen, counted from the first in sight.
    pub fn line_at(&self, x: u16, y: u16) -> Option<u16> {
        let rows = Rect {
            x: self.list.x + 1,
            y: self.list.y + 2,
            width: self.list.width.saturating_sub(2),
            height: self.list.height.saturating_sub(LIST_FRAME),
        };
        rows.contains((x, y).into()).then(|| y - rows.y)
    }
}

/// The whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub regions: Regions,
    /// What is wrong with the connection.
    pub banner: Option<Rect>,
    /// The filter.
    pub filter: Option<Rect>,
    pub panes: Panes,
    /// The open question. It takes lines from the detail and then from the list, and covers nothing.
    pub strip: Option<Rect>,
}

/// What is to be laid out besides list and detail.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct Wanted {
    pub banner: bool,
    pub filter: bool,
    pub zoomed: bool,
    /// Counts over time.
    pub over_time: bool,
}

/// Divides the window. `strip` tells how many lines the question needs in a given width.
pub fn lay_out(size: Size, wanted: Wanted, strip: Option<impl FnOnce(u16) -> u16>) -> Layout {
    let area = Rect::new(0, 0, size.width, size.height);
    let mut regions = Regions::of(area);
    let banner = wanted.banner.then(|| take_top(&mut regions.body));
    let filter = wanted.filter.then(|| take_top(&mut regions.body));
    let roomy = regions.body.height >= ROOMY && !wanted.zoomed;
    let over_time = (wanted.over_time && roomy).then(|| take_top(&mut regions.body));
    let (mut list, mut detail) = regions.panes();
    if wanted.zoomed {
        detail = regions.body;
        list = Rect {
            height: 0,
            ..regions.body
        };
    }
    let strip = strip
        .filter(|_| regions.shape != Shape::TooSmall)
        .map(|height| {
            let beside = regions.shape == Shape::Beside && !wanted.zoomed;
            let column = if beside { detail } else { regions.body };
            // A list too short to show the row in question would be worse than a question cut off.
            let height = height(column.width).min(column.height.saturating_sub(if beside {
                0
            } else {
                LIST_FRAME + 2
            }));
            let strip = Rect {
                y: column.bottom() - height,
                height,
                ..column
            };
            let above = |pane: Rect| Rect {
                height: pane.bottom().min(strip.y).saturating_sub(pane.y),
                ..pane
            };
            detail = above(detail);
            if !beside {
                list = above(list);
            }
            strip
        });
    // Two lines of border around nothing are worse than nothing.
    if detail.height < 3 && !wanted.zoomed {
        if detail.y == list.bottom() {
            list.height += detail.height;
        }
        detail.height = 0;
    }
    Layout {
        regions,
        banner,
        filter,
        panes: Panes {
            shape: regions.shape,
            list,
            detail,
            over_time: over_time.unwrap_or_default(),
        },
        strip,
    }
}

fn take_top(body: &mut Rect) -> Rect {
    let line = Rect {
        height: body.height.min(1),
        ..*body
    };
    body.y += line.height;
    body.height -= line.height;
    line
}
