//! What keys do on the timeline: move and stretch the window, ask about a moment, copy the answer. A window that
//! reaches further back than what is known asks for older grants.

use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::msg::Query;
use crate::console::screen::Ask;
use crate::console::screen::grants::Grants;
use crate::console::screen::timeline::{Older, Timeline};
use crate::console::widget::input::Line;
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query;
use crate::query::time::When;

/// Pages of older grants read at most: ten thousand grants.
const PAGES: u32 = 50;
/// Columns that a jump to the side takes.
const JUMP: i32 = 4;

impl Timeline {
    /// Performs an action of the list or of the window.
    pub(super) fn perform(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let now = world.server_now();
        if self.list.zoomed {
            self.list.on(action, panes);
            return Vec::new();
        }
        let view = self.view(world).cloned();
        let cells = || view.as_deref().map(Grants::cells).unwrap_or_default();
        let filter = &mut self.list.filter;
        if filter.begins(action, query::List::Grants, cells, world) {
            return Vec::new();
        }
        match action {
            Action::TimeBack => self.window.step(-JUMP, self.width, now),
            Action::TimeForward => self.window.step(JUMP, self.width, now),
            Action::ZoomIn => self.window.zoom(true, now),
            Action::ZoomOut => self.window.zoom(false, now),
            Action::TimeNow => self.window.follow(),
            Action::NextPane | Action::PreviousPane => self.by_target = !self.by_target,
            Action::AsOf => {
                self.typing = Some(Line::new(40));
                self.problem = None;
                return Vec::new();
            }
            Action::Back if self.window.is_fixed() => self.window.follow(),
            Action::Copy => {
                let row = self.list.order.selected();
                return row
                    .map(|row| Ask::Copy(row.id.to_string()))
                    .into_iter()
                    .collect();
            }
            Action::CopyJson => {
                let what = "who had access, as text".to_owned();
                return vec![Ask::CopyAs(what, self.text(world))];
            }
            Action::NextMatch | Action::PreviousMatch => {
                let back = action == Action::PreviousMatch;
                return self.list.matching(
                    back,
                    query::List::Grants,
                    Place::Timeline,
                    world,
                    |id, sought| {
                        let view = world.store.grant(id);
                        view.is_some_and(|view| sought.lets(view.as_ref(), world.asking()))
                    },
                );
            }
            Action::SortAgain | Action::SortReverse if self.list.is_sorted() => {
                let key = world.keymap.key(Place::Timeline, Action::NextPane);
                let text = format!(
                    "rows are in the order of names and times: {key} groups them otherwise"
                );
                return vec![Ask::Say(Level::Info, text)];
            }
            _ => {
                self.list.on(action, panes);
                return Vec::new();
            }
        }
        self.moved(world)
    }

    /// The question for older grants, while the window reaches further back than what is known.
    pub(super) fn older(&mut self, world: &World) -> Vec<Ask> {
        let from = self.window.from(world.server_now());
        let enough = self.reach.is_some_and(|reach| reach <= from);
        if self.asked || enough || self.older == Older::Nothing || self.pages >= PAGES {
            return Vec::new();
        }
        self.asked = true;
        self.pages += 1;
        let after = match &self.older {
            Older::After(after) => Some(after.clone()),
            _ => None,
        };
        vec![Ask::Fetch(Query::Past { after })]
    }

    /// Another window is another list, on the same row where possible.
    pub(super) fn moved(&mut self, world: &World) -> Vec<Ask> {
        self.list.refilter();
        self.older(world)
    }

    pub(super) fn ask(&mut self, world: &World) -> Vec<Ask> {
        let now = world.server_now();
        let Some(line) = &self.typing else {
            return Vec::new();
        };
        let text = line.text().trim().to_lowercase();
        let at = When::read(&text).and_then(|when| when.within(now).from);
        let Some(at) = at else {
            self.problem = Some("write `14:32`, `-2h` or `2026-11-20`".to_owned());
            return Vec::new();
        };
        self.typing = None;
        self.problem = None;
        self.window.ask(at, now);
        self.moved(world)
    }
}
