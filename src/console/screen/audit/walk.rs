//! Where somebody is in the record: moving, pausing, following, and going to a place that is not here.

use crate::client::AuditQuery;
use crate::console::keymap::{Action, Place};
use crate::console::msg::Query;
use crate::console::record::Spot;
use crate::console::screen::audit::Audit;
use crate::console::screen::audit::jump::{Found, Goal};
use crate::console::screen::{Ask, list};
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query::List;
use crate::wire::{EventView, Page};

impl Audit {
    /// Goes to a goal: at once when it is here, otherwise by asking the server where it is.
    pub(super) fn seek(&mut self, goal: Goal, world: &World) -> Vec<Ask> {
        let complete = (self.record.is_complete(), !self.record.is_adrift());
        match goal.find(self.record.rows(), complete, world.asking()) {
            Some(Found::Place(place)) => {
                self.sought = None;
                self.pause();
                let asks = self.go(place);
                self.arrive();
                asks
            }
            Some(Found::Elsewhere) => {
                self.pause();
                self.ask(goal, &self.scope())
            }
            None => {
                self.sought = None;
                vec![Ask::Say(Level::Info, goal.missing())]
            }
        }
    }

    fn ask(&mut self, goal: Goal, scope: &AuditQuery) -> Vec<Ask> {
        self.questions += 1;
        let scope = Box::new(goal.question(scope));
        self.sought = Some((self.questions, goal));
        vec![Ask::Fetch(Query::Find {
            turn: self.questions,
            scope,
        })]
    }

    /// The server said where the goal is.
    pub(super) fn found(&mut self, turn: u64, page: Result<&Page<EventView>, &str>) -> Vec<Ask> {
        let Some((_, goal)) = self.sought.take_if(|(asked, _)| *asked == turn) else {
            return Vec::new();
        };
        let page = match page {
            Ok(page) => page,
            Err(problem) => {
                self.opens = false;
                let text = format!("the record was not searched: {problem}");
                return vec![Ask::Say(Level::Warn, text)];
            }
        };
        let event = page.items.first();
        let spot = match (event, &goal, &page.next) {
            (Some(event), Goal::Event(index), _) if event.index != *index => None,
            (Some(event), ..) => Some(Spot::Event(event.index)),
            // The server looked at as many rows as one call may: on from there.
            (None, Goal::Denied { back, .. }, Some(next)) => {
                let from = next.parse().unwrap_or(0);
                let goal = Goal::Denied { from, back: *back };
                return self.ask(goal, &self.scope());
            }
            (None, Goal::Match { sought, back, .. }, Some(next)) => {
                let from = next.parse().unwrap_or(0);
                let (sought, back) = (sought.clone(), *back);
                return self.ask(Goal::Match { sought, from, back }, &self.scope());
            }
            (None, Goal::Time(_), _) => Some(Spot::Start),
            (None, ..) => None,
        };
        let Some(spot) = spot else {
            self.opens = false;
            return vec![Ask::Say(Level::Info, goal.missing())];
        };
        let rows = self.record.rows();
        if let Spot::Event(index) = spot
            && rows.iter().any(|row| row.index == index)
        {
            let place = self.record.place_of(index);
            let asks = self.go(place);
            self.arrive();
            return asks;
        }
        self.oldest = None;
        self.top = 0;
        self.selected = Some(match spot {
            Spot::Event(index) => index,
            Spot::Start => 0,
        });
        let queries = self.record.seek(spot);
        queries.into_iter().map(Ask::Fetch).collect()
    }

    /// Opens the event that somebody asked for by its number, once it is here.
    pub(super) fn arrive(&mut self) {
        if !self.opens || self.sought.is_some() {
            return;
        }
        let here = self.number();
        if here.is_some() && here == self.selected {
            self.opens = false;
            self.zoomed = true;
            self.raw = false;
            self.scroll = 0;
        }
    }

    /// Goes to the next event that the filter in force, or the last one, lets pass.
    pub(super) fn matching(&mut self, back: bool, world: &World) -> Vec<Ask> {
        if !self.filter.filter().is_empty() {
            return self.step(if back { -1 } else { 1 });
        }
        let Some(sought) = self.filter.sought(List::Audit, world) else {
            return vec![list::nothing_sought(&world.keymap, Place::Audit)];
        };
        let Some(from) = self.number() else {
            return Vec::new();
        };
        self.seek(Goal::Match { sought, from, back }, world)
    }

    /// Goes to the nearest older event that is kept, or from the oldest to the newest.
    pub(super) fn next_bookmark(&mut self, world: &World) -> Vec<Ask> {
        let kept: Vec<i64> = world.shelf.bookmarks(world.server.as_str()).collect();
        let here = self.number().unwrap_or(i64::MAX);
        let older = kept.iter().copied().filter(|index| *index < here).max();
        let Some(index) = older.or_else(|| kept.iter().copied().max()) else {
            let key = world.keymap.key(Place::Audit, Action::Bookmark);
            let text = format!("no event is kept: {key} keeps the selected one");
            return vec![Ask::Say(Level::Info, text)];
        };
        self.seek(Goal::Event(index), world)
    }

    /// What is in force, for the server.
    pub(super) fn scope(&self) -> AuditQuery {
        let filter = self.filter.filter();
        AuditQuery {
            q: (!filter.is_empty()).then(|| filter.to_string()),
            ..AuditQuery::default()
        }
    }

    pub(super) fn place(&self) -> usize {
        self.selected
            .map_or(usize::MAX, |index| self.record.place_of(index))
            .min(self.last())
    }

    pub(super) fn last(&self) -> usize {
        self.record.rows().len().saturating_sub(1)
    }

    pub(super) fn current(&self) -> Option<EventView> {
        let row = self.record.rows().get(self.place())?;
        Some(row.view())
    }

    /// The number of the selected event.
    fn number(&self) -> Option<i64> {
        let row = self.record.rows().get(self.place())?;
        Some(row.index)
    }

    pub(super) fn go(&mut self, place: usize) -> Vec<Ask> {
        let place = place.min(self.last());
        self.selected = self.record.rows().get(place).map(|row| row.index);
        if place < self.last() {
            self.record.pause();
        }
        let queries = self.record.near(place);
        queries.into_iter().map(Ask::Fetch).collect()
    }

    pub(super) fn step(&mut self, by: isize) -> Vec<Ask> {
        let place = self.place();
        let at_end = place == self.last() && !self.record.is_adrift();
        // Who walks past the end wants to see what comes.
        if by > 0 && at_end && self.record.is_paused() && !self.zoomed {
            return self.follow();
        }
        self.scroll = 0;
        self.go(place.saturating_add_signed(by))
    }

    pub(super) fn follow(&mut self) -> Vec<Ask> {
        let query = self.record.follow();
        self.selected = None;
        query.map(Ask::Fetch).into_iter().collect()
    }

    pub(super) fn pause(&mut self) {
        self.selected = self.number();
        self.record.pause();
    }

    pub(super) fn restart(&mut self) -> Vec<Ask> {
        self.selected = None;
        self.asked = true;
        self.sought = None;
        self.over_time.restart();
        let scope = self.scope();
        vec![Ask::Fetch(self.record.restart(scope))]
    }
}
