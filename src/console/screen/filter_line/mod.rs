//! The filter line of a screen: what is typed, what of it is in force, what is wrong with it, and what could be typed.

mod offers;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::client::Shelving;
use crate::console::keymap::Action;
use crate::console::screen::{self, Ask, Typing};
use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::query::complete::Completion;
use crate::query::{Expr, List, Problem, Saved, parse};

/// Longer filters are not typed.
const FILTER: usize = 500;
/// How long nobody types before what is typed comes into force: half a word filters for something else.
const TYPING: Duration = Duration::from_millis(150);

/// What begins a filter, for screens that have one.
pub(super) const BEGINS: &[Action] = &[
    Action::Filter,
    Action::SavedFilters,
    Action::FilterByCell,
    Action::FilterWithoutCell,
];

/// What came of a key.
#[derive(Debug, Default)]
pub(super) struct Took {
    /// Another filter is in force.
    pub(super) changed: bool,
    pub(super) asks: Vec<Ask>,
}

/// The filter line of a screen.
#[derive(Debug, Clone)]
pub(super) struct FilterLine {
    line: Line,
    active: bool,
    before: String,
    /// What is wrong, and the sentence for it.
    problem: Option<(Problem, String)>,
    expr: Expr,
    offer: Completion,
    /// The candidate under the cursor.
    chosen: Option<usize>,
    /// The candidates are cells of a row, and choosing one is all there is to do.
    cells: bool,
    asks_at: Option<Instant>,
    applies_at: Option<Instant>,
    turn: u64,
    /// How far back in the history the text is, and the text that was found there.
    recalled: Option<(usize, String)>,
    /// The filter that was dropped last.
    dropped: String,
}

impl Default for FilterLine {
    fn default() -> Self {
        Self {
            line: Line::new(FILTER),
            active: false,
            before: String::new(),
            problem: None,
            expr: Expr::default(),
            offer: Completion::default(),
            chosen: None,
            cells: false,
            asks_at: None,
            applies_at: None,
            turn: 0,
            recalled: None,
            dropped: String::new(),
        }
    }
}

impl FilterLine {
    /// The filter in force: the last that could be understood.
    pub(super) fn filter(&self) -> &Expr {
        &self.expr
    }

    /// Says whether rows may begin or cease to match although nothing happens to them.
    pub(super) fn runs(&self) -> bool {
        self.expr.runs()
    }

    /// What next and previous match look for: the filter in force, or else the one that was used last.
    pub(super) fn sought(&self, list: List, world: &World) -> Option<Expr> {
        if !self.expr.is_empty() {
            return Some(self.expr.clone());
        }
        let before = Some(self.dropped.as_str()).filter(|text| !text.is_empty());
        let text = before.or_else(|| world.shelf.history(list).next())?;
        let expr = parse(text, list, &world.shelf.saved).expr;
        (!expr.is_empty()).then_some(expr)
    }

    pub(super) fn typing(&self) -> Option<Typing<'_>> {
        let shown = self.problem.as_ref().filter(|(problem, _)| {
            // What may become right is not wrong while somebody types it.
            !(self.active && problem.unfinished && self.cursor() == self.line.text().len())
        });
        (self.active || !self.line.text().is_empty()).then_some(Typing {
            line: &self.line,
            problem: shown.map(|(_, said)| said.as_str()),
            wrong: shown.map(|(problem, _)| problem.span),
            label: screen::FILTER,
            active: self.active,
            offers: if self.active {
                &self.offer.candidates
            } else {
                &[]
            },
            chosen: self.chosen,
        })
    }

    /// Performs what begins a filter; says whether the action was one of these.
    pub(super) fn begins(
        &mut self,
        action: Action,
        list: List,
        cells: impl FnOnce() -> Vec<(&'static str, String)>,
        world: &World,
    ) -> bool {
        match action {
            Action::Filter => self.open(list, world),
            Action::SavedFilters => self.open_saved(list, world),
            Action::FilterByCell => self.open_cells(cells(), false),
            Action::FilterWithoutCell => self.open_cells(cells(), true),
            _ => return false,
        }
        true
    }

    /// Begins to type.
    fn open(&mut self, list: List, world: &World) {
        self.before = self.line.text().to_owned();
        self.active = true;
        self.cells = false;
        self.recalled = None;
        self.offer(list, world);
    }

    /// Narrows the filter by a term, unless it says so already.
    pub(super) fn add(&mut self, term: &str, list: List, world: &World) -> Took {
        let known = self
            .line
            .text()
            .split_whitespace()
            .any(|known| known == term);
        if known {
            return Took::default();
        }
        self.open(list, world);
        self.append(term);
        self.done(list, world)
    }

    /// Puts a filter in force without anybody typing it.
    pub(super) fn only(&mut self, text: &str, list: List, world: &World) -> Took {
        self.open(list, world);
        self.line.set(text);
        self.done(list, world)
    }

    /// Drops the filter; says whether there was one.
    pub(super) fn clear(&mut self) -> bool {
        let was = !self.line.text().is_empty();
        let line = self.line.clone();
        let dropped = if self.expr.is_empty() {
            std::mem::take(&mut self.dropped)
        } else {
            self.expr.to_string()
        };
        *self = Self {
            turn: self.turn + 1,
            line,
            dropped,
            ..Self::default()
        };
        self.line.set("");
        was
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: Key, list: List, world: &World) -> Took {
        let offers = self.offer.candidates.len();
        match key.code {
            KeyCode::Enter if self.chosen.is_some() => self.accept(list, world),
            KeyCode::Tab if offers > 0 => {
                self.chosen = self.chosen.or(Some(0));
                self.accept(list, world)
            }
            KeyCode::Tab | KeyCode::BackTab => Took::default(),
            KeyCode::Down if self.recalled.is_some() && self.chosen.is_none() => {
                self.recall(-1, list, world)
            }
            KeyCode::Down if offers > 0 => {
                let next = self.chosen.map_or(0, |chosen| chosen + 1);
                self.chosen = Some(next.min(offers - 1));
                Took::default()
            }
            KeyCode::Up if self.chosen.is_some() => {
                self.chosen = self.chosen.and_then(|chosen| chosen.checked_sub(1));
                Took::default()
            }
            KeyCode::Up => self.recall(1, list, world),
            KeyCode::Enter | KeyCode::Down => self.done(list, world),
            KeyCode::Esc if self.chosen.is_some() && !self.cells => {
                self.chosen = None;
                Took::default()
            }
            KeyCode::Esc => {
                let before = std::mem::take(&mut self.before);
                self.line.set(&before);
                self.close();
                self.apply(list, &world.shelf.saved)
            }
            _ => match self.line.key(key) {
                Edited::Changed => self.edited(list, world),
                Edited::Same => {
                    self.cells = false;
                    self.offer(list, world);
                    Took::default()
                }
                Edited::Unused => Took::default(),
            },
        }
    }

    pub(super) fn paste(&mut self, text: &str, list: List, world: &World) -> Took {
        if self.line.paste(text) == Edited::Changed {
            self.edited(list, world)
        } else {
            Took::default()
        }
    }

    /// Puts what is typed into force, and asks the server for values, once nobody has typed for a moment.
    pub(super) fn tick(&mut self, list: List, world: &World) -> Took {
        let due = |at: &Option<Instant>| at.is_some_and(|at| at <= world.now);
        let mut took = Took::default();
        if due(&self.applies_at) {
            took = self.apply(list, &world.shelf.saved);
        }
        if due(&self.asks_at) {
            took.asks = self.ask(list, world);
        }
        took
    }

    /// When nobody will have typed for long enough.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.asks_at.into_iter().chain(self.applies_at).min()
    }

    fn cursor(&self) -> usize {
        let before = self.line.text().chars().take(self.line.cursor());
        before.map(char::len_utf8).sum()
    }

    fn append(&mut self, text: &str) {
        let typed = self.line.text().trim_end();
        let chosen = typed.contains(" OR ");
        let typed = if chosen {
            // What comes is to narrow all of it and not its last choice.
            format!("({typed})")
        } else {
            typed.to_owned()
        };
        let gap = if typed.is_empty() { "" } else { " " };
        let text = format!("{typed}{gap}{text}");
        self.line.set(&text);
    }

    fn close(&mut self) {
        self.active = false;
        self.cells = false;
        self.chosen = None;
        self.asks_at = None;
        self.turn += 1;
        self.offer = Completion::default();
    }

    fn done(&mut self, list: List, world: &World) -> Took {
        self.close();
        let mut took = self.apply(list, &world.shelf.saved);
        if self.problem.is_none() && !self.expr.is_empty() {
            let text = self.line.text().trim().to_owned();
            took.asks.push(Ask::Shelve(Shelving::Use(list, text)));
        }
        took
    }

    fn edited(&mut self, list: List, world: &World) -> Took {
        self.cells = false;
        self.recalled = None;
        self.offer(list, world);
        let parsed = parse(self.line.text(), list, &world.shelf.saved);
        self.problem = first(parsed.problems);
        self.applies_at = Some(world.now + TYPING);
        Took::default()
    }

    fn apply(&mut self, list: List, saved: &Saved) -> Took {
        self.applies_at = None;
        let parsed = parse(self.line.text(), list, saved);
        self.problem = first(parsed.problems);
        let changed = self.problem.is_none() && parsed.expr != self.expr;
        if changed {
            self.expr = parsed.expr;
        }
        Took {
            changed,
            asks: Vec::new(),
        }
    }
}

fn first(problems: Vec<Problem>) -> Option<(Problem, String)> {
    let problem = problems.into_iter().next()?;
    let said = problem.to_string();
    Some((problem, said))
}
