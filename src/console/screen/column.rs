//! The columns of a list: each with its name, its cell, what rows sort by in it, and the filter's word for it. A person
//! chooses which of them are shown and in what order.

use ratatui::style::Style;

use crate::console::keymap::{Action, Keymap, Place};
use crate::console::layout::Panes;
use crate::console::theme::{Role, Theme};
use crate::console::widget::vtable::{Column, Cut, Width, fitting};
use crate::console::world::World;
use crate::query::List;
use crate::text::{DisplayText, clean};

/// One text with its style.
pub(super) type Cell = (DisplayText, Style);

/// What rows sort by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    /// Words sort without regard to capitals.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_lowercase())
    }

    /// What is not there comes first.
    pub(super) fn maybe(text: Option<&str>) -> Self {
        Self::text(text.unwrap_or_default())
    }

    /// A moment; what has none comes first.
    pub(super) fn time(at: impl Into<Option<chrono::DateTime<chrono::Utc>>>) -> Self {
        Self::Number(at.into().map_or(i64::MIN, |at| at.timestamp_millis()))
    }

    /// How long ago: the latest first.
    pub(super) fn age(at: impl Into<Option<chrono::DateTime<chrono::Utc>>>) -> Self {
        match Self::time(at) {
            Self::Number(at) => Self::Number(at.saturating_neg()),
            other @ Self::Text(_) => other,
        }
    }

    /// A length as the language writes it.
    pub(super) fn length(text: &str) -> Self {
        let span = text.parse::<crate::domain::span::Span>();
        span.map_or_else(
            |_| Self::text(text),
            |span| Self::Number(span.to_chrono().num_seconds()),
        )
    }
}

/// What stands in a column, and what its rows sort by.
enum Show<V> {
    Own {
        cell: fn(&V, &World, &Theme) -> Cell,
        key: fn(&V, &World) -> Key,
    },
    /// One text, which is also what they sort by.
    Text {
        of: fn(&V) -> &str,
        dress: fn(&str, &Theme) -> Cell,
    },
}

/// A column of rows of one kind.
pub(super) struct Col<V: 'static> {
    /// What the state file and the menus call it.
    pub(super) name: &'static str,
    pub(super) look: Column,
    show: Show<V>,
    /// The field of the filter language that its cells are values of.
    pub(super) field: Option<&'static str>,
    /// Shown only to those who choose it.
    pub(super) extra: bool,
}

impl<V> Col<V> {
    /// A column that is shown to everybody.
    pub(super) const fn new(
        name: &'static str,
        look: Column,
        cell: fn(&V, &World, &Theme) -> Cell,
        key: fn(&V, &World) -> Key,
    ) -> Self {
        Self {
            name,
            look,
            show: Show::Own { cell, key },
            field: None,
            extra: false,
        }
    }

    /// A column of one text of each row, in one of the dresses below.
    pub(super) const fn text(
        name: &'static str,
        look: Column,
        dress: fn(&str, &Theme) -> Cell,
        of: fn(&V) -> &str,
    ) -> Self {
        Self {
            name,
            look,
            show: Show::Text { of, dress },
            field: None,
            extra: false,
        }
    }

    /// What stands in it for a row.
    pub(super) fn cell(&self, view: &V, world: &World, theme: &Theme) -> Cell {
        match self.show {
            Show::Own { cell, .. } => cell(view, world, theme),
            Show::Text { of, dress } => dress(of(view), theme),
        }
    }

    /// What a row sorts by in it.
    pub(super) fn key(&self, view: &V, world: &World) -> Key {
        match self.show {
            Show::Own { key, .. } => key(view, world),
            Show::Text { of, .. } => Key::text(of(view)),
        }
    }

    /// Its cells are values of this field.
    pub(super) const fn of(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// It is there for those who choose it.
    pub(super) const fn extra(mut self) -> Self {
        self.extra = true;
        self.look.optional = true;
        self
    }
}

/// What a menu needs to know of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// What the state file calls it.
    pub name: &'static str,
    /// What stands above it.
    pub title: &'static str,
    pub shown: bool,
}

/// What the rows of a list are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sorting {
    /// A column by its name; without one the order in which rows want attention.
    pub by: Option<&'static str>,
    pub reversed: bool,
}

/// The columns in sight, and the one with the cell under the cursor.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    columns: Vec<&'static str>,
    at: Option<&'static str>,
}

impl Cells {
    /// Takes note of which columns are in sight.
    pub(super) fn see<V>(&mut self, all: &[Col<V>], list: List, world: &World, panes: &Panes) {
        let columns = wanted(all, list, world);
        let fitting = fitting(&looks(&columns), panes.list.width.saturating_sub(2));
        let names = fitting.into_iter().filter_map(|at| columns.get(at));
        self.columns = names.map(|column| column.name).collect();
        self.at = self.at.filter(|name| self.columns.contains(name));
    }

    /// The column of the cell under the cursor.
    pub(super) fn at(&self) -> Option<&'static str> {
        self.at
    }

    /// Moves the cursor; the first step sets it on the first column, or on the last. Says whether the action was one of
    /// these.
    pub(super) fn on(&mut self, action: Action) -> bool {
        let by = match action {
            Action::CellRight => 1,
            Action::CellLeft => -1,
            Action::Back => return self.at.take().is_some(),
            _ => return false,
        };
        let last = self.columns.len().saturating_sub(1);
        let here = self
            .at
            .and_then(|name| self.columns.iter().position(|known| *known == name));
        let there = match here {
            Some(here) => here.saturating_add_signed(by).min(last),
            None if by > 0 => 0,
            None => last,
        };
        self.at = self.columns.get(there).copied();
        true
    }

    /// What can be done with the cell, for the status line.
    pub(super) fn hint(&self, keymap: &Keymap, place: Place) -> String {
        if self.at.is_none() {
            return String::new();
        }
        let only = keymap.key(place, Action::FilterByCell);
        let without = keymap.key(place, Action::FilterWithoutCell);
        format!("   this cell: {only} only these, {without} without")
    }
}

/// What is said of a cell that holds nothing to filter by.
pub(super) fn no_filter(title: &str, keymap: &Keymap, place: Place) -> String {
    let left = keymap.key(place, Action::CellLeft);
    let right = keymap.key(place, Action::CellRight);
    format!("there is nothing in `{title}` to filter by: {left} and {right} choose another cell")
}

/// The columns of a list that a person wants, from left to right.
pub(super) fn wanted<'c, V>(all: &'c [Col<V>], list: List, world: &World) -> Vec<&'c Col<V>> {
    let names = world.shelf.columns(list);
    let find = |name: &String| all.iter().find(|col| col.name == name);
    let chosen: Vec<&Col<V>> = names.iter().filter_map(find).collect();
    if chosen.is_empty() {
        return all.iter().filter(|col| !col.extra).collect();
    }
    chosen
}

/// Every column for the menus: those that are shown in their order, then the others.
pub(super) fn menu<V>(all: &[Col<V>], list: List, world: &World) -> Vec<Shown> {
    let shown = wanted(all, list, world);
    let entry = |col: &Col<V>, shown| Shown {
        name: col.name,
        title: col.look.title,
        shown,
    };
    let others = all
        .iter()
        .filter(|col| !shown.iter().any(|known| known.name == col.name));
    shown
        .iter()
        .map(|col| entry(col, true))
        .chain(others.map(|col| entry(col, false)))
        .collect()
}

/// What the table draws of some columns.
pub(super) fn looks<V>(cols: &[&Col<V>]) -> Vec<Column> {
    cols.iter().map(|col| col.look).collect()
}

/// A cell of ordinary text.
pub(super) fn plain(text: &str, theme: &Theme) -> Cell {
    (clean(text), theme.style(Role::Text))
}

/// A cell of text that matters less.
pub(super) fn muted(text: &str, theme: &Theme) -> Cell {
    (clean(text), theme.style(Role::TextMuted))
}

/// A cell with the name of a person: one that could pass for another stands out.
pub(super) fn person(name: &str, theme: &Theme) -> Cell {
    let role = crate::text::suspicious(name).map_or(Role::Text, |_| Role::StatusWarn);
    (clean(name), theme.style(role))
}

/// A cell with a state: a sign, a word and a colour.
pub(super) fn state(look: &crate::console::show::Look, theme: &Theme) -> Cell {
    (
        clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
        theme.style(look.role),
    )
}

/// A column that is always there.
pub(super) const fn fixed(title: &'static str, width: u16, cut: Cut) -> Column {
    Column {
        title,
        width: Width::Fixed(width),
        cut,
        optional: false,
    }
}

/// A column that grows.
pub(super) const fn flex(title: &'static str, min: u16, share: u16, cut: Cut) -> Column {
    Column {
        title,
        width: Width::Flex { min, share },
        cut,
        optional: false,
    }
}

/// A column that is left out where there is no room.
pub(super) const fn spare(column: Column) -> Column {
    Column {
        optional: true,
        ..column
    }
}
