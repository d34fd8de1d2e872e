//! Grants: who has access at this moment and until when; what does not let go, or never worked, stands on top.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::screen::column::{Col, Key, fixed, flex, muted, person, plain, spare, state};
use crate::console::screen::rows::{Did, Rows, kept};
use crate::console::screen::{Ask, Tally, detail};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::countdown;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::domain::ids::GrantId;
use crate::query::{Expr, List};
use crate::text::clean;
use crate::wire::GrantView;

/// For this long a grant that never worked stays among those that need somebody.
const FAILURE_SHOWN: TimeDelta = TimeDelta::days(1);

const COLUMNS: &[Col<GrantView>] = &[
    Col::<GrantView>::new(
        "state",
        fixed("STATE", 12, Cut::End),
        |view, _, theme| state(&show::grant(view), theme),
        |view, _| Key::text(&view.state),
    )
    .of("state"),
    Col::<GrantView>::new(
        "left",
        fixed("LEFT", 7, Cut::Right),
        |view, world, theme| {
            let (text, role) = left(view, world);
            (clean(&text), theme.style(role))
        },
        |view, _| Key::time(end(view)),
    ),
    Col::<GrantView>::text("who", flex("WHO", 10, 2, Cut::Middle), person, |view| {
        &view.holder
    })
    .of("principal"),
    Col::<GrantView>::text(
        "target",
        flex("TARGET", 14, 3, Cut::Middle),
        plain,
        |view| &view.target,
    )
    .of("target"),
    Col::<GrantView>::new(
        "role",
        flex("ROLE", 9, 2, Cut::Middle),
        |view, _, theme| {
            if view.break_glass {
                let text = format!("{} {}", theme.glyph(Glyph::StatusWarn), view.role);
                return (clean(&text), theme.style(Role::StatusWarn));
            }
            plain(&view.role, theme)
        },
        |view, _| Key::text(&view.role),
    )
    .of("role"),
    Col::<GrantView>::new(
        "class",
        fixed("CL", 2, Cut::End),
        |view, _, theme| muted(view.enforcement.as_deref().unwrap_or("?"), theme),
        |view, _| Key::maybe(view.enforcement.as_deref()),
    )
    .of("enforcement"),
    Col::<GrantView>::new(
        "end",
        spare(fixed("END", 9, Cut::Right)),
        |view, world, theme| muted(&ends(view, world), theme),
        |view, _| Key::time(end(view)),
    ),
    Col::<GrantView>::new(
        "by",
        spare(flex("BY", 9, 1, Cut::Middle)),
        |view, _, theme| muted(by(view).unwrap_or("-"), theme),
        |view, _| Key::maybe(by(view)),
    )
    .of("actor"),
    Col::<GrantView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
    Col::<GrantView>::text(
        "reason",
        spare(flex("REASON", 16, 5, Cut::End)),
        muted,
        |view| &view.reason,
    )
    .of("reason"),
    Col::<GrantView>::new(
        "env",
        fixed("ENV", 8, Cut::End),
        |view, _, theme| muted(view.tags.get("env").map_or("", String::as_str), theme),
        |view, _| Key::maybe(view.tags.get("env").map(String::as_str)),
    )
    .of("env")
    .extra(),
    Col::<GrantView>::new(
        "kind",
        fixed("KIND", 8, Cut::End),
        |view, _, theme| muted(view.target_kind.as_deref().unwrap_or("?"), theme),
        |view, _| Key::maybe(view.target_kind.as_deref()),
    )
    .of("kind")
    .extra(),
    Col::<GrantView>::text("request", fixed("REQUEST", 12, Cut::End), muted, |view| {
        &view.request
    })
    .of("request")
    .extra(),
    Col::<GrantView>::new(
        "for",
        fixed("FOR", 7, Cut::Right),
        |view, _, theme| muted(&view.duration, theme),
        |view, _| Key::length(&view.duration),
    )
    .of("duration")
    .extra(),
    Col::<GrantView>::new(
        "extended",
        fixed("EXT", 3, Cut::Right),
        |view, _, theme| muted(&view.extensions.to_string(), theme),
        |view, _| Key::Number(view.extensions.saturating_neg()),
    )
    .extra(),
];

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

fn end(view: &GrantView) -> DateTime<Utc> {
    view.ended_at.unwrap_or(view.expires_at)
}

fn ends(view: &GrantView, world: &World) -> String {
    let (end, now) = (end(view), world.server_now());
    let format = if end.date_naive() == now.date_naive() {
        "%H:%M:%SZ"
    } else {
        "%b %d"
    };
    end.format(format).to_string()
}

fn by(view: &GrantView) -> Option<&str> {
    view.closed_by.as_deref().or(view.close_kind.as_deref())
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

/// The grants.
#[derive(Debug, Default)]
pub(super) struct Grants;

impl Grants {
    /// What a grant has, for filters.
    pub(super) fn cells(view: &GrantView) -> Vec<(&'static str, String)> {
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        vec![
            ("target", view.target.clone()),
            ("principal", view.holder.clone()),
            ("role", view.role.clone()),
            ("state", view.state.clone()),
            ("env", text(view.tags.get("env"))),
            ("kind", text(view.target_kind.as_ref())),
            ("enforcement", text(view.enforcement.as_ref())),
            ("actor", text(view.closed_by.as_ref())),
            ("duration", view.duration.clone()),
            ("reason", view.reason.clone()),
            ("request", view.request.clone()),
            ("id", view.id.clone()),
        ]
    }
}

impl Rows for Grants {
    /// The order of attention, and the time: of what is over the latest first.
    type Rank = (u8, i64);

    const TITLE: &'static str = "Grants";
    const ONE: &'static str = "Grant";
    const PLACE: Place = Place::Grants;
    const LIST: List = List::Grants;
    const COMMANDS: &'static [Action] = &[
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
    const COLUMNS: &'static [Col<GrantView>] = COLUMNS;

    kept!(GrantId => GrantView, Grant, grants, grant);

    fn rank(&self, view: &GrantView, world: &World) -> Self::Rank {
        let rank = rank(view, world.server_now());
        let at = match rank {
            1 | 6 => end(view).timestamp_millis().saturating_neg(),
            5 => view.not_before.timestamp_millis(),
            _ => view.expires_at.timestamp_millis(),
        };
        (rank, at)
    }

    fn values(view: &GrantView) -> Vec<(&'static str, String)> {
        Self::cells(view)
    }

    fn doc(view: &GrantView, world: &World, width: u16) -> Doc {
        detail::grant(view, world, width)
    }

    fn preview(view: &GrantView, world: &World, width: u16) -> Doc {
        detail::grant_preview(view, world, width)
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

    fn status(&self, _: &World) -> String {
        "trouble first, then the soonest end".to_owned()
    }

    fn empty(&self, _: &World) -> String {
        "an approved request becomes one".to_owned()
    }

    fn has_more(world: &World) -> bool {
        world.older_grants
    }

    fn person(view: &GrantView) -> Option<String> {
        Some(view.holder.clone())
    }

    fn target(view: &GrantView) -> Option<String> {
        Some(view.target.clone())
    }

    fn is_scope(&self) -> bool {
        true
    }

    fn on(&mut self, action: Action, view: Option<&Rc<GrantView>>, _: &World) -> Did {
        if action != Action::SameTrace {
            return Did::NotMine;
        }
        let request = view.and_then(|view| view.request.parse().ok());
        let ask = request.map(|request| Ask::Show(Subject::Request(request)));
        Did::Asks(ask.into_iter().collect())
    }

    /// Grants that need somebody are never hidden quietly: a filter that leaves them out says how many.
    fn border(filter: &Expr, world: &World, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        if filter.is_empty() || area.height < 3 {
            return;
        }
        let now = world.server_now();
        let hidden = world
            .store
            .grants()
            .filter(|(_, view)| rank(view, now) <= 2 && !filter.lets(view.as_ref(), world.asking()))
            .count();
        if hidden == 0 {
            return;
        }
        let text = clean(&format!(
            " {} {hidden} closing or failed are not shown, the filter leaves them out ",
            theme.glyph(Glyph::StatusCritical)
        ));
        buffer.set_stringn(
            area.x + 2,
            area.bottom() - 1,
            text.as_str(),
            usize::from(area.width.saturating_sub(4)),
            theme.style(Role::StatusCritical),
        );
    }
}
