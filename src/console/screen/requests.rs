//! Requests: what waits for a decision first, the oldest on top, then what was decided.

use std::rc::Rc;

use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::screen::column::{
    Cell, Col, Key, fixed, flex, muted, person, plain, spare, state,
};
use crate::console::screen::rows::{Did, Rows, kept};
use crate::console::screen::{Ask, Tally, detail};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::{Role, Theme};
use crate::console::widget::toast::Level;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::domain::ids::RequestId;
use crate::query::List;
use crate::text::clean;
use crate::wire::RequestView;

const COLUMNS: &[Col<RequestView>] = &[
    Col::<RequestView>::new(
        "state",
        fixed("STATE", 11, Cut::End),
        |view, _, theme| state(&show::request(view), theme),
        |view, _| Key::text(&view.state),
    )
    .of("state"),
    Col::<RequestView>::new(
        "age",
        fixed("AGE", 6, Cut::Right),
        |view, world, theme| muted(&show::age(view.created_at, world.server_now()), theme),
        |view, _| Key::age(view.created_at),
    ),
    Col::<RequestView>::text("who", flex("WHO", 9, 2, Cut::Middle), person, |view| {
        &view.requester
    })
    .of("principal"),
    Col::<RequestView>::text(
        "target",
        flex("TARGET", 14, 3, Cut::Middle),
        plain,
        |view| &view.target,
    )
    .of("target"),
    Col::<RequestView>::new(
        "role",
        flex("ROLE", 10, 2, Cut::Middle),
        |view, _, theme| plain(&granted(&view.role, &view.role_granted), theme),
        |view, _| Key::text(&view.role_granted),
    )
    .of("role"),
    Col::<RequestView>::new(
        "for",
        fixed("FOR", 7, Cut::Right),
        |view, _, theme| {
            let sign = if view.kind == "extend" { "+" } else { "" };
            let length = granted(&view.duration, &view.duration_granted);
            plain(&format!("{sign}{length}"), theme)
        },
        |view, _| Key::length(&view.duration_granted),
    )
    .of("duration"),
    Col::<RequestView>::new(
        "ok",
        fixed("OK", 4, Cut::Right),
        |view, _, theme| match show::progress(view) {
            (_, 0) => plain("-", theme),
            (have, need) => plain(&format!("{have}/{need}"), theme),
        },
        |view, _| {
            let (have, need) = show::progress(view);
            Key::Number(i64::from(need) - i64::from(have))
        },
    ),
    Col::<RequestView>::new(
        "unusual",
        spare(flex("UNUSUAL", 17, 1, Cut::End)),
        unusual,
        |view, _| {
            Key::Number(
                i64::try_from(view.signals.len())
                    .unwrap_or(0)
                    .saturating_neg(),
            )
        },
    )
    .of("signal"),
    Col::<RequestView>::new(
        "on",
        spare(flex("ON IT", 8, 1, Cut::Middle)),
        |view, world, theme| {
            let by = on_it(view, world).unwrap_or_default();
            (clean(by), theme.style(Role::StatusInfo))
        },
        |view, world| Key::maybe(on_it(view, world)),
    )
    .of("claim"),
    Col::<RequestView>::text(
        "reason",
        spare(flex("REASON", 16, 6, Cut::End)),
        muted,
        |view| &view.reason,
    )
    .of("reason"),
    Col::<RequestView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
    Col::<RequestView>::new(
        "env",
        fixed("ENV", 8, Cut::End),
        |view, _, theme| muted(view.tags.get("env").map_or("", String::as_str), theme),
        |view, _| Key::maybe(view.tags.get("env").map(String::as_str)),
    )
    .of("env")
    .extra(),
    Col::<RequestView>::new(
        "ticket",
        flex("TICKET", 10, 1, Cut::Middle),
        |view, _, theme| muted(view.ticket.as_deref().unwrap_or_default(), theme),
        |view, _| Key::maybe(view.ticket.as_deref()),
    )
    .of("ticket")
    .extra(),
    Col::<RequestView>::new(
        "grant",
        fixed("GRANT", 12, Cut::End),
        |view, _, theme| muted(view.grant.as_deref().unwrap_or_default(), theme),
        |view, _| Key::maybe(view.grant.as_deref()),
    )
    .of("grant")
    .extra(),
    Col::<RequestView>::new(
        "expires",
        fixed("DECIDE IN", 9, Cut::Right),
        |view, world, theme| {
            let left = view.decide_by - world.server_now();
            let text = match left.to_std() {
                Ok(left) if view.state == "pending" => {
                    crate::console::widget::countdown::text(left)
                }
                _ => "-".to_owned(),
            };
            muted(&text, theme)
        },
        |view, _| Key::time(view.decide_by),
    )
    .extra(),
];

/// What an approval gives, marked where it is less than what was asked for.
fn granted(asked: &str, given: &str) -> String {
    if asked == given {
        asked.to_owned()
    } else {
        format!("<{given}")
    }
}

fn unusual(view: &RequestView, _: &World, theme: &Theme) -> Cell {
    let text = match view.signals.as_slice() {
        [] => String::new(),
        [one] => one.word.clone(),
        [one, more @ ..] => format!("{} +{}", one.word, more.len()),
    };
    (clean(&text), theme.style(Role::StatusWarn))
}

/// Who looks at it at the moment.
fn on_it<'v>(view: &'v RequestView, world: &World) -> Option<&'v str> {
    let claim = view.claim.as_ref()?;
    (claim.until > world.server_now()).then_some(claim.by.as_str())
}

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
}

/// Says whether the person who sits here can decide it.
fn is_mine(view: &RequestView) -> bool {
    view.state == "pending"
        && view
            .allowed_actions
            .iter()
            .any(|allowed| allowed.action == "approve" && allowed.allowed)
}

/// The requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    group: Group,
}

impl Rows for Requests {
    /// Decided, not for me, and the time: of what was decided the latest first.
    type Rank = (bool, bool, i64);

    const TITLE: &'static str = "Requests";
    const ONE: &'static str = "Request";
    const PLACE: Place = Place::Requests;
    const LIST: List = List::Requests;
    const COMMANDS: &'static [Action] = &[
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
    const COLUMNS: &'static [Col<RequestView>] = COLUMNS;

    kept!(RequestId => RequestView, Request, requests, request);

    fn rank(&self, view: &RequestView, _: &World) -> Self::Rank {
        let pending = view.state == "pending";
        let at = if pending {
            view.created_at.timestamp_millis()
        } else {
            let at = view.decided_at.unwrap_or(view.created_at);
            at.timestamp_millis().saturating_neg()
        };
        (!pending, pending && !is_mine(view), at)
    }

    fn values(view: &RequestView) -> Vec<(&'static str, String)> {
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        let signal = view.signals.first().map(|signal| &signal.code);
        vec![
            ("target", view.target.clone()),
            ("principal", view.requester.clone()),
            ("role", view.role_granted.clone()),
            ("state", view.state.clone()),
            ("kind", view.kind.clone()),
            ("env", text(view.tags.get("env"))),
            ("ticket", text(view.ticket.as_ref())),
            ("signal", text(signal)),
            ("claim", text(view.claim.as_ref().map(|claim| &claim.by))),
            ("duration", view.duration_granted.clone()),
            ("reason", view.reason.clone()),
            ("grant", text(view.grant.as_ref())),
            ("id", view.id.clone()),
        ]
    }

    fn doc(view: &RequestView, world: &World, width: u16) -> Doc {
        detail::request(view, world, width)
    }

    fn preview(view: &RequestView, world: &World, width: u16) -> Doc {
        detail::request_preview(view, world, width)
    }

    fn tally(&self, world: &World) -> Tally {
        let pending = || {
            let requests = world.store.requests();
            requests.filter(|(_, view)| view.state == "pending")
        };
        Tally {
            count: Some(pending().count()),
            urgent: pending().filter(|(_, view)| is_mine(view)).count(),
            word: String::new(),
        }
    }

    fn status(&self, world: &World) -> String {
        let (order, next) = match self.group {
            Group::Decided => ("latest first", "all"),
            Group::All => ("yours first, oldest first", "only yours"),
            Group::Mine => ("oldest first", "all pending"),
            Group::Pending => ("yours first, oldest first", "decided"),
        };
        let key = world.keymap.key(Place::Requests, Action::NextPane);
        format!("{order} ({key}: {next})")
    }

    fn empty(&self, _: &World) -> String {
        "they appear here as people ask".to_owned()
    }

    fn heading(&self) -> &'static str {
        match self.group {
            Group::All => "Requests",
            Group::Mine => "Requests for you to decide",
            Group::Pending => "Requests pending",
            Group::Decided => "Requests decided",
        }
    }

    fn lets(&self, view: &RequestView) -> bool {
        match self.group {
            Group::All => true,
            Group::Mine => is_mine(view),
            Group::Pending => view.state == "pending",
            Group::Decided => view.state != "pending",
        }
    }

    fn has_more(world: &World) -> bool {
        world.older_requests
    }

    fn person(view: &RequestView) -> Option<String> {
        Some(view.requester.clone())
    }

    fn target(view: &RequestView) -> Option<String> {
        Some(view.target.clone())
    }

    fn on(&mut self, action: Action, view: Option<&Rc<RequestView>>, _: &World) -> Did {
        match action {
            Action::NextPane | Action::PreviousPane => {
                self.group = self.group.next(action == Action::PreviousPane);
                Did::Others
            }
            Action::SameTrace => {
                let grant = view.and_then(|view| view.grant.as_ref()?.parse().ok());
                Did::Asks(vec![match grant {
                    Some(grant) => Ask::Show(Subject::Grant(grant)),
                    None => Ask::Say(Level::Info, "no grant came of it".to_owned()),
                }])
            }
            _ => Did::NotMine,
        }
    }
}
