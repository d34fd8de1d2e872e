//! What is asked before a change is made: in a strip below the rows, or with the whole body for a change of many.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Block, Clear, Widget};

use crate::console::app::App;
use crate::console::confirm::Strip;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::status::Bar;
use crate::text::clean;

pub(super) fn draw_strip(
    app: &App,
    strip: &Strip,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let inside = framed(&strip.title(), theme, area, buffer);
    let input = strip.input();
    let below = 1 + u16::from(input.is_some());
    let facts = Rect {
        height: inside.height.saturating_sub(below),
        ..inside
    };
    strip
        .doc(app.world(), inside.width)
        .draw(facts, buffer, theme, 0);
    let mut cursor = None;
    let mut line = Rect {
        y: facts.bottom(),
        height: 1,
        ..inside
    };
    if let Some((label, text)) = input {
        let label = clean(label).pad(10);
        buffer.set_stringn(
            line.x,
            line.y,
            label.as_str(),
            10,
            theme.style(Role::KeyHint),
        );
        let place = Rect {
            x: line.x + 10,
            width: line.width.saturating_sub(10),
            ..line
        };
        cursor = Some(text.draw(place, buffer, theme.style(Role::TextStrong)));
        line.y += 1;
    }
    let prompt = strip.prompt(app.world()).into_iter();
    let bar = prompt.fold(Bar::new(), |bar, (text, role)| {
        bar.left(clean(&text), theme.style(role))
    });
    bar.draw(line, buffer, theme.glyph(Glyph::Ellipsis));
    cursor.or(Some(Position::new(line.x, line.y)))
}

/// Draws what has the whole body: the list of a change of many, or an incident.
pub(super) fn full(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let world = app.world();
    if let Some(incident) = app.incident() {
        let inside = framed(&incident.title(), theme, area, buffer);
        return incident.draw(world, theme, inside, buffer);
    }
    let review = app.review()?;
    let inside = framed(&review.title(), theme, area, buffer);
    review.draw(world, theme, inside, buffer)
}

/// Draws the border of a question and gives what is inside.
pub(super) fn framed(title: &str, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    Clear.render(area, buffer);
    buffer.set_style(
        area,
        theme.style(Role::Overlay).patch(theme.style(Role::Text)),
    );
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::ConfirmBorder))
        .title(format!(" {} ", clean(title)))
        .title_style(theme.style(Role::ConfirmBorder));
    let inside = block.inner(area);
    block.render(area, buffer);
    Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    }
}
