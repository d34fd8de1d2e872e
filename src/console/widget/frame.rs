//! The parts every screen has, and how they share the window.

use ratatui::layout::Rect;

/// Below this nothing can be decided safely, so nothing is offered.
const LEAST: (u16, u16) = (80, 20);

/// How list and detail share the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Smaller than any screen: show the counts and how to leave.
    TooSmall,
    /// Under 100 columns: the list with two lines of preview.
    Narrow,
    /// Under 160 columns: the list above the detail.
    Stacked,
    /// The list beside the detail.
    Beside,
}

impl Shape {
    /// Chooses by the size of the window.
    pub fn of(area: Rect) -> Self {
        if area.width < LEAST.0 || area.height < LEAST.1 {
            return Self::TooSmall;
        }
        match area.width {
            ..100 => Self::Narrow,
            100..160 => Self::Stacked,
            160.. => Self::Beside,
        }
    }
}

/// The parts of the window from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regions {
    /// How the body is shared.
    pub shape: Shape,
    /// Name, environment, person, connection, clock.
    pub header: Rect,
    /// The screens and their counts.
    pub tabs: Rect,
    /// Everything else.
    pub body: Rect,
    /// Position, marks, order.
    pub status: Rect,
    /// Keys.
    pub hints: Rect,
}

impl Regions {
    /// Divides the window.
    pub fn of(area: Rect) -> Self {
        let line = |from_top: u16| Rect {
            y: area.y + from_top.min(area.height),
            height: u16::from(from_top < area.height),
            ..area
        };
        let body = Rect {
            y: area.y + 2.min(area.height),
            height: area.height.saturating_sub(4),
            ..area
        };
        Self {
            shape: Shape::of(area),
            header: line(0),
            tabs: line(1),
            body,
            status: line(area.height.saturating_sub(2).max(2)),
            hints: line(area.height.saturating_sub(1).max(3)),
        }
    }

    /// Divides the body into list and detail.
    pub fn panes(&self) -> (Rect, Rect) {
        split(self.body, self.shape)
    }
}

fn split(body: Rect, shape: Shape) -> (Rect, Rect) {
    match shape {
        Shape::TooSmall => (body, Rect { height: 0, ..body }),
        // Two lines of preview and their border.
        Shape::Narrow => above(body, body.height.saturating_sub(4)),
        Shape::Stacked => above(body, body.height / 2),
        Shape::Beside => {
            let list = Rect {
                width: body.width * 3 / 5,
                ..body
            };
            (
                list,
                Rect {
                    x: list.right(),
                    width: body.width - list.width,
                    ..body
                },
            )
        }
    }
}

fn above(body: Rect, height: u16) -> (Rect, Rect) {
    let list = Rect { height, ..body };
    (
        list,
        Rect {
            y: list.bottom(),
            height: body.height - height,
            ..body
        },
    )
}
