//! Requests: what waits for a decision first, the oldest on top, then what was decided.

use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::fate;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail, page};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::toast::Level;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::domain::ids::RequestId;
use crate::query;
use crate::text::clean;
use crate::wire::RequestView;

const COLUMNS: &[Column] = &[
    Column {
        title: "STATE",
        width: Width::Fixed(11),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "AGE",
        width: Width::Fixed(6),
        cut: Cut::Right,
        optional: false,
    },
    Column {
        title: "WHO",
        width: Width::Flex { min: 9, share: 2 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "TARGET",
        width: Width::Flex { min: 14, share: 3 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "ROLE",
        width: Width::Flex { min: 9, share: 2 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "FOR",
        width: Width::Fixed(7),
        cut: Cut::Right,
        optional: false,
    },
    Column {
        title: "OK",
        width: Width::Fixed(4),
        cut: Cut::Right,
        optional: false,
    },
    Column {
        title: "UNUSUAL",
        width: Width::Flex { min: 15, share: 2 },
        cut: Cut::End,
        optional: true,
    },
    Column {
        title: "ON IT",
        width: Width::Flex { min: 8, share: 1 },
        cut: Cut::Middle,
        optional: true,
    },
    Column {
        title: "REASON",
        width: Width::Flex { min: 16, share: 6 },
        cut: Cut::End,
        optional: true,
    },
    Column {
        title: "ID",
        width: Width::Fixed(12),
        cut: Cut::End,
        optional: true,
    },
];

const COMMANDS: &[Action] = &[
    Action::Approve,
    Action::Deny,
    Action::Narrow,
    Action::Claim,
    Action::Open,
    Action::Filter,
    Action::Help,
    Action::Copy,
    Action::Lock,
    Action::SameTrace,
    Action::NextPane,
    Action::PreviousPane,
];

/// Which requests are listed. All is in groups, too: those for this person first, then other pending ones, then
/// what was decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Group {
    #[default]
    All,
    Mine,
    Pending,
    Decided,
}

impl Group {
    fn next(self, back: bool) -> Self {
        match (self, back) {
            (Self::All, false) | (Self::Pending, true) => Self::Mine,
            (Self::Mine, false) | (Self::Decided, true) => Self::Pending,
            (Self::Pending, false) | (Self::All, true) => Self::Decided,
            (Self::Decided, false) | (Self::Mine, true) => Self::All,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::All => "Requests",
            Self::Mine => "Requests for you to decide",
            Self::Pending => "Requests pending",
            Self::Decided => "Requests decided",
        }
    }

    fn lets(self, view: &RequestView) -> bool {
        match self {
            Self::All => true,
            Self::Mine => is_mine(view),
            Self::Pending => view.state == "pending",
            Self::Decided => view.state != "pending",
        }
    }
}

/// Says whether the person who sits here can decide it.
fn is_mine(view: &RequestView) -> bool {
    view.state == "pending"
        && view
            .allowed_actions
            .iter()
            .any(|allowed| allowed.action == "approve" && allowed.allowed)
}

/// The list of requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    list: List<RequestId>,
    group: Group,
}

impl Requests {
    /// What the selected row has, for filters.
    fn cells(view: &RequestView) -> Vec<(&'static str, String)> {
        let env = view.tags.get("env").cloned();
        vec![
            ("target", view.target.clone()),
            ("principal", view.requester.clone()),
            ("role", view.role_granted.clone()),
            ("state", view.state.clone()),
            ("kind", view.kind.clone()),
            ("env", env.unwrap_or_default()),
            ("ticket", view.ticket.clone().unwrap_or_default()),
        ]
    }

    fn view<'a>(&self, world: &'a World) -> Option<&'a Rc<RequestView>> {
        world.store.request(&self.list.order.selected()?.id)
    }

    fn row(
        world: &World,
        theme: &Theme,
        view: &RequestView,
    ) -> Vec<(crate::text::DisplayText, ratatui::style::Style)> {
        let now = world.server_now();
        let look = show::request(view);
        let text = theme.style(Role::Text);
        let muted = theme.style(Role::TextMuted);
        let (have, need) = show::progress(view);
        let who = crate::text::suspicious(&view.requester)
            .map_or(text, |_| theme.style(Role::StatusWarn));
        let unusual = match view.signals.as_slice() {
            [] => String::new(),
            [one] => one.word.clone(),
            [one, more @ ..] => format!("{} +{}", one.word, more.len()),
        };
        let on_it = view
            .claim
            .as_ref()
            .filter(|claim| claim.until > now)
            .map_or("", |claim| &claim.by);
        let granted = |asked: &str, given: &str| {
            if asked == given {
                asked.to_owned()
            } else {
                format!("<{given}")
            }
        };
        vec![
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(&show::age(view.created_at, now)), muted),
            (clean(&view.requester), who),
            (clean(&view.target), text),
            (clean(&granted(&view.role, &view.role_granted)), text),
            (
                clean(&format!(
                    "{}{}",
                    if view.kind == "extend" { "+" } else { "" },
                    granted(&view.duration, &view.duration_granted)
                )),
                text,
            ),
            (
                clean(&if need == 0 {
                    "-".to_owned()
                } else {
                    format!("{have}/{need}")
                }),
                text,
            ),
            (clean(&unusual), theme.style(Role::StatusWarn)),
            (clean(on_it), theme.style(Role::StatusInfo)),
            (clean(&view.reason), muted),
            (clean(&view.id), muted),
        ]
    }
}

impl Screen for Requests {
    fn title(&self) -> &'static str {
        "Requests"
    }

    fn place(&self) -> Place {
        Place::Requests
    }

    fn tally(&self, world: &World) -> Tally {
        let pending = || {
            world
                .store
                .requests()
                .filter(|(_, view)| view.state == "pending")
        };
        let mine = pending().filter(|(_, view)| is_mine(view));
        Tally {
            count: Some(pending().count()),
            urgent: mine.count(),
            word: String::new(),
        }
    }

    fn commands(&self) -> &'static [Action] {
        COMMANDS
    }

    fn subject(&self) -> Option<Subject> {
        self.list.order.target().cloned().map(Subject::Request)
    }

    fn does(&self, action: Action) -> bool {
        COMMANDS.contains(&action) || list::does(action) || BEGINS.contains(&action)
    }

    fn marked(&self) -> Vec<Subject> {
        let ids = self.list.marked();
        ids.into_iter().map(Subject::Request).collect()
    }

    fn shows(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Request(id) if self.list.order.is_alive(id))
    }

    fn holds(&self, subject: &Subject) -> bool {
        subject.request().is_some_and(|id| self.list.holds(id))
    }

    fn unmark(&mut self, subjects: &[Subject]) {
        let ids: Vec<RequestId> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Request(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        self.list.unmark(&ids);
    }

    fn person(&self, world: &World) -> Option<String> {
        self.view(world).map(|view| view.requester.clone())
    }

    fn scope(&self, world: &World) -> (Option<String>, Option<String>) {
        (self.view(world).map(|view| view.target.clone()), None)
    }

    fn select(&mut self, subject: &Subject, _: &World) -> bool {
        matches!(subject, Subject::Request(id) if self.list.order.select(id))
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let view = self.view(world).cloned();
        let cells = || view.as_deref().map(Self::cells).unwrap_or_default();
        if self
            .list
            .begins_filter(action, query::List::Requests, cells, world)
        {
            return Vec::new();
        }
        if action == Action::Copy {
            return self
                .list
                .order
                .selected()
                .map(|row| Ask::Copy(row.id.to_string()))
                .into_iter()
                .collect();
        }
        match action {
            Action::NextPane | Action::PreviousPane if !self.list.zoomed => {
                self.group = self.group.next(action == Action::PreviousPane);
                self.list.refilter();
            }
            Action::SameTrace => {
                let grant = self
                    .view(world)
                    .and_then(|view| view.grant.as_ref()?.parse().ok());
                return match grant {
                    Some(grant) => vec![Ask::Show(Subject::Grant(grant))],
                    None => vec![Ask::Say(Level::Info, "no grant came of it".to_owned())],
                };
            }
            _ => {
                self.list.on(action, panes);
            }
        }
        Vec::new()
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        self.list.click(line);
        Vec::new()
    }

    fn show(&mut self, subject: &Subject, _: &World, _: &Panes) -> bool {
        let Subject::Request(id) = subject else {
            return false;
        };
        self.list.show(id);
        true
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        let took = self.list.filter.key(key, query::List::Requests, world);
        self.list.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.list.filter.paste(text, query::List::Requests, world);
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
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, _: &World) -> Vec<Ask> {
        if let News::Facets {
            of: query::List::Requests,
            turn,
            items,
        } = news
        {
            self.list.filter.facets(*turn, items);
        }
        if let News::Pruned(pruned) = news {
            self.list
                .leave(pruned.rows.iter().filter_map(Subject::request));
        }
        Vec::new()
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(query::List::Requests, world);
        self.list.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.list.filter.next_change()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        if self.list.is_behind(world) {
            let filter = self.list.filter.filter();
            let mut rows: Vec<_> = world
                .store
                .requests()
                .filter(|(_, view)| {
                    self.group.lets(view) && filter.lets(view.as_ref(), world.asking())
                })
                .collect();
            rows.sort_by_cached_key(|(id, view)| {
                let pending = view.state == "pending";
                let at = if pending {
                    view.created_at
                } else {
                    view.decided_at.unwrap_or(view.created_at)
                };
                let at = at.timestamp_millis();
                (
                    (!pending, pending && !is_mine(view)),
                    if pending {
                        at
                    } else {
                        Reverse(at).0.saturating_neg()
                    },
                    (*id).clone(),
                )
            });
            let rows = rows.into_iter().map(|(id, _)| id.clone()).collect();
            self.list.update(rows, world.loaded);
        }
        self.list.fit(panes);
        if let (true, Some(view)) = (self.list.zoomed, self.view(world)) {
            let (width, height) = panes.inside();
            let doc = if self.list.raw {
                detail::json(view.as_ref(), width)
            } else {
                detail::request(view, world, width)
            };
            self.list.scroll = doc.clamp(self.list.scroll, height);
        }
    }

    fn status(&self, _: &World) -> (String, String) {
        (
            self.list.position(),
            match self.group {
                Group::Decided => "latest first (Tab: all)".to_owned(),
                Group::All => "yours first, oldest first (Tab: only yours)".to_owned(),
                Group::Mine => "oldest first (Tab: all pending)".to_owned(),
                Group::Pending => "yours first, oldest first (Tab: decided)".to_owned(),
            },
        )
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
            let matching = if self.list.filter.filter().is_empty() {
                ""
            } else {
                " that match"
            };
            let title = format!("{}{matching}", self.group.title());
            let inner = boxed(panes.list, &title, theme, true, buffer);
            let rows = self.list.order.rows();
            let table = Table {
                theme,
                columns: COLUMNS,
                rows: rows.len(),
                top: self.list.top,
                selected: self.list.order.selected_place(),
            };
            cursor = table
                .draw(inner, buffer, |place| {
                    let Some(row) = rows.get(place) else {
                        return Row::default();
                    };
                    let cells = world
                        .store
                        .request(&row.id)
                        .map(|view| Self::row(world, theme, view));
                    Row {
                        cells: cells.unwrap_or_default(),
                        marked: self.list.order.is_marked(&row.id),
                        gone: row.gone,
                        note: row
                            .gone
                            .then(|| fate::of(world, &Subject::Request(row.id.clone()))),
                    }
                })
                .cursor;
            if rows.is_empty() {
                let more = if self.list.filter.filter().is_empty() {
                    "they appear here as people ask"
                } else {
                    detail::FILTERED
                };
                detail::empty(inner, world, theme, "no request", more, buffer);
            }
        }
        if panes.detail.height > 0 {
            let title = self
                .list
                .order
                .selected()
                .map_or_else(|| "Detail".to_owned(), |row| format!("Request {}", row.id));
            let inner = page(panes.detail, &title, theme, self.list.zoomed, buffer);
            if let Some(view) = self.view(world) {
                let narrow = panes.shape == Shape::Narrow && !self.list.zoomed;
                let doc = if self.list.zoomed && self.list.raw {
                    detail::json(view.as_ref(), inner.width)
                } else if narrow {
                    detail::request_preview(view, world, inner.width)
                } else {
                    detail::request(view, world, inner.width)
                };
                doc.draw(
                    inner,
                    buffer,
                    theme,
                    if self.list.zoomed {
                        self.list.scroll
                    } else {
                        0
                    },
                );
            }
        }
        cursor
    }
}
