//! Grants: who has access at this moment and until when; what does not let go, or never worked, stands on top.

use std::rc::Rc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::console::fate;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail, page};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::countdown;
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::domain::ids::GrantId;
use crate::query;
use crate::text::{DisplayText, clean};
use crate::wire::GrantView;

/// For this long a grant that never worked stays among those that need somebody.
const FAILURE_SHOWN: TimeDelta = TimeDelta::days(1);

const COLUMNS: &[Column] = &[
    Column {
        title: "STATE",
        width: Width::Fixed(12),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "LEFT",
        width: Width::Fixed(7),
        cut: Cut::Right,
        optional: false,
    },
    Column {
        title: "WHO",
        width: Width::Flex { min: 10, share: 2 },
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
        title: "CL",
        width: Width::Fixed(2),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "END",
        width: Width::Fixed(9),
        cut: Cut::Right,
        optional: true,
    },
    Column {
        title: "BY",
        width: Width::Flex { min: 9, share: 1 },
        cut: Cut::Middle,
        optional: true,
    },
    Column {
        title: "ID",
        width: Width::Fixed(12),
        cut: Cut::End,
        optional: true,
    },
    Column {
        title: "REASON",
        width: Width::Flex { min: 16, share: 5 },
        cut: Cut::End,
        optional: true,
    },
];

const COMMANDS: &[Action] = &[
    Action::Revoke,
    Action::Extend,
    Action::Mark,
    Action::Open,
    Action::Filter,
    Action::Help,
    Action::Copy,
    Action::GiveBack,
    Action::Lock,
    Action::SameTrace,
];

/// The list of grants.
#[derive(Debug, Default)]
pub(super) struct Grants {
    list: List<GrantId>,
}

/// The order of attention.
fn rank(view: &GrantView, now: DateTime<Utc>) -> u8 {
    match view.state.as_str() {
        "closing" if view.last_error.is_some() => 0,
        "activation_failed" if now - view.ended_at.unwrap_or(view.created_at) < FAILURE_SHOWN => 1,
        "closing" => 2,
        "active" => 3,
        "activating" => 4,
        "scheduled" => 5,
        _ => 6,
    }
}

/// The time column: what it counts depends on the state.
fn left(view: &GrantView, world: &World) -> (String, Role) {
    match view.state.as_str() {
        "active" => {
            let left = world.clock.left(view.expires_at, world.now);
            let stale = world.link.age(world.now).is_some();
            let text = if stale {
                countdown::stale_text(left)
            } else {
                countdown::text(left)
            };
            let role = if countdown::is_urgent(left) {
                Role::StatusWarn
            } else {
                Role::Text
            };
            (text, if stale { Role::StaleData } else { role })
        }
        "scheduled" => {
            let until = world.clock.left(view.not_before, world.now);
            (format!("in {}", countdown::text(until)), Role::TextMuted)
        }
        "closing" => (format!("try {}", view.attempts.max(1)), Role::StatusWarn),
        _ => ("-".to_owned(), Role::TextMuted),
    }
}

impl Grants {
    /// What the selected row has, for filters.
    fn cells(view: &GrantView) -> Vec<(&'static str, String)> {
        let env = view.tags.get("env").cloned();
        vec![
            ("target", view.target.clone()),
            ("principal", view.holder.clone()),
            ("role", view.role.clone()),
            ("state", view.state.clone()),
            ("env", env.unwrap_or_default()),
            ("kind", view.target_kind.clone().unwrap_or_default()),
            ("enforcement", view.enforcement.clone().unwrap_or_default()),
            ("actor", view.closed_by.clone().unwrap_or_default()),
        ]
    }

    /// Grants that need somebody are never hidden quietly: a filter that leaves them out says how many.
    fn hidden_trouble(&self, world: &World, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        let now = world.server_now();
        let filter = self.list.filter.filter();
        let hidden = world
            .store
            .grants()
            .filter(|(_, view)| rank(view, now) <= 2 && !filter.lets(view.as_ref(), world.asking()))
            .count();
        if hidden == 0 || area.height < 3 {
            return;
        }
        let text = clean(&format!(
            " {} {hidden} closing or failed are not shown, the filter leaves them out ",
            theme.glyph(Glyph::StatusCritical)
        ));
        let width = usize::from(area.width.saturating_sub(4));
        let y = area.bottom() - 1;
        buffer.set_stringn(
            area.x + 2,
            y,
            text.as_str(),
            width,
            theme.style(Role::StatusCritical),
        );
    }

    fn view<'a>(&self, world: &'a World) -> Option<&'a Rc<GrantView>> {
        world.store.grant(&self.list.order.selected()?.id)
    }

    fn row(world: &World, theme: &Theme, view: &GrantView) -> Vec<(DisplayText, Style)> {
        let now = world.server_now();
        let look = show::grant(view);
        let text = theme.style(Role::Text);
        let muted = theme.style(Role::TextMuted);
        let (left, left_role) = left(view, world);
        let end = view.ended_at.unwrap_or(view.expires_at);
        let by = view
            .closed_by
            .as_deref()
            .or(view.close_kind.as_deref())
            .unwrap_or("-");
        let who =
            crate::text::suspicious(&view.holder).map_or(text, |_| theme.style(Role::StatusWarn));
        let end_format = if end.date_naive() == now.date_naive() {
            "%H:%M:%SZ"
        } else {
            "%b %d"
        };
        vec![
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(&left), theme.style(left_role)),
            (clean(&view.holder), who),
            (clean(&view.target), text),
            (clean(&view.role), text),
            (clean(view.enforcement.as_deref().unwrap_or("?")), muted),
            (clean(&end.format(end_format).to_string()), muted),
            (clean(by), muted),
            (clean(&view.id), muted),
            (clean(&view.reason), muted),
        ]
    }
}

impl Screen for Grants {
    fn title(&self) -> &'static str {
        "Grants"
    }

    fn place(&self) -> Place {
        Place::Grants
    }

    fn tally(&self, world: &World) -> Tally {
        let now = world.server_now();
        let ranks = world.store.grants().map(|(_, view)| rank(view, now));
        let (live, trouble) = ranks.fold((0, 0), |(live, trouble), rank| {
            (
                live + usize::from(rank < 6),
                trouble + usize::from(rank <= 1),
            )
        });
        Tally {
            count: Some(live),
            urgent: trouble,
            word: String::new(),
        }
    }

    fn commands(&self) -> &'static [Action] {
        COMMANDS
    }

    fn subject(&self) -> Option<Subject> {
        self.list.order.target().cloned().map(Subject::Grant)
    }

    fn does(&self, action: Action) -> bool {
        COMMANDS.contains(&action) || list::does(action) || BEGINS.contains(&action)
    }

    fn marked(&self) -> Vec<Subject> {
        let ids = self.list.marked();
        ids.into_iter().map(Subject::Grant).collect()
    }

    fn shows(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Grant(id) if self.list.order.is_alive(id))
    }

    fn holds(&self, subject: &Subject) -> bool {
        subject.grant().is_some_and(|id| self.list.holds(id))
    }

    fn unmark(&mut self, subjects: &[Subject]) {
        let ids: Vec<GrantId> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Grant(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        self.list.unmark(&ids);
    }

    fn person(&self, world: &World) -> Option<String> {
        self.view(world).map(|view| view.holder.clone())
    }

    fn scope(&self, world: &World) -> (Option<String>, Option<String>) {
        let filter = self.list.filter.filter();
        if filter.is_empty() {
            return (self.view(world).map(|view| view.target.clone()), None);
        }
        (None, Some(filter.to_string()))
    }

    fn select(&mut self, subject: &Subject, _: &World) -> bool {
        matches!(subject, Subject::Grant(id) if self.list.order.select(id))
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let view = self.view(world).cloned();
        let cells = || view.as_deref().map(Self::cells).unwrap_or_default();
        if self
            .list
            .begins_filter(action, query::List::Grants, cells, world)
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
        if action == Action::SameTrace {
            let request = self.view(world).and_then(|view| view.request.parse().ok());
            return request
                .map(|request| Ask::Show(Subject::Request(request)))
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

    fn show(&mut self, subject: &Subject, _: &World, _: &Panes) -> bool {
        let Subject::Grant(id) = subject else {
            return false;
        };
        self.list.show(id);
        true
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        let took = self.list.filter.key(key, query::List::Grants, world);
        self.list.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.list.filter.paste(text, query::List::Grants, world);
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
        }
        Vec::new()
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(query::List::Grants, world);
        self.list.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.list.filter.next_change()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        if self.list.is_behind(world) {
            let now = world.server_now();
            let filter = self.list.filter.filter();
            let mut rows: Vec<_> = world
                .store
                .grants()
                .filter(|(_, view)| filter.lets(view.as_ref(), world.asking()))
                .collect();
            rows.sort_by_cached_key(|(id, view)| {
                let rank = rank(view, now);
                let at = match rank {
                    // What is over: the latest first.
                    1 | 6 => -view.ended_at.unwrap_or(view.expires_at).timestamp_millis(),
                    5 => view.not_before.timestamp_millis(),
                    _ => view.expires_at.timestamp_millis(),
                };
                (rank, at, (*id).clone())
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
                detail::grant(view, world, width)
            };
            self.list.scroll = doc.clamp(self.list.scroll, height);
        }
    }

    fn status(&self, _: &World) -> (String, String) {
        (
            self.list.position(),
            "trouble first, then the soonest end".to_owned(),
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
            let title = if self.list.filter.filter().is_empty() {
                "Grants".to_owned()
            } else {
                "Grants that match".to_owned()
            };
            let inner = boxed(panes.list, &title, theme, true, buffer);
            self.hidden_trouble(world, theme, panes.list, buffer);
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
                        .grant(&row.id)
                        .map(|view| Self::row(world, theme, view));
                    Row {
                        cells: cells.unwrap_or_default(),
                        marked: self.list.order.is_marked(&row.id),
                        gone: row.gone,
                        note: row
                            .gone
                            .then(|| fate::of(world, &Subject::Grant(row.id.clone()))),
                    }
                })
                .cursor;
            if rows.is_empty() {
                let more = if self.list.filter.filter().is_empty() {
                    "an approved request becomes one"
                } else {
                    detail::FILTERED
                };
                detail::empty(inner, world, theme, "no grant", more, buffer);
            }
        }
        if panes.detail.height > 0 {
            let title = self
                .list
                .order
                .selected()
                .map_or_else(|| "Detail".to_owned(), |row| format!("Grant {}", row.id));
            let inner = page(panes.detail, &title, theme, self.list.zoomed, buffer);
            if let Some(view) = self.view(world) {
                let narrow = panes.shape == Shape::Narrow && !self.list.zoomed;
                let doc = if self.list.zoomed && self.list.raw {
                    detail::json(view.as_ref(), inner.width)
                } else if narrow {
                    detail::grant_preview(view, world, inner.width)
                } else {
                    detail::grant(view, world, inner.width)
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
