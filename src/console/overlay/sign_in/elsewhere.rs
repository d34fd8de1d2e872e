//! While the person is in a browser, here or on another machine: where to go, what to type there, and what the keys do.

use std::time::Instant;

use crate::console::app::{App, Asked, Stage};
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::overlay::Wish;
use crate::console::overlay::sign_in::words::Part;
use crate::console::show;
use crate::console::sign_in::Way;
use crate::console::term::input::Key;
use crate::console::theme::Role;
use crate::console::widget::countdown;

/// Takes a key while somebody is awaited.
pub(super) fn key(app: &App, stage: &Stage, key: Key) -> Vec<Wish> {
    let action = app.world().keymap.action(Place::Anywhere, key);
    let copy = |what, text: &str| vec![Wish::CopyAs(what, text.to_owned())];
    match (action, stage) {
        (Some(Action::Retry), Stage::Browser(_)) => vec![Wish::SignIn(Way::Browser)],
        (Some(Action::Retry), Stage::Device(_)) => vec![Wish::SignIn(Way::Device)],
        (Some(Action::Copy), Stage::Browser(Some((address, _)))) => copy("the address", address),
        (Some(Action::Copy), Stage::Device(Some(asked))) => match &asked.code.complete {
            Some(complete) => copy("the address with the code in it", complete),
            None => copy("the address", &asked.code.address),
        },
        (Some(Action::CopyJson), Stage::Device(Some(asked))) => copy("the code", &asked.code.code),
        _ => Vec::new(),
    }
}

/// What the keys do, for the last line.
pub(super) fn hints(keymap: &Keymap, stage: &Stage) -> Vec<(String, &'static str)> {
    let key = |action| keymap.key(Place::Anywhere, action);
    let mut hints = Vec::new();
    if matches!(stage, Stage::Browser(Some(_)) | Stage::Device(Some(_))) {
        hints.push((key(Action::Copy), "copy the address"));
    }
    if matches!(stage, Stage::Device(Some(_))) {
        hints.push((key(Action::CopyJson), "copy the code"));
    }
    hints.push((key(Action::Retry), "begin again"));
    hints.push(("Esc".to_owned(), "another way"));
    hints
}

/// What is shown of a browser on this machine.
pub(super) fn in_browser(to: Option<&(String, bool)>, keymap: &Keymap) -> Vec<Part> {
    let Some((address, opened)) = to else {
        return vec![Part::muted("asking the server where to go ...")];
    };
    let text = if *opened {
        "Your browser opens for the sign-in. If it does not, go to:"
    } else {
        "Go to this address with a browser on this machine:"
    };
    let (copy, again) = (
        keymap.key(Place::Anywhere, Action::Copy),
        keymap.key(Place::Anywhere, Action::Retry),
    );
    let waiting =
        format!("waiting for the browser; {copy} copies the address, {again} begins again");
    vec![
        Part::text(text),
        Part::Line(Role::TextStrong, address.clone()),
        Part::muted(&waiting),
    ]
}

/// What is shown of a browser on another machine.
pub(super) fn on_device(asked: Option<&Asked>, now: Instant) -> Vec<Part> {
    let Some(asked) = asked else {
        return vec![Part::muted("asking the server for a code ...")];
    };
    let code = &asked.code;
    vec![
        Part::text("With a browser on another machine, sign in as yourself at"),
        Part::Line(Role::TextStrong, code.address.clone()),
        Part::text(&format!("and type this code there: {}", code.code)),
        Part::Line(Role::Text, " ".to_owned()),
        Part::Big(code.code.clone()),
        Part::Line(Role::Text, " ".to_owned()),
        Part::muted(&state(asked, now)),
        Part::muted("Approve nothing there that you did not begin."),
    ]
}

/// How far it is: time left, and what the server said the last time.
pub(in crate::console) fn state(asked: &Asked, now: Instant) -> String {
    let left = asked.until.saturating_duration_since(now);
    if left.is_zero() {
        return "the code is over; begin again".to_owned();
    }
    let left = countdown::text(left);
    match (&asked.unheard, asked.times) {
        (Some(why), _) => format!("good for {left}; the server does not answer: {why}"),
        (None, 0) => format!("good for {left}; waiting for you to approve it there"),
        (None, times) => format!(
            "good for {left}; not approved yet, asked {}",
            show::count(usize::try_from(times).unwrap_or(usize::MAX), "time")
        ),
    }
}
