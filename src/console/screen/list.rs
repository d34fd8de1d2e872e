//! What lists of rows with an id have in common: a frozen order, a place on screen, a detail, a filter.

use std::hash::Hash;

use crate::console::keymap::Action;
use crate::console::layout::Panes;
use crate::console::screen::Ask;
use crate::console::screen::filter_line::{FilterLine, Took};
use crate::console::widget::order::{Order, scroll};
use crate::console::world::World;
use crate::query;

/// A list of rows known by an id.
#[derive(Debug, Clone)]
pub(super) struct List<I> {
    pub(super) order: Order<I>,
    pub(super) top: usize,
    pub(super) zoomed: bool,
    pub(super) scroll: u16,
    pub(super) filter: FilterLine,
    sorted: bool,
    /// The next rows begin a list of their own.
    anew: bool,
    revision: Option<(u64, bool)>,
}

impl<I> Default for List<I> {
    fn default() -> Self {
        Self {
            order: Order::default(),
            top: 0,
            zoomed: false,
            scroll: 0,
            filter: FilterLine::default(),
            sorted: true,
            anew: true,
            revision: None,
        }
    }
}

impl<I: Clone + Eq + Hash> List<I> {
    /// Moves, opens and closes; says whether the action was one of these.
    pub(super) fn on(&mut self, action: Action, panes: &Panes) -> bool {
        let page = isize::try_from(panes.rows().max(1)).unwrap_or(1);
        if self.zoomed {
            let page = panes.inside().1.max(1);
            match action {
                Action::Down => self.scroll = self.scroll.saturating_add(1),
                Action::Up => self.scroll = self.scroll.saturating_sub(1),
                Action::HalfDown | Action::PageDown => {
                    self.scroll = self.scroll.saturating_add(page / 2);
                }
                Action::HalfUp | Action::PageUp => {
                    self.scroll = self.scroll.saturating_sub(page / 2);
                }
                Action::Top => self.scroll = 0,
                Action::Bottom => self.scroll = u16::MAX,
                Action::Open => {}
                Action::Back => self.zoomed = false,
                _ => return false,
            }
            return true;
        }
        match action {
            Action::Down => self.order.step(1),
            Action::Up => self.order.step(-1),
            Action::HalfDown => self.order.step(page / 2),
            Action::HalfUp => self.order.step(-(page / 2)),
            Action::PageDown => self.order.step(page),
            Action::PageUp => self.order.step(-page),
            Action::Top => self.order.select_place(0),
            Action::Bottom => self.order.select_place(usize::MAX),
            Action::Open => {
                self.zoomed = self.order.selected().is_some();
                self.scroll = 0;
            }
            Action::SortAgain => self.sort(),
            Action::Back => {
                if self.filter.clear() {
                    self.refilter();
                }
            }
            _ => return false,
        }
        true
    }

    /// Selects the row at a line of the list.
    pub(super) fn click(&mut self, line: u16) {
        self.order.select_place(self.top + usize::from(line));
    }

    pub(super) fn sort(&mut self) {
        self.order.sort_again();
        self.sorted = true;
    }

    /// Another filter is in force: the list begins anew, on the same row where possible.
    pub(super) fn refilter(&mut self) {
        self.revision = None;
        self.anew = true;
        let selected = self.order.selected().map(|row| row.id.clone());
        self.order.clear();
        if let Some(id) = selected {
            // An order that holds one row keeps it selected when the others come.
            self.order.update(vec![id]);
        }
    }

    /// Begins to type a filter, by itself or with what the selected row has; says whether the action was one of these.
    pub(super) fn begins_filter(
        &mut self,
        action: Action,
        list: query::List,
        cells: impl FnOnce() -> Vec<(&'static str, String)>,
        world: &World,
    ) -> bool {
        if self.zoomed {
            return false;
        }
        self.filter.begins(action, list, cells, world)
    }

    /// Takes note of what a key did to the filter.
    pub(super) fn took(&mut self, took: Took) -> Vec<Ask> {
        if took.changed {
            self.refilter();
        }
        took.asks
    }

    /// Says whether rows changed since the last time; asking takes note.
    pub(super) fn is_behind(&mut self, world: &World) -> bool {
        let present = Some((world.store.revision(), world.loaded));
        std::mem::replace(&mut self.revision, present) != present || self.filter.runs()
    }

    /// Takes the rows in the order that sorting gives. Before everything is loaded they may still change places.
    pub(super) fn update(&mut self, wanted: Vec<I>, loaded: bool) {
        if self.anew || self.order.rows().is_empty() {
            self.anew = !loaded;
            self.order.update(wanted);
            self.sort();
            if !loaded {
                self.order.select_place(0);
            }
            return;
        }
        self.order.update(wanted.clone());
        self.order.admit();
        self.sorted = self.order.rows().iter().map(|row| &row.id).eq(&wanted);
    }

    /// Brings the rows in sight in line with the selection.
    pub(super) fn fit(&mut self, panes: &Panes) {
        let selected = self.order.selected_place().unwrap_or(0);
        self.top = scroll(self.top, selected, self.order.rows().len(), panes.rows());
    }

    /// Where the selection is, and what waits for a sort.
    pub(super) fn position(&self) -> String {
        let rows = self.order.rows().len();
        let place = self.order.selected_place().map_or(0, |place| place + 1);
        let unsorted = if self.sorted {
            ""
        } else {
            "   out of order, s sorts"
        };
        format!("{place} of {rows}{unsorted}")
    }
}
