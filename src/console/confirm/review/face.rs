//! How the list of a change of many looks, before and after.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::review::{Focus, Item, Review, State};
use crate::console::confirm::{Kind, face, facts, hints};
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::order::scroll;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::text::clean;

/// Lines below the list: the words of the row, presets, reason, count, what the keys do.
const BELOW: u16 = 6;

const fn column(title: &'static str, width: Width, cut: Cut) -> Column {
    Column {
        title,
        width,
        cut,
        optional: false,
    }
}

const COLUMNS: &[Column] = &[
    column("DO", Width::Fixed(10), Cut::End),
    column("ID", Width::Fixed(12), Cut::End),
    column("WHO", Width::Flex { min: 9, share: 1 }, Cut::Middle),
    column("WHAT", Width::Flex { min: 16, share: 3 }, Cut::Middle),
    column("NOTE", Width::Flex { min: 18, share: 4 }, Cut::End),
];

impl Item {
    /// The row on a line of its own: what it is, what is wrong with it, and last what others wrote.
    pub fn line(&self) -> String {
        let (who, what) = facts::in_short(&self.seen);
        let mut line = format!("{} {who}: {what}", self.subject);
        if self.dropped {
            line.push_str(", taken out");
        } else if let Some(why) = &self.refused {
            line.push_str(&format!(", cannot be done: {why}"));
        }
        if !self.changes.is_empty() {
            line.push_str(&format!(", changed: {}", self.changes.join("; ")));
        }
        let words = facts::words(&self.seen);
        if !words.is_empty() {
            line.push_str(&format!(". They wrote: {words}"));
        }
        line
    }

    /// What became of it, once that is known.
    pub fn result(&self) -> Option<String> {
        let (word, text) = match &self.state {
            State::Waiting | State::Sent => return None,
            State::Done(text) => ("done", text),
            State::Over(text) => ("was over", text),
            State::Changed(text) => ("changed, not done", text),
            State::Refused(text) => ("refused", text),
            State::Unanswered(text) => ("not answered, whether it was done is not known", text),
        };
        Some(format!("{} {word}: {text}", self.subject))
    }
}

impl Review {
    /// The title above the list.
    pub fn title(&self) -> String {
        let count = self.items.len();
        let verb = self.kind.verb();
        if self.sent {
            let done = self
                .items
                .iter()
                .filter(|item| matches!(item.state, State::Done(_)))
                .count();
            return format!("{verb}: {done} done of {}", self.sent_count());
        }
        format!("{verb} {} of {count} marked: look at each", self.kept())
    }

    fn sent_count(&self) -> usize {
        self.items
            .iter()
            .filter(|item| item.state != State::Waiting)
            .count()
    }

    /// Draws the list into the body of the window; gives the place of the terminal's cursor.
    pub fn draw(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let rows = Rect {
            height: area.height.saturating_sub(BELOW),
            ..area
        };
        let height = usize::from(rows.height.saturating_sub(1));
        let table = Table {
            theme,
            columns: COLUMNS,
            rows: self.items.len(),
            top: scroll(0, self.at, self.items.len(), height),
            selected: Some(self.at),
            cell: None,
            sorted: None,
        };
        let drawn = table.draw(rows, buffer, |place| {
            self.items
                .get(place)
                .map(|item| self.row(item, theme))
                .unwrap_or_default()
        });
        let below = Rect {
            x: area.x + 1,
            y: rows.bottom(),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(rows.height),
        };
        let mut doc = Doc::new(below.width);
        if let Some(item) = self.items.get(self.at) {
            doc.excerpt(facts::words(&item.seen));
        }
        if !self.sent && self.reason.text().is_empty() && self.focus == Focus::Reason {
            face::presets(&mut doc, self.kind);
        }
        let words = Rect {
            height: below.height.saturating_sub(3),
            ..below
        };
        doc.draw(words, buffer, theme, 0);
        let line = |from_bottom: u16| Rect {
            y: below.bottom().saturating_sub(from_bottom),
            height: 1,
            ..below
        };
        let cursor = if self.sent {
            None
        } else {
            self.draw_lines(theme, line, buffer)
        };
        let mut keys = Doc::new(below.width);
        keys.pieces(self.keys(world));
        keys.draw(line(1), buffer, theme, 0);
        cursor.or(drawn.cursor)
    }

    fn draw_lines(
        &self,
        theme: &Theme,
        line: impl Fn(u16) -> Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut put =
            |from_bottom, label: &str, typed: &crate::console::widget::input::Line, strong| {
                let at: Rect = line(from_bottom);
                let label = clean(label);
                let width = u16::try_from(label.width()).unwrap_or(0) + 1;
                let style = theme.style(if strong {
                    Role::KeyHint
                } else {
                    Role::TextMuted
                });
                buffer.set_stringn(at.x, at.y, label.as_str(), usize::from(at.width), style);
                let field = Rect {
                    x: at.x + width,
                    width: at.width.saturating_sub(width),
                    ..at
                };
                typed.draw(field, buffer, theme.style(Role::TextStrong))
            };
        let mut reason = None;
        if self.kind.wants_sentence() {
            let label = if self.kind == Kind::Deny {
                "Comment"
            } else {
                "Reason"
            };
            reason = Some(put(3, label, &self.reason, self.focus == Focus::Reason));
        }
        let label = format!(
            "To {} them, type how many:",
            self.kind.verb().to_lowercase()
        );
        let count = put(2, &label, &self.count, self.focus == Focus::Rows);
        match self.focus {
            Focus::Reason => reason,
            Focus::Rows => Some(count),
        }
    }

    /// What the keys do at this moment, or why they do nothing.
    pub fn keys(&self, world: &World) -> Vec<(String, Role)> {
        if !self.sent && world.now < self.armed_at {
            let text = "read first: keys are ignored for a moment".to_owned();
            return vec![(text, Role::TextMuted)];
        }
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        let unanswered = self
            .items
            .iter()
            .any(|item| matches!(item.state, State::Unanswered(_)));
        let key = |action, word| (world.keymap.key(Place::Review, action), word);
        let leave = key(Action::No, "leave, nothing is sent");
        let keys = match (self.sent, self.focus) {
            (true, _) if unanswered => vec![
                key(Action::Retry, "retry what was not answered"),
                key(Action::No, "close"),
            ],
            (true, _) if self.running() > 0 => vec![key(Action::No, "close, it goes on")],
            (true, _) => vec![key(Action::No, "close")],
            // While a sentence is typed these keys are always the same.
            (false, Focus::Reason) => vec![
                ("Enter".to_owned(), "back to the list"),
                ("Esc".to_owned(), "leave, nothing is sent"),
            ],
            (false, Focus::Rows) if self.kind.wants_sentence() => vec![
                key(Action::Drop, "take out"),
                key(Action::NextField, "reason"),
                key(Action::Confirm, "do it"),
                leave,
            ],
            (false, Focus::Rows) => vec![
                key(Action::Drop, "take out"),
                key(Action::Confirm, "do it"),
                leave,
            ],
        };
        hints(&keys)
    }

    fn row(&self, item: &Item, theme: &Theme) -> Row {
        let (glyph, word, role, note) = match &item.state {
            State::Waiting if self.sent => (Glyph::Idle, "left out", Role::Disabled, String::new()),
            State::Waiting => match &item.refused {
                _ if item.dropped => (Glyph::Idle, "keep", Role::Disabled, "as it is".to_owned()),
                Some(why) => (Glyph::StatusWarn, "cannot", Role::StatusWarn, why.clone()),
                None => (
                    Glyph::Mark,
                    self.kind.word(),
                    Role::StatusDanger,
                    item.changes.join("; "),
                ),
            },
            State::Sent => (
                Glyph::StatusPending,
                "sent",
                Role::StatusPending,
                String::new(),
            ),
            State::Done(text) => (Glyph::StatusOk, "done", Role::StatusOk, text.clone()),
            State::Over(text) => (
                Glyph::StatusInfo,
                "was over",
                Role::StatusInfo,
                text.clone(),
            ),
            State::Changed(text) => (Glyph::StatusWarn, "changed", Role::StatusWarn, text.clone()),
            State::Refused(text) => (
                Glyph::StatusDanger,
                "refused",
                Role::StatusDanger,
                text.clone(),
            ),
            State::Unanswered(text) => (
                Glyph::StatusCritical,
                "unknown",
                Role::StatusCritical,
                text.clone(),
            ),
        };
        let (who, what) = facts::in_short(&item.seen);
        let text = theme.style(if item.dropped {
            Role::Disabled
        } else {
            Role::Text
        });
        Row {
            cells: vec![
                (
                    clean(&format!("{} {word}", theme.glyph(glyph))),
                    theme.style(role),
                ),
                (clean(item.subject.as_str()), text),
                (clean(&who), text),
                (clean(&what), text),
                (clean(&note), theme.style(role)),
            ],
            marked: false,
            gone: false,
            note: None,
        }
    }
}
