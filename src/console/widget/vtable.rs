//! A table that asks only for the rows it draws: a frame costs the same with ten rows and with a million.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use crate::console::theme::{Glyph, Role, Theme};
use crate::text::{DisplayText, clean};

/// Columns in front of each row: the sign of the cursor, the sign of a mark, a space.
const SIGNS: u16 = 3;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// How wide it is.
    pub width: Width,
    /// Where text that is too long is cut.
    pub cut: Cut,
    /// Left out when the table is too narrow, the last such column first.
    pub optional: bool,
}

/// How wide a column is.
#[derive(Debug, Clone, Copy)]
pub enum Width {
    /// Always this many columns of the terminal.
    Fixed(u16),
    /// At least `min`, and `share` parts of what is left.
    Flex {
        /// The least it needs.
        min: u16,
        /// Its part of the rest.
        share: u16,
    },
}

/// Where text that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Sentences: the start says most.
    End,
    /// Names: they differ at both ends.
    Middle,
    /// Never cut, and set to the right: numbers and times.
    Right,
}

/// What one row shows.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// One text and style for each column.
    pub cells: Vec<(DisplayText, Style)>,
    /// Marked for a common act.
    pub marked: bool,
    /// No longer there.
    pub gone: bool,
    /// What is to be said of it beside its texts.
    pub note: Option<DisplayText>,
}

/// What to draw, all but the rows.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Colours and signs.
    pub theme: &'a Theme,
    /// The columns from left to right.
    pub columns: &'a [Column],
    /// How many rows there are.
    pub rows: usize,
    /// The first row in sight, see [`scroll`](super::order::scroll).
    pub top: usize,
    /// The selected row.
    pub selected: Option<usize>,
    /// The column of the cell under the cursor.
    pub cell: Option<usize>,
    /// The column that the rows are sorted by, and whether the last come first.
    pub sorted: Option<(usize, bool)>,
}

/// Where things were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The rows without their titles.
    pub body: Rect,
    /// The first row in sight.
    pub top: usize,
    /// How many rows are in sight.
    pub count: usize,
    /// Where the selected row begins; the terminal's cursor belongs there, for screen readers.
    pub cursor: Option<Position>,
}

impl Drawn {
    /// The row at a place on the screen.
    pub fn row_at(&self, position: Position) -> Option<usize> {
        let line = usize::from(position.y.checked_sub(self.body.y)?);
        (self.body.contains(position) && line < self.count).then_some(self.top + line)
    }
}

/// A column that has a place on the screen.
#[derive(Debug, Clone, Copy)]
struct Place {
    column: usize,
    x: u16,
    width: u16,
}

impl Table<'_> {
    /// Draws titles and rows; `row` is asked once for each row in sight and for no other.
    pub fn draw(
        &self,
        area: Rect,
        buffer: &mut Buffer,
        mut row: impl FnMut(usize) -> Row,
    ) -> Drawn {
        let area = area.intersection(buffer.area);
        let places = self.places(area);
        let titles = Rect {
            height: area.height.min(1),
            ..area
        };
        let body = Rect {
            y: area.y + titles.height,
            height: area.height - titles.height,
            ..area
        };
        if !titles.is_empty() {
            for (column, place) in self.placed(&places) {
                let (title, role) = self.title(column, place);
                let style = self.theme.style(role);
                self.cell(buffer, place, titles.y, column.cut, &title, style);
            }
        }
        let count = self
            .rows
            .saturating_sub(self.top)
            .min(usize::from(body.height));
        let mut drawn = Drawn {
            body,
            top: self.top,
            count,
            cursor: None,
        };
        for (index, y) in (self.top..).take(count).zip(body.y..) {
            let line = Rect {
                y,
                height: 1,
                ..body
            };
            let selected = self.selected == Some(index);
            self.row(buffer, line, &places, &row(index), selected);
            if selected {
                drawn.cursor = Some(line.as_position());
            }
        }
        drawn
    }

    /// What stands above a column; a sign tells which one the rows are sorted by.
    fn title(&self, column: &Column, place: &Place) -> (DisplayText, Role) {
        match self.sorted {
            Some((sorted, reversed)) if sorted == place.column => {
                let sign = if reversed { "v" } else { "^" };
                let room = usize::from(place.width) > column.title.chars().count();
                let sign = if room { sign } else { "" };
                (clean(&format!("{}{sign}", column.title)), Role::TextStrong)
            }
            _ => (clean(column.title), Role::TextMuted),
        }
    }

    fn row(&self, buffer: &mut Buffer, line: Rect, places: &[Place], row: &Row, selected: bool) {
        for (column, place) in self.placed(places) {
            let Some((text, style)) = row.cells.get(place.column) else {
                continue;
            };
            let muted = self.theme.style(Role::TextMuted);
            let style = match row {
                Row { gone: true, .. } => self.theme.style(Role::StaleData),
                // Nothing about the selected row matters less.
                _ if selected && *style == muted => self.theme.style(Role::Text),
                _ => *style,
            };
            self.cell(buffer, place, line.y, column.cut, text, style);
        }
        if row.gone {
            buffer.set_style(line, Style::new().add_modifier(Modifier::CROSSED_OUT));
        }
        if let Some(note) = &row.note {
            self.note(buffer, line, note);
        }
        if selected {
            buffer.set_style(line, self.theme.style(Role::Selection));
            let sign = self.theme.glyph(Glyph::Cursor);
            buffer.set_stringn(
                line.x,
                line.y,
                sign,
                usize::from(line.width.min(1)),
                Style::new(),
            );
            let cell = places.iter().find(|place| Some(place.column) == self.cell);
            if let Some(place) = cell {
                let cell = Rect {
                    x: place.x,
                    width: place.width.min(line.right().saturating_sub(place.x)),
                    ..line
                };
                let style = self.theme.style(Role::KeyHint);
                buffer.set_style(
                    cell,
                    style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
                );
            }
        }
        let (sign, style) = match row {
            Row { gone: true, .. } => (Glyph::Gone, Role::StaleData),
            Row { marked: true, .. } => (Glyph::Mark, Role::Mark),
            Row { .. } => return,
        };
        if line.width > 1 {
            buffer.set_stringn(
                line.x + 1,
                line.y,
                self.theme.glyph(sign),
                1,
                self.theme.style(style),
            );
        }
    }

    /// Writes a note at the right end of a row, over what stands there.
    fn note(&self, buffer: &mut Buffer, line: Rect, note: &DisplayText) {
        let room = usize::from(line.width / 2);
        let note = note.cut_end(room, self.theme.glyph(Glyph::Ellipsis));
        let width = u16::try_from(note.width()).unwrap_or(line.width / 2);
        let place = Rect {
            x: line.right().saturating_sub(width + 2),
            width: (width + 2).min(line.width),
            ..line
        };
        let style = self.theme.style(Role::StatusInfo);
        let blank = " ".repeat(usize::from(place.width));
        let style = style.remove_modifier(Modifier::CROSSED_OUT);
        buffer.set_string(place.x, place.y, blank, style);
        buffer.set_string(place.x + 1, place.y, note.as_str(), style);
    }

    fn cell(
        &self,
        buffer: &mut Buffer,
        place: &Place,
        y: u16,
        cut: Cut,
        text: &DisplayText,
        style: Style,
    ) {
        let columns = usize::from(place.width);
        let ellipsis = self.theme.glyph(Glyph::Ellipsis);
        let text = match cut {
            Cut::Middle => text.cut_middle(columns, ellipsis),
            Cut::End | Cut::Right => text.cut_end(columns, ellipsis),
        };
        let indent = if cut == Cut::Right {
            columns.saturating_sub(text.width())
        } else {
            0
        };
        let x = place.x.saturating_add(u16::try_from(indent).unwrap_or(0));
        buffer.set_stringn(x, y, text.as_str(), columns - indent, style);
    }

    fn placed<'a>(&'a self, places: &'a [Place]) -> impl Iterator<Item = (&'a Column, &'a Place)> {
        places
            .iter()
            .filter_map(|place| Some((self.columns.get(place.column)?, place)))
    }

    /// Decides which columns fit and how wide each is.
    fn places(&self, area: Rect) -> Vec<Place> {
        let room = area.width.saturating_sub(SIGNS);
        let kept = kept(self.columns, area.width);
        let spare = room.saturating_sub(needed(&kept));
        let shares: u16 = kept.iter().map(|(_, column)| column.share()).sum();
        let mut given = 0;
        let mut passed = 0;
        let mut x = area.x.saturating_add(SIGNS);
        let mut places = Vec::with_capacity(kept.len());
        for (index, column) in kept {
            passed += column.share();
            // Computed from the sum so far, so that rounding never loses a column at the right edge.
            let until = if shares == 0 {
                0
            } else {
                u32::from(spare) * u32::from(passed) / u32::from(shares)
            };
            let until = u16::try_from(until).unwrap_or(spare);
            let width = column
                .least()
                .saturating_add(until - given)
                .min(area.right().saturating_sub(x));
            given = until;
            places.push(Place {
                column: index,
                x,
                width,
            });
            x = x.saturating_add(width).saturating_add(1);
        }
        places
    }
}

/// The columns that fit into a table this wide, by their numbers.
pub fn fitting(columns: &[Column], width: u16) -> Vec<usize> {
    let kept = kept(columns, width);
    kept.into_iter().map(|(index, _)| index).collect()
}

fn kept(columns: &[Column], width: u16) -> Vec<(usize, &Column)> {
    let room = width.saturating_sub(SIGNS);
    let mut kept: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    while needed(&kept) > room {
        let Some(last) = kept.iter().rposition(|(_, column)| column.optional) else {
            break;
        };
        kept.remove(last);
    }
    kept
}

/// One column of the terminal stays empty between two of ours.
fn needed(kept: &[(usize, &Column)]) -> u16 {
    kept.iter()
        .fold(0_u16, |sum, (_, column)| {
            sum.saturating_add(column.least()).saturating_add(1)
        })
        .saturating_sub(1)
}

impl Column {
    fn least(&self) -> u16 {
        match self.width {
            Width::Fixed(width) => width,
            Width::Flex { min, .. } => min,
        }
    }

    fn share(&self) -> u16 {
        match self.width {
            Width::Fixed(_) => 0,
            Width::Flex { share, .. } => share,
        }
    }
}
