//! Standing access: what lets people into targets although no grant backs it, and what somebody said about it.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::screen::Tally;
use crate::console::screen::column::{Col, Key, fixed, flex, muted, person, plain, spare, state};
use crate::console::screen::rows::{Rows, kept, read_status};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::domain::ids::StandingId;
use crate::query::List;
use crate::wire::{LockOn, StandingView};

const COLUMNS: &[Col<StandingView>] = &[
    Col::<StandingView>::new(
        "state",
        fixed("STATE", 10, Cut::End),
        |view, _, theme| state(&show::standing(view), theme),
        |view, _| Key::text(&view.state),
    )
    .of("state"),
    Col::<StandingView>::text(
        "target",
        flex("TARGET", 10, 2, Cut::Middle),
        plain,
        |view| &view.target,
    )
    .of("target"),
    Col::<StandingView>::text("kind", fixed("KIND", 7, Cut::End), plain, |view| &view.kind)
        .of("kind"),
    Col::<StandingView>::text("who", flex("WHO", 10, 2, Cut::Middle), person, |view| {
        &view.subject
    })
    .of("principal"),
    Col::<StandingView>::new(
        "age",
        fixed("AGE", 7, Cut::Right),
        |view, world, theme| plain(&show::age(view.there_since(), world.server_now()), theme),
        |view, _| Key::age(view.there_since()),
    ),
    Col::<StandingView>::new(
        "may",
        flex("MAY", 14, 5, Cut::End),
        |view, _, theme| plain(&view.rights.join(", "), theme),
        |view, _| Key::text(&view.rights.join(", ")),
    ),
    Col::<StandingView>::new(
        "owner",
        spare(flex("OWNER", 8, 1, Cut::Middle)),
        |view, _, theme| muted(view.owner.as_deref().unwrap_or_default(), theme),
        |view, _| Key::text(view.owner.as_deref().unwrap_or_default()),
    )
    .of("owner"),
    Col::<StandingView>::new(
        "left",
        spare(fixed("LEFT", 7, Cut::Right)),
        |view, world, theme| muted(&left(view, world), theme),
        |view, _| Key::time(view.until),
    ),
    Col::<StandingView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
];

/// The standing access that is there now.
#[derive(Debug, Default)]
pub(super) struct StandingList;

fn left(view: &StandingView, world: &World) -> String {
    view.until.map_or_else(String::new, |at| {
        countdown::text(world.clock.left(at, world.now))
    })
}

impl Rows for StandingList {
    /// What nobody said anything about is first, and of it the newest.
    type Rank = (bool, Reverse<DateTime<Utc>>);

    const TITLE: &'static str = "Standing";
    const ONE: &'static str = "Standing access";
    const PLACE: Place = Place::Standing;
    const LIST: List = List::Standing;
    const COMMANDS: &'static [Action] = &[
        Action::ImportStanding,
        Action::IgnoreStanding,
        Action::Lock,
        Action::ReopenStanding,
        Action::Open,
        Action::Filter,
        Action::Mark,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<StandingView>] = COLUMNS;

    kept!(StandingId => StandingView, Standing, all, one, in standing);

    fn rank(&self, view: &StandingView, _: &World) -> Self::Rank {
        (view.state != "open", Reverse(view.found_at))
    }

    fn values(view: &StandingView) -> Vec<(&'static str, String)> {
        vec![
            ("principal", view.subject.clone()),
            ("target", view.target.clone()),
            ("kind", view.kind.clone()),
            ("state", view.state.clone()),
            ("owner", view.owner.clone().unwrap_or_default()),
            ("id", view.id.clone()),
        ]
    }

    fn doc(view: &StandingView, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        let look = show::standing(view);
        doc.fact("State", &look.word, look.role);
        doc.fact("Who", &view.subject, Role::TextStrong);
        let what = format!("{} on {}", view.kind, view.target);
        doc.fact("What", &what, Role::Text);
        let mut label = "May";
        for right in &view.rights {
            doc.fact(label, right, Role::Text);
            label = "";
        }
        let found = format!(
            "{} ago, {}",
            show::age(view.found_at, now),
            show::moment(view.found_at, now)
        );
        doc.fact("Found", &found, Role::Text);
        if let Some(since) = view.since {
            let told = format!("since {} at least", show::moment(since, now));
            doc.fact("There", &told, Role::Text);
        }
        if let (Some(owner), Some(until)) = (&view.owner, view.until) {
            let text = format!("{owner} answers for it until {}", show::moment(until, now));
            doc.fact("Owner", &text, Role::Text);
        }
        doc.fact(
            "End it",
            "on the target itself: Portcullis takes nothing away that it did not make",
            Role::TextMuted,
        );
        if let (Some(by), Some(at), Some(reason)) = (&view.said_by, view.said_at, &view.reason) {
            let label = format!("reason, written by {by} {}", show::moment(at, now));
            doc.quote(&label, reason, 2_000);
        }
        doc
    }

    fn preview(view: &StandingView, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let look = show::standing(view);
        doc.pieces(vec![
            (format!("{} ", view.subject), Role::TextStrong),
            (
                format!(
                    "{} on {}, {}, found {} ago",
                    view.kind,
                    view.target,
                    look.word,
                    show::age(view.found_at, world.server_now())
                ),
                look.role,
            ),
        ]);
        doc.pieces(vec![(view.rights.join(", "), Role::TextMuted)]);
        doc
    }

    fn tally(&self, world: &World) -> Tally {
        let known = world.store.standing();
        let open = || known.all().filter(|(_, view)| view.state == "open");
        Tally {
            count: known.asked_at().map(|_| open().count()),
            urgent: 0,
            word: String::new(),
        }
    }

    fn status(&self, world: &World) -> String {
        read_status(
            world,
            world.store.standing().asked_at(),
            "what nobody said anything about is first",
        )
    }

    fn empty(&self, world: &World) -> String {
        match (&world.people_problem, world.store.standing().asked_at()) {
            (Some(problem), _) => problem.clone(),
            (None, None) => "it is being read".to_owned(),
            (None, Some(_)) => "every way into your targets is backed by a grant".to_owned(),
        }
    }

    fn heading(&self) -> &'static str {
        "Standing access"
    }

    fn is_loaded(&self, world: &World) -> bool {
        world.store.standing().asked_at().is_some()
    }

    /// Whoever gets in need not be anybody whom Portcullis knows, so it is the target that is locked.
    fn lock_on(view: &StandingView) -> Option<LockOn> {
        let target = view.target.clone();
        Some(LockOn::Target { target })
    }

    fn target(view: &StandingView) -> Option<String> {
        Some(view.target.clone())
    }

    fn detailed(_: &StandingId) -> Option<Subject> {
        None
    }
}
