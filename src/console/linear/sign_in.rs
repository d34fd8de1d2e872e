//! Signing in where there is no screen: in the browser. A line is no place for a password, because it can be read.

use crossterm::event::KeyCode;

use crate::console::app::{App, Attempt, Stage};
use crate::console::linear::talk::{Heard, Talk, tap};
use crate::console::msg::{Effect, Env, Msg, Wish};
use crate::console::sign_in::Way;

/// What else makes sense meanwhile.
const MEANWHILE: [&str; 8] = ["help", "quit", "q", "exit", "status", "messages", "h", "?"];
const OTHERS: &str = "With a password or a code sign in with `portcullis login` in another terminal, then type `no` and `retry`.";

impl Talk {
    /// Says what is asked of the person, when that is another thing than before.
    pub(super) fn ask_sign_in(&mut self, app: &App) {
        let said = app.attempt().and_then(|attempt| question(app, attempt));
        if said != self.door {
            if let Some(said) = &said {
                self.say(said);
            }
            self.door = said;
        }
    }

    /// Takes a line while somebody is asked to sign in.
    pub(super) fn answer_sign_in(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let typed = heard.text.trim().to_ascii_lowercase();
        match typed.as_str() {
            "browser" => {
                let wish = Msg::Wish(Wish::SignIn(Way::Browser));
                app.update(wish, Env { now: heard.at })
            }
            "no" => tap(app, KeyCode::Esc, heard.at),
            "" => Vec::new(),
            word if MEANWHILE.contains(&word) => self.command(app, heard),
            _ => {
                self.say("sign in first: type `browser`, or `no`");
                Vec::new()
            }
        }
    }
}

fn question(app: &App, attempt: &Attempt) -> Option<String> {
    let problem = attempt.problem();
    let problem = problem.map_or_else(String::new, |problem| format!("{problem}. "));
    match attempt.stage() {
        Stage::Sent | Stage::Browser(None) => None,
        Stage::Browser(Some((address, _))) => Some(format!(
            "Go to this address with a browser on this machine, unless one has opened already; `no` stops waiting: {address}"
        )),
        Stage::Open => {
            let held = app.held();
            let held = if held.is_empty() {
                String::new()
            } else {
                format!(" You are asked again for: {}.", held.join(", "))
            };
            let provider = attempt.ways().map(|ways| ways.provider.is_some());
            let how = match provider {
                Some(true) => {
                    format!("Type `browser` to sign in in the browser, or `no`. {OTHERS}")
                }
                Some(false) => OTHERS.to_owned(),
                None if problem.is_empty() => return None,
                None => {
                    "The server did not say how to sign in; type `no`, then `retry`.".to_owned()
                }
            };
            Some(format!("{problem}Nobody is signed in.{held} {how}"))
        }
    }
}
