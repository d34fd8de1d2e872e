//! One conversation: what was typed, what it means for the application, and what is answered.
//!
//! A change needs a line of its own after the question was read, as a key would: the question holds what it shows,
//! and a line that came too early, or with others, is no answer.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::app::App;
use crate::console::confirm::{ARMING, Strip};
use crate::console::keymap::{Action, Place};
use crate::console::linear::HELP;
use crate::console::linear::tell::{self, Told};
use crate::console::msg::{Effect, Env, Msg};
use crate::console::run::clock::Moment;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::Role;
use crate::text::{DisplayText, clean};

/// Columns that a question is wrapped to; screen readers read line by line.
const WIDE: u16 = 100;

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

/// A conversation.
#[derive(Debug)]
pub struct Talk {
    /// A person is at the keyboard; a pipe may only read.
    keyboard: bool,
    /// What the numbers of the last list mean.
    choices: Vec<Subject>,
    told: Told,
    /// When the open question may be answered; the line that asks for the answer comes then.
    ready: Option<Instant>,
    /// When that line was read out. What was typed before it is no answer.
    asked: Option<Instant>,
    /// The pause of the question when it was read out; a later one means that something has changed.
    armed: Option<Instant>,
    /// A length that was typed with the command and is still to be put into the question.
    length: Option<String>,
    said: Vec<DisplayText>,
}

impl Talk {
    /// A conversation with somebody at a keyboard, or with a pipe.
    pub fn new(keyboard: bool) -> Self {
        Self {
            keyboard,
            choices: Vec::new(),
            told: Told::default(),
            ready: None,
            asked: None,
            armed: None,
            length: None,
            said: Vec::new(),
        }
    }

    /// What is to be read out.
    pub fn said(&mut self) -> Vec<DisplayText> {
        std::mem::take(&mut self.said)
    }

    /// When something is to be read out although nothing happens.
    pub fn next_change(&self) -> Option<Instant> {
        self.ready
    }

    /// Tells what has changed, and goes on with an open question whose time has come.
    pub fn look(&mut self, app: &mut App, at: Moment) -> Vec<Effect> {
        let news = self.told.news(app, &mut self.choices);
        self.said.extend(news);
        let Some(armed) = app.strip().map(Strip::armed_at) else {
            self.forget();
            return Vec::new();
        };
        if self.armed.is_some_and(|before| armed > before) {
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
        let keys = length
            .chars()
            .map(|letter| Key::press(KeyCode::Char(letter), KeyModifiers::NONE));
        let effects = keys
            .flat_map(|key| app.update(Msg::Key(key), Env { now: at }))
            .collect();
        self.read_out(app, at.steady);
        effects
    }

    /// Takes a line and gives what the application asks for because of it.
    pub fn hear(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let mut effects = if app.strip().is_some() {
            self.answer(app, heard)
        } else {
            self.command(app, heard)
        };
        effects.extend(self.look(app, heard.at));
        effects
    }

    fn command(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let mut words = heard.text.split_whitespace();
        let (word, what, more) = (words.next(), words.next(), words.next());
        match (word.unwrap_or_default(), what) {
            ("", _) => {}
            ("help" | "h" | "?", _) => {
                for line in HELP {
                    self.say(line);
                }
            }
            ("quit" | "q" | "exit", _) => {
                return vec![Effect::Quit];
            }
            ("requests" | "1", all) => {
                let lines = tell::requests(app, all == Some("all"), &mut self.choices);
                self.said.extend(lines);
            }
            ("grants" | "2", all) => {
                let lines = tell::grants(app, all == Some("all"), &mut self.choices);
                self.said.extend(lines);
            }
            ("audit", _) => self.said.extend(self.told.record()),
            ("status", _) => self.said.extend(tell::status(app)),
            ("show", Some(what)) => match self.find(app, what) {
                Some(subject) => self.said.extend(tell::detail(app, &subject)),
                None => self.unknown(what),
            },
            (word, what) => match (action(word, more.is_some()), what) {
                (None, _) => {
                    let word = clean(word);
                    self.say(&format!("`{word}` is no command; `help` lists them"));
                }
                (Some(_), None) => self.say(&format!("say which one, for example `{word} 1`")),
                (Some(action), Some(what)) => return self.change(app, action, what, more, heard),
            },
        }
        Vec::new()
    }

    /// Opens the question before a change.
    fn change(
        &mut self,
        app: &mut App,
        action: Action,
        what: &str,
        length: Option<&str>,
        heard: &Heard,
    ) -> Vec<Effect> {
        if !self.keyboard {
            self.say(
                "changes need somebody at a keyboard; use commands such as `portcullis approve`",
            );
            return Vec::new();
        }
        let Some(subject) = self.find(app, what) else {
            self.unknown(what);
            return Vec::new();
        };
        let effects = app.update(Msg::About(action, subject), Env { now: heard.at });
        self.length = length.map(str::to_owned);
        // With a length in it the question is another one, and is read out when it has it.
        match app.strip() {
            Some(strip) if self.length.is_some() => {
                self.ready = Some(strip.armed_at());
                self.armed = self.ready;
            }
            _ => self.read_out(app, heard.at.steady),
        }
        effects
    }

    /// Takes a line as the answer to the open question.
    fn answer(&mut self, app: &mut App, heard: &Heard) -> Vec<Effect> {
        let word = heard.text.trim();
        if matches!(word, "" | "no" | "n" | "quit" | "q") {
            return self.leave(app, heard.at);
        }
        if self.asked.is_none_or(|asked| heard.typed < asked) || !heard.alone {
            self.pause(app, heard.at.steady);
            self.say("That came too fast to be an answer. Nothing was done; read the question, then answer it.");
            return Vec::new();
        }
        let sentence = app
            .strip()
            .is_some_and(|strip| strip.input().is_some_and(|(label, _)| is_sentence(label)));
        if sentence {
            return self.sentence(app, word, heard);
        }
        if !matches!(word, "yes" | "y") {
            self.say("Neither `yes` nor `no`: nothing was done.");
            return self.leave(app, heard.at);
        }
        let effects = press(app, Action::Yes, heard.at);
        self.went_on(app, heard.at.steady);
        effects
    }

    fn sentence(&mut self, app: &mut App, text: &str, heard: &Heard) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut letters = text.chars();
        let preset = letters
            .next()
            .filter(|letter| letters.next().is_none() && letter.is_ascii_digit());
        let msg = match preset {
            Some(digit) => Msg::Key(Key::press(KeyCode::Char(digit), KeyModifiers::NONE)),
            None => Msg::Paste(text.to_owned()),
        };
        effects.extend(app.update(msg, Env { now: heard.at }));
        let enter = Key::press(KeyCode::Enter, KeyModifiers::NONE);
        effects.extend(app.update(Msg::Key(enter), Env { now: heard.at }));
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
        if let [(why, Role::StatusDanger | Role::StatusWarn), ..] =
            strip.prompt(app.world()).as_slice()
        {
            self.say(&format!("Not done yet: {why}"));
        }
        self.pause(app, now);
    }

    /// Asks for the answer, when there was time to read.
    fn pause(&mut self, app: &App, now: Instant) {
        let armed = app.strip().map(Strip::armed_at);
        self.armed = armed;
        self.asked = None;
        self.ready = armed.map(|armed| armed.max(now + ARMING));
    }

    fn forget(&mut self) {
        self.ready = None;
        self.asked = None;
        self.armed = None;
        self.length = None;
    }

    fn leave(&mut self, app: &mut App, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        // From a sentence the first Esc may only lead back to the question.
        for _ in 0..2 {
            if app.strip().is_some() {
                let escape = Key::press(KeyCode::Esc, KeyModifiers::NONE);
                effects.extend(app.update(Msg::Key(escape), Env { now: at }));
            }
        }
        self.forget();
        self.say("Left. Nothing was changed.");
        effects
    }

    /// Reads the open question out; answers count from then on.
    fn read_out(&mut self, app: &App, now: Instant) {
        let Some(strip) = app.strip() else { return };
        self.say(&format!("{}:", strip.title()));
        self.said.extend(strip.doc(app.world(), WIDE).plain());
        self.pause(app, now);
    }

    fn prompt(&mut self, app: &App) {
        let Some(strip) = app.strip() else { return };
        match strip.input() {
            Some((label, _)) if is_sentence(label) => {
                let lines = strip.doc(app.world(), WIDE).plain();
                let presets = lines
                    .into_iter()
                    .skip_while(|line| !line.as_str().starts_with("Presets"));
                self.said.extend(presets);
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

    fn find(&self, app: &App, what: &str) -> Option<Subject> {
        if let Ok(number) = what.parse::<usize>() {
            return self.choices.get(number.checked_sub(1)?).cloned();
        }
        let request = what.parse().ok().map(Subject::Request);
        let grant = what.parse().ok().map(Subject::Grant);
        request
            .into_iter()
            .chain(grant)
            .find(|subject| app.world().store.get(subject).is_some())
    }

    fn unknown(&mut self, what: &str) {
        let what = clean(what);
        self.say(&format!(
            "`{what}` is neither a number of the last list nor a known id"
        ));
    }

    fn say(&mut self, text: &str) {
        self.said.push(clean(text));
    }
}

fn action(word: &str, with_length: bool) -> Option<Action> {
    Some(match word {
        "approve" if with_length => Action::Narrow,
        "approve" => Action::Approve,
        "deny" => Action::Deny,
        "extend" => Action::Extend,
        "revoke" => Action::Revoke,
        _ => return None,
    })
}

/// Presses the key of an action, whatever key that is for this person.
fn press(app: &mut App, action: Action, at: Moment) -> Vec<Effect> {
    let chord = app
        .world()
        .keymap
        .binding(Place::Question, action)
        .and_then(|(_, keys)| keys.first().copied());
    match chord {
        Some(chord) => app.update(Msg::Key(chord.key()), Env { now: at }),
        None => Vec::new(),
    }
}

fn is_sentence(label: &str) -> bool {
    matches!(label, "Reason" | "Comment")
}
