//! What could be typed into a filter line: fields, values that the server counted, saved filters, the cells of a row, the
//! filters used before.

use std::time::Duration;

use crate::console::msg::Query;
use crate::console::screen::Ask;
use crate::console::screen::filter_line::{FilterLine, Took};
use crate::console::widget::input::Completion as Placed;
use crate::console::world::World;
use crate::query::complete::{Candidate, Completion, Counted, complete};
use crate::query::{List, Span, parse};
use crate::wire::Facet;

/// How long nobody types before the server is asked for values.
const PAUSE: Duration = Duration::from_millis(120);

impl FilterLine {
    /// Begins to type the name of a saved filter.
    pub(super) fn open_saved(&mut self, list: List, world: &World) {
        self.open(list, world);
        self.append("@");
        self.offer(list, world);
        self.chosen = (!self.offer.candidates.is_empty()).then_some(0);
    }

    /// Offers what the row under the cursor has: only rows with that, or only rows without it.
    pub(super) fn open_cells(&mut self, cells: Vec<(&'static str, String)>, without: bool) {
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
        self.offer_terms(candidates);
    }

    /// Offers to show only rows with this term, or to hide them.
    pub(in crate::console::screen) fn offer_both(&mut self, term: &str) {
        let candidate = |sign: &str, help: &str| Candidate {
            insert: format!("{sign}{term}"),
            help: help.to_owned(),
            count: None,
        };
        self.offer_terms(vec![
            candidate("", "only these"),
            candidate("-", "hide these"),
        ]);
    }

    fn offer_terms(&mut self, candidates: Vec<Candidate>) {
        if candidates.is_empty() {
            return;
        }
        self.before = self.line.text().to_owned();
        self.active = true;
        self.append("");
        let end = self.line.text().len();
        self.offer = Completion {
            span: Span { start: end, end },
            candidates,
            counted: None,
        };
        self.chosen = Some(0);
        self.cells = true;
    }

    pub(super) fn ask(&mut self, list: List, world: &World) -> Vec<Ask> {
        self.asks_at = None;
        let Some(Counted {
            field,
            prefix,
            rest,
        }) = self.offer.counted.clone()
        else {
            return Vec::new();
        };
        if !List::COUNTED.contains(&list) {
            return Vec::new();
        }
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

    /// Takes values that the server counted.
    pub(in crate::console::screen) fn facets(&mut self, turn: u64, items: &[Facet]) {
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

    /// Puts the chosen candidate into the line.
    pub(super) fn accept(&mut self, list: List, world: &World) -> Took {
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
            self.line.set(text.trim_end());
            return self.done(list, world);
        }
        if rest.is_empty() && candidate.insert.starts_with('@') {
            return self.done(list, world);
        }
        self.edited(list, world);
        self.apply(list, &world.shelf.saved)
    }

    /// Works out what could be typed at the cursor.
    pub(super) fn offer(&mut self, list: List, world: &World) {
        self.offer = complete(self.line.text(), self.cursor(), list, &world.shelf.saved);
        // What is typed already is no offer.
        let typed = self.offer.span.of(self.line.text()).to_owned();
        self.offer.candidates.retain(|known| known.insert != typed);
        self.chosen = None;
        self.turn += 1;
        self.asks_at = self.offer.counted.is_some().then(|| world.now + PAUSE);
    }

    /// Goes through the filters used before, but never over what somebody has typed.
    pub(super) fn recall(&mut self, by: isize, list: List, world: &World) -> Took {
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
}
