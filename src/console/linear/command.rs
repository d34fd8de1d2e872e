//! Lines that are commands: lists, rows, and the questions before changes.

use crossterm::event::KeyCode;

use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::linear::awaited::{is_unread, told};
use crate::console::linear::named::named;
use crate::console::linear::rows::numbers;
use crate::console::linear::talk::{Heard, Talk, press, tap, type_keys};
use crate::console::linear::{HELP, detail, sentence, tell};
use crate::console::msg::{Effect, Env, Msg, Query, Wish};
use crate::console::run::clock::Moment;
use crate::console::store::Subject;
use crate::query::List;
use crate::text::clean;

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
            "sign-ins" => {
                self.wait_for(List::SignIns, rest, at.steady);
                return vec![Effect::Fetch(Query::SignIns)];
            }
            "services" => {
                self.wait_for(List::Services, rest, at.steady);
                return vec![Effect::Fetch(Query::Services)];
            }
            "standing" => {
                self.wait_for(List::Standing, rest, at.steady);
                return vec![Effect::Fetch(Query::Standing)];
            }
            "whoami" => {
                self.who = Some(at.steady);
                return vec![Effect::Fetch(Query::Me), Effect::Fetch(Query::Factors)];
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

    pub(super) fn find(&self, app: &App, what: &str) -> Option<Subject> {
        if let Ok(number) = what.parse::<usize>() {
            return self.choices.get(number.checked_sub(1)?).cloned();
        }
        find_id(app, what)
    }

    pub(super) fn unknown(&mut self, what: &str) {
        let what = clean(what);
        self.say(&format!(
            "`{what}` is neither a number of the last list nor a known id"
        ));
    }
}

/// Does what would take keys on a screen.
pub(super) fn wish(app: &mut App, wish: Wish, at: Moment) -> Vec<Effect> {
    app.update(Msg::Wish(wish), Env { now: at })
}

fn find_id(app: &App, what: &str) -> Option<Subject> {
    let store = &app.world().store;
    let request = what.parse().ok().map(Subject::Request);
    let grant = what.parse().ok().map(Subject::Grant);
    let lock = what.parse().ok().map(Subject::Lock);
    let sign_in = what.parse().ok().map(Subject::SignIn);
    let service = what.parse().ok().map(Subject::Service);
    let standing = what.parse().ok().map(Subject::Standing);
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
        .chain(sign_in)
        .chain(service)
        .chain(standing)
        .find(|subject| store.get(subject).is_some())
}
