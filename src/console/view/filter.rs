//! The filter above a list, and what could be typed into it next.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::screen::Screen;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::offers;
use crate::text::clean;

pub(super) fn filter(
    app: &App,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let typing = app.screen()?.typing()?;
    let label = clean(&format!(" {} ", typing.label));
    buffer.set_stringn(
        area.x,
        area.y,
        label.as_str(),
        usize::from(area.width),
        theme.style(Role::KeyHint),
    );
    let left = u16::try_from(label.width()).unwrap_or(0);
    let mut line = Rect {
        x: area.x + left,
        width: area.width.saturating_sub(left + 1),
        ..area
    };
    if let Some(problem) = typing.problem {
        let text = clean(problem);
        let width = u16::try_from(text.width())
            .unwrap_or(u16::MAX)
            .min(line.width / 2);
        line.width -= width + 1;
        let text = text.cut_end(usize::from(width), theme.glyph(Glyph::Ellipsis));
        buffer.set_stringn(
            line.right() + 1,
            area.y,
            text.as_str(),
            usize::from(width),
            theme.style(Role::StatusWarn),
        );
    }
    let role = if typing.active {
        Role::TextStrong
    } else {
        Role::Match
    };
    let cursor = typing.line.draw(line, buffer, theme.style(role));
    if let Some(span) = typing.wrong {
        let wrong = theme.style(Role::StatusWarn).underlined();
        typing
            .line
            .mark(line, (span.start, span.end), buffer, wrong);
    }
    typing.active.then_some(cursor)
}

/// Draws what could be typed next, over the list.
pub(super) fn offers(app: &App, theme: &Theme, line: Rect, body: Rect, buffer: &mut Buffer) {
    let Some(typing) = app.screen().and_then(Screen::typing) else {
        return;
    };
    offers::draw(
        typing.offers,
        typing.chosen,
        line.x + 1,
        line,
        body,
        theme,
        buffer,
    );
}
