//! Who sits here: as whom the server knows them, how they signed in, what was proved, when it ends, and the second
//! factors that they have.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::overlay::menu::{Frame, boxed};
use crate::console::overlay::{Overlay, Wish, fixed, middle};
use crate::console::show;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::domain::second_factor::{ADD_ONE, PROVIDER_SERVES};

const WIDTH: u16 = 74;

/// The open box.
#[derive(Debug)]
pub struct WhoAmI;

/// Everything about the person at the keyboard, also for those who have no screen.
pub fn facts(world: &World, width: u16) -> Doc {
    let mut doc = Doc::new(width);
    let Some(me) = &world.me else {
        doc.fact("You", "nobody is signed in", Role::StatusWarn);
        return doc;
    };
    let now = world.server_now();
    doc.fact(
        "You",
        &format!("{} on {}", me.name, me.server),
        Role::TextStrong,
    );
    doc.fact("Roles", &listed(&me.roles), Role::Text);
    doc.fact("Groups", &listed(&me.groups), Role::Text);
    if let Some(how) = &me.how {
        let at = show::moment(how.authenticated_at, now);
        doc.fact("Signed in", &format!("by {} {at}", how.method), Role::Text);
        doc.fact("Proved", &listed(&how.amr), Role::Text);
        let left = countdown::text(world.clock.left(how.ends_at, world.now));
        let ends = format!(
            "in {left} at the latest, {}",
            show::moment(how.ends_at, now)
        );
        doc.fact("Ends", &ends, Role::Text);
        let (bound, role) = if how.bound {
            (
                "the tokens work only with the key of this device",
                Role::Text,
            )
        } else {
            ("the tokens work on any device", Role::StatusWarn)
        };
        doc.fact("Bound", bound, role);
        if let Some(owner) = &how.owner {
            doc.fact("Owner", owner, Role::Text);
        }
    }
    doc.fact("Sign-in", &me.sign_in, Role::TextMuted);
    let Some((own, _)) = &world.factors else {
        doc.fact("Factors", "they are being read", Role::TextMuted);
        return doc;
    };
    let mut label = "Factors";
    for factor in &own.factors {
        let used = match (factor.confirmed, factor.last_used_at) {
            (false, _) => "never confirmed".to_owned(),
            (true, Some(at)) => format!("last used {} ago", show::age(at, now)),
            (true, None) => "not used yet".to_owned(),
        };
        doc.fact(
            label,
            &format!("{} `{}`, {used}", factor.kind, factor.name),
            Role::Text,
        );
        label = "";
    }
    if own.at_provider {
        doc.fact(label, PROVIDER_SERVES, Role::Text);
    } else if own.factors.is_empty() {
        doc.fact(label, &format!("none; {ADD_ONE}"), Role::StatusWarn);
    }
    let password = if own.has_password {
        "a password"
    } else {
        "no password"
    };
    let rest = format!(
        "{} left, {password}",
        show::count(left_codes(own.recovery_codes_left), "recovery code")
    );
    doc.fact("Besides", &rest, Role::Text);
    let mut label = "Notices";
    for notice in &own.notices {
        doc.fact(label, notice, Role::StatusWarn);
        label = "";
    }
    doc
}

fn left_codes(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn listed(words: &[String]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(", ")
}

impl Overlay for WhoAmI {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let world = app.world();
        match world.keymap.action(Place::Anywhere, key) {
            Some(Action::SignIn) => vec![Wish::Close, Wish::Run(Action::SignIn)],
            Some(Action::Copy) => {
                let me = world.me.as_ref();
                me.map(|me| Wish::Copy(me.sign_in.clone()))
                    .into_iter()
                    .collect()
            }
            Some(Action::WhoAmI | Action::Quit) => vec![Wish::Close],
            _ if matches!(key.code, KeyCode::Esc | KeyCode::Enter) => vec![Wish::Close],
            _ => Vec::new(),
        }
    }

    fn hints(&self, app: &App) -> Vec<(String, &'static str)> {
        let keymap = &app.world().keymap;
        let mut hints = fixed(&[("Esc", "close")]);
        hints.push((
            keymap.key(Place::Anywhere, Action::Copy),
            "copy the sign-in's id",
        ));
        hints.push((
            keymap.key(Place::Anywhere, Action::SignIn),
            "sign in as somebody else",
        ));
        hints
    }

    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let body = app.layout().regions.body.intersection(area);
        let width = WIDTH.min(body.width);
        let doc = facts(app.world(), width.saturating_sub(4));
        let area = middle(body, width, doc.height().saturating_add(2));
        let frame = Frame {
            title: "Who am I",
            ..Frame::default()
        };
        let inner = boxed(frame, theme, area, buffer);
        doc.draw(inner, buffer, theme, 0);
        None
    }
}
