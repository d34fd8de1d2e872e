//! Timeline: who holds what from when to when, as bars over a stretch of time, and who had access at any moment.

mod chart;
mod window;

use std::rc::Rc;

use chrono::{DateTime, Utc};
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::doc::Doc;
use crate::console::fate;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::msg::Query;
use crate::console::screen::face::{self, Cell, fixed, flex};
use crate::console::screen::list::{self, List};
use crate::console::screen::timeline::chart::Chart;
use crate::console::screen::timeline::window::{Window, gave, stretch};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::input::Line;
use crate::console::widget::toast::Level;
use crate::console::widget::vtable::{Column, Cut};
use crate::console::world::World;
use crate::domain::ids::GrantId;
use crate::query::time::When;
use crate::text::clean;
use crate::wire::GrantView;

/// Pages of older grants read at most: ten thousand grants.
const PAGES: u32 = 50;
/// Columns for names in the answer.
const LABELS: usize = 18;
/// Columns that a jump to the side takes.
const JUMP: i32 = 4;

const COLUMNS: &[Column] = &[
    flex("", 9, 1, Cut::Middle),
    flex("", 12, 2, Cut::Middle),
    fixed("STATE", 11, Cut::End),
];

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

    /// The question for older grants, while the window reaches further back than what is known.
    fn older(&mut self, world: &World) -> Vec<Ask> {
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
    fn moved(&mut self, world: &World) -> Vec<Ask> {
        self.list.refilter();
        self.older(world)
    }

    fn ask(&mut self, world: &World) -> Vec<Ask> {
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

    /// Who had access at the moment that is asked about.
    fn answer<'a>(&self, world: &'a World) -> Vec<&'a GrantView> {
        let now = world.server_now();
        let at = self.window.at(now);
        let mut views: Vec<&GrantView> = world
            .store
            .grants()
            .map(|(_, view)| view.as_ref())
            .filter(|view| gave(view, at, now))
            .collect();
        views.sort_by(|a, b| (&a.holder, &a.target, &a.id).cmp(&(&b.holder, &b.target, &b.id)));
        views
    }

    fn headline(&self, world: &World) -> String {
        let now = world.server_now();
        let at = self.window.at(now);
        let views = self.answer(world);
        let mut people: Vec<&str> = views.iter().map(|view| view.holder.as_str()).collect();
        people.dedup();
        let (had, when) = match (self.window.is_fixed(), at > now) {
            (false, _) => ("have", "now".to_owned()),
            (true, false) => ("had", format!("{} ago", show::age(at, now))),
            (true, true) => ("will have", format!("in {}", show::age(now, at))),
        };
        let unread = self.reach.is_none_or(|reach| reach > at) && self.older != Older::Nothing;
        let unread = if unread && at < now {
            ", older grants are not read yet"
        } else {
            ""
        };
        let people = show::people(people.len());
        format!(
            "As of {} ({when}): {people} {had} access by {}{unread}",
            show::moment(at, now),
            show::count(views.len(), "grant")
        )
    }

    fn doc(&self, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        doc.text(&self.headline(world), Role::TextStrong);
        for view in self.answer(world) {
            let (start, end) = stretch(view, now);
            let end = match view.state.as_str() {
                "closing" => "closing".to_owned(),
                _ => show::moment(end, now),
            };
            doc.labelled(
                &view.holder,
                LABELS,
                &format!(
                    "{} on {}, {} to {end} ({})",
                    view.role,
                    view.target,
                    show::moment(start, now),
                    show::grant(view).word
                ),
            );
        }
        doc
    }

    fn preview(&self, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        doc.pieces(vec![(self.headline(world), Role::TextStrong)]);
        if let Some(view) = self.view(world) {
            let (start, end) = stretch(view, now);
            doc.pieces(vec![
                (format!("{} ", view.holder), Role::TextStrong),
                (
                    format!(
                        "{} on {}, {} to {}",
                        view.role,
                        view.target,
                        show::moment(start, now),
                        show::moment(end, now)
                    ),
                    Role::Text,
                ),
            ]);
        }
        doc
    }

    fn labels(&self, view: &GrantView, theme: &Theme) -> Vec<Cell> {
        let look = show::grant(view);
        let text = theme.style(Role::Text);
        let (group, what) = if self.by_target {
            (
                view.target.clone(),
                format!("{} as {}", view.holder, view.role),
            )
        } else {
            (
                view.holder.clone(),
                format!("{} on {}", view.role, view.target),
            )
        };
        vec![
            (clean(&group), theme.style(Role::TextStrong)),
            (clean(&what), text),
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
        ]
    }

    /// Divides the inside of the list into labels and bars.
    fn divide(area: Rect) -> (Rect, Rect) {
        let labels = (area.width * 2 / 5).clamp(38.min(area.width), 64);
        let left = Rect {
            width: labels,
            ..area
        };
        let right = Rect {
            x: left.right() + 1,
            width: area.width.saturating_sub(labels + 1),
            ..area
        };
        (left, right)
    }

    fn draw_chart(&self, world: &World, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        let chart = Chart {
            window: &self.window,
            now: world.server_now(),
            theme,
        };
        let scale = Rect {
            height: area.height.min(1),
            ..area
        };
        let body = Rect {
            y: area.y + scale.height,
            height: area.height - scale.height,
            ..area
        };
        chart.scale(scale, buffer);
        chart.lines(body, buffer);
        let rows = self.list.order.rows().iter().skip(self.list.top);
        let selected = self.list.order.selected_place();
        for ((row, y), place) in rows.zip(body.y..body.bottom()).zip(self.list.top..) {
            let line = Rect {
                y,
                height: 1,
                ..body
            };
            if let Some(view) = world.store.grant(&row.id) {
                chart.bar(view, line, buffer);
            }
            if selected == Some(place) {
                let left = Rect {
                    x: line.x.saturating_sub(1),
                    width: line.width + 1,
                    ..line
                };
                buffer.set_style(left, theme.style(Role::Selection));
            }
        }
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
        COMMANDS.contains(&action) || list::does(action)
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
        let now = world.server_now();
        if self.list.zoomed {
            self.list.on(action, panes);
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
            Action::Filter => {
                let text =
                    "the timeline shows every grant: filter in Grants, or o asks about a moment";
                return vec![Ask::Say(Level::Info, text.to_owned())];
            }
            _ => {
                self.list.on(action, panes);
                return Vec::new();
            }
        }
        self.moved(world)
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        self.list.click(line);
        Vec::new()
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        match key.code {
            KeyCode::Esc => {
                self.typing = None;
                self.problem = None;
                Vec::new()
            }
            KeyCode::Enter => self.ask(world),
            _ => {
                if let Some(line) = &mut self.typing {
                    line.key(key);
                }
                Vec::new()
            }
        }
    }

    fn paste(&mut self, text: &str, _: &World) -> Vec<Ask> {
        if let Some(line) = &mut self.typing {
            line.paste(text);
        }
        Vec::new()
    }

    fn typing(&self) -> Option<Typing<'_>> {
        self.typing.as_ref().map(|line| Typing {
            line,
            problem: self.problem.as_deref(),
            wrong: None,
            offers: &[],
            chosen: None,
            active: true,
        })
    }

    fn zoomed(&self) -> bool {
        self.list.zoomed
    }

    fn enter(&mut self, world: &World) -> Vec<Ask> {
        self.moved(world)
    }

    fn hear(&mut self, news: &News<'_>, world: &World) -> Vec<Ask> {
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
                    start < until && end >= from
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

    fn status(&self, _: &World) -> (String, String) {
        let group = if self.by_target {
            "by target (Tab: by person)"
        } else {
            "by person (Tab: by target)"
        };
        let reach = match (&self.older, self.reach, self.asked) {
            (_, _, true) => "reading older grants".to_owned(),
            (Older::Nothing, ..) => "every grant is here".to_owned(),
            (_, Some(reach), _) => format!("grants since {}", reach.format("%Y-%m-%d")),
            _ => String::new(),
        };
        (format!("{}   {group}", self.list.position()), reach)
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
            let now = world.server_now();
            let title = format!(
                "Who holds what, {} to {}",
                show::moment(self.window.from(now), now),
                show::moment(self.window.until(now), now)
            );
            let inner = boxed(panes.list, &title, theme, true, buffer);
            let (left, right) = Self::divide(inner);
            cursor = face::rows(
                &self.list,
                COLUMNS,
                theme,
                left,
                buffer,
                |id| {
                    let view = world.store.grant(id);
                    view.map(|view| self.labels(view, theme))
                        .unwrap_or_default()
                },
                |id| fate::of(world, &Subject::Grant(id.clone())),
            );
            self.draw_chart(world, theme, right, buffer);
            if self.list.order.rows().is_empty() {
                detail::empty(left, world, theme, "no grant", "none in this time", buffer);
            }
        }
        let selected = self.list.order.selected();
        let title = match (self.list.zoomed, selected) {
            (true, Some(row)) => format!("Grant {}", row.id),
            _ => "Who had access".to_owned(),
        };
        face::detail(&self.list, &title, theme, panes, buffer, |width| {
            if self.list.zoomed {
                let view = self.view(world)?;
                return Some(if self.list.raw {
                    detail::json(view.as_ref(), width)
                } else {
                    detail::grant(view, world, width)
                });
            }
            Some(if panes.shape == Shape::Narrow {
                self.preview(world, width)
            } else {
                self.doc(world, width)
            })
        });
        cursor
    }
}
