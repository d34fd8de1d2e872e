//! Locks: what is blocked, by whom, why and until when; those in force first.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use crate::console::confirm::locked;
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::msg::Query;
use crate::console::screen::column::{Col, Key, fixed, flex, muted, plain, spare, state};
use crate::console::screen::reading::Reading;
use crate::console::screen::rows::{Rows, kept};
use crate::console::screen::{Ask, News, Tally};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::domain::ids::LockId;
use crate::query::List;
use crate::wire::{LockOn, LockView};

const COLUMNS: &[Col<LockView>] = &[
    Col::<LockView>::new(
        "state",
        fixed("STATE", 12, Cut::End),
        |view, _, theme| state(&show::lock(view), theme),
        |view, _| Key::text(&view.state),
    )
    .of("state"),
    Col::<LockView>::new(
        "kind",
        fixed("KIND", 10, Cut::End),
        |view, _, theme| muted(kind(view), theme),
        |view, _| Key::text(kind(view)),
    )
    .of("kind"),
    Col::<LockView>::new(
        "on",
        flex("ON", 14, 3, Cut::Middle),
        |view, _, theme| plain(&locked(&view.on), theme),
        |view, _| Key::text(&locked(&view.on)),
    )
    .of("on"),
    Col::<LockView>::new(
        "left",
        fixed("LEFT", 8, Cut::Right),
        |view, world, theme| plain(&left(view, world), theme),
        |view, _| Key::Number(view.ends_at.map_or(i64::MAX, |at| at.timestamp_millis())),
    ),
    Col::<LockView>::text("by", flex("BY", 9, 1, Cut::Middle), plain, |view| {
        &view.placed_by
    })
    .of("actor"),
    Col::<LockView>::new(
        "since",
        fixed("SINCE", 9, Cut::Right),
        |view, world, theme| muted(&since(view, world), theme),
        |view, _| Key::age(view.created_at),
    ),
    Col::<LockView>::new(
        "ended",
        spare(fixed("ENDED", 5, Cut::Right)),
        |view, _, theme| muted(&view.grants_closed.to_string(), theme),
        |view, _| Key::Number(i64::from(view.grants_closed).saturating_neg()),
    ),
    Col::<LockView>::text(
        "reason",
        spare(flex("REASON", 14, 5, Cut::End)),
        muted,
        |view| &view.reason,
    )
    .of("reason"),
    Col::<LockView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
    Col::<LockView>::new(
        "incident",
        fixed("INCIDENT", 12, Cut::End),
        |view, _, theme| muted(view.incident.as_deref().unwrap_or_default(), theme),
        |view, _| Key::maybe(view.incident.as_deref()),
    )
    .of("incident")
    .extra(),
];

/// The locks.
#[derive(Debug)]
pub(super) struct Locks(Reading);

impl Default for Locks {
    fn default() -> Self {
        Self(Reading::new(Query::Locks, "lock."))
    }
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

/// The same in the words of filters.
fn kind_of(view: &LockView) -> &'static str {
    match view.on {
        LockOn::Principal { .. } => "principal",
        _ => kind(view),
    }
}

fn left(view: &LockView, world: &World) -> String {
    match (view.state.as_str(), view.ends_at) {
        ("in_force", Some(at)) => countdown::text(world.clock.left(at, world.now)),
        ("in_force", None) => "no end".to_owned(),
        _ => "-".to_owned(),
    }
}

fn since(view: &LockView, world: &World) -> String {
    let format = if view.created_at.date_naive() == world.server_now().date_naive() {
        "%H:%M:%SZ"
    } else {
        "%b %d"
    };
    view.created_at.format(format).to_string()
}

impl Rows for Locks {
    type Rank = (bool, Reverse<DateTime<Utc>>);

    const TITLE: &'static str = "Locks";
    const ONE: &'static str = "Lock";
    const PLACE: Place = Place::Locks;
    const LIST: List = List::Locks;
    const COMMANDS: &'static [Action] = &[
        Action::Lock,
        Action::Lift,
        Action::Open,
        Action::Filter,
        Action::Mark,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<LockView>] = COLUMNS;

    kept!(LockId => LockView, Lock, locks, lock);

    fn rank(&self, view: &LockView, _: &World) -> Self::Rank {
        (view.state != "in_force", Reverse(view.created_at))
    }

    fn values(view: &LockView) -> Vec<(&'static str, String)> {
        let (principal, target) = match &view.on {
            LockOn::Principal { principal } => (principal.clone(), String::new()),
            LockOn::Target { target } | LockOn::Role { target, .. } => {
                (String::new(), target.clone())
            }
            LockOn::Tag { .. } | LockOn::Everything => (String::new(), String::new()),
        };
        vec![
            ("state", view.state.clone()),
            ("principal", principal),
            ("target", target),
            ("actor", view.placed_by.clone()),
            ("incident", view.incident.clone().unwrap_or_default()),
            ("kind", kind_of(view).to_owned()),
            ("reason", view.reason.clone()),
            ("id", view.id.clone()),
        ]
    }

    fn value(view: &LockView, field: &str) -> Option<(&'static str, String)> {
        let values = Self::values(view);
        values.into_iter().find(|(known, value)| {
            let on = field == "on" && matches!(*known, "principal" | "target");
            (on || *known == field) && !value.is_empty()
        })
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

    fn preview(view: &LockView, _: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let look = show::lock(view);
        doc.pieces(vec![
            (format!("{} ", locked(&view.on)), Role::TextStrong),
            (format!("{}, by {}", look.word, view.placed_by), look.role),
        ]);
        doc.excerpt(&view.reason);
        doc
    }

    fn tally(&self, world: &World) -> Tally {
        let locks = world.store.locks();
        let in_force = locks.filter(|(_, view)| view.state == "in_force").count();
        Tally {
            count: (in_force > 0).then_some(in_force),
            urgent: 0,
            word: String::new(),
        }
    }

    fn status(&self, _: &World) -> String {
        self.0.status("locks", "in force first, then the latest")
    }

    fn empty(&self, world: &World) -> String {
        self.0.empty().unwrap_or_else(|| {
            let key = world.keymap.key(Place::Locks, Action::Lock);
            format!("{key} locks somebody or something out")
        })
    }

    fn is_loaded(&self, _: &World) -> bool {
        self.0.is_read()
    }

    fn detailed(_: &LockId) -> Option<Subject> {
        None
    }

    fn enter(&mut self) -> Vec<Ask> {
        self.0.enter()
    }

    fn hear(&mut self, news: &News<'_>) -> Vec<Ask> {
        self.0.hear(news)
    }
}
