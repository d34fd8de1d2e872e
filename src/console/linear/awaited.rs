//! Lists and records that are read out when the server has answered.

use std::time::{Duration, Instant};

use crate::console::app::App;
use crate::console::keymap::Place;
use crate::console::linear::detail;
use crate::console::linear::list::rows;
use crate::console::linear::talk::{Talk, WIDE};
use crate::console::overlay::who;
use crate::query::List;
use crate::text::DisplayText;

/// Longer than this nobody waits for a list without a word.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A list that the server was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) list: List,
    pub(super) all: bool,
    pub(super) filter: String,
    pub(super) since: Instant,
    pub(super) until: Instant,
}

impl Talk {
    pub(super) fn list(&mut self, app: &App, list: List, rest: &str) {
        let (all, filter) = all(rest);
        match rows(app, list, all, filter, &mut self.choices) {
            Ok(lines) => self.say_all(lines),
            Err(why) => self.say(&why),
        }
    }

    /// Says who sits here, once their second factors came, or without those after a while.
    fn await_myself(&mut self, app: &App, now: Instant) {
        let Some(since) = self.who else { return };
        let came = app
            .world()
            .factors
            .as_ref()
            .is_some_and(|(_, at)| *at >= since);
        if came || now >= since + PATIENCE {
            self.who = None;
            self.say_all(who::facts(app.world(), WIDE).plain());
        }
    }

    pub(super) fn wait_for(&mut self, list: List, rest: &str, now: Instant) {
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
                // Sessions that were read a moment ago are good enough.
                List::Sessions => world.store.sessions_at().map(|came| came + PATIENCE),
                List::SignIns => world.store.people().sign_ins_at(),
                List::Services => world.store.people().services_at(),
                List::Standing => world.store.standing().asked_at(),
                _ => world.locks_read,
            };
            if came >= Some(awaited.since) {
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
        self.await_myself(app, now);
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
}

/// What the screen in front says in sentences.
pub(super) fn told(app: &App) -> Vec<DisplayText> {
    let told = app
        .screen()
        .and_then(|screen| screen.told(app.world(), WIDE));
    told.unwrap_or_default()
}

pub(super) fn is_unread(told: &[DisplayText]) -> bool {
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
