//! Lines that begin a change: they open the question that a key would open, and answer nothing.

use crate::console::app::App;
use crate::console::confirm::Around;
use crate::console::keymap::Action;
use crate::console::linear::command::wish;
use crate::console::linear::talk::Talk;
use crate::console::msg::{Effect, Env, Msg, Wish};
use crate::console::run::clock::Moment;
use crate::console::store::Subject;
use crate::text::clean;
use crate::wire::LockOn;

impl Talk {
    /// A command that begins a change.
    pub(super) fn change(
        &mut self,
        app: &mut App,
        word: &str,
        rest: &str,
        at: Moment,
    ) -> Vec<Effect> {
        let known = action(word, false).is_some()
            || matches!(word, "claim" | "release" | "undo" | "lock" | "incident");
        if !known {
            let word = clean(word);
            self.say(&format!("`{word}` is no command; `help` lists them"));
            return Vec::new();
        }
        if !self.keyboard {
            self.say(
                "changes need somebody at a keyboard; use commands such as `portcullis approve`",
            );
            return Vec::new();
        }
        match word {
            "undo" => return wish(app, Wish::Do(Action::Undo), at),
            "lock" => return self.lock(app, rest, at),
            "incident" => return self.incident(app, rest, at),
            _ => {}
        }
        let (what, length) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let length = Some(length.trim()).filter(|length| !length.is_empty());
        if what.is_empty() {
            self.say(&format!("say which one, for example `{word} 1`"));
            return Vec::new();
        }
        let Some(action) = action(word, length.is_some()) else {
            let Some(subject) = self.find(app, what) else {
                self.unknown(what);
                return Vec::new();
            };
            return wish(app, Wish::Claim(subject), at);
        };
        if (word, what) == ("revoke", "all") {
            return self.revoke_all(app, length.unwrap_or_default(), at);
        }
        if length.is_some() && !matches!(action, Action::Narrow | Action::Extend) {
            self.say(&format!(
                "`{word}` takes one row and nothing else; what it needs to know is asked for"
            ));
            return Vec::new();
        }
        if what == "marked" {
            if self.marks.is_empty() {
                self.say("nothing is marked; `mark 1 3` marks rows of the last list");
                return Vec::new();
            }
            let of_kind = self.marks.first().map_or(action, |first| of(action, first));
            return wish(app, Wish::Many(of_kind, self.marks.clone()), at);
        }
        let Some(subject) = self.find(app, what) else {
            self.unknown(what);
            return Vec::new();
        };
        // A use has the name of its request.
        let subject = match (action, subject) {
            (Action::SignOff | Action::Object, Subject::Request(id)) => Subject::Use(id),
            (_, subject) => subject,
        };
        let action = of(action, &subject);
        self.length = length.map(str::to_owned);
        let effects = app.update(Msg::About(action, subject), Env { now: at });
        if app.strip().is_none() {
            self.length = None;
        }
        effects
    }

    /// `revoke all 2`: every sign-in of that person but the one in use here.
    fn revoke_all(&mut self, app: &mut App, what: &str, at: Moment) -> Vec<Effect> {
        let Some(subject @ Subject::SignIn(_)) = self.find(app, what) else {
            self.say("`revoke all` takes a sign-in of the person, for example `revoke all 2`");
            return Vec::new();
        };
        wish(app, Wish::SignInsLike(subject), at)
    }

    /// `lock bob`, `lock target orders-db for 2h`, `lock role readonly on orders-db`.
    fn lock(&mut self, app: &mut App, rest: &str, at: Moment) -> Vec<Effect> {
        let (what, lasts) = rest.rsplit_once(" for ").unwrap_or((rest, ""));
        let (kind, name) = what.split_once(' ').unwrap_or(("", what));
        let (kind, name) = (kind.trim(), name.trim().to_owned());
        let on = match (kind, name.as_str()) {
            ("", "everything") => Some(LockOn::Everything),
            (_, "") => None,
            ("" | "principal" | "user", _) => Some(LockOn::Principal { principal: name }),
            ("target", _) => Some(LockOn::Target { target: name }),
            ("role", _) => name.split_once(" on ").map(|(role, target)| LockOn::Role {
                target: target.trim().to_owned(),
                role: role.trim().to_owned(),
            }),
            ("tag", _) => name.split_once('=').map(|(tag, value)| LockOn::Tag {
                name: tag.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => None,
        };
        let Some(on) = on else {
            self.say("write `lock bob`, `lock target orders-db`, `lock role readonly on orders-db`, `lock tag env=prod` or `lock everything`, and `for 2h` at the end if it is to end by itself");
            return Vec::new();
        };
        wish(app, Wish::Lock(on, lasts.trim().to_owned()), at)
    }

    /// `incident target:orders-db lock deny`.
    fn incident(&mut self, app: &mut App, rest: &str, at: Moment) -> Vec<Effect> {
        let running = app
            .last_incident()
            .filter(|incident| incident.is_committed() && !incident.is_over());
        if running.is_some() {
            self.say("The last incident is not over; this is how it stands:");
            self.receipts.clear();
            self.tell_receipts(app);
            return Vec::new();
        }
        let mut around = Around::default();
        let (words, filter) = match rest.split_once("filter ") {
            Some((words, filter)) => (words, filter.trim()),
            None => (rest, ""),
        };
        filter.clone_into(&mut around.filter);
        for word in words.split_whitespace() {
            match word.split_once(':') {
                Some(("target" | "targets", names)) => names.clone_into(&mut around.targets),
                Some(("tag" | "tags", names)) => names.clone_into(&mut around.tags),
                Some(("user" | "people" | "principal", names)) => {
                    names.clone_into(&mut around.people);
                }
                None if word == "everything" => around.everything = true,
                None if word == "lock" => around.lock = true,
                None if word == "deny" => around.deny = true,
                _ => {
                    let word = clean(word);
                    self.say(&format!("`{word}` says nothing here: write target:, tag:, user:, everything, lock, deny, or `filter` and a filter"));
                    return Vec::new();
                }
            }
        }
        wish(app, Wish::Incident(Box::new(around)), at)
    }
}

fn action(word: &str, with_length: bool) -> Option<Action> {
    Some(match word {
        "approve" if with_length => Action::Narrow,
        "approve" => Action::Approve,
        "deny" => Action::Deny,
        "extend" => Action::Extend,
        "revoke" => Action::Revoke,
        "delete" => Action::DeleteService,
        "return" => Action::GiveBack,
        "end" => Action::EndSession,
        "lift" | "unlock" => Action::Lift,
        "import" => Action::ImportStanding,
        "ignore" => Action::IgnoreStanding,
        "reopen" => Action::ReopenStanding,
        "sign-off" => Action::SignOff,
        "object" => Action::Object,
        _ => return None,
    })
}

/// What a word means for this row: sign-ins and service accounts are taken away in a way of their own.
fn of(action: Action, subject: &Subject) -> Action {
    match (action, subject) {
        (Action::Revoke | Action::EndSession, Subject::SignIn(_)) => Action::RevokeSignIn,
        (Action::Revoke, Subject::Service(_)) => Action::DeleteService,
        (action, _) => action,
    }
}
