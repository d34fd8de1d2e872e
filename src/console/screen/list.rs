//! What lists of rows with an id have in common: a frozen order, a place on screen, a detail, a filter.

use std::collections::HashSet;
use std::hash::Hash;

use crate::console::keymap::{Action, Keymap, Place};
use crate::console::layout::Panes;
use crate::console::screen::Ask;
use crate::console::screen::column::{Cells, Sorting};
use crate::console::screen::filter_line::{FilterLine, Took};
use crate::console::widget::order::{Order, scroll};
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query::{self, Expr};

/// What every list does.
const COMMON: &[Action] = &[
    Action::NextItem,
    Action::PreviousItem,
    Action::Json,
    Action::Mark,
    Action::MarkRange,
    Action::MarkAll,
    Action::ClearMarks,
    Action::NextMatch,
    Action::PreviousMatch,
];

/// Says whether every list does this.
pub(super) fn does(action: Action) -> bool {
    COMMON.contains(&action)
}

/// What next and previous match say before anything was looked for.
pub(super) fn nothing_sought(keymap: &Keymap, place: Place) -> Ask {
    let key = keymap.key(place, Action::Filter);
    let text = format!("nothing was looked for here yet: {key} begins a filter");
    Ask::Say(Level::Info, text)
}

/// Where an action scrolls a detail to.
pub(super) fn scrolled(scroll: u16, action: Action, panes: &Panes) -> Option<u16> {
    let half = panes.inside().1.max(1) / 2;
    Some(match action {
        Action::Down => scroll.saturating_add(1),
        Action::Up => scroll.saturating_sub(1),
        Action::HalfDown | Action::PageDown => scroll.saturating_add(half),
        Action::HalfUp | Action::PageUp => scroll.saturating_sub(half),
        Action::Top => 0,
        Action::Bottom => u16::MAX,
        _ => return None,
    })
}

/// A list of rows known by an id.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts about a list that do not depend on each other"
)]
pub(super) struct List<I> {
    pub(super) order: Order<I>,
    pub(super) top: usize,
    /// How many rows are in sight.
    height: usize,
    /// The row that was selected when they were: only the person's own moves scroll.
    fitted: Option<I>,
    pub(super) zoomed: bool,
    pub(super) scroll: u16,
    pub(super) filter: FilterLine,
    sorted: bool,
    /// The next rows begin a list of their own.
    anew: bool,
    revision: Option<(u64, bool)>,
    /// Where a range of marks began.
    anchor: Option<I>,
    /// What the person marked, to mark it again where another filter shows it, too.
    kept: Vec<I>,
    /// The detail is shown as the server sent it.
    pub(super) raw: bool,
    pub(super) sorting: Sorting,
    pub(super) cells: Cells,
}

impl<I> Default for List<I> {
    fn default() -> Self {
        Self {
            order: Order::default(),
            top: 0,
            height: 0,
            fitted: None,
            zoomed: false,
            scroll: 0,
            filter: FilterLine::default(),
            sorted: true,
            anew: true,
            revision: None,
            anchor: None,
            kept: Vec::new(),
            raw: false,
            sorting: Sorting::default(),
            cells: Cells::default(),
        }
    }
}

impl<I: Clone + Eq + Hash> List<I> {
    /// Moves, opens and closes; says whether the action was one of these.
    pub(super) fn on(&mut self, action: Action, panes: &Panes) -> bool {
        let page = isize::try_from(panes.rows().max(1)).unwrap_or(1);
        if self.zoomed {
            if let Some(scroll) = scrolled(self.scroll, action, panes) {
                self.scroll = scroll;
                return true;
            }
            match action {
                Action::Open => {}
                Action::Back => self.zoomed = false,
                Action::NextItem => self.item(1),
                Action::PreviousItem => self.item(-1),
                Action::Json => {
                    self.raw = !self.raw;
                    self.scroll = 0;
                }
                _ => return false,
            }
            return true;
        }
        match action {
            Action::Down | Action::NextItem => self.order.step(1),
            Action::Up | Action::PreviousItem => self.order.step(-1),
            Action::HalfDown => self.order.step(page / 2),
            Action::HalfUp => self.order.step(-(page / 2)),
            Action::PageDown => self.order.step(page),
            Action::PageUp => self.order.step(-page),
            Action::Top => self.order.select_place(0),
            Action::Bottom => self.order.select_place(usize::MAX),
            Action::Open => {
                self.zoomed = self.order.selected().is_some();
                self.raw = false;
                self.scroll = 0;
            }
            Action::SortAgain => self.sort(),
            _ if self.cells.on(action) => {}
            Action::Mark | Action::MarkRange | Action::MarkAll | Action::ClearMarks => {
                self.mark(action);
            }
            Action::Back if self.anchor.take().is_some() => {}
            Action::Back => {
                if self.filter.clear() {
                    self.refilter();
                }
            }
            _ => return false,
        }
        true
    }

    fn mark(&mut self, action: Action) {
        match action {
            Action::Mark => {
                self.order.toggle_mark();
                self.order.step(1);
            }
            Action::MarkRange => self.range(),
            Action::MarkAll => self.order.mark_all(),
            _ => {
                self.anchor = None;
                self.order.clear_marks();
            }
        }
        self.kept = self.order.marked();
    }

    /// Takes marks away: what they were for was done.
    pub(super) fn unmark(&mut self, ids: &[I]) {
        self.order.unmark(ids);
        self.kept = self.order.marked();
    }

    /// Takes every mark away.
    pub(super) fn clear_marks(&mut self) {
        self.mark(Action::ClearMarks);
    }

    /// Begins a range of marks at the selected row, or ends it there.
    fn range(&mut self) {
        let here = self.order.selected_place();
        let from = self.anchor.take().and_then(|id| self.order.place_of(&id));
        match (from, here) {
            (Some(from), Some(here)) => self.order.mark_range(from, here),
            _ => self.anchor = self.order.target().cloned(),
        }
    }

    fn item(&mut self, by: isize) {
        self.order.step(by);
        self.scroll = 0;
    }

    /// The marked rows, while the list is what is looked at.
    pub(super) fn marked(&self) -> Vec<I> {
        if self.zoomed {
            Vec::new()
        } else {
            self.order.marked()
        }
    }

    /// Selects the row at a line of the list.
    pub(super) fn click(&mut self, line: u16) {
        self.order.select_place(self.top + usize::from(line));
    }

    /// Selects a row wherever it is, without the filter when that hides it.
    pub(super) fn show(&mut self, id: &I) {
        self.zoomed = false;
        let place = self.order.place_of(id);
        if let Some(place) = place {
            self.order.select_place(place);
        } else {
            self.filter.clear();
            self.order.clear();
            self.order.update(vec![id.clone()]);
            self.revision = None;
            self.anew = true;
        }
    }

    /// Selects the nearest row that passes, beyond the ends if need be; says whether there is one, and whether it is
    /// beyond an end.
    fn find(&mut self, back: bool, passes: impl Fn(&I) -> bool) -> Option<bool> {
        let rows = self.order.rows();
        let here = self.order.selected_place()?;
        let count = rows.len();
        let found = (1..=count).find_map(|step| {
            let step = if back { count - step } else { step };
            let place = (here + step) % count;
            let row = rows.get(place).filter(|row| !row.gone)?;
            passes(&row.id).then_some(place)
        })?;
        self.order.select_place(found);
        self.scroll = 0;
        Some(if back { found >= here } else { found <= here })
    }

    /// Goes to the next row that the filter in force, or the last one, lets pass.
    pub(super) fn matching(
        &mut self,
        back: bool,
        list: query::List,
        place: Place,
        world: &World,
        passes: impl Fn(&I, &Expr) -> bool,
    ) -> Vec<Ask> {
        let Some(sought) = self.filter.sought(list, world) else {
            return vec![nothing_sought(&world.keymap, place)];
        };
        let found = self.find(back, |id| passes(id, &sought));
        let text = match (found, back) {
            (Some(false), _) => return Vec::new(),
            (Some(true), false) => "from the top again".to_owned(),
            (Some(true), true) => "from the bottom again".to_owned(),
            (None, _) => format!("no row matches `{sought}`"),
        };
        vec![Ask::Say(Level::Info, text)]
    }

    /// Sorts by another column, or the other way round.
    pub(super) fn sort_by(&mut self, sorting: Sorting) {
        self.sorting = sorting;
        self.refilter();
    }

    /// Says whether every row is where sorting would put it.
    pub(super) fn is_sorted(&self) -> bool {
        self.sorted
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
        self.anchor = None;
        self.order.clear();
        if let Some(id) = selected {
            // An order that holds one row keeps it selected when the others come.
            self.order.update(vec![id]);
        }
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
            self.order.restore_marks(self.kept.clone());
            return;
        }
        self.order.update(wanted.clone());
        self.order.admit();
        self.sorted = self.order.rows().iter().map(|row| &row.id).eq(&wanted);
    }

    /// Brings the rows in sight in line with the selection.
    pub(super) fn fit(&mut self, panes: &Panes) {
        let selected = self.order.selected_place().unwrap_or(0);
        let (rows, height) = (self.order.rows().len(), panes.rows());
        let row = self.order.selected().map(|row| &row.id);
        let stays = row == self.fitted.as_ref()
            && (self.top..self.top + height).contains(&selected)
            && self.top + height <= rows;
        self.height = height;
        if !stays {
            self.fitted = row.cloned();
            self.top = scroll(self.top, selected, rows, height);
        }
    }

    /// Says whether a row is selected, marked or in sight, so that it must stay.
    pub(super) fn holds(&self, id: &I) -> bool {
        let Some(place) = self.order.place_of(id) else {
            return self.kept.contains(id);
        };
        self.order.selected_place() == Some(place)
            || (self.top..self.top + self.height).contains(&place)
            || self.order.is_marked(id)
            || self.anchor.as_ref() == Some(id)
            || self.kept.contains(id)
    }

    /// Drops rows that are not in memory any more; what is in sight stays where it is.
    pub(super) fn leave<'a>(&mut self, ids: impl Iterator<Item = &'a I>)
    where
        I: 'a,
    {
        let ids: HashSet<&I> = ids.collect();
        self.top -= self.order.leave(&ids, self.top);
    }

    /// Says whether the status line tells what to do next, which needs its whole width.
    pub(super) fn is_amid(&self) -> bool {
        self.anchor.is_some() || self.cells.at().is_some()
    }

    /// Where the selection is, and what waits for a sort. `more` says that the server has rows that are not here.
    pub(super) fn position(&self, keymap: &Keymap, place: Place, more: bool) -> String {
        let rows = self.order.rows().len();
        let at = self.order.selected_place().map_or(0, |place| place + 1);
        let key = |action| keymap.key(place, action);
        let more = if more { "+" } else { "" };
        let mut text = format!("{at} of {rows}{more}");
        let marks = self.order.marked().len();
        if marks > 0 {
            text.push_str(&format!("   {marks} marked"));
        }
        if self.anchor.is_some() {
            text.push_str(&format!(
                "   range begun, {} ends it",
                key(Action::MarkRange)
            ));
        }
        text.push_str(&self.cells.hint(keymap, place));
        if !self.sorted {
            text.push_str(&format!(
                "   out of order, {} sorts",
                key(Action::SortAgain)
            ));
        }
        text
    }
}
