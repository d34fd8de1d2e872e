//! The ways to sign in, to choose from.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::Attempt;
use crate::console::overlay::sign_in::Page;
use crate::console::theme::{Glyph, Role, Theme};
use crate::text::clean;

/// Where Enter on a way leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Browser,
    Device,
    Form(Page),
}

/// The ways with what they are called.
pub(super) fn choices(attempt: &Attempt) -> Vec<(Choice, String)> {
    let Some(ways) = attempt.ways() else {
        return Vec::new();
    };
    let provider = ways.provider.as_ref().map(|issuer| {
        let host = issuer
            .split_once("://")
            .map_or(issuer.as_str(), |(_, host)| host);
        (Choice::Browser, format!("in the browser, at {host}"))
    });
    let device = (provider.is_some() && ways.device).then(|| {
        let text = "in a browser on another machine, with a code from here";
        (Choice::Device, text.to_owned())
    });
    let code = ways.code.then(|| {
        let text = "with a one-time code: an invitation, or that of a new server";
        (Choice::Form(Page::Code), text.to_owned())
    });
    let password = (
        Choice::Form(Page::Password),
        "with the password of a local account".to_owned(),
    );
    provider
        .into_iter()
        .chain(device)
        .chain([password])
        .chain(code)
        .collect()
}

pub(super) fn draw(
    attempt: &Attempt,
    chosen: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let mut cursor = None;
    let rows = area.y..area.bottom();
    for ((at, (_, text)), y) in choices(attempt).iter().enumerate().zip(rows) {
        let mut style = theme.style(Role::Text);
        let mut mark = " ";
        if at == chosen {
            mark = theme.glyph(Glyph::Cursor);
            style = style.patch(theme.style(Role::Selection));
            cursor = Some(Position::new(area.x, y));
        }
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        buffer.set_style(row, style);
        let line = clean(&format!("{mark} {text}"));
        buffer.set_stringn(area.x, y, line.as_str(), usize::from(area.width), style);
    }
    cursor
}
