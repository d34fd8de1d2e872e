//! Questions that stand between a key and a change. A question holds what it shows, and what is done is what was
//! shown: the row's id and version are taken from the picture on screen, never looked up again.
//!
//! This is the only place that can make a [`Mutation`]: its fields are private, so nothing can be changed without
//! having come through [`Strip::key`]. It never talks to the server and never draws outside its own lines.
//!
//! To add a change: a [`Kind`] and an [`Act`], its facts in `facts.rs`, its steps in [`Strip::open`].

mod facts;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};

use crate::client::IdempotencyKey;
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::store::{Seen, Subject};
use crate::console::term::input::Key;
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::span::Span;

/// Nobody reads a question faster; whatever is typed before was meant for something else.
pub const ARMING: Duration = Duration::from_millis(350);
/// A decision on what was read longer ago is a decision on something else.
const FRESH: Duration = Duration::from_secs(5);
/// While a question is open its row is read again this often, so that `y` never has to wait.
const READ_AGAIN: Duration = Duration::from_secs(3);
/// The server refuses longer ones.
const LONGEST: usize = 2_000;
const SHORTEST: usize = 3;
/// What most extensions are.
const EXTEND_BY: &str = "15m";
const EXTEND_REASON: &str = "needs more time, extended in the console";

const DENIALS: &[&str] = &[
    "say what you will do with it, then ask again",
    "a lesser role is enough for this",
    "ask for a shorter time",
    "not now, wait for the change window",
];
const REVOCATIONS: &[&str] = &[
    "the work is done",
    "incident: access taken away as a precaution",
    "given by mistake",
    "the holder asked for it",
];

/// A change that a person confirmed, bound to the version that they saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    act: Act,
    version: i64,
    key: IdempotencyKey,
}

impl Mutation {
    /// What to do.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// The version it was decided on.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The same for every attempt, so that no attempt can do it twice.
    pub fn idempotency_key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The row it is about.
    pub fn subject(&self) -> Subject {
        self.act.subject()
    }
}

/// A change to one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Approves a request, for less time when `only` says so.
    Approve {
        request: RequestId,
        only: Option<Span>,
    },
    Deny {
        request: RequestId,
        comment: String,
    },
    Extend {
        grant: GrantId,
        by: Span,
        reason: String,
    },
    Revoke {
        grant: GrantId,
        reason: String,
    },
}

impl Act {
    /// The row it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Approve { request, .. } | Self::Deny { request, .. } => {
                Subject::Request(request.clone())
            }
            Self::Extend { grant, .. } | Self::Revoke { grant, .. } => {
                Subject::Grant(grant.clone())
            }
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Extend { .. } => "extend",
            Self::Revoke { .. } => "revoke",
        }
    }
}

/// Which question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Approve,
    /// Approve for a shorter time.
    Narrow,
    Deny,
    Extend,
    Revoke,
}

impl Kind {
    /// The question that an action opens.
    pub fn of(action: Action) -> Option<Self> {
        match action {
            Action::Approve => Some(Self::Approve),
            Action::Narrow => Some(Self::Narrow),
            Action::Deny => Some(Self::Deny),
            Action::Extend => Some(Self::Extend),
            Action::Revoke => Some(Self::Revoke),
            _ => None,
        }
    }

    /// The server's name for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve | Self::Narrow => "approve",
            Self::Deny => "deny",
            Self::Extend => "extend",
            Self::Revoke => "revoke",
        }
    }
}

/// Where the keys of a question go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// `y` is awaited, or in questions with a length, digits for it.
    Intent,
    /// A sentence is being typed.
    Sentence,
}

/// What a key led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The question stays.
    Stays,
    /// The question is closed and nothing is done.
    Closed,
    /// The person said yes.
    Confirmed(Mutation),
}

/// An open question.
#[derive(Debug, Clone)]
pub struct Strip {
    kind: Kind,
    subject: Subject,
    seen: Seen,
    changes: Vec<String>,
    armed_at: Instant,
    step: Step,
    length: Line,
    /// Nobody has touched the length that we proposed; the first digit replaces it.
    proposed: bool,
    sentence: Line,
    note: Option<String>,
    reading: bool,
}

impl Strip {
    /// Opens a question about a row as it is on screen.
    pub fn open(kind: Kind, subject: Subject, seen: Seen, now: Instant) -> Self {
        let mut length = Line::new(12);
        let mut sentence = Line::new(LONGEST);
        match (&seen, kind) {
            (_, Kind::Extend) => {
                length.set(EXTEND_BY);
                sentence.set(EXTEND_REASON);
            }
            (Seen::Request(view), Kind::Narrow) => length.set(&view.duration_granted),
            _ => {}
        }
        let step = if kind == Kind::Deny {
            Step::Sentence
        } else {
            Step::Intent
        };
        Self {
            kind,
            subject,
            seen,
            changes: Vec::new(),
            armed_at: now + ARMING,
            step,
            length,
            proposed: true,
            sentence,
            note: None,
            reading: false,
        }
    }

    /// The row it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Which question it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When keys begin to count; what is shown changes then.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// The row was read again. What differs is shown, and the pause begins anew.
    pub fn look_again(&mut self, seen: Option<Seen>, now: Instant) {
        let Some(seen) = seen else { return };
        if seen == self.seen {
            return;
        }
        let changes = facts::differences(&self.seen, &seen);
        let same = changes.is_empty() && seen.version() == self.seen.version();
        if !same {
            let version = format!("version: {} -> {}", self.seen.version(), seen.version());
            self.changes = if changes.is_empty() {
                vec![version]
            } else {
                changes
            };
            self.rearm(now);
        }
        self.seen = seen;
    }

    /// Says whether the row should be read again now; the answer comes back through [`Strip::look_again`].
    pub fn wants_reading(&mut self, world: &World) -> bool {
        let wants = !self.reading && self.read_again_at(world).is_some_and(|at| at <= world.now);
        self.reading |= wants;
        wants
    }

    /// When the row should be read again; never while nothing can be read.
    pub fn read_again_at(&self, world: &World) -> Option<Instant> {
        world.link.decidable(world.now).ok()?;
        if self.reading {
            return None;
        }
        Some(
            world
                .store
                .read_at(&self.subject)
                .map_or(world.now, |read| read + READ_AGAIN),
        )
    }

    /// An answer about the row came, or failed to come.
    pub fn was_read(&mut self) {
        self.reading = false;
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, world: &World) -> Outcome {
        let now = world.now;
        let action = world.keymap.action(Place::Question, key);
        let typing = self.step == Step::Sentence;
        // Esc is safe at any moment; `n` only where it is not a letter of a sentence.
        if action == Some(Action::No)
            && (key.code == KeyCode::Esc || (!typing && key.is_deliberate()))
        {
            if typing && self.kind == Kind::Extend {
                self.step = Step::Intent;
                return Outcome::Stays;
            }
            return Outcome::Closed;
        }
        if now < self.armed_at {
            self.rearm(now);
            return Outcome::Stays;
        }
        self.note = None;
        match self.step {
            Step::Sentence => self.sentence_key(key, world),
            Step::Intent if action == Some(Action::Yes) => self.yes(key, world),
            Step::Intent => {
                self.intent_key(key, action, now);
                Outcome::Stays
            }
        }
    }

    /// Takes pasted text, which is never an answer.
    pub fn paste(&mut self, text: &str, now: Instant) {
        if self.step == Step::Sentence && now >= self.armed_at {
            self.sentence.paste(text);
        } else {
            self.rearm(now);
        }
    }

    /// The line being typed, with its label.
    pub fn input(&self) -> Option<(&'static str, &Line)> {
        match (self.step, self.kind) {
            (Step::Sentence, Kind::Deny) => Some(("Comment", &self.sentence)),
            (Step::Sentence, _) => Some(("Reason", &self.sentence)),
            (Step::Intent, Kind::Extend) => Some(("Extend by", &self.length)),
            (Step::Intent, Kind::Narrow) => Some(("Only for", &self.length)),
            (Step::Intent, _) => None,
        }
    }

    /// Everything to know before answering, all but the line being typed.
    pub fn doc(&self, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        facts::describe(&mut doc, self, world);
        for change in &self.changes {
            doc.fact("Changed", change, Role::StatusWarn);
        }
        if self.kind == Kind::Revoke
            && let Some(age) = world.link.age(world.now)
        {
            let age = countdown::text(age);
            doc.fact(
                "Careful",
                &format!("what you see is {age} old; revoking works anyway"),
                Role::StatusWarn,
            );
        }
        if self.step == Step::Sentence {
            let presets: Vec<String> = self
                .presets()
                .iter()
                .enumerate()
                .map(|(at, text)| format!("{} {text}", at + 1))
                .collect();
            if !presets.is_empty() && self.sentence.text().is_empty() {
                doc.fact("Presets", &presets.join("   "), Role::TextMuted);
            }
        }
        doc
    }

    /// The title above the question.
    pub fn title(&self) -> String {
        let verb = match self.kind {
            Kind::Approve => "Approve",
            Kind::Narrow => "Approve for less",
            Kind::Deny => "Deny",
            Kind::Extend => "Extend",
            Kind::Revoke => "Revoke",
        };
        format!("{verb} {}", self.subject.as_str())
    }

    /// The last line: what the keys do at this moment, or why they do nothing.
    pub fn prompt(&self, world: &World) -> Vec<(String, Role)> {
        if let Err(why) = self.possible(world) {
            return vec![
                (why, Role::StatusDanger),
                ("   ".to_owned(), Role::Text),
                ("Esc".to_owned(), Role::KeyHint),
                (" close".to_owned(), Role::Text),
            ];
        }
        if world.now < self.armed_at {
            return vec![(
                "read first: keys are ignored for a moment".to_owned(),
                Role::TextMuted,
            )];
        }
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        let (yes, keys): (&str, &[(&str, &str)]) = match (self.step, self.kind) {
            (Step::Intent, Kind::Approve) => ("approve", &[("n", "no")]),
            (Step::Intent, Kind::Narrow) => (
                "approve for this long",
                &[("0-9 d h m s", "change"), ("Esc", "no")],
            ),
            (Step::Intent, Kind::Extend) => (
                "extend",
                &[("0-9 d h m s", "change"), ("Tab", "reason"), ("Esc", "no")],
            ),
            (Step::Intent, Kind::Revoke) => ("yes, then the reason", &[("n", "no")]),
            (Step::Intent | Step::Sentence, Kind::Deny) => {
                ("", &[("Enter", "deny"), ("Esc", "no")])
            }
            (Step::Sentence, Kind::Extend) => {
                ("", &[("Enter", "back to the question"), ("Esc", "back")])
            }
            (Step::Sentence, _) => ("", &[("Enter", "revoke now"), ("Esc", "no")]),
        };
        let first = (!yes.is_empty()).then_some(("y", yes));
        let pieces = first.iter().chain(keys).flat_map(|(key, word)| {
            [
                ((*key).to_owned(), Role::KeyHint),
                (format!(" {word}   "), Role::Text),
            ]
        });
        pieces.collect()
    }

    /// The length being chosen, when it is one.
    fn span(&self) -> Result<Span, String> {
        self.length
            .text()
            .parse::<Span>()
            .map_err(|error| error.to_string())
    }

    fn presets(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Deny => DENIALS,
            Kind::Revoke => REVOCATIONS,
            Kind::Approve | Kind::Narrow | Kind::Extend => &[],
        }
    }

    /// Says whether yes could be said at all, and if not, why.
    fn possible(&self, world: &World) -> Result<(), String> {
        world.may(self.kind, &self.subject)?;
        self.seen.allows(self.kind.word())?;
        facts::check_length(self)
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    fn intent_key(&mut self, key: Key, action: Option<Action>, now: Instant) {
        let plain = key.mods == KeyModifiers::NONE;
        match (self.kind, key.code) {
            (Kind::Extend, _) if action == Some(Action::NextField) => self.step = Step::Sentence,
            (Kind::Extend | Kind::Narrow, KeyCode::Char('0'..='9' | 'd' | 'h' | 'm' | 's'))
                if plain =>
            {
                if std::mem::take(&mut self.proposed) {
                    self.length.set("");
                }
                self.length.key(key);
            }
            (
                Kind::Extend | Kind::Narrow,
                KeyCode::Backspace
                | KeyCode::Delete
                | KeyCode::Left
                | KeyCode::Right
                | KeyCode::Home
                | KeyCode::End,
            ) => {
                self.proposed = false;
                self.length.key(key);
            }
            // Somebody types and does not know where: the next letters are not answers either.
            _ => self.rearm(now),
        }
    }

    fn yes(&mut self, key: Key, world: &World) -> Outcome {
        if !key.is_deliberate() {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        if self.possible(world).is_err() {
            return Outcome::Stays;
        }
        if self.kind == Kind::Revoke {
            self.step = Step::Sentence;
            return Outcome::Stays;
        }
        self.confirm(world)
    }

    fn sentence_key(&mut self, key: Key, world: &World) -> Outcome {
        let done =
            key.code == KeyCode::Enter || (self.kind == Kind::Extend && key.code == KeyCode::Tab);
        if !done {
            if let (KeyCode::Char(digit @ '1'..='9'), true) =
                (key.code, self.sentence.text().is_empty())
                && let Some(text) = digit
                    .to_digit(10)
                    .and_then(|at| self.presets().get(at as usize - 1))
                && key.is_deliberate()
            {
                self.sentence.set(text);
            } else if self.sentence.key(key) == Edited::Unused {
                self.rearm(world.now);
            }
            return Outcome::Stays;
        }
        if self.kind == Kind::Extend {
            self.step = Step::Intent;
            return Outcome::Stays;
        }
        if !key.is_deliberate() {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        self.confirm(world)
    }

    /// INVARIANT: the only place where a mutation begins, and it is about the row on screen
    /// (`nothing_is_done_without_its_confirmation`).
    fn confirm(&mut self, world: &World) -> Outcome {
        if self.possible(world).is_err() {
            return Outcome::Stays;
        }
        let read = world.store.read_at(&self.subject);
        let fresh = read.is_some_and(|read| world.now.saturating_duration_since(read) <= FRESH);
        if self.kind != Kind::Revoke && !fresh {
            self.note = Some("reading it once more, press again in a moment".to_owned());
            return Outcome::Stays;
        }
        let sentence = self.sentence.text().trim().to_owned();
        if self.kind != Kind::Approve
            && self.kind != Kind::Narrow
            && sentence.chars().count() < SHORTEST
        {
            self.note = Some(format!("write at least {SHORTEST} characters"));
            return Outcome::Stays;
        }
        let act = match (self.kind, &self.subject) {
            (Kind::Approve, Subject::Request(request)) => Act::Approve {
                request: request.clone(),
                only: None,
            },
            (Kind::Narrow, Subject::Request(request)) => {
                let Ok(span) = self.span() else {
                    return Outcome::Stays;
                };
                Act::Approve {
                    request: request.clone(),
                    only: Some(span),
                }
            }
            (Kind::Deny, Subject::Request(request)) => Act::Deny {
                request: request.clone(),
                comment: sentence,
            },
            (Kind::Extend, Subject::Grant(grant)) => {
                let Ok(by) = self.span() else {
                    return Outcome::Stays;
                };
                Act::Extend {
                    grant: grant.clone(),
                    by,
                    reason: sentence,
                }
            }
            (Kind::Revoke, Subject::Grant(grant)) => Act::Revoke {
                grant: grant.clone(),
                reason: sentence,
            },
            _ => return Outcome::Closed,
        };
        let Ok(key) = IdempotencyKey::new() else {
            self.note = Some(
                "this machine has no random numbers, so nothing can be changed safely".to_owned(),
            );
            return Outcome::Stays;
        };
        Outcome::Confirmed(Mutation {
            act,
            version: self.seen.version(),
            key,
        })
    }
}
