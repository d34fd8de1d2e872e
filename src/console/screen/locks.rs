//! Locks: what is blocked, by whom, why and until when; those in force first.

use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::confirm::locked;
use crate::console::doc::Doc;
use crate::console::fate;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::msg::Query;
use crate::console::screen::face::{self, Cell, fixed, flex, spare};
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::countdown;
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Column, Cut};
use crate::console::world::World;
use crate::domain::ids::LockId;
use crate::query;
use crate::text::clean;
use crate::wire::{LockOn, LockView};

const COLUMNS: &[Column] = &[
    fixed("STATE", 12, Cut::End),
    fixed("KIND", 10, Cut::End),
    flex("ON", 14, 3, Cut::Middle),
    fixed("LEFT", 8, Cut::Right),
    flex("BY", 9, 1, Cut::Middle),
    fixed("SINCE", 9, Cut::Right),
    spare(fixed("ENDED", 5, Cut::Right)),
    spare(flex("REASON", 14, 5, Cut::End)),
    spare(fixed("ID", 12, Cut::End)),
];

const COMMANDS: &[Action] = &[
    Action::Lock,
    Action::Lift,
    Action::Open,
    Action::Filter,
    Action::Mark,
    Action::Help,
    Action::Copy,
];

/// The list of locks.
#[derive(Debug, Default)]
pub(super) struct Locks {
    list: List<LockId>,
    /// The list is on its way.
    asked: bool,
    /// Something about a lock happened since it was asked for.
    behind: bool,
    read: bool,
    problem: Option<String>,
}

fn kind(view: &LockView) -> &'static str {
    match view.on {
        LockOn::Principal { .. } => "person",
        LockOn::Target { .. } => "target",
        LockOn::Role { .. } => "role",
        LockOn::Tag { .. } => "tag",
        LockOn::Everything => "everything",
    }
}

impl Locks {
    /// What the selected row has, for filters.
    fn cells(view: &LockView) -> Vec<(&'static str, String)> {
        let (principal, target) = match &view.on {
            LockOn::Principal { principal } => (principal.clone(), String::new()),
            LockOn::Target { target } | LockOn::Role { target, .. } => {
                (String::new(), target.clone())
            }
            _ => (String::new(), String::new()),
        };
        vec![
            ("state", view.state.clone()),
            ("principal", principal),
            ("target", target),
            ("actor", view.placed_by.clone()),
            ("incident", view.incident.clone().unwrap_or_default()),
        ]
    }

    fn view<'a>(&self, world: &'a World) -> Option<&'a Rc<LockView>> {
        world.store.lock(&self.list.order.selected()?.id)
    }

    fn read_again(&mut self) -> Vec<Ask> {
        if self.asked {
            self.behind = true;
            return Vec::new();
        }
        self.asked = true;
        self.behind = false;
        vec![Ask::Fetch(Query::Locks)]
    }

    fn left(view: &LockView, world: &World) -> String {
        match (view.state.as_str(), view.ends_at) {
            ("in_force", Some(at)) => countdown::text(world.clock.left(at, world.now)),
            ("in_force", None) => "lifted".to_owned(),
            _ => "-".to_owned(),
        }
    }

    fn row(view: &LockView, world: &World, theme: &Theme) -> Vec<Cell> {
        let now = world.server_now();
        let look = show::lock(view);
        let text = theme.style(Role::Text);
        let muted = theme.style(Role::TextMuted);
        let since = if view.created_at.date_naive() == now.date_naive() {
            view.created_at.format("%H:%M:%SZ").to_string()
        } else {
            view.created_at.format("%b %d").to_string()
        };
        let left = match Self::left(view, world).as_str() {
            "lifted" => "no end".to_owned(),
            left => left.to_owned(),
        };
        vec![
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(kind(view)), muted),
            (clean(&locked(&view.on)), text),
            (clean(&left), text),
            (clean(&view.placed_by), text),
            (clean(&since), muted),
            (clean(&view.grants_closed.to_string()), muted),
            (clean(&view.reason), muted),
            (clean(&view.id), muted),
        ]
    }

    fn doc(view: &LockView, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        let look = show::lock(view);
        doc.fact("State", &look.word, look.role);
        doc.fact(
            "On",
            &format!("{} {}", kind(view), locked(&view.on)),
            Role::TextStrong,
        );
        doc.fact(
            "Effect",
            "no request, approval, activation or credential gets past it while it is in force",
            Role::Text,
        );
        let placed = format!(
            "by {} {}",
            view.placed_by,
            show::moment(view.created_at, now)
        );
        doc.fact("Placed", &placed, Role::Text);
        let end = match (view.ends_at, &view.lifted_by, view.lifted_at) {
            (_, Some(by), Some(at)) => format!("lifted by {by} {}", show::moment(at, now)),
            (Some(at), ..) => format!("by itself {}", show::moment(at, now)),
            (None, ..) => "when somebody lifts it".to_owned(),
        };
        doc.fact("End", &end, Role::Text);
        let closed = match view.grants_closed {
            0 => "no grant was open when it was placed".to_owned(),
            1 => "1 open grant was revoked by it".to_owned(),
            count => format!("{count} open grants were revoked by it"),
        };
        doc.fact("Took away", &closed, Role::Text);
        if let Some(incident) = &view.incident {
            doc.fact("Incident", incident, Role::Text);
        }
        doc.quote(
            &format!("why, written by {}", view.placed_by),
            &view.reason,
            2_000,
        );
        doc
    }
}

impl Screen for Locks {
    fn title(&self) -> &'static str {
        "Locks"
    }

    fn place(&self) -> Place {
        Place::Locks
    }

    fn tally(&self, world: &World) -> Tally {
        let in_force = world
            .store
            .locks()
            .filter(|(_, view)| view.state == "in_force")
            .count();
        Tally {
            count: (in_force > 0).then_some(in_force),
            urgent: 0,
            word: String::new(),
        }
    }

    fn commands(&self) -> &'static [Action] {
        COMMANDS
    }

    fn does(&self, action: Action) -> bool {
        COMMANDS.contains(&action) || list::does(action) || BEGINS.contains(&action)
    }

    fn subject(&self) -> Option<Subject> {
        self.list.order.target().cloned().map(Subject::Lock)
    }

    fn detailed(&self) -> Option<Subject> {
        None
    }

    fn marked(&self) -> Vec<Subject> {
        let ids = self.list.marked();
        ids.into_iter().map(Subject::Lock).collect()
    }

    fn shows(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Lock(id) if self.list.order.is_alive(id))
    }

    fn unmark(&mut self, subjects: &[Subject]) {
        let ids: Vec<LockId> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Lock(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        self.list.unmark(&ids);
    }

    fn select(&mut self, subject: &Subject, _: &World) -> bool {
        matches!(subject, Subject::Lock(id) if self.list.order.select(id))
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let view = self.view(world).cloned();
        let cells = || view.as_deref().map(Self::cells).unwrap_or_default();
        if self
            .list
            .begins_filter(action, query::List::Locks, cells, world)
        {
            return Vec::new();
        }
        if action == Action::Copy {
            let row = self.list.order.selected();
            return row
                .map(|row| Ask::Copy(row.id.to_string()))
                .into_iter()
                .collect();
        }
        self.list.on(action, panes);
        Vec::new()
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        self.list.click(line);
        Vec::new()
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        let took = self.list.filter.key(key, query::List::Locks, world);
        self.list.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.list.filter.paste(text, query::List::Locks, world);
        self.list.took(took)
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(query::List::Locks, world);
        self.list.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.list.filter.next_change()
    }

    fn typing(&self) -> Option<Typing<'_>> {
        self.list.filter.typing()
    }

    fn zoomed(&self) -> bool {
        self.list.zoomed
    }

    fn enter(&mut self, _: &World) -> Vec<Ask> {
        self.list.sort();
        if self.read {
            Vec::new()
        } else {
            self.read_again()
        }
    }

    fn hear(&mut self, news: &News<'_>, _: &World) -> Vec<Ask> {
        match news {
            News::Live { gap } if *gap || !self.read => self.read_again(),
            News::Events(events)
                if events
                    .iter()
                    .any(|event| event.view.event.starts_with("lock.")) =>
            {
                self.read_again()
            }
            News::Facets {
                of: query::List::Locks,
                turn,
                items,
            } => {
                self.list.filter.facets(*turn, items);
                Vec::new()
            }
            News::Locks(problem) => {
                self.asked = false;
                self.read |= problem.is_none();
                self.problem = problem.map(str::to_owned);
                if self.behind {
                    self.read_again()
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        if self.list.is_behind(world) {
            let filter = self.list.filter.filter();
            let mut rows: Vec<_> = world
                .store
                .locks()
                .filter(|(_, view)| filter.lets(view.as_ref(), world.asking()))
                .collect();
            rows.sort_by_cached_key(|(id, view)| {
                let over = view.state != "in_force";
                (over, std::cmp::Reverse(view.created_at), (*id).clone())
            });
            let rows = rows.into_iter().map(|(id, _)| id.clone()).collect();
            self.list.update(rows, self.read);
        }
        self.list.fit(panes);
        if let (true, Some(view)) = (self.list.zoomed, self.view(world)) {
            let (width, height) = panes.inside();
            self.list.scroll = Self::doc(view, world, width).clamp(self.list.scroll, height);
        }
    }

    fn status(&self, _: &World) -> (String, String) {
        let right = match &self.problem {
            Some(problem) => format!("locks were not read: {problem}"),
            None => "in force first, then the latest".to_owned(),
        };
        (self.list.position(), right)
    }

    fn draw(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut cursor = None;
        if panes.list.height > 0 {
            let inner = boxed(panes.list, "Locks", theme, true, buffer);
            cursor = face::rows(
                &self.list,
                COLUMNS,
                theme,
                inner,
                buffer,
                |id| {
                    let view = world.store.lock(id);
                    view.map(|view| Self::row(view, world, theme))
                        .unwrap_or_default()
                },
                |id| fate::of(world, &Subject::Lock(id.clone())),
            );
            if self.list.order.rows().is_empty() {
                let more = match (&self.problem, self.read) {
                    (Some(problem), _) => problem.as_str(),
                    (None, false) => "they are being read",
                    (None, true) if !self.list.filter.filter().is_empty() => detail::FILTERED,
                    (None, true) => "L locks somebody or something out",
                };
                detail::empty(inner, world, theme, "no lock", more, buffer);
            }
        }
        let selected = self.list.order.selected();
        let title = selected.map_or_else(|| "Detail".to_owned(), |row| format!("Lock {}", row.id));
        face::detail(&self.list, &title, theme, panes, buffer, |width| {
            let view = self.view(world)?;
            if self.list.zoomed && self.list.raw {
                return Some(detail::json(view.as_ref(), width));
            }
            if panes.shape == Shape::Narrow && !self.list.zoomed {
                let mut doc = Doc::new(width);
                let look = show::lock(view);
                doc.pieces(vec![
                    (format!("{} ", locked(&view.on)), Role::TextStrong),
                    (format!("{}, by {}", look.word, view.placed_by), look.role),
                ]);
                doc.excerpt(&view.reason);
                return Some(doc);
            }
            Some(Self::doc(view, world, width))
        });
        cursor
    }
}
