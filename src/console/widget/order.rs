//! The order of a list on screen, frozen so that no row moves under the cursor. The selection is an id and not a
//! number; new rows wait until the person sorts again, and rows that vanished stay where they were, dead.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// The frozen order of rows known by an id, with the selected row and the marked ones.
///
/// INVARIANT: between two calls of [`Order::sort_again`] no row changes its place except by leaving a dead one
/// (`rows_never_move_under_the_cursor`).
#[derive(Debug, Clone)]
pub struct Order<I> {
    rows: Vec<Row<I>>,
    places: HashMap<I, usize>,
    wanted: Vec<I>,
    waiting: usize,
    selected: Option<I>,
    marks: HashSet<I>,
}

/// One place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<I> {
    /// Whose place it is.
    pub id: I,
    /// It is no longer there; nothing may be done with it.
    pub gone: bool,
}

impl<I> Default for Order<I> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            places: HashMap::new(),
            wanted: Vec::new(),
            waiting: 0,
            selected: None,
            marks: HashSet::new(),
        }
    }
}

impl<I: Clone + Eq + Hash> Order<I> {
    /// Tells which rows there are, in the order that sorting would give. An empty list takes it over at once;
    /// otherwise places stay, what is missing dies, what is new waits. Marks of dead rows are taken away, so that
    /// a common act can never reach them if they come back.
    pub fn update(&mut self, wanted: Vec<I>) {
        self.wanted = wanted;
        if self.rows.is_empty() {
            self.sort_again();
            return;
        }
        let present: HashSet<&I> = self.wanted.iter().collect();
        for row in &mut self.rows {
            row.gone = !present.contains(&row.id);
        }
        self.marks.retain(|id| present.contains(id));
        self.count_waiting();
    }

    /// Puts the rows into the wanted order and drops the dead ones. The selection stays on its row, or goes to
    /// the one that takes its place.
    pub fn sort_again(&mut self) {
        let place = self.selected_place().unwrap_or(0);
        self.rows = self
            .wanted
            .iter()
            .map(|id| Row {
                id: id.clone(),
                gone: false,
            })
            .collect();
        self.index();
        self.waiting = 0;
        if self.selected_place().is_none() {
            self.select_place(place);
        }
    }

    /// Forgets rows that are nobody's business any more, without a trace; gives how many of them were above a place.
    /// Only rows that nobody selected, marked or sees may be let go of, or others move on the screen.
    pub fn leave(&mut self, ids: &HashSet<&I>, above: usize) -> usize {
        let before = self.rows.iter().take(above);
        let left = before.filter(|row| ids.contains(&row.id)).count();
        self.rows.retain(|row| !ids.contains(&row.id));
        self.wanted.retain(|id| !ids.contains(id));
        self.index();
        left
    }

    /// Lets waiting rows in below the selected one, each where sorting would put it or right below the selection if
    /// that is lower: nothing at or above the selection moves.
    pub fn admit(&mut self) {
        if self.waiting == 0 {
            return;
        }
        let floor = self.selected_place().map_or(0, |place| place + 1);
        let mut after = floor;
        let mut new: Vec<(usize, I)> = Vec::new();
        for id in &self.wanted {
            match self.places.get(id) {
                Some(place) => after = floor.max(place + 1),
                None => new.push((after, id.clone())),
            }
        }
        new.sort_by_key(|(after, _)| *after);
        let mut new = new.into_iter().peekable();
        let old = std::mem::take(&mut self.rows);
        let row = |(_, id)| Row { id, gone: false };
        for (place, kept) in old.into_iter().enumerate() {
            while let Some(next) = new.next_if(|(after, _)| *after <= place) {
                self.rows.push(row(next));
            }
            self.rows.push(kept);
        }
        self.rows.extend(new.map(row));
        self.index();
    }

    /// Forgets everything, for another list.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The places from top to bottom.
    pub fn rows(&self) -> &[Row<I>] {
        &self.rows
    }

    /// How many rows wait for the next sorting.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The selected row.
    pub fn selected(&self) -> Option<&Row<I>> {
        self.rows.get(self.selected_place()?)
    }

    /// The id to act on: the selected one, unless it is gone.
    pub fn target(&self) -> Option<&I> {
        self.selected().filter(|row| !row.gone).map(|row| &row.id)
    }

    /// Where the selected row is.
    pub fn selected_place(&self) -> Option<usize> {
        self.places.get(self.selected.as_ref()?).copied()
    }

    /// Where a row is.
    pub fn place_of(&self, id: &I) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Selects a row by its id; says whether it is there.
    pub fn select(&mut self, id: &I) -> bool {
        match self.places.get(id) {
            Some(place) => {
                self.select_place(*place);
                true
            }
            None => false,
        }
    }

    /// Selects by place, the last one when there are fewer. Leaving a dead row removes it.
    pub fn select_place(&mut self, place: usize) {
        let place = place.min(self.rows.len().saturating_sub(1));
        let Some(next) = self.rows.get(place).map(|row| row.id.clone()) else {
            self.selected = None;
            return;
        };
        let left = self
            .selected
            .replace(next.clone())
            .filter(|before| *before != next);
        if let Some(left) = left.and_then(|id| self.places.get(&id).copied())
            && self.rows.get(left).is_some_and(|row| row.gone)
        {
            self.rows.remove(left);
            self.index();
        }
    }

    /// Moves the selection by some rows, stopping at the ends.
    pub fn step(&mut self, by: isize) {
        let place = self.selected_place().unwrap_or(0);
        self.select_place(place.saturating_add_signed(by));
    }

    /// Marks the selected row or takes its mark away; dead rows take none.
    pub fn toggle_mark(&mut self) {
        if let Some(id) = self.target().cloned()
            && !self.marks.remove(&id)
        {
            self.marks.insert(id);
        }
    }

    /// Marks every living row between two places, both included.
    pub fn mark_range(&mut self, from: usize, to: usize) {
        let (from, to) = (from.min(to), from.max(to));
        let ids = self
            .rows
            .iter()
            .take(to.saturating_add(1))
            .skip(from)
            .filter(|row| !row.gone);
        self.marks.extend(ids.map(|row| row.id.clone()));
    }

    /// Marks every living row.
    pub fn mark_all(&mut self) {
        self.mark_range(0, usize::MAX);
    }

    /// Says whether a row is in the list and not gone.
    pub fn is_alive(&self, id: &I) -> bool {
        let place = self.places.get(id).copied();
        place
            .and_then(|place| self.rows.get(place))
            .is_some_and(|row| !row.gone)
    }

    /// Takes the marks of some rows away.
    pub fn unmark(&mut self, ids: &[I]) {
        for id in ids {
            self.marks.remove(id);
        }
    }

    /// Marks again what was marked before, where it is alive and in the list.
    pub fn restore_marks(&mut self, ids: Vec<I>) {
        let ids: Vec<I> = ids.into_iter().filter(|id| self.is_alive(id)).collect();
        self.marks.extend(ids);
    }

    /// Takes all marks away.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
    }

    /// Says whether a row is marked.
    pub fn is_marked(&self, id: &I) -> bool {
        self.marks.contains(id)
    }

    /// The marked rows from top to bottom.
    pub fn marked(&self) -> Vec<I> {
        self.rows
            .iter()
            .filter(|row| self.marks.contains(&row.id))
            .map(|row| row.id.clone())
            .collect()
    }

    fn index(&mut self) {
        self.places = self
            .rows
            .iter()
            .enumerate()
            .map(|(place, row)| (row.id.clone(), place))
            .collect();
        self.count_waiting();
    }

    fn count_waiting(&mut self) {
        self.waiting = self
            .wanted
            .iter()
            .filter(|id| !self.places.contains_key(*id))
            .count();
    }
}

/// The first row to draw so that the selected one is in sight, moving as little as possible.
pub fn scroll(top: usize, selected: usize, rows: usize, height: usize) -> usize {
    /// Rows kept in sight beyond the selection; more make a step at the edge scroll more often.
    const MARGIN: usize = 2;
    let height = height.max(1);
    let margin = MARGIN.min((height - 1) / 2);
    let lowest = (selected + margin + 1).saturating_sub(height);
    let highest = selected.saturating_sub(margin);
    top.max(lowest)
        .min(highest)
        .min(rows.saturating_sub(height))
}
