//! A line to type in with what fits it below: letters search, arrows choose, Enter takes. Help and palette are menus.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Block, Clear, Widget};

use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::input::{Edited, Line};
use crate::console::widget::status::Bar;
use crate::text::clean;

/// Longer texts are not typed.
const LONGEST: usize = 300;
/// Rows that a page key moves.
const PAGE: usize = 10;

/// The line and the choice.
#[derive(Debug, Clone)]
pub(super) struct Menu {
    pub(super) line: Line,
    pub(super) chosen: usize,
}

/// What a key led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    Nothing,
    /// The text is another one.
    Typed,
    /// Another choice.
    Moved,
    /// Take the choice.
    Taken,
    /// Put the choice's text on the line.
    Completed,
    Closed,
}

/// A line below the one being typed.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Whether it can be chosen; headings cannot.
    pub(super) choice: bool,
    pub(super) pieces: Vec<(String, Role)>,
    /// At the right edge.
    pub(super) right: String,
    /// Cannot be done at this moment.
    pub(super) refused: bool,
}

/// Everything around the rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) prompt: &'a str,
    /// In the lower border.
    pub(super) foot: &'a str,
    /// Above the lower border.
    pub(super) note: &'a str,
}

impl Default for Menu {
    fn default() -> Self {
        Self {
            line: Line::new(LONGEST),
            chosen: 0,
        }
    }
}

impl Menu {
    /// Takes a key; `count` is how many can be chosen.
    pub(super) fn key(&mut self, key: Key, count: usize) -> Pressed {
        let last = count.saturating_sub(1);
        let ctrl = key.mods == KeyModifiers::CONTROL;
        let chosen = match key.code {
            KeyCode::Esc => return Pressed::Closed,
            // What is held down or pasted takes nothing.
            KeyCode::Enter if key.is_deliberate() => return Pressed::Taken,
            KeyCode::Enter => return Pressed::Nothing,
            KeyCode::Tab => return Pressed::Completed,
            KeyCode::Down => self.chosen.saturating_add(1),
            KeyCode::Char('n') if ctrl => self.chosen.saturating_add(1),
            KeyCode::Up => self.chosen.saturating_sub(1),
            KeyCode::Char('p') if ctrl => self.chosen.saturating_sub(1),
            KeyCode::PageDown => self.chosen.saturating_add(PAGE),
            KeyCode::PageUp => self.chosen.saturating_sub(PAGE),
            _ => {
                return if self.line.key(key) == Edited::Changed {
                    self.chosen = 0;
                    Pressed::Typed
                } else {
                    Pressed::Nothing
                };
            }
        };
        self.choose(chosen.min(last))
    }

    pub(super) fn paste(&mut self, text: &str) -> Pressed {
        if self.line.paste(text) == Edited::Changed {
            self.chosen = 0;
            return Pressed::Typed;
        }
        Pressed::Nothing
    }

    pub(super) fn wheel(&mut self, down: bool, count: usize) -> Pressed {
        let chosen = if down {
            self.chosen.saturating_add(1)
        } else {
            self.chosen.saturating_sub(1)
        };
        self.choose(chosen.min(count.saturating_sub(1)))
    }

    fn choose(&mut self, chosen: usize) -> Pressed {
        let moved = chosen != self.chosen;
        self.chosen = chosen;
        if moved {
            Pressed::Moved
        } else {
            Pressed::Nothing
        }
    }

    /// Draws the box; gives the place of the cursor in the line.
    pub(super) fn draw(
        &self,
        frame: Frame<'_>,
        rows: &[Row],
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Position {
        let inner = boxed(frame, theme, area, buffer);
        let prompt = clean(&format!("{} ", frame.prompt));
        let left = u16::try_from(prompt.width()).unwrap_or(0).min(inner.width);
        buffer.set_stringn(
            inner.x,
            inner.y,
            prompt.as_str(),
            usize::from(left),
            theme.style(Role::KeyHint),
        );
        let line = Rect {
            x: inner.x + left,
            width: inner.width - left,
            height: 1,
            ..inner
        };
        let cursor = self.line.draw(line, buffer, theme.style(Role::TextStrong));
        let note = u16::from(!frame.note.is_empty());
        let list = Rect {
            y: inner.y + 2,
            height: inner.height.saturating_sub(2 + note),
            ..inner
        };
        self.rows(rows, theme, list, buffer);
        if note > 0 {
            let place = Rect {
                y: inner.bottom().saturating_sub(1),
                height: 1,
                ..inner
            };
            Bar::new()
                .left(clean(frame.note), theme.style(Role::TextMuted))
                .draw(place, buffer, theme.glyph(Glyph::Ellipsis));
        }
        cursor
    }

    fn rows(&self, rows: &[Row], theme: &Theme, area: Rect, buffer: &mut Buffer) {
        let height = usize::from(area.height);
        let chosen = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.choice)
            .nth(self.chosen)
            .map(|(place, _)| place);
        let top = chosen
            .unwrap_or(0)
            .saturating_sub(height / 2)
            .min(rows.len().saturating_sub(height));
        for ((place, row), y) in rows.iter().enumerate().skip(top).zip(area.y..area.bottom()) {
            let line = Rect {
                y,
                height: 1,
                ..area
            };
            let is_chosen = Some(place) == chosen;
            if is_chosen {
                buffer.set_style(line, theme.style(Role::Selection));
            }
            let style = |role| {
                let role = if row.refused { Role::Disabled } else { role };
                let style = theme.style(role);
                if is_chosen {
                    style.patch(theme.style(Role::Selection))
                } else {
                    style
                }
            };
            let mark = match (row.choice, is_chosen) {
                (true, true) => format!("{} ", theme.glyph(Glyph::Cursor)),
                (true, false) => "  ".to_owned(),
                (false, _) => String::new(),
            };
            let mut bar = Bar::new().left(clean(&mark), style(Role::KeyHint));
            for (text, role) in &row.pieces {
                bar = bar.left(clean(text), style(*role));
            }
            if !row.right.is_empty() {
                bar = bar.right(clean(&row.right), style(Role::KeyHint));
            }
            bar.draw(line, buffer, theme.glyph(Glyph::Ellipsis));
        }
    }
}

/// Draws a border with title and foot over whatever is there, and gives what is inside.
pub(super) fn boxed(frame: Frame<'_>, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    Clear.render(area, buffer);
    buffer.set_style(
        area,
        theme
            .style(Role::Surface)
            .patch(theme.style(Role::Overlay))
            .patch(theme.style(Role::Text)),
    );
    let mut block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::BorderFocus))
        .title(format!(" {} ", clean(frame.title)))
        .title_style(theme.style(Role::TextStrong));
    if !frame.foot.is_empty() {
        let foot = format!(" {} ", clean(frame.foot));
        block = block.title_bottom(ratatui::text::Line::from(foot).right_aligned());
    }
    let inside = block.inner(area);
    block.render(area, buffer);
    Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    }
}
