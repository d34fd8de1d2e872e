//! Timeline: who holds what from when to when, as bars over a stretch of time, and who had access at any moment.

mod answer;
mod chart;
mod face;
mod perform;
mod window;

use std::rc::Rc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::timeline::window::{Window, stretch};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, detail};
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::Theme;
use crate::console::widget::input::Line;
use crate::console::world::World;
use crate::domain::ids::GrantId;
use crate::query;
use crate::text::{DisplayText, clean};
use crate::wire::GrantView;

const COMMANDS: &[Action] = &[
    Action::TimeBack,
    Action::TimeForward,
    Action::ZoomIn,
    Action::ZoomOut,
    Action::AsOf,
    Action::TimeNow,
    Action::Open,
    Action::Revoke,
    Action::NextPane,
    Action::Extend,
    Action::Lock,
    Action::Copy,
    Action::CopyJson,
];

/// How far back grants are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Older {
    /// Nothing was asked for.
    #[default]
    Unknown,
    After(String),
    Nothing,
}

/// The bars.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    list: List<GrantId>,
    window: Window,
    /// Grouped by target instead of by person.
    by_target: bool,
    older: Older,
    reach: Option<DateTime<Utc>>,
    pages: u32,
    asked: bool,
    /// The moment being typed.
    typing: Option<Line>,
    problem: Option<String>,
    width: u16,
}

impl Timeline {
    fn view<'a>(&self, world: &'a World) -> Option<&'a Rc<GrantView>> {
        world.store.grant(&self.list.order.selected()?.id)
    }

    /// Says whether the filter lets a grant pass.
    fn lets(&self, view: &GrantView, world: &World) -> bool {
        let filter = self.list.filter.filter();
        filter.lets(view, world.asking())
    }
}

impl Screen for Timeline {
    fn title(&self) -> &'static str {
        "Timeline"
    }

    fn place(&self) -> Place {
        Place::Timeline
    }

    fn tally(&self, _: &World) -> Tally {
        let word = if self.window.is_fixed() { "AS OF" } else { "" };
        Tally {
            count: None,
            urgent: 0,
            word: word.to_owned(),
        }
    }

    fn commands(&self) -> &'static [Action] {
        COMMANDS
    }

    fn does(&self, action: Action) -> bool {
        COMMANDS.contains(&action) || list::does(action) || BEGINS.contains(&action)
    }

    fn subject(&self) -> Option<Subject> {
        self.list.order.target().cloned().map(Subject::Grant)
    }

    fn marked(&self) -> Vec<Subject> {
        let ids = self.list.marked();
        ids.into_iter().map(Subject::Grant).collect()
    }

    fn holds(&self, subject: &Subject) -> bool {
        subject.grant().is_some_and(|id| self.list.holds(id))
    }

    fn shows(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Grant(id) if self.list.order.is_alive(id))
    }

    fn unmark(&mut self, _: &[Subject]) {
        self.list.clear_marks();
    }

    fn person(&self, world: &World) -> Option<String> {
        self.view(world).map(|view| view.holder.clone())
    }

    fn scope(&self, world: &World) -> (Option<String>, Option<String>) {
        (self.view(world).map(|view| view.target.clone()), None)
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        self.perform(action, world, panes)
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        self.list.click(line);
        Vec::new()
    }

    fn told(&self, world: &World, width: u16) -> Option<Vec<DisplayText>> {
        if let Some(problem) = &self.problem {
            return Some(vec![clean(problem)]);
        }
        Some(self.doc(world, width).plain())
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        let Some(line) = &mut self.typing else {
            let took = self.list.filter.key(key, query::List::Grants, world);
            return self.list.took(took);
        };
        match key.code {
            KeyCode::Esc => {
                self.typing = None;
                self.problem = None;
                Vec::new()
            }
            KeyCode::Enter => self.ask(world),
            _ => {
                line.key(key);
                Vec::new()
            }
        }
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        if let Some(line) = &mut self.typing {
            line.paste(text);
            return Vec::new();
        }
        let took = self.list.filter.paste(text, query::List::Grants, world);
        self.list.took(took)
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(query::List::Grants, world);
        self.list.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.list.filter.next_change()
    }

    fn typing(&self) -> Option<Typing<'_>> {
        let asked = self.typing.as_ref().map(|line| Typing {
            line,
            label: "As of",
            problem: self.problem.as_deref(),
            wrong: None,
            offers: &[],
            chosen: None,
            active: true,
        });
        asked.or_else(|| self.list.filter.typing())
    }

    fn zoomed(&self) -> bool {
        self.list.zoomed
    }

    fn enter(&mut self, world: &World) -> Vec<Ask> {
        self.moved(world)
    }

    fn hear(&mut self, news: &News<'_>, world: &World) -> Vec<Ask> {
        if let News::Facets {
            of: query::List::Grants,
            turn,
            items,
        } = news
        {
            self.list.filter.facets(*turn, items);
        }
        if let News::Pruned(pruned) = news {
            self.list
                .leave(pruned.rows.iter().filter_map(Subject::grant));
            // What reaches further back must be read again by who wants to see it.
            if let Some(latest) = pruned.latest
                && self.older != Older::Unknown
                && self.reach.is_none_or(|reach| reach <= latest)
            {
                self.reach = Some(latest);
                self.older = Older::Unknown;
                self.pages = 0;
            }
        }
        let News::Past { next, oldest } = news else {
            return Vec::new();
        };
        self.asked = false;
        self.older = next.map_or(Older::Nothing, |next| Older::After(next.to_owned()));
        self.reach = oldest.or(self.reach);
        self.older(world)
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        let (_, bars) = Self::divide(Rect {
            width: panes.list.width.saturating_sub(2),
            ..panes.list
        });
        self.width = bars.width;
        if self.list.is_behind(world) {
            let now = world.server_now();
            let (from, until) = (self.window.from(now), self.window.until(now));
            let mut rows: Vec<_> = world
                .store
                .grants()
                .filter(|(_, view)| {
                    let (start, end) = stretch(view, now);
                    start < until && end >= from && self.lets(view, world)
                })
                .collect();
            rows.sort_by_cached_key(|(id, view)| {
                let (start, _) = stretch(view, now);
                let group = if self.by_target {
                    &view.target
                } else {
                    &view.holder
                };
                (group.clone(), start, (*id).clone())
            });
            let rows = rows.into_iter().map(|(id, _)| id.clone()).collect();
            self.list.update(rows, world.loaded);
        }
        self.list.fit(panes);
        if let (true, Some(view)) = (self.list.zoomed, self.view(world)) {
            let (width, height) = panes.inside();
            self.list.scroll = detail::grant(view, world, width).clamp(self.list.scroll, height);
        }
    }

    fn status(&self, world: &World) -> (String, String) {
        let (by, other) = if self.by_target {
            ("target", "person")
        } else {
            ("person", "target")
        };
        let key = world.keymap.key(Place::Timeline, Action::NextPane);
        let group = format!("by {by} ({key}: by {other})");
        let reach = match (&self.older, self.reach, self.asked) {
            (_, _, true) => "reading older grants".to_owned(),
            (Older::Nothing, ..) => "every grant is here".to_owned(),
            (_, Some(reach), _) => format!("grants since {}", reach.format("%Y-%m-%d")),
            _ => String::new(),
        };
        let position = self.list.position(&world.keymap, Place::Timeline, false);
        (format!("{position}   {group}"), reach)
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
