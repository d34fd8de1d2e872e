//! A screen with a list of rows and the detail of one of them. What differs between such lists is their [`Rows`].

mod face;

use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::confirm::Kind;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::screen::column::{Col, Shown, Sorting, menu, no_filter};
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::rows::{Did, Rows};
use crate::console::screen::{Ask, Choice, News, Screen, Tally, Typing, detail};
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::Theme;
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query::{self, Expr, ast};
use crate::wire::LockOn;

/// What every such list does besides what its rows ask for.
const COMMON: &[Action] = &[
    Action::Columns,
    Action::SortReverse,
    Action::CellLeft,
    Action::CellRight,
];

/// A list with its detail.
#[derive(Debug)]
pub(super) struct Listed<R: Rows> {
    list: List<R::Id>,
    rows: R,
}

impl<R: Rows> Default for Listed<R> {
    fn default() -> Self {
        Self {
            list: List::default(),
            rows: R::default(),
        }
    }
}

impl<R: Rows> Listed<R> {
    fn view<'w>(&self, world: &'w World) -> Option<&'w Rc<R::View>> {
        R::get(world, &self.list.order.selected()?.id)
    }

    /// The rows that pass, in the order that sorting gives.
    fn ordered(&self, world: &World) -> Vec<R::Id> {
        let filter = self.list.filter.filter();
        let asking = world.asking();
        let mut rows: Vec<_> = R::all(world)
            .filter(|(_, view)| self.rows.lets(view) && filter.lets(view.as_ref(), asking))
            .collect();
        let Sorting { by, reversed } = self.list.sorting;
        match by.and_then(Self::column) {
            Some(column) => {
                rows.sort_by_cached_key(|(id, view)| (column.key(view, world), (*id).clone()));
            }
            None => {
                rows.sort_by_cached_key(|(id, view)| (self.rows.rank(view, world), (*id).clone()));
            }
        }
        if reversed {
            rows.reverse();
        }
        rows.into_iter().map(|(id, _)| id.clone()).collect()
    }

    fn column(name: &str) -> Option<&'static Col<R::View>> {
        R::COLUMNS.iter().find(|column| column.name == name)
    }

    /// Filters by the cell under the cursor; says whether the action was about it.
    fn by_cell(
        &mut self,
        action: Action,
        view: Option<&Rc<R::View>>,
        world: &World,
    ) -> Option<Vec<Ask>> {
        if !matches!(
            action,
            Action::Open | Action::FilterByCell | Action::FilterWithoutCell
        ) {
            return None;
        }
        let column = Self::column(self.list.cells.at()?)?;
        let value = column.field.and_then(|field| R::value(view?, field));
        let Some((field, value)) = value else {
            if action == Action::Open {
                return None;
            }
            let text = no_filter(column.look.title, &world.keymap, R::PLACE);
            return Some(vec![Ask::Say(Level::Info, text)]);
        };
        let term = format!("{field}:{}", ast::plain(&value));
        let took = match action {
            Action::FilterByCell => self.list.filter.add(&term, R::LIST, world),
            Action::FilterWithoutCell => self.list.filter.add(&format!("-{term}"), R::LIST, world),
            _ => {
                self.list.filter.offer_both(&term);
                return Some(Vec::new());
            }
        };
        Some(self.list.took(took))
    }
}

impl<R: Rows> Screen for Listed<R> {
    fn title(&self) -> &'static str {
        R::TITLE
    }

    fn place(&self) -> Place {
        R::PLACE
    }

    fn list(&self) -> Option<query::List> {
        Some(R::LIST)
    }

    fn tally(&self, world: &World) -> Tally {
        self.rows.tally(world)
    }

    fn commands(&self) -> &'static [Action] {
        R::COMMANDS
    }

    fn does(&self, action: Action) -> bool {
        R::COMMANDS.contains(&action)
            || list::does(action)
            || COMMON.contains(&action)
            || BEGINS.contains(&action)
    }

    fn subject(&self) -> Option<Subject> {
        self.list.order.target().map(R::subject)
    }

    fn subject_of(&self, kind: Kind) -> Option<Subject> {
        let id = self.list.order.target()?;
        Some(R::subject_of(id, kind))
    }

    fn marked(&self) -> Vec<Subject> {
        self.list.marked().iter().map(R::subject).collect()
    }

    fn shows(&self, subject: &Subject) -> bool {
        R::id(subject).is_some_and(|id| self.list.order.is_alive(id))
    }

    fn holds(&self, subject: &Subject) -> bool {
        R::id(subject).is_some_and(|id| self.list.holds(id))
    }

    fn unmark(&mut self, subjects: &[Subject]) {
        if R::clears_marks() {
            self.list.clear_marks();
            return;
        }
        let ids: Vec<R::Id> = subjects.iter().filter_map(R::id).cloned().collect();
        self.list.unmark(&ids);
    }

    fn detailed(&self) -> Option<Subject> {
        R::detailed(&self.list.order.selected()?.id)
    }

    fn person(&self, world: &World) -> Option<String> {
        R::person(self.view(world)?)
    }

    fn lock_on(&self, world: &World) -> Option<LockOn> {
        R::lock_on(self.view(world)?)
    }

    fn scope(&self, world: &World) -> (Option<String>, Option<String>) {
        let filter = self.list.filter.filter();
        if self.rows.is_scope() && !filter.is_empty() {
            return (None, Some(filter.to_string()));
        }
        (self.view(world).and_then(|view| R::target(view)), None)
    }

    fn show(&mut self, subject: &Subject) -> bool {
        let Some(id) = R::id(subject) else {
            return false;
        };
        self.list.show(id);
        true
    }

    fn columns(&self, world: &World) -> Vec<Shown> {
        menu(R::COLUMNS, R::LIST, world)
    }

    fn sorting(&self) -> Sorting {
        self.list.sorting
    }

    fn sort_by(&mut self, sorting: Sorting) {
        self.list.sort_by(sorting);
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let view = self.view(world).cloned();
        let zoomed = self.list.zoomed;
        if !zoomed {
            if let Some(asks) = self.by_cell(action, view.as_ref(), world) {
                return asks;
            }
            let cells = || view.as_deref().map(R::values).unwrap_or_default();
            if self.list.filter.begins(action, R::LIST, cells, world) {
                return Vec::new();
            }
        }
        match action {
            Action::Copy => {
                let row = self.list.order.selected();
                let id = row.map(|row| R::subject(&row.id).as_str().to_owned());
                return id.map(Ask::Copy).into_iter().collect();
            }
            Action::NextMatch | Action::PreviousMatch => {
                let back = action == Action::PreviousMatch;
                let asking = world.asking();
                let passes = |id: &R::Id, sought: &Expr| {
                    R::get(world, id).is_some_and(|view| sought.lets(view.as_ref(), asking))
                };
                return self.list.matching(back, R::LIST, R::PLACE, world, passes);
            }
            Action::Columns => {
                return vec![Ask::Choose(Choice::Columns)];
            }
            Action::SortAgain if self.list.is_sorted() => return vec![Ask::Choose(Choice::Sort)],
            Action::SortReverse => {
                let sorting = self.list.sorting;
                self.list.sort_by(Sorting {
                    reversed: !sorting.reversed,
                    ..sorting
                });
                return Vec::new();
            }
            Action::NextPane | Action::PreviousPane if zoomed => return Vec::new(),
            _ => {}
        }
        match self.rows.on(action, view.as_ref(), world) {
            Did::Asks(asks) => asks,
            Did::Others => {
                self.list.refilter();
                Vec::new()
            }
            Did::NotMine => {
                self.list.on(action, panes);
                Vec::new()
            }
        }
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        self.list.click(line);
        Vec::new()
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        let took = self.list.filter.key(key, R::LIST, world);
        self.list.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.list.filter.paste(text, R::LIST, world);
        self.list.took(took)
    }

    fn typing(&self) -> Option<Typing<'_>> {
        self.list.filter.typing()
    }

    fn zoomed(&self) -> bool {
        self.list.zoomed
    }

    fn enter(&mut self, _: &World) -> Vec<Ask> {
        self.list.sort();
        self.rows.enter()
    }

    fn hear(&mut self, news: &News<'_>, _: &World) -> Vec<Ask> {
        if let News::Facets { of, turn, items } = news
            && *of == R::LIST
        {
            self.list.filter.facets(*turn, items);
        }
        if let News::Pruned(pruned) = news {
            self.list.leave(pruned.rows.iter().filter_map(R::id));
        }
        self.rows.hear(news)
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(R::LIST, world);
        self.list.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.list.filter.next_change()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        self.list.cells.see(R::COLUMNS, R::LIST, world, panes);
        if self.list.is_behind(world) {
            let rows = self.ordered(world);
            self.list.update(rows, self.rows.is_loaded(world));
        }
        self.list.fit(panes);
        if let (true, Some(view)) = (self.list.zoomed, self.view(world)) {
            let (width, height) = panes.inside();
            let doc = if self.list.raw {
                detail::json(view.as_ref(), world, width)
            } else {
                R::doc(view, world, width)
            };
            self.list.scroll = doc.clamp(self.list.scroll, height);
        }
    }

    fn status(&self, world: &World) -> (String, String) {
        self.words(world)
    }

    fn draw(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        self.paint(world, theme, panes, buffer)
    }
}
