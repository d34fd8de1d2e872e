//! The filter line of a screen: what is typed, what of it is in force, what is wrong with it, and what could be typed.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::client::Shelving;
use crate::console::keymap::Action;
use crate::console::msg::Query;
use crate::console::screen::{Ask, Typing};
use crate::console::term::input::Key;
use crate::console::widget::input::{Completion as Placed, Edited, Line};
use crate::console::world::World;
use crate::query::complete::{Candidate, Completion, Counted, complete};
use crate::query::{Expr, List, Problem, Saved, parse};
use crate::wire::Facet;

/// Longer filters are not typed.
const FILTER: usize = 500;
/// How long nobody types before what is typed comes into force: half a word filters for something else.
const TYPING: Duration = Duration::from_millis(150);
/// How long nobody types before the server is asked for values.
const PAUSE: Duration = Duration::from_millis(120);

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

    pub(super) fn typing(&self) -> Option<Typing<'_>> {
        let shown = self.problem.as_ref().filter(|(problem, _)| {
            // What may become right is not wrong while somebody types it.
            !(self.active && problem.unfinished && self.cursor() == self.line.text().len())
        });
        (self.active || !self.line.text().is_empty()).then_some(Typing {
            line: &self.line,
            problem: shown.map(|(_, said)| said.as_str()),
            wrong: shown.map(|(problem, _)| problem.span),
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

    /// Puts a filter in force without anybody typing it.
    pub(super) fn only(&mut self, text: &str, list: List, world: &World) -> Took {
        self.open(list, world);
        self.line.set(text);
        self.done(list, world)
    }

    /// Begins to type the name of a saved filter.
    fn open_saved(&mut self, list: List, world: &World) {
        self.open(list, world);
        self.append("@");
        self.offer(list, world);
        self.chosen = (!self.offer.candidates.is_empty()).then_some(0);
    }

    /// Offers what the row under the cursor has: only rows with that, or only rows without it.
    fn open_cells(&mut self, cells: Vec<(&'static str, String)>, without: bool) {
        let cells = cells.into_iter().filter(|(_, value)| !value.is_empty());
        let (sign, help) = if without {
            ("-", "hide these")
        } else {
            ("", "only these")
        };
        let candidates: Vec<Candidate> = cells
            .map(|(field, value)| Candidate {
                insert: format!("{sign}{field}:{}", crate::query::ast::plain(&value)),
                help: help.to_owned(),
                count: None,
            })
            .collect();
        if candidates.is_empty() {
            return;
        }
        self.before = self.line.text().to_owned();
        self.active = true;
        self.append("");
        let end = self.line.text().len();
        self.offer = Completion {
            span: crate::query::Span { start: end, end },
            candidates,
            counted: None,
        };
        self.chosen = Some(0);
        self.cells = true;
    }

    /// Drops the filter; says whether there was one.
    pub(super) fn clear(&mut self) -> bool {
        let was = !self.line.text().is_empty();
        let active = self.line.clone();
        *self = Self {
            turn: self.turn + 1,
            line: active,
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

    fn ask(&mut self, list: List, world: &World) -> Vec<Ask> {
        self.asks_at = None;
        let Some(Counted {
            field,
            prefix,
            rest,
        }) = self.offer.counted.clone()
        else {
            return Vec::new();
        };
        // Only what is understood of the other terms narrows the counts.
        let q = parse(&rest, list, &world.shelf.saved).expr.to_string();
        vec![Ask::Fetch(Query::Facets {
            turn: self.turn,
            of: list,
            field,
            prefix,
            q,
        })]
    }

    /// When nobody will have typed for long enough.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.asks_at.into_iter().chain(self.applies_at).min()
    }

    /// Takes values that the server counted.
    pub(super) fn facets(&mut self, turn: u64, items: &[Facet]) {
        if turn != self.turn || !self.active || self.cells {
            return;
        }
        let chosen = self.chosen.and_then(|at| self.offer.candidates.get(at));
        let chosen = chosen.map(|candidate| candidate.insert.clone());
        let values = items.iter().map(|facet| (facet.value.clone(), facet.count));
        self.offer.merge(values);
        let mut candidates = self.offer.candidates.iter();
        self.chosen = chosen.and_then(|insert| candidates.position(|known| known.insert == insert));
    }

    fn cursor(&self) -> usize {
        let before = self.line.text().chars().take(self.line.cursor());
        before.map(char::len_utf8).sum()
    }

    fn append(&mut self, text: &str) {
        let typed = self.line.text().trim_end();
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

    /// Puts the chosen candidate into the line.
    fn accept(&mut self, list: List, world: &World) -> Took {
        let chosen = self.chosen.and_then(|at| self.offer.candidates.get(at));
        let Some(candidate) = chosen.cloned() else {
            return Took::default();
        };
        let text = self.line.text().to_owned();
        let (text, cursor) = self.offer.accept(&text, &candidate);
        let cursor = text.get(..cursor).unwrap_or(&text).chars().count();
        self.line.set(&text);
        let rest: String = text.chars().skip(cursor).collect();
        // Setting puts the cursor at the end; completing puts it where the candidate ends.
        self.line.complete(|_, _| {
            Some(Placed {
                from: 0,
                to: cursor,
                text: text.chars().take(cursor).collect(),
            })
        });
        if self.cells {
            return self.done(list, world);
        }
        if rest.is_empty() && candidate.insert.starts_with('@') {
            return self.done(list, world);
        }
        self.edited(list, world);
        self.apply(list, &world.shelf.saved)
    }

    /// Goes through the filters used before, but never over what somebody has typed.
    fn recall(&mut self, by: isize, list: List, world: &World) -> Took {
        let text = self.line.text();
        let at = match &self.recalled {
            Some((at, recalled)) if recalled == text => at.checked_add_signed(by),
            _ if text.is_empty() || text == self.before => Some(0),
            _ => return Took::default(),
        };
        let found = at.and_then(|at| {
            let mut history = world
                .shelf
                .history(list)
                .filter(|known| *known != self.before);
            history.nth(at).map(|text| (at, text.to_owned()))
        });
        match found {
            Some((at, text)) => {
                self.line.set(&text);
                self.recalled = Some((at, text));
            }
            None if by < 0 => {
                let before = self.before.clone();
                self.line.set(&before);
                self.recalled = None;
            }
            None => return Took::default(),
        }
        self.offer = Completion::default();
        self.chosen = None;
        self.apply(list, &world.shelf.saved)
    }

    /// Works out what could be typed at the cursor.
    fn offer(&mut self, list: List, world: &World) {
        self.offer = complete(self.line.text(), self.cursor(), list, &world.shelf.saved);
        // What is typed already is no offer.
        let typed = self.offer.span.of(self.line.text()).to_owned();
        self.offer.candidates.retain(|known| known.insert != typed);
        self.chosen = None;
        self.turn += 1;
        self.asks_at = self.offer.counted.is_some().then(|| world.now + PAUSE);
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
