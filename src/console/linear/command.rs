//! Lines that are commands: lists, rows, and the questions before changes.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::console::app::App;
use crate::console::confirm::Around;
use crate::console::keymap::{Action, Place};
use crate::console::linear::rows::numbers;
use crate::console::linear::talk::{Heard, Talk, WIDE, press, tap, type_keys};
use crate::console::linear::{HELP, detail, sentence, tell};
use crate::console::msg::{Effect, Env, Msg, Query, Wish};
use crate::console::run::clock::Moment;
use crate::console::store::Subject;
use crate::query::List;
use crate::text::{DisplayText, clean};
use crate::wire::LockOn;

/// Longer than this nobody waits for a list without a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// A list that the server was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) list: List,
    all: bool,
    filter: String,
    since: Instant,
    pub(super) until: Instant,
}

impl Talk {
    pub(super) fn command(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let text = heard.text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (rest, at) = (rest.trim(), heard.at);
        let named = named(app, word);
        let word = named.map_or(word, |word| word);
        match word {
            "" => {}
            "help" | "h" | "?" => {
                for line in HELP {
                    self.say(line);
                }
            }
            "quit" | "q" | "exit" => return vec![Effect::Quit],
            "requests" => self.list(app, List::Requests, rest),
            "grants" => self.list(app, List::Grants, rest),
            "sessions" => {
                let effects = wish(app, Wish::Do(Action::GoSessions), at);
                self.wait_for(List::Sessions, rest, at.steady);
                return effects;
            }
            "locks" => {
                self.wait_for(List::Locks, rest, at.steady);
                return vec![Effect::Fetch(Query::Locks)];
            }
            "break-glass" => self.list(app, List::BreakGlass, rest),
            "audit" => {
                let lines = self.told.record();
                self.say_all(lines);
            }
            "export" => {
                let mut effects = wish(app, Wish::Do(Action::GoAudit), at);
                effects.extend(wish(app, Wish::Do(Action::Export), at));
                return effects;
            }
            "status" => self.say_all(tell::status(app)),
            "messages" => self.say_all(tell::messages(app)),
            "as" | "timeline" => return self.as_of(app, rest, at),
            "show" => return self.show(app, rest, at),
            "mark" | "unmark" | "marks" => self.mark(app, word, rest),
            "retry" => {
                self.say("Trying again.");
                return wish(app, Wish::Do(Action::Retry), at);
            }
            "sign-in" => return wish(app, Wish::Do(Action::SignIn), at),
            "give" if rest == "up" => {
                // Each takes away one thing more: what was said, then what waits.
                return (0..4)
                    .flat_map(|_| wish(app, Wish::Do(Action::Back), at))
                    .collect();
            }
            _ => return self.change(app, word, rest, at),
        }
        Vec::new()
    }

    /// A command that begins a change.
    fn change(&mut self, app: &mut App, word: &str, rest: &str, at: Moment) -> Vec<Effect> {
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
            return wish(app, Wish::Many(action, self.marks.clone()), at);
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
        self.length = length.map(str::to_owned);
        let effects = app.update(Msg::About(action, subject), Env { now: at });
        if app.strip().is_none() {
            self.length = None;
        }
        effects
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

    fn as_of(&mut self, app: &mut App, rest: &str, at: Moment) -> Vec<Effect> {
        let moment = rest.strip_prefix("of").unwrap_or(rest).trim();
        let mut effects = wish(app, Wish::Do(Action::GoTimeline), at);
        if matches!(moment, "" | "now") {
            effects.extend(wish(app, Wish::Do(Action::TimeNow), at));
        } else {
            effects.extend(press(app, Place::Timeline, Action::AsOf, at));
            effects.extend(type_keys(app, moment, at));
            effects.extend(tap(app, KeyCode::Enter, at));
        }
        let told = told(app);
        self.unread = is_unread(&told);
        self.say_all(told);
        // A moment that makes no sense leaves its line open.
        if app.screen().is_some_and(|screen| screen.typing().is_some()) {
            effects.extend(tap(app, KeyCode::Esc, at));
        }
        effects
    }

    fn show(&mut self, app: &mut App, what: &str, at: Moment) -> Vec<Effect> {
        let Some(subject) = self.find(app, what) else {
            self.unknown(what);
            return Vec::new();
        };
        self.say_all(detail::detail(app, &subject));
        let effects = wish(app, Wish::Show(subject.clone()), at);
        self.shown = Some(subject);
        effects
    }

    fn mark(&mut self, app: &App, word: &str, rest: &str) {
        match (word, rest) {
            ("unmark", "" | "all") => self.marks.clear(),
            ("mark", "all") => {
                let new = self.choices.clone();
                self.add_marks(new);
            }
            ("marks", _) => {}
            (_, rest) => {
                let ids = rest.split_whitespace();
                let mut named: Vec<Subject> = ids.filter_map(|id| find_id(app, id)).collect();
                let rows = numbers(rest);
                named.extend(
                    rows.iter()
                        .filter_map(|number| self.choices.get(number - 1).cloned()),
                );
                if named.is_empty() {
                    self.unknown(rest);
                    return;
                }
                if word == "mark" {
                    self.add_marks(named);
                } else {
                    self.marks.retain(|subject| !named.contains(subject));
                }
            }
        }
        let lines: Vec<String> = self
            .marks
            .iter()
            .filter_map(|subject| sentence::row(app, subject))
            .collect();
        self.say(&match lines.len() {
            0 => "Nothing is marked.".to_owned(),
            1 => "One row is marked:".to_owned(),
            count => format!("{count} rows are marked:"),
        });
        for line in lines {
            self.say(&line);
        }
    }

    fn add_marks(&mut self, new: Vec<Subject>) {
        for subject in new {
            if !self.marks.contains(&subject) {
                self.marks.push(subject);
            }
        }
    }

    fn list(&mut self, app: &App, list: List, rest: &str) {
        let (all, filter) = all(rest);
        match tell::list(app, list, all, filter, &mut self.choices) {
            Ok(lines) => self.say_all(lines),
            Err(why) => self.say(&why),
        }
    }

    fn wait_for(&mut self, list: List, rest: &str, now: Instant) {
        let (all, filter) = all(rest);
        self.awaited = Some(Awaited {
            list,
            all,
            filter: filter.to_owned(),
            since: now,
            until: now + PATIENCE,
        });
    }

    /// Reads out a list or a record that has come.
    pub(super) fn await_lists(&mut self, app: &App, now: Instant) {
        let world = app.world();
        if let Some(awaited) = self.awaited.take() {
            let came = match awaited.list {
                List::Sessions => world.store.sessions_at(),
                _ => world.locks_read,
            };
            // Sessions that were read a moment ago are good enough.
            let came = came.is_some_and(|came| came + PATIENCE >= awaited.since);
            if came && (awaited.list == List::Sessions || world.locks_read >= Some(awaited.since)) {
                let rest = if awaited.all {
                    format!("all {}", awaited.filter)
                } else {
                    awaited.filter.clone()
                };
                self.list(app, awaited.list, &rest);
            } else if now >= awaited.until {
                let list = awaited.list.as_str();
                self.say(&format!(
                    "The {list} did not come: the server did not answer."
                ));
            } else {
                self.awaited = Some(awaited);
            }
        }
        if self.unread {
            let told = told(app);
            if app.place() != Place::Timeline {
                self.unread = false;
            } else if !is_unread(&told) {
                self.unread = false;
                self.say("All of it is read now:");
                self.say_all(told);
            }
        }
        let Some(subject) = self.shown.take() else {
            return;
        };
        let trail = world.trail.as_ref();
        match trail.filter(|trail| trail.subject == subject) {
            Some(trail) if trail.events.is_some() || trail.problem.is_some() => {
                self.say_all(detail::record(trail, world.server_now()));
            }
            Some(_) => self.shown = Some(subject),
            None => {}
        }
    }

    fn find(&self, app: &App, what: &str) -> Option<Subject> {
        if let Ok(number) = what.parse::<usize>() {
            return self.choices.get(number.checked_sub(1)?).cloned();
        }
        find_id(app, what)
    }

    fn unknown(&mut self, what: &str) {
        let what = clean(what);
        self.say(&format!(
            "`{what}` is neither a number of the last list nor a known id"
        ));
    }
}

fn wish(app: &mut App, wish: Wish, at: Moment) -> Vec<Effect> {
    app.update(Msg::Wish(wish), Env { now: at })
}

/// What the screen in front says in sentences.
fn told(app: &App) -> Vec<DisplayText> {
    let told = app
        .screen()
        .and_then(|screen| screen.told(app.world(), WIDE));
    told.unwrap_or_default()
}

fn is_unread(told: &[DisplayText]) -> bool {
    told.iter()
        .take(2)
        .any(|line| line.as_str().contains("are not read yet"))
}

/// Splits `all` from the filter behind it.
fn all(rest: &str) -> (bool, &str) {
    match rest.strip_prefix("all") {
        Some("") => (true, ""),
        Some(filter) if filter.starts_with(' ') => (true, filter.trim()),
        _ => (false, rest),
    }
}

/// The word for a key or the name of an action in this person's keymap, so that what a message calls `u` works here.
fn named(app: &App, word: &str) -> Option<&'static str> {
    const WORDS: [(Action, &str); 25] = [
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
        Place::Glass,
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

fn action(word: &str, with_length: bool) -> Option<Action> {
    Some(match word {
        "approve" if with_length => Action::Narrow,
        "approve" => Action::Approve,
        "deny" => Action::Deny,
        "extend" => Action::Extend,
        "revoke" => Action::Revoke,
        "return" => Action::GiveBack,
        "end" => Action::EndSession,
        "lift" | "unlock" => Action::Lift,
        "sign-off" => Action::SignOff,
        "object" => Action::Object,
        _ => return None,
    })
}

fn find_id(app: &App, what: &str) -> Option<Subject> {
    let store = &app.world().store;
    let request = what.parse().ok().map(Subject::Request);
    let grant = what.parse().ok().map(Subject::Grant);
    let lock = what.parse().ok().map(Subject::Lock);
    let used = what.parse().ok().map(Subject::Use);
    let mut sessions = store.sessions().filter(|(key, _)| key.id == what);
    let session = sessions
        .next()
        .map(|(key, _)| Subject::Session(key.clone()));
    // Two grants can have sessions of one name: then a number says which.
    let session = session.filter(|_| sessions.next().is_none() && what.parse::<usize>().is_err());
    request
        .into_iter()
        .chain(grant)
        .chain(lock)
        .chain(used)
        .chain(session)
        .find(|subject| store.get(subject).is_some())
}
