//! The pages at both ends of the run: when they are asked for, how they join what is here, and how many events match
//! in all.

use std::rc::Rc;

use crate::client::AuditQuery;
use crate::console::msg::Query;
use crate::console::record::{Older, Record, Total};
use crate::console::store::Packed;
use crate::wire::{EventView, Page};

/// Rows kept while reading back; beyond it the new end is let go and read again later.
const WHOLE: usize = 33_000;
/// The next page is asked for when the selection is this near to the old end.
const NEAR: usize = 60;
/// Pages without a single match after which somebody has to ask for more.
const FRUITLESS: u8 = 5;

impl Record {
    /// Takes a page, newest first; the server has compared its rows with the filter. Gives the next question when
    /// the page held too little.
    pub fn page(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Option<Query> {
        if turn != self.turn {
            return None;
        }
        self.loading = false;
        let page = self.understood(page)?;
        let first = self.older == Older::Unknown;
        let before = self.rows.len();
        let oldest = self.rows.front().map(|row| row.index);
        for event in &page.items {
            self.newest = self.newest.max(event.index);
            if oldest.is_none_or(|oldest| event.index < oldest) {
                self.rows.push_front(Rc::new(Packed::of(event)));
            }
        }
        self.older = page.next.clone().map_or(Older::Nothing, Older::After);
        if first && !self.paused {
            self.release();
        }
        let excess = self.rows.len().saturating_sub(WHOLE);
        if excess > 0 {
            self.rows.truncate(WHOLE);
            self.adrift = true;
        }
        self.fruitless = if self.rows.len() > before {
            0
        } else {
            self.fruitless + 1
        };
        let scarce = self.rows.len() < NEAR && self.fruitless < FRUITLESS;
        if scarce { self.ask_older() } else { None }
    }

    /// Takes a page of what comes after the new end, oldest first. Gives the next question when the page held nothing.
    pub fn later(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Option<Query> {
        if turn != self.turn || !self.advancing {
            return None;
        }
        self.advancing = false;
        let page = self.understood(page)?;
        for event in &page.items {
            self.newest = self.newest.max(event.index);
            if self.rows.back().is_none_or(|last| last.index < event.index) {
                self.rows.push_back(Rc::new(Packed::of(event)));
            }
        }
        let excess = self.rows.len().saturating_sub(WHOLE);
        if excess > 0 {
            self.rows.drain(..excess);
            if let Some(first) = self.rows.front() {
                self.older = Older::After(first.index.to_string());
            }
        }
        match &page.next {
            // What waits goes on where this ends.
            None => {
                self.adrift = false;
                self.broken = false;
                None
            }
            Some(next) if page.items.is_empty() => Some(self.newer(Some(next.clone()))),
            Some(_) => None,
        }
    }

    fn understood<'p>(
        &mut self,
        page: Result<&'p Page<EventView>, &str>,
    ) -> Option<&'p Page<EventView>> {
        self.problem = page.err().map(str::to_owned);
        page.ok()
    }

    /// The questions for what is beyond the ends, when the selection is near them.
    pub fn near(&mut self, place: usize) -> Vec<Query> {
        let mut queries = Vec::new();
        if place < NEAR {
            self.fruitless = 0;
            queries.extend(self.ask_older());
        }
        let last = self.rows.back().map(|last| last.index.to_string());
        if let Some(last) = last
            && self.adrift
            && !self.advancing
            && place + NEAR >= self.rows.len()
        {
            self.advancing = true;
            queries.push(self.newer(Some(last)));
        }
        queries
    }

    /// How many events match in all. Indexes are dense, so what is here tells how many match of how many.
    pub fn total(&self) -> Option<Total> {
        let here = u64::try_from(self.rows.len()).ok()?;
        let all = u64::try_from(self.newest + 1).ok()?;
        let oldest = match &self.older {
            Older::Unknown => return None,
            Older::After(index) => index.parse().ok()?,
            Older::Nothing => 0,
        };
        let newest = match self.rows.back() {
            Some(last) if self.adrift => last.index,
            _ => self.newest,
        };
        let looked = u64::try_from(newest + 1 - oldest).ok()?;
        if looked == 0 || here >= all {
            return Some(Total::Exactly(here));
        }
        if self.scope == AuditQuery::default() && here == looked {
            return Some(Total::Exactly(all));
        }
        if self.older == Older::Nothing && !self.adrift {
            return Some(Total::Exactly(here));
        }
        Some(Total::About(here.saturating_mul(all) / looked))
    }

    fn ask_older(&mut self) -> Option<Query> {
        if self.loading {
            return None;
        }
        let Older::After(after) = &self.older else {
            return None;
        };
        let query = self.query(Some(after.clone()));
        self.loading = true;
        Some(query)
    }

    pub(super) fn query(&self, after: Option<String>) -> Query {
        self.question(after, false)
    }

    pub(super) fn newer(&mut self, after: Option<String>) -> Query {
        self.advancing = true;
        self.question(after, true)
    }

    fn question(&self, after: Option<String>, oldest_first: bool) -> Query {
        let scope = AuditQuery {
            oldest_first,
            ..self.scope.clone()
        };
        Query::Audit {
            turn: self.turn,
            scope: Box::new(scope),
            after,
        }
    }
}
