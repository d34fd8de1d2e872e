//! One conversation: what was typed, what it means for the application, and what is answered.
//!
//! A change needs a line of its own after the question was read, as a key would: the question holds what it shows,
//! and a line that came too early, or with others, is no answer.

use std::collections::BTreeMap;
use std::time::Instant;

use crossterm::event::{KeyCode, KeyModifiers};

use crate::client::Chosen;
use crate::console::app::{App, Waiting};
use crate::console::confirm::{ARMING, Incident, IncidentStep, LockForm, Review, Strip};
use crate::console::keymap::{Action, Place};
use crate::console::linear::awaited::PATIENCE;
use crate::console::linear::secrets::Secrets;
use crate::console::linear::tell::{self, Told};
use crate::console::msg::{Effect, Env, Msg};
use crate::console::run::clock::Moment;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::text::{DisplayText, clean};

/// Columns that a question is wrapped to; screen readers read line by line.
pub(super) const WIDE: u16 = 100;

/// A line that somebody typed.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What it says.
    pub text: String,
    /// When it was typed.
    pub typed: Instant,
    /// When it is taken up.
    pub at: Moment,
    /// It came alone. What comes with others was pasted or piped, and is nobody's answer.
    pub alone: bool,
}

/// What is open and takes every line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Nothing,
    /// A question about one row.
    Strip,
    /// The form of a lock.
    Form,
    /// A list of many, to be looked at.
    Review,
    /// The same once it was confirmed.
    Results,
    Incident(IncidentStep),
}

impl Open {
    pub(super) fn of(app: &App) -> Self {
        if let Some(incident) = app.incident() {
            return Self::Incident(incident.step());
        }
        match app.review() {
            Some(review) if review.is_sent() => return Self::Results,
            Some(_) => return Self::Review,
            None => {}
        }
        if app.lock_form().is_some() {
            Self::Form
        } else if app.strip().is_some() {
            Self::Strip
        } else {
            Self::Nothing
        }
    }

    /// Says whether somebody has to read it before they may answer.
    fn is_read(self) -> bool {
        matches!(
            self,
            Self::Strip | Self::Form | Self::Review | Self::Incident(IncidentStep::Review)
        )
    }
}

/// A conversation.
#[derive(Debug)]
pub struct Talk {
    /// A person is at the keyboard; a pipe may only read.
    pub(super) keyboard: bool,
    /// What the numbers of the last list mean.
    pub(super) choices: Vec<Subject>,
    pub(super) marks: Vec<Subject>,
    pub(super) told: Told,
    /// What was open at the last look.
    pub(super) open: Open,
    /// When the open question may be answered; the line that asks for the answer comes then.
    pub(super) ready: Option<Instant>,
    /// When that line was read out. What was typed before it is no answer.
    pub(super) asked: Option<Instant>,
    /// The pause of the question when it was read out; a later one means that something has changed.
    pub(super) armed: Option<Instant>,
    /// A length that was typed with the command and is still to be put into the question.
    pub(super) length: Option<String>,
    /// A list that was asked for and comes when the server has answered.
    pub(super) awaited: Option<super::awaited::Awaited>,
    /// Somebody asked who sits here.
    pub(super) who: Option<Instant>,
    /// A row whose record is read out when it comes.
    pub(super) shown: Option<Subject>,
    /// An answer about the past was given before all of it was known.
    pub(super) unread: bool,
    /// What was read out about each row of an incident.
    pub(super) receipts: BTreeMap<String, String>,
    /// The results of the open list were read out; it waits for `retry` or `no`.
    pub(super) results_told: bool,
    /// What was last read out about a second factor.
    factor: Option<String>,
    /// What was last read out about signing in.
    pub(super) door: Option<String>,
    /// The password or the code that is being typed.
    pub(super) secrets: Option<Secrets>,
    said: Vec<DisplayText>,
}

impl Talk {
    /// A conversation with somebody at a keyboard, or with a pipe.
    pub fn new(keyboard: bool) -> Self {
        Self {
            keyboard,
            choices: Vec::new(),
            marks: Vec::new(),
            told: Told::default(),
            open: Open::Nothing,
            ready: None,
            asked: None,
            armed: None,
            length: None,
            awaited: None,
            who: None,
            shown: None,
            unread: false,
            receipts: BTreeMap::new(),
            results_told: false,
            factor: None,
            door: None,
            secrets: None,
            said: Vec::new(),
        }
    }

    /// What is to be read out.
    pub fn said(&mut self) -> Vec<DisplayText> {
        std::mem::take(&mut self.said)
    }

    /// Says whether a pipe has to wait for a list before its next line makes sense.
    pub fn is_waiting(&self) -> bool {
        !self.keyboard
            && (self.awaited.is_some() || self.who.is_some() || self.shown.is_some() || self.unread)
    }

    /// When something is to be read out although nothing happens.
    pub fn next_change(&self) -> Option<Instant> {
        let awaited = self.awaited.as_ref().map(|awaited| awaited.until);
        let who = self.who.map(|since| since + PATIENCE);
        self.ready.into_iter().chain(awaited).chain(who).min()
    }

    /// Tells what has changed, and goes on with an open question whose time has come.
    pub fn look(&mut self, app: &mut App, at: Moment) -> Vec<Effect> {
        let news = self.told.news(app, &mut self.choices);
        self.said.extend(news);
        self.ask_factor(app);
        self.ask_sign_in(app);
        self.marks
            .retain(|subject| app.world().store.get(subject).is_some());
        self.await_lists(app, at.steady);
        self.tell_receipts(app);
        let open = Open::of(app);
        let before = std::mem::replace(&mut self.open, open);
        if !open.is_read() {
            self.forget();
            return self.go_on(app, open, at);
        }
        let armed = armed(app);
        if before != open {
            self.read_out(app, at.steady);
        } else if self.armed < armed {
            self.say("Something has changed. Read it again:");
            self.read_out(app, at.steady);
        }
        if self.ready.is_none_or(|ready| at.steady < ready) {
            return Vec::new();
        }
        let Some(length) = self.length.take() else {
            self.ready = None;
            self.asked = Some(at.steady);
            self.prompt(app);
            return Vec::new();
        };
        let effects = type_keys(app, &length, at);
        self.read_out(app, at.steady);
        effects
    }

    /// Takes a line and gives what the application asks for because of it.
    pub fn hear(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let mut effects = match Open::of(app) {
            _ if self.keyboard && app.attempt().is_some() => self.answer_sign_in(app, heard),
            _ if app.step_up().is_some() => answer_factor(app, heard),
            Open::Nothing => self.command(app, heard),
            open => self.answer(app, open, heard),
        };
        effects.extend(self.look(app, heard.at));
        effects
    }

    /// Asks for the second factor that the server wants for what was confirmed.
    fn ask_factor(&mut self, app: &App) {
        let asked = |waiting: &&Waiting| !waiting.is_busy() || waiting.address().is_some();
        let question = app.step_up().filter(asked).map(|waiting| {
            if let Some(address) = waiting.address() {
                return format!("Go on in your browser; if it has not opened, go to this address, or type `no`: {address}");
            }
            let problem = waiting.problem().unwrap_or_default();
            let acts = waiting.acts().join(", ");
            let how = match (waiting.in_browser(), waiting.by_code()) {
                (Some(Chosen::Passkey), true) => "`browser` to use your passkey there, or the code of your authenticator",
                (Some(Chosen::Passkey), false) => "`browser` to use your passkey there",
                (Some(_), true) => "the code of your authenticator, `browser` to sign in again with your browser",
                (Some(_), false) => "`browser` to sign in again with your browser",
                (None, _) => "the code of your authenticator",
            };
            format!("{problem} This needs your second factor first: {acts}. Type {how}, or `no`.")
        });
        if question != self.factor {
            if let Some(question) = &question {
                self.say(question.trim_start());
            }
            self.factor = question;
        }
    }

    /// Asks for the answer, when there was time to read.
    pub(super) fn pause(&mut self, app: &App, now: Instant) {
        let armed = armed(app);
        self.armed = armed;
        self.asked = None;
        self.ready = armed.map(|armed| armed.max(now + ARMING));
    }

    pub(super) fn forget(&mut self) {
        self.ready = None;
        self.asked = None;
        self.armed = None;
        self.length = None;
    }

    /// Reads the open question out; answers count from then on.
    pub(super) fn read_out(&mut self, app: &App, now: Instant) {
        // With a length in it the question is another one, and is read out when it has it.
        if self.length.is_some() && self.armed.is_none() {
            self.armed = armed(app);
            self.ready = self.armed;
            return;
        }
        match Open::of(app) {
            Open::Strip => {
                let Some(strip) = app.strip() else { return };
                self.say(&format!("{}:", strip.title()));
                self.said.extend(strip.doc(app.world(), WIDE).plain());
            }
            Open::Form => {
                let Some(form) = app.lock_form() else { return };
                self.say(&format!("{}:", form.title()));
                self.said.extend(form.plain(app.world(), WIDE));
            }
            Open::Review => {
                let Some(review) = app.review() else { return };
                self.say(&format!("{}:", review.title()));
                for (at, item) in review.items().iter().enumerate() {
                    self.say(&format!("{}. {}", at + 1, item.line()));
                }
            }
            Open::Incident(IncidentStep::Review) => self.said.extend(tell::dry_run(app)),
            Open::Nothing | Open::Results | Open::Incident(_) => return,
        }
        self.pause(app, now);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.said.push(clean(text));
    }

    pub(super) fn say_all(&mut self, lines: Vec<DisplayText>) {
        self.said.extend(lines);
    }
}

/// Takes a line as the code of a second factor, or as the wish to use the browser; `no` and an empty line do nothing of
/// what was confirmed.
fn answer_factor(app: &mut App, heard: &Heard) -> Vec<Effect> {
    let press = |code| Msg::Key(Key::press(code, KeyModifiers::NONE));
    let env = Env { now: heard.at };
    let typed = heard.text.trim();
    if typed.is_empty() || typed.eq_ignore_ascii_case("no") {
        return app.update(press(KeyCode::Esc), env);
    }
    if typed.eq_ignore_ascii_case("browser") {
        return app.update(press(KeyCode::Enter), env);
    }
    let mut effects = type_keys(app, typed, heard.at);
    effects.extend(app.update(press(KeyCode::Enter), env));
    effects
}

/// When keys begin to count in what is open.
fn armed(app: &App) -> Option<Instant> {
    match Open::of(app) {
        Open::Strip => app.strip().map(Strip::armed_at),
        Open::Form => app.lock_form().map(LockForm::armed_at),
        Open::Review | Open::Results => app.review().map(Review::armed_at),
        Open::Incident(_) => app.incident().map(Incident::armed_at),
        Open::Nothing => None,
    }
}

/// Presses the key of an action, whatever key that is for this person.
pub(super) fn press(app: &mut App, place: Place, action: Action, at: Moment) -> Vec<Effect> {
    let chord = app
        .world()
        .keymap
        .binding(place, action)
        .and_then(|(_, keys)| keys.first().copied());
    match chord {
        Some(chord) => app.update(Msg::Key(chord.key()), Env { now: at }),
        None => Vec::new(),
    }
}

/// Presses a key that means the same for everybody, as Enter in a line.
pub(super) fn tap(app: &mut App, code: KeyCode, at: Moment) -> Vec<Effect> {
    let key = Key::press(code, KeyModifiers::NONE);
    app.update(Msg::Key(key), Env { now: at })
}

/// Types letters. They were typed as a line by somebody who had read the question.
pub(super) fn type_keys(app: &mut App, text: &str, at: Moment) -> Vec<Effect> {
    text.chars()
        .flat_map(|letter| tap(app, KeyCode::Char(letter), at))
        .collect()
}

/// Empties the line that has the keys.
pub(super) fn wipe(app: &mut App, at: Moment) -> Vec<Effect> {
    let chords = [KeyCode::Char('e'), KeyCode::Char('u')];
    chords
        .into_iter()
        .flat_map(|code| {
            let key = Key::press(code, KeyModifiers::CONTROL);
            app.update(Msg::Key(key), Env { now: at })
        })
        .collect()
}
