//! Lines that answer what is about many: the form of a lock, a list of marked rows, the dry run of an incident. The
//! count and the name are typed as they are on a screen, and afterwards each row is told of.

use crossterm::event::KeyCode;

use crate::console::app::App;
use crate::console::confirm::{Incident, IncidentStep, Item, ItemState, LockForm};
use crate::console::keymap::{Action, Place};
use crate::console::linear::answer::say_sentence;
use crate::console::linear::talk::{Open, Talk, press, tap, type_keys, wipe};
use crate::console::linear::tell;
use crate::console::msg::Effect;
use crate::console::run::clock::Moment;
use crate::text::clean;

impl Talk {
    /// First the reason, then the name of what is locked.
    pub(super) fn form(&mut self, app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        let named = app.lock_form().and_then(LockForm::to_type).is_some();
        effects.extend(wipe(app, at));
        if named {
            effects.extend(type_keys(app, text, at));
            effects.extend(tap(app, KeyCode::Enter, at));
        } else {
            effects.extend(say_sentence(app, text, at));
            if app.lock_form().and_then(LockForm::to_type).is_some() {
                // Past the length, to the line for the name.
                effects.extend(tap(app, KeyCode::Tab, at));
                effects.extend(tap(app, KeyCode::Tab, at));
            } else {
                self.say("Not done yet: the reason needs at least 3 characters");
            }
        }
        let Some(form) = app.lock_form() else {
            self.forget();
            self.say("Sent. Wait for the answer.");
            return effects;
        };
        let hint = form.keys(app.world());
        self.not_yet(&hint);
        self.pause(app, at.steady);
        effects
    }

    /// Rows taken out, the reason, and the count.
    pub(super) fn review(&mut self, app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
        let rows = app.review().map_or(0, |review| review.items().len());
        let mut effects = Vec::new();
        match said(text) {
            Said::Rows(numbers) => {
                for number in numbers.into_iter().filter(|number| *number <= rows) {
                    effects.extend(drop_row(app, Place::Review, number, at));
                    let item = app
                        .review()
                        .and_then(|review| review.items().get(number - 1));
                    let line = item.map(|item| format!("{number}. {}", item.line()));
                    self.say(&line.unwrap_or_default());
                }
            }
            Said::Reason(reason) => effects.extend(reason_of_list(app, &reason, at)),
            Said::Count(count) => {
                effects.extend(wipe_count(app, at));
                effects.extend(type_keys(app, &count, at));
                effects.extend(tap(app, KeyCode::Enter, at));
            }
            Said::Again | Said::Other => self.say(
                "Type `drop 2` to take number 2 out or back in, `reason` and a sentence, or the count; `no` leaves.",
            ),
        }
        if Open::of(app) == Open::Results {
            self.forget();
            self.results_told = false;
            self.say("Sent. What becomes of each is told as it comes.");
            return effects;
        }
        let Some(review) = app.review() else {
            return effects;
        };
        let hint = review.keys(app.world());
        self.not_yet(&hint);
        self.pause(app, at.steady);
        effects
    }

    pub(super) fn prompt_review(&mut self, app: &App) {
        let Some(review) = app.review() else { return };
        let verb = review.kind().verb().to_lowercase();
        let text = match review.kept() {
            0 => format!("Nothing is left to {verb}; `no` leaves."),
            kept => format!(
                "Type {kept} to {verb} {}. First, if need be: `drop 2` takes number 2 out, `reason` and a sentence, or `reason 1` for a preset. `no` leaves.",
                if kept == 1 { "it" } else { "them" },
            ),
        };
        self.say(&text);
    }

    /// What can be typed while the results come.
    pub(super) fn after(&mut self, app: &mut App, word: &str, at: Moment) -> Vec<Effect> {
        if word == "retry" {
            self.results_told = false;
            return press(app, Place::Review, Action::Retry, at);
        }
        self.say(if self.results_told {
            "Type `retry` to send again what was not answered; `no` leaves."
        } else {
            "The answers are still coming; `no` leaves, and it goes on."
        });
        Vec::new()
    }

    /// Rows kept, the reason, the dry run once more, and the count.
    pub(super) fn dry_run(&mut self, app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
        let rows = app
            .incident()
            .and_then(|incident| incident.preview())
            .map_or(0, |preview| preview.items.len());
        let mut effects = Vec::new();
        match said(text) {
            Said::Rows(numbers) => {
                for number in numbers.into_iter().filter(|number| *number <= rows) {
                    effects.extend(drop_row(app, Place::Incident, number, at));
                    self.say_all(tell::dry_row(app, number));
                }
            }
            Said::Reason(reason) => effects.extend(reason_of_list(app, &reason, at)),
            Said::Again => {
                effects.extend(face(app, false, at));
                effects.extend(press(app, Place::Incident, Action::DryRun, at));
                self.say("The server tries it out once more.");
            }
            Said::Count(count) => {
                effects.extend(wipe_count(app, at));
                effects.extend(type_keys(app, &count, at));
                effects.extend(tap(app, KeyCode::Enter, at));
            }
            Said::Other => self.say(
                "Type `keep 2` to leave number 2 as it is, `reason` and a sentence, `again`, or the count; `no` leaves.",
            ),
        }
        match Open::of(app) {
            Open::Incident(IncidentStep::Review) => {
                let hint = app
                    .incident()
                    .map(|incident| incident.keys(app.world()))
                    .unwrap_or_default();
                self.not_yet(&hint);
                self.pause(app, at.steady);
            }
            Open::Incident(IncidentStep::Receipts) => {
                self.forget();
                self.receipts.clear();
                self.say("Sent. Each is told of when it is off.");
            }
            _ => self.forget(),
        }
        effects
    }

    pub(super) fn prompt_dry_run(&mut self, app: &App) {
        let Some(incident) = app.incident() else {
            return;
        };
        self.say(&format!(
            "Nothing was done yet. Type {} to do exactly this, after `reason` and a sentence. `keep 2` leaves number 2 as it is, `again` tries it out once more, `no` leaves.",
            incident.count()
        ));
    }

    /// Goes on with what needs nobody to read it.
    pub(super) fn go_on(&mut self, app: &mut App, open: Open, at: Moment) -> Vec<Effect> {
        match open {
            Open::Incident(IncidentStep::Scope) => {
                let armed = app.incident().map(Incident::armed_at);
                if armed.is_some_and(|armed| at.steady < armed) {
                    self.ready = armed;
                    return Vec::new();
                }
                // Trying it out changes nothing.
                let effects = tap(app, KeyCode::Enter, at);
                if Open::of(app) == open {
                    let hint = app
                        .incident()
                        .map(|incident| incident.keys(app.world()))
                        .unwrap_or_default();
                    if !self.not_yet(&hint) {
                        return effects;
                    }
                    return [effects, self.leave(app, open, at)].concat();
                }
                self.open = Open::of(app);
                self.say("The server tries it out; nothing is done.");
                effects
            }
            Open::Incident(IncidentStep::Receipts) => {
                let known = app.incident().is_some_and(|incident| {
                    incident.view().is_some() || incident.trouble().is_some()
                });
                if !known {
                    return Vec::new();
                }
                if let Some(why) = app.incident().and_then(|incident| incident.trouble()) {
                    let why = clean(why);
                    self.say(&format!(
                        "The server did not answer, whether anything was done is not known: {why}. It is sent again with the same key."
                    ));
                }
                // It goes on without anybody's keys, and its receipts are told.
                tap(app, KeyCode::Esc, at)
            }
            Open::Results => self.tell_results(app, at),
            _ => Vec::new(),
        }
    }

    fn tell_results(&mut self, app: &mut App, at: Moment) -> Vec<Effect> {
        let Some(review) = app.review() else {
            return Vec::new();
        };
        if review.running() > 0 || self.results_told {
            return Vec::new();
        }
        for line in review.items().iter().filter_map(Item::result) {
            self.say(&line);
        }
        self.marks.clear();
        let unanswered = |item: &Item| matches!(item.state, ItemState::Unanswered(_));
        if review.items().iter().any(unanswered) {
            // The list stays open: only from within it the same changes are sent again, with the same keys.
            self.results_told = true;
            self.say("Type `retry` to send again what was not answered; `no` leaves.");
            return Vec::new();
        }
        tap(app, KeyCode::Enter, at)
    }

    /// Tells what has become of each row of the incident that was begun here.
    pub(super) fn tell_receipts(&mut self, app: &App) {
        let Some(incident) = app.last_incident() else {
            return;
        };
        let Some(view) = incident.view() else { return };
        let mut lines = Vec::new();
        for receipt in &view.items {
            let line = tell::receipt(receipt, app.world().server_now());
            if self.receipts.get(&receipt.id) != Some(&line) {
                lines.push(line.clone());
                self.receipts.insert(receipt.id.clone(), line);
            }
        }
        if lines.is_empty() {
            return;
        }
        self.say(&format!("Incident {}:", view.id));
        for line in lines {
            self.say(&line);
        }
        if view.done {
            self.say(&format!("All {} are settled.", view.items.len()));
        }
    }
}

/// What a line says to a list.
enum Said {
    /// Numbers of rows to take out, or back in.
    Rows(Vec<usize>),
    Reason(String),
    Count(String),
    Again,
    Other,
}

fn said(text: &str) -> Said {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "drop" | "keep" | "take" => Said::Rows(super::rows::numbers(rest)),
        "reason" | "comment" if !rest.trim().is_empty() => Said::Reason(rest.trim().to_owned()),
        "again" => Said::Again,
        _ if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) => {
            Said::Count(text.to_owned())
        }
        _ => Said::Other,
    }
}

/// Goes to a row of the open list and takes it out, or back in.
fn drop_row(app: &mut App, place: Place, number: usize, at: Moment) -> Vec<Effect> {
    let mut effects = face(app, false, at);
    effects.extend(press(app, place, Action::Top, at));
    for _ in 1..number {
        effects.extend(press(app, place, Action::Down, at));
    }
    effects.extend(press(app, place, Action::Drop, at));
    effects
}

/// Goes to the line of the reason, replaces it, and comes back.
fn reason_of_list(app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
    let mut effects = face(app, true, at);
    effects.extend(wipe(app, at));
    effects.extend(say_sentence(app, text, at));
    effects.extend(tap(app, KeyCode::Enter, at));
    effects
}

/// A count that was typed before is another one.
fn wipe_count(app: &mut App, at: Moment) -> Vec<Effect> {
    let mut effects = face(app, false, at);
    effects.extend((0..5).flat_map(|_| tap(app, KeyCode::Backspace, at)));
    effects
}

/// Gives the keys to the reason, or to the list.
fn face(app: &mut App, reason: bool, at: Moment) -> Vec<Effect> {
    let there = match (app.incident(), app.review()) {
        (Some(incident), _) => incident.is_reasoning(),
        (None, Some(review)) => review.is_reasoning(),
        (None, None) => reason,
    };
    if there == reason {
        return Vec::new();
    }
    tap(app, KeyCode::Tab, at)
}
