//! Signing in where there is no screen: in a browser here, in one on another machine, or with a password or a one-time
//! code, whose lines are not shown while they are typed.

use crossterm::event::KeyCode;

use crate::console::app::{App, Asked, Attempt, Stage};
use crate::console::linear::secrets::{Next, Secrets};
use crate::console::linear::talk::{Heard, Talk, tap};
use crate::console::msg::{Effect, Env, Msg, Wish};
use crate::console::overlay::sign_in::elsewhere;
use crate::console::show;
use crate::console::sign_in::Way;

/// What else makes sense meanwhile.
const MEANWHILE: [&str; 8] = ["help", "quit", "q", "exit", "status", "messages", "h", "?"];

impl Talk {
    /// Says what is asked of the person, when that is another thing than before.
    pub(super) fn ask_sign_in(&mut self, app: &App) {
        if !is_open(app) {
            self.secrets = None;
        }
        let said = app.attempt().and_then(|attempt| match &self.secrets {
            Some(secrets) => Some(secrets.question().to_owned()),
            None => question(app, attempt),
        });
        if said != self.door {
            if let Some(said) = &said {
                self.say(said);
            }
            self.door = said;
        }
    }

    /// Says whether the next line is a secret, and is not to be shown while it is typed.
    pub fn hides(&self) -> bool {
        self.secrets.as_ref().is_some_and(Secrets::hides)
    }

    /// Takes a line while somebody is asked to sign in.
    pub(super) fn answer_sign_in(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        if let Some(secrets) = self.secrets.take() {
            return match secrets.take(&heard.text) {
                Next::Ask(secrets) => {
                    self.secrets = Some(secrets);
                    Vec::new()
                }
                Next::Send(way) => sign_in(app, way, heard),
                Next::Leave => Vec::new(),
            };
        }
        let typed = heard.text.trim().to_ascii_lowercase();
        let ways = app.attempt().and_then(Attempt::ways);
        let provider = ways.is_some_and(|ways| ways.provider.is_some());
        let device = provider && ways.is_some_and(|ways| ways.device);
        match typed.as_str() {
            "browser" if provider => sign_in(app, Way::Browser, heard),
            "device" if device => sign_in(app, Way::Device, heard),
            "password" | "code" if is_open(app) => {
                self.secrets = Some(Secrets::begin(&typed));
                Vec::new()
            }
            "no" => tap(app, KeyCode::Esc, heard.at),
            "" => Vec::new(),
            word if MEANWHILE.contains(&word) => {
                let effects = self.command(app, heard);
                if let Some(Stage::Device(Some(asked))) = app.attempt().map(Attempt::stage) {
                    let state = elsewhere::state(asked, app.world().now);
                    self.say(&format!("The code: {state}."));
                }
                effects
            }
            _ => {
                let text = format!("sign in first: type {}", words(provider, device));
                self.say(&text);
                Vec::new()
            }
        }
    }
}

fn is_open(app: &App) -> bool {
    app.attempt()
        .is_some_and(|attempt| *attempt.stage() == Stage::Open)
}

fn sign_in(app: &mut App, way: Way, heard: &Heard) -> Vec<Effect> {
    let wish = Msg::Wish(Wish::SignIn(way));
    app.update(wish, Env { now: heard.at })
}

/// The words that choose a way.
fn words(provider: bool, device: bool) -> String {
    let browser = provider.then_some("`browser` to sign in in the browser of this machine, ");
    let device = device.then_some("`device` to do so in a browser on another machine, ");
    let rest = "`password` for a local account, `code` for a one-time code, or `no`";
    format!(
        "{}{}{rest}",
        browser.unwrap_or_default(),
        device.unwrap_or_default()
    )
}

fn question(app: &App, attempt: &Attempt) -> Option<String> {
    let problem = attempt.problem();
    let problem = problem.map_or_else(String::new, |problem| format!("{problem}. "));
    match attempt.stage() {
        Stage::Sent | Stage::Browser(None) | Stage::Device(None) => None,
        Stage::Browser(Some((address, _))) => Some(format!(
            "Go to this address with a browser on this machine, unless one has opened already; `no` stops waiting: {address}"
        )),
        Stage::Device(Some(asked)) => Some(on_device(asked)),
        Stage::Open => {
            let held = app.held();
            let held = if held.is_empty() {
                String::new()
            } else {
                format!(" You are asked again for: {}.", held.join(", "))
            };
            let how = match attempt.ways() {
                Some(ways) => {
                    let provider = ways.provider.is_some();
                    format!("Type {}.", words(provider, provider && ways.device))
                }
                None if problem.is_empty() => return None,
                None => {
                    "The server did not say how to sign in; type `no`, then `retry`.".to_owned()
                }
            };
            Some(format!("{problem}Nobody is signed in.{held} {how}"))
        }
    }
}

/// The code also letter by letter, for whoever hears it.
fn on_device(asked: &Asked) -> String {
    let code = &asked.code;
    let spelled: Vec<String> = code.code.chars().map(String::from).collect();
    let minutes = usize::try_from(code.lasts.as_secs().div_ceil(60)).unwrap_or(usize::MAX);
    format!(
        "On a machine with a browser go to {} , sign in as yourself, and type this code: {} , letter by letter: {} . It is good for {}. Approve nothing there that you did not begin. `status` says how far it is, `no` stops waiting.",
        code.address,
        code.code,
        spelled.join(" "),
        show::count(minutes, "minute")
    )
}
