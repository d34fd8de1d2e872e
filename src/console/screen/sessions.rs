//! Sessions: live connections under grants, as far as the targets report them, and which do not.

use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::fate;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::screen::face::{self, Cell, fixed, flex, spare};
use crate::console::screen::filter_line::BEGINS;
use crate::console::screen::list::{self, List};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail};
use crate::console::show;
use crate::console::store::{SessionKey, Subject};
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::countdown;
use crate::console::widget::frame::Shape;
use crate::console::widget::vtable::{Column, Cut};
use crate::console::world::World;
use crate::query;
use crate::text::clean;
use crate::wire::SessionView;

const COLUMNS: &[Column] = &[
    fixed("STATE", 12, Cut::End),
    flex("WHO", 10, 2, Cut::Middle),
    fixed("VIA", 8, Cut::End),
    flex("TARGET", 12, 2, Cut::Middle),
    fixed("UP", 6, Cut::Right),
    spare(fixed("FROM", 15, Cut::End)),
    spare(fixed("GRANT", 12, Cut::End)),
    flex("LAST COMMAND", 14, 5, Cut::End),
    spare(fixed("ID", 10, Cut::End)),
];

const COMMANDS: &[Action] = &[
    Action::EndSession,
    Action::Revoke,
    Action::Lock,
    Action::Open,
    Action::Filter,
    Action::Mark,
    Action::Help,
    Action::Copy,
];

/// The list of sessions.
#[derive(Debug, Default)]
pub(super) struct SessionList {
    list: List<SessionKey>,
}

impl SessionList {
    /// What the selected row has, for filters.
    fn cells(view: &SessionView) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            ("principal", view.holder.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
            ("grant", view.grant.clone()),
            ("address", text(&view.address)),
            ("program", text(&view.program)),
            ("state", text(&view.activity)),
        ]
    }

    fn view<'a>(&self, world: &'a World) -> Option<&'a Rc<SessionView>> {
        world.store.session(&self.list.order.selected()?.id)
    }

    fn row(view: &SessionView, world: &World, theme: &Theme) -> Vec<Cell> {
        let now = world.server_now();
        let look = show::session(view);
        let text = theme.style(Role::Text);
        let muted = theme.style(Role::TextMuted);
        let up = view
            .started_at
            .map(|at| show::age(at, now))
            .unwrap_or_default();
        let or_nothing = |text: &Option<String>| clean(text.as_deref().unwrap_or("-"));
        vec![
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(&view.holder), text),
            (or_nothing(&view.program), text),
            (clean(&view.target), text),
            (clean(&up), muted),
            (or_nothing(&view.address), muted),
            (clean(&view.grant), muted),
            (or_nothing(&view.command), muted),
            (clean(&view.id), muted),
        ]
    }

    fn doc(view: &SessionView, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        let look = show::session(view);
        doc.fact("State", &look.word, look.role);
        doc.fact(
            "Who",
            &format!("{} as {} on {}", view.holder, view.role, view.target),
            Role::TextStrong,
        );
        let program = view.program.as_deref().unwrap_or("not told");
        let from = view.address.as_deref().unwrap_or("an address not told");
        doc.fact("Program", &format!("{program} from {from}"), Role::Text);
        if let Some(at) = view.started_at {
            let text = format!("{}, up for {}", show::moment(at, now), show::age(at, now));
            doc.fact("Opened", &text, Role::Text);
        }
        let left = view
            .grant
            .parse()
            .ok()
            .and_then(|id| world.store.grant(&id))
            .map(|grant| {
                let left = countdown::text(world.clock.left(grant.expires_at, world.now));
                format!(", {} with {left} left", grant.state)
            })
            .unwrap_or_default();
        doc.fact("Grant", &format!("{}{left}", view.grant), Role::Text);
        match &view.command {
            Some(command) => {
                doc.quote("last command, as the target tells it", command, 2_000);
            }
            None => {
                doc.fact("Command", "the target does not tell", Role::TextMuted);
            }
        }
        sources(&mut doc, world);
        doc
    }
}

/// Which targets could not be asked or do not tell, because a list that looks complete and is not is a trap.
fn sources(doc: &mut Doc, world: &World) {
    let mut label = "Missing";
    for source in world.store.sources() {
        let Some(problem) = &source.problem else {
            continue;
        };
        doc.fact(
            label,
            &format!("{}: {problem}", source.target),
            Role::StatusWarn,
        );
        label = "";
    }
    if let Some(problem) = &world.sessions_problem {
        doc.fact("Problem", problem, Role::StatusWarn);
    }
}

impl Screen for SessionList {
    fn title(&self) -> &'static str {
        "Sessions"
    }

    fn place(&self) -> Place {
        Place::Sessions
    }

    fn tally(&self, world: &World) -> Tally {
        Tally {
            count: world
                .store
                .sessions_at()
                .map(|_| world.store.sessions().count()),
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
        self.list.order.target().cloned().map(Subject::Session)
    }

    fn subject_of(&self, kind: Kind) -> Option<Subject> {
        let key = self.list.order.target().cloned()?;
        Some(match kind {
            Kind::EndSession => Subject::Session(key),
            _ => Subject::Grant(key.grant),
        })
    }

    fn detailed(&self) -> Option<Subject> {
        self.list
            .order
            .selected()
            .map(|row| Subject::Grant(row.id.grant.clone()))
    }

    fn marked(&self) -> Vec<Subject> {
        let ids = self.list.marked();
        ids.into_iter().map(Subject::Session).collect()
    }

    fn shows(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Session(key) if self.list.order.is_alive(key))
    }

    fn unmark(&mut self, _: &[Subject]) {
        // What was cut or revoked is gone from the list, and what is left should be looked at anew.
        self.list.clear_marks();
    }

    fn person(&self, world: &World) -> Option<String> {
        self.view(world).map(|view| view.holder.clone())
    }

    fn scope(&self, world: &World) -> (Option<String>, Option<String>) {
        (self.view(world).map(|view| view.target.clone()), None)
    }

    fn select(&mut self, subject: &Subject, _: &World) -> bool {
        matches!(subject, Subject::Session(key) if self.list.order.select(key))
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let view = self.view(world).cloned();
        let cells = || view.as_deref().map(Self::cells).unwrap_or_default();
        if self
            .list
            .begins_filter(action, query::List::Sessions, cells, world)
        {
            return Vec::new();
        }
        if action == Action::Copy {
            let row = self.list.order.selected();
            return row
                .map(|row| Ask::Copy(row.id.id.clone()))
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
        let took = self.list.filter.key(key, query::List::Sessions, world);
        self.list.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.list.filter.paste(text, query::List::Sessions, world);
        self.list.took(took)
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.list.filter.tick(query::List::Sessions, world);
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
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, _: &World) -> Vec<Ask> {
        if let News::Facets {
            of: query::List::Sessions,
            turn,
            items,
        } = news
        {
            self.list.filter.facets(*turn, items);
        }
        Vec::new()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        if self.list.is_behind(world) {
            let filter = self.list.filter.filter();
            let mut rows: Vec<_> = world
                .store
                .sessions()
                .filter(|(_, view)| filter.lets(view.as_ref(), world.asking()))
                .collect();
            rows.sort_by_key(|(key, view)| (std::cmp::Reverse(view.started_at), (*key).clone()));
            let rows = rows.into_iter().map(|(key, _)| key.clone()).collect();
            self.list.update(rows, world.store.sessions_at().is_some());
        }
        self.list.fit(panes);
        if let (true, Some(view)) = (self.list.zoomed, self.view(world)) {
            let (width, height) = panes.inside();
            self.list.scroll = Self::doc(view, world, width).clamp(self.list.scroll, height);
        }
    }

    fn status(&self, world: &World) -> (String, String) {
        let missing = world
            .store
            .sources()
            .iter()
            .filter(|source| source.problem.is_some())
            .count();
        let right = match (world.store.sessions_at(), missing) {
            (None, _) => "asking the targets".to_owned(),
            (Some(at), 0) => {
                let age = world.now.saturating_duration_since(at);
                format!("asked {} ago, newest first", countdown::text(age))
            }
            (Some(_), 1) => "1 target does not report, see the detail".to_owned(),
            (Some(_), missing) => format!("{missing} targets do not report, see the detail"),
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
            let inner = boxed(panes.list, "Live sessions", theme, true, buffer);
            cursor = face::rows(
                &self.list,
                COLUMNS,
                theme,
                inner,
                buffer,
                |key| {
                    let view = world.store.session(key);
                    view.map(|view| Self::row(view, world, theme))
                        .unwrap_or_default()
                },
                |key| fate::of(world, &Subject::Session(key.clone())),
            );
            if self.list.order.rows().is_empty() {
                let more = match world.store.sessions_at() {
                    None => "the targets are being asked",
                    Some(_) if !self.list.filter.filter().is_empty() => detail::FILTERED,
                    Some(_) => "nobody is connected under a grant, as far as the targets tell",
                };
                detail::empty(inner, world, theme, "no session", more, buffer);
            }
        }
        let title = self.list.order.selected().map_or_else(
            || "Detail".to_owned(),
            |row| format!("Session {}", row.id.id),
        );
        face::detail(&self.list, &title, theme, panes, buffer, |width| {
            let Some(view) = self.view(world) else {
                let mut doc = Doc::new(width);
                sources(&mut doc, world);
                return Some(doc);
            };
            if self.list.zoomed && self.list.raw {
                return Some(detail::json(view.as_ref(), width));
            }
            if panes.shape == Shape::Narrow && !self.list.zoomed {
                let mut doc = Doc::new(width);
                let missing: Vec<&str> = world
                    .store
                    .sources()
                    .iter()
                    .filter(|source| source.problem.is_some())
                    .map(|source| source.target.as_str())
                    .collect();
                let (text, role) = if missing.is_empty() {
                    (format!("under {}", view.grant), Role::TextMuted)
                } else {
                    (
                        format!("not reported by {}", missing.join(", ")),
                        Role::StatusWarn,
                    )
                };
                doc.pieces(vec![
                    (
                        format!("{} as {} on {}  ", view.holder, view.role, view.target),
                        Role::TextStrong,
                    ),
                    (text, role),
                ]);
                doc.excerpt(view.command.as_deref().unwrap_or("no command told"));
                return Some(doc);
            }
            Some(Self::doc(view, world, width))
        });
        cursor
    }
}
