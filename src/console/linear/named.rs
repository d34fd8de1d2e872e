//! Keys and names of actions as words, so that what a message calls `u` works where there are only lines.

use crate::console::app::App;
use crate::console::keymap::{Action, Place};

/// The word for a key or the name of an action in this person's keymap, so that what a message calls `u` works here.
pub(super) fn named(app: &App, word: &str) -> Option<&'static str> {
    const WORDS: [(Action, &str); 34] = [
        (Action::GoRequests, "requests"),
        (Action::GoGrants, "grants"),
        (Action::GoSessions, "sessions"),
        (Action::GoAudit, "audit"),
        (Action::GoLocks, "locks"),
        (Action::GoTimeline, "timeline"),
        (Action::GoGlass, "break-glass"),
        (Action::SignOff, "sign-off"),
        (Action::Object, "object"),
        (Action::Incident, "incident"),
        (Action::Approve, "approve"),
        (Action::Narrow, "approve"),
        (Action::Deny, "deny"),
        (Action::Claim, "claim"),
        (Action::Extend, "extend"),
        (Action::Revoke, "revoke"),
        (Action::GiveBack, "return"),
        (Action::EndSession, "end"),
        (Action::Lock, "lock"),
        (Action::Lift, "lift"),
        (Action::Undo, "undo"),
        (Action::Messages, "messages"),
        (Action::SignIn, "sign-in"),
        (Action::WhoAmI, "whoami"),
        (Action::GoSignIns, "sign-ins"),
        (Action::GoServices, "services"),
        (Action::GoStanding, "standing"),
        (Action::RevokeSignIn, "revoke"),
        (Action::DeleteService, "delete"),
        (Action::ImportStanding, "import"),
        (Action::IgnoreStanding, "ignore"),
        (Action::ReopenStanding, "reopen"),
        (Action::Retry, "retry"),
        (Action::Quit, "quit"),
    ];
    let keymap = &app.world().keymap;
    let places = [
        Place::Anywhere,
        app.place(),
        Place::Requests,
        Place::Grants,
        Place::Sessions,
        Place::Locks,
        Place::SignIns,
        Place::Services,
        Place::Glass,
        Place::Standing,
    ];
    let of_place = |place: Place| {
        let mut all = keymap
            .all()
            .filter(move |(binding, _)| binding.place == place);
        all.find(|(binding, keys)| {
            binding.name == word || keys.iter().any(|chord| chord.text() == word)
        })
    };
    let (binding, _) = places.into_iter().find_map(of_place)?;
    let known = WORDS.iter().find(|(action, _)| *action == binding.action);
    known.map(|(_, word)| *word)
}
