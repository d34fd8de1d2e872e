//! Service accounts: machines, who answers for each, what it may do and until when its token is good.

use chrono::{DateTime, TimeDelta, Utc};

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
use crate::domain::ids::PrincipalName;
use crate::query::List;
use crate::wire::ServiceView;

const COLUMNS: &[Col<ServiceView>] = &[
    Col::<ServiceView>::new(
        "state",
        fixed("STATE", 12, Cut::End),
        |view, world, theme| state(&show::service(remaining(view, world)), theme),
        |view, _| Key::maybe(view.expires_at.map(|_| "good")),
    ),
    Col::<ServiceView>::text("name", flex("NAME", 12, 2, Cut::Middle), person, |view| {
        &view.name
    })
    .of("principal"),
    Col::<ServiceView>::text("owner", flex("OWNER", 9, 1, Cut::Middle), plain, |view| {
        &view.owner
    })
    .of("owner"),
    Col::<ServiceView>::new(
        "scopes",
        flex("SCOPES", 16, 5, Cut::End),
        |view, _, theme| plain(&view.scopes.join(" "), theme),
        |view, _| Key::text(&view.scopes.join(" ")),
    ),
    Col::<ServiceView>::new(
        "groups",
        spare(flex("GROUPS", 10, 2, Cut::End)),
        |view, _, theme| muted(&view.groups.join(" "), theme),
        |view, _| Key::text(&view.groups.join(" ")),
    ),
    Col::<ServiceView>::new(
        "left",
        fixed("TOKEN", 8, Cut::Right),
        |view, world, theme| plain(&left(view, world), theme),
        |view, _| Key::Number(ends(view).timestamp_millis()),
    ),
];

/// The service accounts.
#[derive(Debug, Default)]
pub(super) struct Services;

fn remaining(view: &ServiceView, world: &World) -> Option<TimeDelta> {
    view.expires_at.map(|at| at - world.server_now())
}

fn left(view: &ServiceView, world: &World) -> String {
    view.expires_at.map_or_else(
        || "none".to_owned(),
        |at| countdown::text(world.clock.left(at, world.now)),
    )
}

fn ends(view: &ServiceView) -> DateTime<Utc> {
    view.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Rows for Services {
    type Rank = DateTime<Utc>;

    const TITLE: &'static str = "Services";
    const ONE: &'static str = "Service account";
    const PLACE: Place = Place::Services;
    const LIST: List = List::Services;
    const COMMANDS: &'static [Action] = &[
        Action::MakeService,
        Action::RotateService,
        Action::DeleteService,
        Action::Lock,
        Action::Open,
        Action::Filter,
        Action::Mark,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<ServiceView>] = COLUMNS;

    kept!(PrincipalName => ServiceView, Service, services, service, in people);

    fn rank(&self, view: &ServiceView, _: &World) -> Self::Rank {
        ends(view)
    }

    fn values(view: &ServiceView) -> Vec<(&'static str, String)> {
        let mut values = vec![
            ("principal", view.name.clone()),
            ("owner", view.owner.clone()),
        ];
        values.extend(view.scopes.iter().map(|scope| ("scope", scope.clone())));
        values.extend(view.groups.iter().map(|group| ("group", group.clone())));
        values
    }

    fn doc(view: &ServiceView, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let look = show::service(remaining(view, world));
        doc.fact("State", &look.word, look.role);
        doc.fact("Name", &view.name, Role::TextStrong);
        let owner = format!(
            "{} answers for it, and reviews nothing that it asks for",
            view.owner
        );
        doc.fact("Owner", &owner, Role::Text);
        let mut label = "May";
        for scope in &view.scopes {
            doc.fact(label, scope, Role::Text);
            label = "";
        }
        if !view.groups.is_empty() {
            doc.fact("Groups", &view.groups.join(", "), Role::Text);
        }
        let token = view.expires_at.map_or_else(
            || "none that works; its owner makes another".to_owned(),
            |at| {
                let end = show::moment(at, world.server_now());
                format!("ends in {}, {end}", left(view, world))
            },
        );
        doc.fact("Token", &token, Role::Text);
        doc
    }

    fn preview(view: &ServiceView, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let look = show::service(remaining(view, world));
        doc.pieces(vec![
            (format!("{} ", view.name), Role::TextStrong),
            (format!("of {}, {}", view.owner, look.word), look.role),
        ]);
        doc.pieces(vec![(
            format!("may {}", view.scopes.join(", ")),
            Role::TextMuted,
        )]);
        doc
    }

    fn tally(&self, world: &World) -> Tally {
        let people = world.store.people();
        Tally {
            count: people.services_at().map(|_| people.services().count()),
            urgent: 0,
            word: String::new(),
        }
    }

    fn status(&self, world: &World) -> String {
        read_status(
            world,
            world.store.people().services_at(),
            "the token that ends first is first",
        )
    }

    fn empty(&self, world: &World) -> String {
        match (&world.people_problem, world.store.people().services_at()) {
            (Some(problem), _) => problem.clone(),
            (None, None) => "they are being read".to_owned(),
            (None, Some(_)) => {
                let key = world.keymap.key(Place::Services, Action::MakeService);
                format!("there is none; an admin makes one with {key}")
            }
        }
    }

    fn heading(&self) -> &'static str {
        "Service accounts"
    }

    fn is_loaded(&self, world: &World) -> bool {
        world.store.people().services_at().is_some()
    }

    fn person(view: &ServiceView) -> Option<String> {
        Some(view.name.clone())
    }

    fn detailed(_: &PrincipalName) -> Option<Subject> {
        None
    }

    fn clears_marks() -> bool {
        // What was deleted is gone from the list, and what is left should be looked at anew.
        true
    }
}
