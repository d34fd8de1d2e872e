//! Break-glass: who took access before its review, and what waits for its sign-off, which comes first.

use std::cmp::Reverse;
use std::rc::Rc;

use chrono::{DateTime, Utc};

use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::msg::Query;
use crate::console::notice::wants_my_sign_off;
use crate::console::screen::column::{Col, Key, fixed, flex, muted, plain, spare, state};
use crate::console::screen::reading::Reading;
use crate::console::screen::rows::{Did, Rows, kept};
use crate::console::screen::{Ask, News, Tally};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::widget::vtable::Cut;
use crate::console::world::World;
use crate::domain::ids::RequestId;
use crate::query::List;
use crate::wire::BreakGlassView;

const COLUMNS: &[Col<BreakGlassView>] = &[
    Col::<BreakGlassView>::new(
        "state",
        fixed("STATE", 15, Cut::End),
        |view, _, theme| state(&show::used(view), theme),
        |view, _| Key::text(&view.state),
    )
    .of("state"),
    Col::<BreakGlassView>::text("who", flex("WHO", 10, 2, Cut::Middle), plain, |view| {
        &view.person
    })
    .of("principal"),
    Col::<BreakGlassView>::text(
        "target",
        flex("TARGET", 12, 3, Cut::Middle),
        plain,
        |view| &view.target,
    )
    .of("target"),
    Col::<BreakGlassView>::text("role", flex("ROLE", 8, 2, Cut::Middle), plain, |view| {
        &view.role
    })
    .of("role"),
    Col::<BreakGlassView>::new(
        "age",
        fixed("AGE", 8, Cut::Right),
        |view, world, theme| muted(&show::age(view.created_at, world.server_now()), theme),
        |view, _| Key::age(view.created_at),
    ),
    Col::<BreakGlassView>::new(
        "access",
        spare(fixed("ACCESS", 10, Cut::End)),
        |view, world, theme| muted(&world.store.access_of(view), theme),
        |view, world| Key::text(&world.store.access_of(view)),
    ),
    Col::<BreakGlassView>::text(
        "reason",
        spare(flex("REASON", 14, 5, Cut::End)),
        muted,
        |view| &view.reason,
    )
    .of("reason"),
    Col::<BreakGlassView>::text("id", spare(fixed("ID", 12, Cut::End)), muted, |view| {
        &view.id
    })
    .of("id"),
];

/// The uses of break-glass.
#[derive(Debug)]
pub(super) struct Glass(Reading);

impl Default for Glass {
    fn default() -> Self {
        Self(Reading::new(Query::Uses, "break_glass."))
    }
}

impl Rows for Glass {
    type Rank = (bool, Reverse<DateTime<Utc>>);

    const TITLE: &'static str = "Glass";
    const ONE: &'static str = "Break-glass";
    const PLACE: Place = Place::Glass;
    const LIST: List = List::BreakGlass;
    const COMMANDS: &'static [Action] = &[
        Action::SignOff,
        Action::Object,
        Action::Open,
        Action::SameTrace,
        Action::Lock,
        Action::Filter,
        Action::Help,
        Action::Copy,
    ];
    const COLUMNS: &'static [Col<BreakGlassView>] = COLUMNS;

    kept!(RequestId => BreakGlassView, Use, uses, use_of);

    fn rank(&self, view: &BreakGlassView, _: &World) -> Self::Rank {
        (view.state != "open", Reverse(view.created_at))
    }

    fn values(view: &BreakGlassView) -> Vec<(&'static str, String)> {
        vec![
            ("state", view.state.clone()),
            ("principal", view.person.clone()),
            ("target", view.target.clone()),
            ("role", view.role.clone()),
            ("reason", view.reason.clone()),
            ("grant", view.grant.clone()),
            ("id", view.id.clone()),
        ]
    }

    fn doc(view: &BreakGlassView, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        let look = show::used(view);
        doc.fact("State", &look.word, look.role);
        let what = format!(
            "{} took {} on {} for {}",
            view.person, view.role, view.target, view.duration
        );
        doc.fact("Who", &what, Role::TextStrong);
        doc.fact("When", &show::moment(view.created_at, now), Role::Text);
        let end = show::moment(view.ends_at, now);
        let access = format!(
            "{} {}, until {end}",
            view.grant,
            world.store.access_of(view)
        );
        doc.fact("Access", &access, Role::Text);
        doc.fact("Skipped", &view.skipped.join(", "), Role::Text);
        let needs = format!(
            "{} of {} sign-offs, by {}",
            view.justified_by, view.threshold, view.reviewers
        );
        doc.fact("Needs", &needs, Role::Text);
        if let Some(ticket) = &view.ticket {
            doc.fact("Ticket", ticket, Role::Text);
        }
        if let (Some(code), Some(by)) = (&view.sealed_code, &view.sealed_by) {
            doc.fact("Code", &format!("{code}, made by {by}"), Role::StatusWarn);
        }
        doc.quote(
            &format!("why, written by {}", view.person),
            &view.reason,
            2_000,
        );
        for sign_off in &view.sign_offs {
            let verdict = sign_off.verdict.replace('_', " ");
            let when = show::moment(sign_off.created_at, now);
            doc.quote(
                &format!("{verdict}, written by {} {when}", sign_off.reviewer),
                &sign_off.comment,
                2_000,
            );
        }
        doc
    }

    fn preview(view: &BreakGlassView, _: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        let look = show::used(view);
        let what = format!("{} on {} ", view.role, view.target);
        doc.pieces(vec![
            (what, Role::TextStrong),
            (format!("{}, {}", view.person, look.word), look.role),
        ]);
        doc.excerpt(&view.reason);
        doc
    }

    fn tally(&self, world: &World) -> Tally {
        let open = || world.store.uses().filter(|(_, view)| view.state == "open");
        let mine = open().filter(|(_, view)| wants_my_sign_off(view)).count();
        let count = open().count();
        Tally {
            count: (count > 0).then_some(count),
            urgent: mine,
            word: String::new(),
        }
    }

    fn status(&self, _: &World) -> String {
        self.0
            .status("uses", "what waits for its sign-off first, then the latest")
    }

    fn empty(&self, _: &World) -> String {
        let none = || "nobody broke glass".to_owned();
        self.0.empty().unwrap_or_else(none)
    }

    fn is_loaded(&self, _: &World) -> bool {
        self.0.is_read()
    }

    fn person(view: &BreakGlassView) -> Option<String> {
        Some(view.person.clone())
    }

    fn target(view: &BreakGlassView) -> Option<String> {
        Some(view.target.clone())
    }

    fn on(&mut self, action: Action, view: Option<&Rc<BreakGlassView>>, _: &World) -> Did {
        if action != Action::SameTrace {
            return Did::NotMine;
        }
        let grant = view.and_then(|view| view.grant.parse().ok());
        let ask = grant.map(|grant| Ask::Show(Subject::Grant(grant)));
        Did::Asks(ask.into_iter().collect())
    }

    fn enter(&mut self) -> Vec<Ask> {
        self.0.enter()
    }

    fn hear(&mut self, news: &News<'_>) -> Vec<Ask> {
        self.0.hear(news)
    }
}
