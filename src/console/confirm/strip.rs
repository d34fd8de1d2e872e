//! The question about one row: opened by the person's own key, bound to the row as it was on screen.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::confirm::less::Lessening;
use crate::console::confirm::service::LASTS;
use crate::console::confirm::{
    ARMING, Act, EXTEND_BY, EXTEND_REASON, FRESH, Kind, LONGEST, Less, Mutation, Outcome,
    READ_AGAIN, SHORTEST, facts,
};
use crate::console::keymap::{Action, Place};
use crate::console::store::{Seen, Subject};
use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::domain::break_glass::Verdict;
use crate::domain::span::Span;
use crate::wire::TargetView;

/// Where the keys of a question go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// `y` is awaited, or in questions with a length, digits for it.
    Intent,
    /// A sentence is being typed.
    Sentence,
}

/// An open question.
#[derive(Debug, Clone)]
pub struct Strip {
    pub(super) kind: Kind,
    pub(super) subject: Subject,
    pub(super) seen: Seen,
    pub(super) changes: Vec<String>,
    pub(super) armed_at: Instant,
    pub(super) step: Step,
    pub(super) length: Line,
    /// Nobody has touched the length that we proposed; the first digit replaces it.
    proposed: bool,
    pub(super) less: Lessening,
    pub(super) sentence: Line,
    pub(super) note: Option<String>,
    reading: bool,
}

impl Strip {
    /// Opens a question about a row as it is on screen.
    pub fn open(kind: Kind, subject: Subject, seen: Seen, world: &World) -> Self {
        let mut length = Line::new(12);
        let mut sentence = Line::new(LONGEST);
        if kind == Kind::Extend {
            length.set(EXTEND_BY);
            sentence.set(EXTEND_REASON);
        }
        if matches!(kind, Kind::RotateService | Kind::ImportStanding) {
            length.set(LASTS);
        }
        let less = match (&seen, kind) {
            (Seen::Request(view), Kind::Narrow) => Lessening::of(view, &world.targets),
            _ => Lessening::default(),
        };
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
            armed_at: world.now + ARMING,
            step,
            length,
            proposed: true,
            less,
            sentence,
            note: None,
            reading: false,
        }
    }

    /// Writes what somebody has confirmed before into the question, which is asked again.
    pub fn fill(&mut self, act: &Act) {
        match act {
            Act::Approve { less, .. } => self.less.fill(less),
            Act::Deny { comment, .. } | Act::SignOff { comment, .. } => {
                self.sentence.set(comment);
            }
            Act::Extend { by, reason, .. } => {
                self.length.set(&by.to_string());
                self.proposed = false;
                self.sentence.set(reason);
            }
            Act::ImportStanding { lasts, reason, .. } => {
                self.length.set(&lasts.to_string());
                self.proposed = false;
                self.sentence.set(reason);
            }
            Act::Revoke { reason, .. }
            | Act::IgnoreStanding { reason, .. }
            | Act::ReopenStanding { reason, .. }
            | Act::EndSession { reason, .. }
            | Act::Lift { reason, .. } => self.sentence.set(reason),
            Act::RotateService { lasts, .. } => {
                self.length.set(&lasts.to_string());
                self.proposed = false;
            }
            Act::Return { .. }
            | Act::RevokeSignIn { .. }
            | Act::DeleteService { .. }
            | Act::Claim { .. }
            | Act::Release { .. }
            | Act::Lock { .. }
            | Act::MakeService { .. }
            | Act::Incident { .. } => {}
        }
    }

    /// Keys count only after another pause: something else had the screen.
    pub fn pause(&mut self, now: Instant) {
        self.rearm(now);
    }

    /// The catalogue came: lesser roles can be chosen from now on.
    pub fn know_targets(&mut self, targets: &[TargetView]) {
        if let (Seen::Request(view), Kind::Narrow) = (&self.seen, self.kind) {
            self.less.know(view, targets);
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
        if self.reading || !self.subject.can_be_read() {
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

    /// The length being chosen, when it is one.
    pub(super) fn span(&self) -> Result<Span, String> {
        self.length
            .text()
            .parse::<Span>()
            .map_err(|error| error.to_string())
    }

    /// Says whether yes could be said at all, and if not, why.
    pub(super) fn possible(&self, world: &World) -> Result<(), String> {
        world.may(self.kind, &self.subject)?;
        self.seen.allows(self.kind.word())?;
        facts::check_length(self)?;
        if self.kind == Kind::Narrow {
            self.less.chosen(world.server_now())?;
        }
        Ok(())
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    fn intent_key(&mut self, key: Key, action: Option<Action>, now: Instant) {
        let used = match self.kind {
            Kind::Narrow => self.less.key(key, action),
            Kind::Extend if action == Some(Action::NextField) => {
                self.step = Step::Sentence;
                true
            }
            Kind::Extend | Kind::RotateService | Kind::ImportStanding => self.length_key(key),
            _ => false,
        };
        if !used {
            // Somebody types and does not know where: the next letters are not answers either.
            self.rearm(now);
        }
    }

    fn length_key(&mut self, key: Key) -> bool {
        match key.code {
            KeyCode::Char('0'..='9' | 'd' | 'h' | 'm' | 's') if key.mods == KeyModifiers::NONE => {
                if std::mem::take(&mut self.proposed) {
                    self.length.set("");
                }
            }
            KeyCode::Backspace
            | KeyCode::Delete
            | KeyCode::Left
            | KeyCode::Right
            | KeyCode::Home
            | KeyCode::End => self.proposed = false,
            _ => return false,
        }
        self.length.key(key);
        true
    }

    fn yes(&mut self, key: Key, world: &World) -> Outcome {
        if !key.is_deliberate() {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        if self.possible(world).is_err() {
            return Outcome::Stays;
        }
        if matches!(
            self.kind,
            Kind::Revoke
                | Kind::EndSession
                | Kind::Lift
                | Kind::SignOff
                | Kind::Object
                | Kind::ImportStanding
                | Kind::IgnoreStanding
                | Kind::ReopenStanding
        ) {
            self.step = Step::Sentence;
            return Outcome::Stays;
        }
        self.confirm(world)
    }

    fn sentence_key(&mut self, key: Key, world: &World) -> Outcome {
        let done =
            key.code == KeyCode::Enter || (self.kind == Kind::Extend && key.code == KeyCode::Tab);
        if !done {
            if let Some(text) = preset(self.kind, key, &self.sentence) {
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

    /// INVARIANT: what begins here is about the row on screen (`nothing_is_done_without_its_confirmation`).
    fn confirm(&mut self, world: &World) -> Outcome {
        if self.possible(world).is_err() {
            return Outcome::Stays;
        }
        let read = world.store.read_at(&self.subject);
        let fresh = read.is_some_and(|read| world.now.saturating_duration_since(read) <= FRESH);
        if !self.kind.takes_away() && self.subject.can_be_read() && !fresh {
            self.note = Some("reading it once more, press again in a moment".to_owned());
            return Outcome::Stays;
        }
        let sentence = self.sentence.text().trim().to_owned();
        if self.kind.wants_sentence() && sentence.chars().count() < SHORTEST {
            self.note = Some(format!("write at least {SHORTEST} characters"));
            return Outcome::Stays;
        }
        let less = match self.kind {
            Kind::Narrow => self.less.chosen(world.server_now()),
            _ => Ok(Less::default()),
        };
        let by = self.span().ok();
        let Some(act) = less.ok().and_then(|less| {
            act(
                self.kind,
                &self.subject,
                sentence,
                less,
                by,
                world.my_name(),
            )
        }) else {
            return Outcome::Stays;
        };
        match Mutation::new(act, self.seen.version()) {
            Ok(mutation) => Outcome::Confirmed(mutation),
            Err(why) => {
                self.note = Some(why);
                Outcome::Stays
            }
        }
    }
}

/// The sentence that a digit stands for, while nothing is typed yet.
pub(super) fn preset(kind: Kind, key: Key, sentence: &Line) -> Option<&'static str> {
    let KeyCode::Char(digit @ '1'..='9') = key.code else {
        return None;
    };
    if !sentence.text().is_empty() || !key.is_deliberate() {
        return None;
    }
    let at = digit.to_digit(10)? as usize;
    kind.presets().get(at.checked_sub(1)?).copied()
}

/// The change that a question of this kind ends in.
pub(super) fn act(
    kind: Kind,
    subject: &Subject,
    sentence: String,
    less: Less,
    by: Option<Span>,
    me: &str,
) -> Option<Act> {
    Some(match (kind, subject.clone()) {
        (Kind::Approve | Kind::Narrow, Subject::Request(request)) => Act::Approve { request, less },
        (Kind::Deny, Subject::Request(request)) => Act::Deny {
            request,
            comment: sentence,
        },
        (Kind::Extend, Subject::Grant(grant)) => Act::Extend {
            grant,
            by: by?,
            reason: sentence,
        },
        (Kind::Revoke, Subject::Grant(grant)) => Act::Revoke {
            grant,
            reason: sentence,
        },
        (Kind::Return, Subject::Grant(grant)) => Act::Return { grant },
        (Kind::EndSession, Subject::Session(session)) => Act::EndSession {
            session,
            reason: sentence,
        },
        (Kind::SignOff | Kind::Object, Subject::Use(of)) => Act::SignOff {
            of,
            verdict: if kind == Kind::SignOff {
                Verdict::Justified
            } else {
                Verdict::NotJustified
            },
            comment: sentence,
        },
        (Kind::Lift, Subject::Lock(lock)) => Act::Lift {
            lock,
            reason: sentence,
        },
        (Kind::RevokeSignIn, Subject::SignIn(sign_in)) => Act::RevokeSignIn { sign_in },
        (Kind::DeleteService, Subject::Service(service)) => Act::DeleteService { service },
        (Kind::RotateService, Subject::Service(service)) => Act::RotateService {
            service,
            lasts: by?,
        },
        (Kind::ImportStanding, Subject::Standing(standing)) => Act::ImportStanding {
            standing,
            owner: me.to_owned(),
            lasts: by?,
            reason: sentence,
        },
        (Kind::IgnoreStanding, Subject::Standing(standing)) => Act::IgnoreStanding {
            standing,
            reason: sentence,
        },
        (Kind::ReopenStanding, Subject::Standing(standing)) => Act::ReopenStanding {
            standing,
            reason: sentence,
        },
        _ => return None,
    })
}
