//! Sign-ins: who is signed in, how, on which device and until when; the last used first.

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
use crate::domain::ids::SignInId;
use crate::query::List;
use crate::wire::SignInView;

const COLUMNS: &[Col<SignInView>] = &[
    Col::<SignInView>::new(
        "state",
        fixed("STATE", 11, Cut::End),
        |view, _, theme| state(&show::sign_in(view), theme),
        |view, _| Key::text(&show::sign_in(view).word),
    ),
    Col::<SignInView>::text("who", flex("WHO", 10, 2, Cut::Middle), person, |view| {
        &view.principal
    })
    .of("principal"),
    Col::<SignInView>::text("method", fixed("METHOD", 8, Cut::End), plain, |view| {
        &view.method
    })
    .of("method"),
    Col::<SignInView>::text("device", flex("DEVICE", 14, 4, Cut::End), plain, |view| {
        &view.device
    })
    .of("device"),
    Col::<SignInView>::new(
        "used",
        fixed("USED", 7, Cut::Right),
        |view, world, theme| plain(&show::age(view.last_used_at, world.server_now()), theme),
        |view, _| Key::age(view.last_used_at),
    ),
    Col::<SignInView>::new(
        "since",
        spare(fixed("SINCE", 7, Cut::Right)),
        |view, world, theme| muted(&show::age(view.created_at, world.server_now()), theme),
        |view, _| Key::age(view.created_at),
    ),
    Col::<SignInView>::new(
        "left",
        fixed("LEFT", 7, Cut::Right),
        |view, world, theme| plain(&left(view, world), theme),
        |view, _| Key::Number(view.expires_at.timestamp_millis()),
    ),
    Col::<SignInView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
];

/// The sign-ins.
#[derive(Debug, Default)]
pub(super) struct SignIns;

fn left(view: &SignInView, world: &World) -> String {
    countdown::text(world.clock.left(view.expires_at, world.now))
}

impl Rows for SignIns {
    type Rank = Reverse<DateTime<Utc>>;

    const TITLE: &'static str = "Sign-ins";
    const ONE: &'static str = "Sign-in";
    const PLACE: Place = Place::SignIns;
    const LIST: List = List::SignIns;
    const COMMANDS: &'static [Action] = &[
        Action::RevokeSignIn,
        Action::RevokeSignIns,
        Action::Lock,
        Action::Open,
        Action::Filter,
        Action::Mark,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<SignInView>] = COLUMNS;

    kept!(SignInId => SignInView, SignIn, sign_ins, sign_in, in people);

    fn rank(&self, view: &SignInView, _: &World) -> Self::Rank {
        Reverse(view.last_used_at)
    }

    fn values(view: &SignInView) -> Vec<(&'static str, String)> {
        vec![
            ("principal", view.principal.clone()),
            ("method", view.method.clone()),
            ("device", view.device.clone()),
            ("id", view.id.clone()),
        ]
    }

    fn doc(view: &SignInView, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        doc.fact("Who", &view.principal, Role::TextStrong);
        doc.fact("Device", &view.device, Role::Text);
        let how = format!(
            "{} {}",
            how(&view.method),
            show::moment(view.created_at, now)
        );
        doc.fact("Signed in", &how, Role::Text);
        let used = format!("{} ago", show::age(view.last_used_at, now));
        doc.fact("Last used", &used, Role::Text);
        let ends = format!(
            "in {} at the latest, {}",
            left(view, world),
            show::moment(view.expires_at, now)
        );
        doc.fact("Ends", &ends, Role::Text);
        let (bound, role) = match (view.bound, view.method.as_str()) {
            (true, _) => (
                "its tokens work only with the key of that device",
                Role::Text,
            ),
            (false, "service") => ("a token that works wherever it is", Role::Text),
            (false, _) => ("its tokens work on any device", Role::StatusWarn),
        };
        doc.fact("Bound", bound, role);
        if view.current {
            doc.fact(
                "Here",
                "it is the one that this console uses",
                Role::StatusOk,
            );
        }
        doc
    }

    fn preview(view: &SignInView, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let used = show::age(view.last_used_at, world.server_now());
        doc.pieces(vec![
            (format!("{} ", view.principal), Role::TextStrong),
            (
                format!("{} on {}", how(&view.method), view.device),
                Role::Text,
            ),
        ]);
        let text = format!("used {used} ago, ends in {}", left(view, world));
        doc.pieces(vec![(text, Role::TextMuted)]);
        doc
    }

    fn tally(&self, world: &World) -> Tally {
        let people = world.store.people();
        Tally {
            count: people.sign_ins_at().map(|_| people.sign_ins().count()),
            urgent: 0,
            word: String::new(),
        }
    }

    fn status(&self, world: &World) -> String {
        read_status(world, world.store.people().sign_ins_at(), "last used first")
    }

    fn empty(&self, world: &World) -> String {
        match (&world.people_problem, world.store.people().sign_ins_at()) {
            (Some(problem), _) => problem.clone(),
            (None, None) => "they are being read".to_owned(),
            (None, Some(_)) => "nobody that you may see is signed in".to_owned(),
        }
    }

    fn heading(&self) -> &'static str {
        "Who is signed in"
    }

    fn is_loaded(&self, world: &World) -> bool {
        world.store.people().sign_ins_at().is_some()
    }

    fn person(view: &SignInView) -> Option<String> {
        Some(view.principal.clone())
    }

    fn detailed(_: &SignInId) -> Option<Subject> {
        None
    }

    fn clears_marks() -> bool {
        // What was ended is gone from the list, and what is left should be looked at anew.
        true
    }
}

/// A method as people say it.
fn how(method: &str) -> String {
    match method {
        "code" => "with a one-time code".to_owned(),
        "password" => "with a password".to_owned(),
        "oidc" => "at the identity provider".to_owned(),
        "device" => "at the identity provider, from another machine".to_owned(),
        "service" => "with a service token".to_owned(),
        other => other.to_owned(),
    }
}
