//! Draws the choice: a line to type in, the rows that fit, and what is known of the selected one.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::theme::{Role, Theme};
use crate::console::widget::order::scroll;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::text::{DisplayText, clean};

use super::state::{State, Step};

const COLUMNS: [Column; 4] = [
    Column {
        title: "TARGET",
        width: Width::Flex { min: 12, share: 3 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "ROLE",
        width: Width::Flex { min: 10, share: 2 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "ASK",
        width: Width::Fixed(3),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "HOW IT WOULD BE DECIDED",
        width: Width::Flex { min: 20, share: 6 },
        cut: Cut::End,
        optional: true,
    },
];

/// The lines below the rows: what the selected one is, three of what was said, and the keys.
const BELOW: u16 = 7;
/// The lines above them: what is typed, and an empty one.
const ABOVE: u16 = 2;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, theme: &Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    buffer.set_style(area, theme.style(Role::Surface));
    let line = |y: u16| {
        Rect {
            y: area.y.saturating_add(y),
            height: 1,
            ..area
        }
        .intersection(area)
    };
    let (count, all) = state.count();
    let label = match state.step {
        Step::Choose => format!("what for ({count} of {all}): "),
        Step::Duration => "for how long: ".to_owned(),
        Step::Reason => "reason: ".to_owned(),
    };
    let label = clean(&label);
    let typed = put(buffer, line(0), &label, theme, Role::TextMuted);
    let strong = theme.style(Role::TextStrong);
    let cursor = match state.step {
        Step::Choose => state.filter.draw(typed, buffer, strong),
        Step::Duration => state.duration.draw(typed, buffer, strong),
        Step::Reason => state.reason.draw(typed, buffer, strong),
    };
    let rows = Rect {
        y: area.y.saturating_add(ABOVE),
        height: area.height.saturating_sub(ABOVE + BELOW),
        ..area
    }
    .intersection(area);
    if state.step == Step::Choose {
        choice(buffer, rows, state, theme);
    }
    below(buffer, &line, area.height, state, theme);
    frame.set_cursor_position(cursor);
}

fn choice(buffer: &mut Buffer, area: Rect, state: &mut State, theme: &Theme) {
    let (count, _) = state.count();
    let height = usize::from(area.height.saturating_sub(1));
    state.top = scroll(state.top, state.place, count, height);
    let table = Table {
        theme,
        columns: &COLUMNS,
        rows: count,
        top: state.top,
        selected: (count > 0).then_some(state.place),
        cell: None,
        sorted: None,
    };
    table.draw(area, buffer, |place| {
        let Some(row) = state.row(place) else {
            return Row::default();
        };
        let (word, role) = if row.may_ask {
            ("yes", Role::StatusOk)
        } else {
            ("no", Role::TextMuted)
        };
        let usual = if row.may_ask {
            Role::Text
        } else {
            Role::TextMuted
        };
        let cell = |text: &str, role| (clean(text), theme.style(role));
        Row {
            cells: vec![
                cell(&row.target, usual),
                cell(&row.role, usual),
                cell(word, role),
                cell(&row.verdict, Role::TextMuted),
            ],
            ..Row::default()
        }
    });
}

/// What the chosen one is, what was said, and what keys do.
fn below(
    buffer: &mut Buffer,
    line: &impl Fn(u16) -> Rect,
    height: u16,
    state: &State,
    theme: &Theme,
) {
    // The choice takes the room that is there; the other steps need nothing but their lines.
    let first = if state.step == Step::Choose {
        height.saturating_sub(BELOW) + 1
    } else {
        ABOVE
    };
    if let Some(row) = state.chosen() {
        let about = if row.about.is_empty() {
            String::new()
        } else {
            format!(", {}", row.about)
        };
        let what = format!("{} on {}: {}{about}", row.role, row.target, row.kind);
        put(buffer, line(first), &clean(&what), theme, Role::Text);
        let ends = clean(&crate::cli::words::who_ends(&row.enforcement));
        put(buffer, line(first + 1), &ends, theme, Role::TextMuted);
    } else {
        let none = clean("nothing in the catalogue fits");
        put(buffer, line(first), &none, theme, Role::TextMuted);
    }
    let width = usize::from(line(0).width);
    if let Some(said) = &state.said {
        let role = if said.good {
            Role::StatusOk
        } else {
            Role::StatusPending
        };
        for (text, y) in clean(&said.text)
            .wrap(width)
            .iter()
            .take(3)
            .zip(first + 2..)
        {
            put(buffer, line(y), text, theme, role);
        }
    }
    let keys = match state.step {
        Step::Choose => "type to narrow, up and down to choose, enter to take, esc to leave",
        Step::Duration => {
            "like 30m, 1h or 2h30m; enter asks how it would be decided; esc goes back"
        }
        Step::Reason => "reviewers and auditors read it; enter asks for the access; esc goes back",
    };
    let last = height.saturating_sub(1);
    put(buffer, line(last), &clean(keys), theme, Role::KeyHint);
}

/// Puts text at the start of a line, and gives what is left of the line.
fn put(buffer: &mut Buffer, line: Rect, text: &DisplayText, theme: &Theme, role: Role) -> Rect {
    if line.is_empty() {
        return line;
    }
    let width = usize::from(line.width);
    let style = theme.style(role);
    let (x, _) = buffer.set_stringn(line.x, line.y, text.as_str(), width, style);
    let Position { y, .. } = line.as_position();
    Rect {
        x,
        y,
        width: line.right().saturating_sub(x),
        height: 1,
    }
}
