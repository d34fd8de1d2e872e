//! Sessions: live connections under grants, as far as the targets report them, and which do not.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::screen::Tally;
use crate::console::screen::column::{Col, Key, fixed, flex, muted, person, plain, spare, state};
use crate::console::screen::rows::{Rows, kept};
use crate::console::show;
use crate::console::store::{SessionKey, Subject};
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::query::List;
use crate::wire::SessionView;

const COLUMNS: &[Col<SessionView>] = &[
    Col::<SessionView>::new(
        "state",
        fixed("STATE", 12, Cut::End),
        |view, _, theme| state(&show::session(view), theme),
        |view, _| Key::maybe(view.activity.as_deref()),
    )
    .of("state"),
    Col::<SessionView>::text("who", flex("WHO", 10, 2, Cut::Middle), person, |view| {
        &view.holder
    })
    .of("principal"),
    Col::<SessionView>::new(
        "via",
        fixed("VIA", 8, Cut::End),
        |view, _, theme| plain(view.program.as_deref().unwrap_or("-"), theme),
        |view, _| Key::maybe(view.program.as_deref()),
    )
    .of("program"),
    Col::<SessionView>::text(
        "target",
        flex("TARGET", 12, 2, Cut::Middle),
        plain,
        |view| &view.target,
    )
    .of("target"),
    Col::<SessionView>::new(
        "up",
        fixed("UP", 6, Cut::Right),
        |view, world, theme| {
            let up = view.started_at.map(|at| show::age(at, world.server_now()));
            muted(&up.unwrap_or_default(), theme)
        },
        |view, _| Key::age(view.started_at),
    ),
    Col::<SessionView>::new(
        "from",
        spare(fixed("FROM", 15, Cut::End)),
        |view, _, theme| muted(view.address.as_deref().unwrap_or("-"), theme),
        |view, _| Key::maybe(view.address.as_deref()),
    )
    .of("address"),
    Col::<SessionView>::text(
        "grant",
        spare(fixed("GRANT", 12, Cut::End)),
        muted,
        |view| &view.grant,
    )
    .of("grant"),
    Col::<SessionView>::new(
        "command",
        flex("LAST COMMAND", 14, 5, Cut::End),
        |view, _, theme| muted(view.command.as_deref().unwrap_or("-"), theme),
        |view, _| Key::maybe(view.command.as_deref()),
    ),
    Col::<SessionView>::text("id", spare(fixed("ID", 10, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
    Col::<SessionView>::text("role", flex("ROLE", 9, 1, Cut::Middle), plain, |view| {
        &view.role
    })
    .of("role")
    .extra(),
];

/// The sessions.
#[derive(Debug, Default)]
pub(super) struct SessionList;

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

impl Rows for SessionList {
    type Rank = Reverse<Option<DateTime<Utc>>>;

    const TITLE: &'static str = "Sessions";
    const ONE: &'static str = "Session";
    const PLACE: Place = Place::Sessions;
    const LIST: List = List::Sessions;
    const COMMANDS: &'static [Action] = &[
        Action::EndSession,
        Action::Revoke,
        Action::Lock,
        Action::Open,
        Action::Filter,
        Action::Mark,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<SessionView>] = COLUMNS;

    kept!(SessionKey => SessionView, Session, sessions, session);

    fn rank(&self, view: &SessionView, _: &World) -> Self::Rank {
        Reverse(view.started_at)
    }

    fn values(view: &SessionView) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            ("principal", view.holder.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
            ("grant", view.grant.clone()),
            ("address", text(&view.address)),
            ("program", text(&view.program)),
            ("state", text(&view.activity)),
            ("id", view.id.clone()),
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

    fn preview(view: &SessionView, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let sources = world.store.sources().iter();
        let missing: Vec<&str> = sources
            .filter(|source| source.problem.is_some())
            .map(|source| source.target.as_str())
            .collect();
        let (text, role) = if missing.is_empty() {
            (format!("under {}", view.grant), Role::TextMuted)
        } else {
            let text = format!("not reported by {}", missing.join(", "));
            (text, Role::StatusWarn)
        };
        let what = format!("{} as {} on {}  ", view.holder, view.role, view.target);
        doc.pieces(vec![(what, Role::TextStrong), (text, role)]);
        doc.excerpt(view.command.as_deref().unwrap_or("no command told"));
        doc
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

    fn status(&self, world: &World) -> String {
        let sources = world.store.sources().iter();
        let missing = sources.filter(|source| source.problem.is_some()).count();
        match (world.store.sessions_at(), missing) {
            (None, _) => "asking the targets".to_owned(),
            (Some(at), 0) => {
                let age = world.now.saturating_duration_since(at);
                format!("asked {} ago, newest first", countdown::text(age))
            }
            (Some(_), 1) => "1 target does not report, see the detail".to_owned(),
            (Some(_), missing) => format!("{missing} targets do not report, see the detail"),
        }
    }

    fn empty(&self, world: &World) -> String {
        match world.store.sessions_at() {
            None => "the targets are being asked",
            Some(_) => "nobody is connected under a grant, as far as the targets tell",
        }
        .to_owned()
    }

    fn heading(&self) -> &'static str {
        "Live sessions"
    }

    fn is_loaded(&self, world: &World) -> bool {
        world.store.sessions_at().is_some()
    }

    fn person(view: &SessionView) -> Option<String> {
        Some(view.holder.clone())
    }

    fn target(view: &SessionView) -> Option<String> {
        Some(view.target.clone())
    }

    fn subject_of(key: &SessionKey, kind: Kind) -> Subject {
        match kind {
            Kind::EndSession => Subject::Session(key.clone()),
            _ => Subject::Grant(key.grant.clone()),
        }
    }

    fn detailed(key: &SessionKey) -> Option<Subject> {
        Some(Subject::Grant(key.grant.clone()))
    }

    fn clears_marks() -> bool {
        // What was cut or revoked is gone from the list, and what is left should be looked at anew.
        true
    }

    fn nothing(world: &World, width: u16) -> Option<Doc> {
        let mut doc = Doc::new(width);
        sources(&mut doc, world);
        Some(doc)
    }
}
