//! The filter line of a screen: what is typed, what of it is in force, and what is wrong with it.

use crossterm::event::KeyCode;

use crate::console::filter::Filter;
use crate::console::screen::Typing;
use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};

/// Longer filters are not typed.
const FILTER: usize = 200;

/// The filter line of a screen.
#[derive(Debug, Clone)]
pub(super) struct FilterLine {
    line: Line,
    active: bool,
    before: String,
    problem: Option<String>,
    filter: Filter,
}

impl Default for FilterLine {
    fn default() -> Self {
        Self {
            line: Line::new(FILTER),
            active: false,
            before: String::new(),
            problem: None,
            filter: Filter::default(),
        }
    }
}

impl FilterLine {
    /// The filter in force: the last that could be understood.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn typing(&self) -> Option<Typing<'_>> {
        (self.active || !self.line.text().is_empty()).then_some(Typing {
            line: &self.line,
            problem: self.problem.as_deref(),
            active: self.active,
        })
    }

    /// Says what is wrong although the filter could be read.
    pub(super) fn complain(&mut self, problem: Option<String>) {
        self.problem = problem;
    }

    pub(super) fn open(&mut self) {
        self.before = self.line.text().to_owned();
        self.active = true;
    }

    /// Drops the filter; says whether there was one.
    pub(super) fn clear(&mut self) -> bool {
        let was = !self.line.text().is_empty();
        self.line.set("");
        self.active = false;
        self.problem = None;
        self.filter = Filter::default();
        was
    }

    /// Takes a key; says whether another filter is in force now.
    pub(super) fn key(&mut self, key: Key, fields: &[&str]) -> bool {
        match key.code {
            KeyCode::Enter | KeyCode::Down | KeyCode::Up => {
                self.active = false;
                false
            }
            KeyCode::Esc => {
                let before = std::mem::take(&mut self.before);
                self.line.set(&before);
                self.active = false;
                self.apply(fields)
            }
            _ => self.line.key(key) == Edited::Changed && self.apply(fields),
        }
    }

    pub(super) fn paste(&mut self, text: &str, fields: &[&str]) -> bool {
        self.line.paste(text) == Edited::Changed && self.apply(fields)
    }

    fn apply(&mut self, fields: &[&str]) -> bool {
        match Filter::parse(self.line.text(), fields) {
            Ok(filter) => {
                self.problem = None;
                let changed = filter != self.filter;
                self.filter = filter;
                changed
            }
            Err(problem) => {
                self.problem = Some(problem);
                false
            }
        }
    }
}
