//! Text in lines of a given width: facts with their labels, and words of others behind a gutter so that they can
//! never look like ours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::theme::{Glyph, Role, Theme};
use crate::text::{DisplayText, clean, clean_lines};

/// Columns for the labels of facts.
const LABELS: usize = 10;

/// A piece of text in one look.
type Piece = (DisplayText, Role);

/// Lines ready to draw; what is too long for one continues on the next, and nothing is cut.
#[derive(Debug, Clone)]
pub struct Doc {
    width: usize,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
enum Line {
    Ours(Vec<Piece>),
    /// Words of somebody else.
    Theirs(DisplayText),
    /// The border above or below them.
    Edge {
        upper: bool,
        title: DisplayText,
    },
}

impl Doc {
    /// An empty document for this many columns.
    pub fn new(width: u16) -> Self {
        Self {
            width: usize::from(width).max(LABELS + 10),
            lines: Vec::new(),
        }
    }

    /// How many lines it has.
    pub fn height(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX)
    }

    /// Adds text, wrapped.
    pub fn text(&mut self, text: &str, role: Role) -> &mut Self {
        for line in clean(text).wrap(self.width) {
            self.lines.push(Line::Ours(vec![(line, role)]));
        }
        self
    }

    /// Adds an empty line.
    pub fn blank(&mut self) -> &mut Self {
        self.lines.push(Line::Ours(Vec::new()));
        self
    }

    /// Adds a fact with its label.
    pub fn fact(&mut self, label: &str, text: &str, role: Role) -> &mut Self {
        let mut label = clean(label).pad(LABELS);
        for line in clean(text).wrap(self.width - LABELS) {
            self.lines
                .push(Line::Ours(vec![(label, Role::TextMuted), (line, role)]));
            label = clean("").pad(LABELS);
        }
        self
    }

    /// Adds a key with what it does.
    pub fn labelled(&mut self, label: &str, columns: usize, text: &str) -> &mut Self {
        let mut label = clean(label).pad(columns);
        for line in clean(text).wrap(self.width.saturating_sub(columns)) {
            self.lines
                .push(Line::Ours(vec![(label, Role::KeyHint), (line, Role::Text)]));
            label = clean("").pad(columns);
        }
        self
    }

    /// Adds pieces on one line; they must be short.
    pub fn pieces(&mut self, pieces: Vec<(String, Role)>) -> &mut Self {
        self.lines.push(Line::Ours(
            pieces
                .into_iter()
                .map(|(text, role)| (clean(&text), role))
                .collect(),
        ));
        self
    }

    /// Adds words that somebody else wrote, in a frame of their own. Of more than `most` lines the rest is counted,
    /// so that no text can push the facts off the screen.
    pub fn quote(&mut self, title: &str, text: &str, most: usize) -> &mut Self {
        self.lines.push(Line::Edge {
            upper: true,
            title: clean(title),
        });
        let lines: Vec<DisplayText> = clean_lines(text)
            .iter()
            .flat_map(|line| line.wrap(self.width.saturating_sub(2)))
            .collect();
        let rest = lines.len().saturating_sub(most);
        self.lines
            .extend(lines.into_iter().take(most).map(Line::Theirs));
        let title = if rest > 0 {
            clean(&format!("{rest} more lines in the whole detail"))
        } else {
            clean("")
        };
        self.lines.push(Line::Edge {
            upper: false,
            title,
        });
        self
    }

    /// Adds words that somebody else wrote on one line with a gutter, the rest cut off.
    pub fn excerpt(&mut self, text: &str) -> &mut Self {
        self.lines.push(Line::Theirs(clean(text)));
        self
    }

    /// Draws the lines from `scroll` on, as many as fit, and says how many there are in all.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme, scroll: u16) -> u16 {
        let area = area.intersection(buffer.area);
        let scroll = self.clamp(scroll, area.height);
        for (line, y) in self
            .lines
            .iter()
            .skip(usize::from(scroll))
            .zip(area.y..area.bottom())
        {
            draw_line(
                line,
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                buffer,
                theme,
            );
        }
        self.height()
    }

    /// The same without a screen: one text for each line, words of others behind a bar.
    pub fn plain(&self) -> Vec<DisplayText> {
        let line = |line: &Line| match line {
            Line::Ours(pieces) => {
                let words: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
                Some(clean(words.trim_end()))
            }
            Line::Theirs(text) => Some(clean(&format!("| {text}"))),
            Line::Edge { upper: true, title } => Some(clean(&format!("{title}:"))),
            Line::Edge { title, .. } if !title.is_empty() => Some(clean(&format!("({title})"))),
            Line::Edge { .. } => None,
        };
        self.lines.iter().filter_map(line).collect()
    }

    /// The furthest that scrolling makes sense.
    pub fn clamp(&self, scroll: u16, height: u16) -> u16 {
        scroll.min(self.height().saturating_sub(height))
    }
}

fn draw_line(line: &Line, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let border = theme.style(Role::Border);
    let columns = usize::from(area.width);
    let ellipsis = theme.glyph(Glyph::Ellipsis);
    match line {
        Line::Ours(pieces) => {
            let mut x = area.x;
            for (text, role) in pieces {
                let room = usize::from(area.right().saturating_sub(x));
                let (end, _) = buffer.set_stringn(
                    x,
                    area.y,
                    text.cut_end(room, ellipsis).as_str(),
                    room,
                    theme.style(*role),
                );
                x = end;
            }
        }
        Line::Theirs(text) => {
            buffer.set_stringn(area.x, area.y, theme.glyph(Glyph::Gutter), columns, border);
            let room = columns.saturating_sub(2);
            let text = text.cut_end(room, ellipsis);
            buffer.set_stringn(
                area.x + 2,
                area.y,
                text.as_str(),
                room,
                theme.style(Role::Text),
            );
        }
        Line::Edge { upper, title } => {
            let set = theme.border();
            let (corner, bar) = if *upper {
                (set.top_left, set.horizontal_top)
            } else {
                (set.bottom_left, set.horizontal_bottom)
            };
            buffer.set_stringn(area.x, area.y, corner, 1, border);
            let mut x = area.x + 1;
            if !title.is_empty() {
                let text = format!(" {title} ");
                let room = columns.saturating_sub(2);
                let (end, _) =
                    buffer.set_stringn(x + 1, area.y, text, room, theme.style(Role::TextMuted));
                buffer.set_stringn(x, area.y, bar, 1, border);
                x = end;
            }
            while x < area.right().min(area.x + 48).max(x) {
                buffer.set_stringn(x, area.y, bar, 1, border);
                x += 1;
            }
        }
    }
}
