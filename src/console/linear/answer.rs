//! Lines that answer the question about one row: yes, no, or the sentence that it asks for.

use std::time::Instant;

use crossterm::event::KeyCode;

use crate::console::app::App;
use crate::console::confirm::{IncidentStep, LockForm};
use crate::console::keymap::{Action, Place};
use crate::console::linear::talk::{Heard, Open, Talk, WIDE, press, tap};
use crate::console::msg::{Effect, Env, Msg};
use crate::console::run::clock::Moment;
use crate::console::theme::Role;

impl Talk {
    /// Takes a line as the answer to what is open.
    pub(super) fn answer(&mut self, app: &mut App, open: Open, heard: &Heard) -> Vec<Effect> {
        let word = heard.text.trim();
        if matches!(word, "" | "no" | "n" | "quit" | "q") {
            return self.leave(app, open, heard.at);
        }
        match open {
            Open::Results => return self.after(app, word, heard.at),
            Open::Incident(IncidentStep::Scope | IncidentStep::Looking) => {
                self.say("The server is still trying it out; `no` leaves.");
                return Vec::new();
            }
            Open::Incident(IncidentStep::Receipts) => {
                self.say("It was sent and is not answered yet; `no` leaves, and it goes on.");
                return Vec::new();
            }
            _ => {}
        }
        if self.asked.is_none_or(|asked| heard.typed < asked) || !heard.alone {
            self.pause(app, heard.at.steady);
            self.say("That came too fast to be an answer. Nothing was done; read the question, then answer it.");
            return Vec::new();
        }
        match open {
            Open::Form => self.form(app, word, heard.at),
            Open::Review => self.review(app, word, heard.at),
            Open::Incident(_) => self.dry_run(app, word, heard.at),
            _ => self.one(app, word, heard),
        }
    }

    fn one(&mut self, app: &mut App, word: &str, heard: &Heard) -> Vec<Effect> {
        let sentence = app
            .strip()
            .is_some_and(|strip| strip.input().is_some_and(|(label, _)| is_sentence(label)));
        if sentence {
            return self.sentence(app, word, heard);
        }
        let yes = app.world().keymap.key(Place::Question, Action::Yes);
        if !matches!(word, "yes" | "y") && word != yes {
            self.say("Neither `yes` nor `no`: nothing was done.");
            return self.leave(app, Open::Strip, heard.at);
        }
        let effects = press(app, Place::Question, Action::Yes, heard.at);
        self.went_on(app, heard.at.steady);
        effects
    }

    fn sentence(&mut self, app: &mut App, text: &str, heard: &Heard) -> Vec<Effect> {
        let mut effects = say_sentence(app, text, heard.at);
        effects.extend(tap(app, KeyCode::Enter, heard.at));
        self.went_on(app, heard.at.steady);
        effects
    }

    /// An answer was given: the change is on its way, or the question has another step or a reason why not.
    fn went_on(&mut self, app: &App, now: Instant) {
        let Some(strip) = app.strip() else {
            self.forget();
            self.say("Sent. Wait for the answer.");
            return;
        };
        let hint = strip.prompt(app.world());
        self.not_yet(&hint);
        self.pause(app, now);
    }

    /// Says why something is not done yet, when that is what stands in the last line.
    pub(super) fn not_yet(&mut self, hint: &[(String, Role)]) -> bool {
        let [(why, Role::StatusDanger | Role::StatusWarn), ..] = hint else {
            return false;
        };
        self.say(&format!("Not done yet: {why}"));
        true
    }

    /// Closes what is open; nothing is done.
    pub(super) fn leave(&mut self, app: &mut App, open: Open, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        let sent = matches!(open, Open::Results | Open::Incident(IncidentStep::Receipts));
        // The first Esc may only lead one step back.
        for _ in 0..4 {
            if Open::of(app) != Open::Nothing {
                effects.extend(tap(app, KeyCode::Esc, at));
            }
        }
        self.forget();
        self.say(if sent {
            "Left. What was sent goes on."
        } else {
            "Left. Nothing was changed."
        });
        effects
    }

    pub(super) fn prompt(&mut self, app: &App) {
        match Open::of(app) {
            Open::Strip => self.prompt_one(app),
            Open::Form => {
                let name = app.lock_form().and_then(LockForm::to_type);
                self.say(&match name {
                    None => {
                        "Reason? Type it, everybody concerned reads it; `no` leaves.".to_owned()
                    }
                    Some(name) => format!("Type `{name}` to lock it, `no` to leave."),
                });
            }
            Open::Review => self.prompt_review(app),
            Open::Incident(_) => self.prompt_dry_run(app),
            Open::Nothing | Open::Results => {}
        }
    }

    fn prompt_one(&mut self, app: &App) {
        let Some(strip) = app.strip() else { return };
        match strip.input() {
            Some((label, _)) if is_sentence(label) => {
                let lines = strip.doc(app.world(), WIDE).plain();
                let presets = lines
                    .into_iter()
                    .skip_while(|line| !line.as_str().starts_with("Presets"));
                self.say_all(presets.collect());
                self.say(&format!(
                    "{label}? Type it, or the number of a preset; `no` leaves."
                ));
            }
            Some((label, line)) => {
                self.say(&format!(
                    "{label} {}. Type `yes` to do it, `no` to leave.",
                    line.text()
                ));
            }
            None => self.say("Type `yes` to do it, `no` to leave."),
        }
    }
}

/// Puts a sentence into the line that has the keys, or the preset that a single digit stands for.
pub(super) fn say_sentence(app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
    let mut letters = text.chars();
    let preset = letters
        .next()
        .filter(|letter| letters.next().is_none() && letter.is_ascii_digit());
    match preset {
        Some(digit) => tap(app, KeyCode::Char(digit), at),
        None => app.update(Msg::Paste(text.to_owned()), Env { now: at }),
    }
}

fn is_sentence(label: &str) -> bool {
    matches!(label, "Reason" | "Comment")
}
