//! Questions that stand between a key and a change. A question holds what it shows, and what is done is what was
//! shown: the row's id and version are taken from the picture on screen, never looked up again.
//!
//! This is the only place that can make a [`Mutation`]: its fields are private, so nothing can be changed without
//! having come through [`Strip::key`], [`Review::key`], [`Form::key`] or [`Incident::key`]. Only a claim, which
//! changes no access, needs no question. It never talks to the server and never draws outside its own lines.
//!
//! To add a change: an [`Act`], a [`Kind`], its facts in `facts.rs`, its steps in `strip.rs`.

mod act;
mod claim;
mod face;
mod facts;
mod form;
mod incident;
mod less;
mod lock;
mod people;
mod review;
mod service;
mod standing;
mod strip;

use std::time::Duration;

pub use act::{Act, Less, Mutation, locked};
pub use claim::claim;
pub use form::Form;
pub use incident::{Around, Incident, Step as IncidentStep};
pub use lock::LockForm;
pub use review::{Item, Review, State as ItemState};
pub use service::ServiceForm;
pub use strip::Strip;

use crate::console::keymap::{Action, Keymap, Place};
use crate::console::theme::Role;
use crate::domain::break_glass::Verdict;
use crate::wire::IncidentPreviewAsk;

/// Nobody reads a question faster; whatever is typed before was meant for something else.
pub const ARMING: Duration = Duration::from_millis(350);
/// A decision on what was read longer ago is a decision on something else.
const FRESH: Duration = Duration::from_secs(5);
/// While a question is open its row is read again this often, so that `y` never has to wait.
const READ_AGAIN: Duration = Duration::from_secs(3);
/// The server refuses longer ones.
const LONGEST: usize = 2_000;
const SHORTEST: usize = 3;

/// What somebody is told who types a sentence into a list.
fn astray(keymap: &Keymap, place: Place) -> String {
    let key = keymap.key(place, Action::NextField);
    format!("{key} goes to the reason, digits are the count")
}

/// Keys with what they do, as a last line shows them.
fn hints(keys: &[(String, &str)]) -> Vec<(String, Role)> {
    keys.iter()
        .flat_map(|(key, word)| {
            [
                (key.clone(), Role::KeyHint),
                (format!(" {word}   "), Role::Text),
            ]
        })
        .collect()
}

/// What most extensions are.
const EXTEND_BY: &str = "15m";
const EXTEND_REASON: &str = "needs more time, extended in the console";

/// Which question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Approve,
    /// Approve for a shorter time, a lesser role or a later start.
    Narrow,
    Deny,
    Extend,
    Revoke,
    /// Give one's own grant back.
    Return,
    EndSession,
    Lift,
    RevokeSignIn,
    DeleteService,
    /// Make another token for a service account.
    RotateService,
    /// Answer for standing access until a date.
    ImportStanding,
    /// Say why it stays.
    IgnoreStanding,
    /// Take back what was said about it.
    ReopenStanding,
    /// Find somebody's break-glass justified.
    SignOff,
    /// Find it not justified.
    Object,
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
            Action::GiveBack => Some(Self::Return),
            Action::EndSession => Some(Self::EndSession),
            Action::Lift => Some(Self::Lift),
            Action::RevokeSignIn => Some(Self::RevokeSignIn),
            Action::DeleteService => Some(Self::DeleteService),
            Action::RotateService => Some(Self::RotateService),
            Action::ImportStanding => Some(Self::ImportStanding),
            Action::IgnoreStanding => Some(Self::IgnoreStanding),
            Action::ReopenStanding => Some(Self::ReopenStanding),
            Action::SignOff => Some(Self::SignOff),
            Action::Object => Some(Self::Object),
            _ => None,
        }
    }

    /// The question that a change of one row came from.
    pub fn of_act(act: &Act) -> Option<Self> {
        Some(match act {
            Act::Approve { less, .. } if *less == Less::default() => Self::Approve,
            Act::Approve { .. } => Self::Narrow,
            Act::Deny { .. } => Self::Deny,
            Act::Extend { .. } => Self::Extend,
            Act::Revoke { .. } => Self::Revoke,
            Act::Return { .. } => Self::Return,
            Act::EndSession { .. } => Self::EndSession,
            Act::Lift { .. } => Self::Lift,
            Act::RevokeSignIn { .. } => Self::RevokeSignIn,
            Act::DeleteService { .. } => Self::DeleteService,
            Act::RotateService { .. } => Self::RotateService,
            Act::ImportStanding { .. } => Self::ImportStanding,
            Act::IgnoreStanding { .. } => Self::IgnoreStanding,
            Act::ReopenStanding { .. } => Self::ReopenStanding,
            Act::SignOff {
                verdict: Verdict::Justified,
                ..
            } => Self::SignOff,
            Act::SignOff { .. } => Self::Object,
            Act::Claim { .. }
            | Act::Release { .. }
            | Act::Lock { .. }
            | Act::MakeService { .. }
            | Act::Incident { .. } => return None,
        })
    }

    /// The server's name for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve | Self::Narrow => "approve",
            Self::Deny => "deny",
            Self::Extend => "extend",
            Self::Revoke => "revoke",
            Self::Return => "return",
            Self::EndSession | Self::RevokeSignIn => "end",
            Self::Lift => "lift",
            Self::DeleteService => "delete",
            Self::RotateService => "rotate",
            Self::ImportStanding => "import",
            Self::IgnoreStanding => "ignore",
            Self::ReopenStanding => "reopen",
            Self::SignOff | Self::Object => "sign_off",
        }
    }

    /// What it does, as the title of its question.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Narrow => "Approve for less",
            Self::Deny => "Deny",
            Self::Extend => "Extend",
            Self::Revoke => "Revoke",
            Self::Return => "Return",
            Self::EndSession => "End session",
            Self::Lift => "Lift",
            Self::RevokeSignIn => "End sign-in",
            Self::DeleteService => "Delete",
            Self::RotateService => "Another token for",
            Self::ImportStanding => "Answer for",
            Self::IgnoreStanding => "Ignore",
            Self::ReopenStanding => "Open again",
            Self::SignOff => "Sign off",
            Self::Object => "Not justified",
        }
    }

    /// Says whether it takes access away, which must work when little else does.
    pub fn takes_away(self) -> bool {
        matches!(
            self,
            Self::Revoke
                | Self::Return
                | Self::EndSession
                | Self::RevokeSignIn
                | Self::DeleteService
        )
    }

    /// Says whether it asks for a sentence.
    fn wants_sentence(self) -> bool {
        !matches!(
            self,
            Self::Approve
                | Self::Narrow
                | Self::Return
                | Self::RevokeSignIn
                | Self::DeleteService
                | Self::RotateService
        )
    }

    /// Sentences that are often right.
    fn presets(self) -> &'static [&'static str] {
        match self {
            Self::Deny => &[
                "say what you will do with it, then ask again",
                "a lesser role is enough for this",
                "ask for a shorter time",
                "not now, wait for the change window",
            ],
            Self::Revoke => &[
                "the work is done",
                "incident: access taken away as a precaution",
                "given by mistake",
                "the holder asked for it",
            ],
            Self::EndSession => &[
                "left open, nobody is at it",
                "it blocks others",
                "incident: cut as a precaution",
            ],
            Self::SignOff => &[
                "looked at what was done, it was needed",
                "known outage, nobody could be asked",
                "agreed beforehand by telephone",
            ],
            Self::Object => &[
                "it could have waited for a review",
                "the reason does not say what was wrong",
                "more was done than the reason says",
            ],
            Self::IgnoreStanding => &[
                "a service lives on it and cannot ask",
                "the emergency account, kept in the safe",
                "the target's own administration",
            ],
            Self::ImportStanding => &[
                "moves to grants until then",
                "a service's account, its owner is looking for another way",
            ],
            Self::ReopenStanding => &["it is not needed any more", "settled by mistake"],
            Self::Lift => &[
                "the incident is over",
                "placed by mistake",
                "the person is back",
            ],
            Self::Approve
            | Self::Narrow
            | Self::Extend
            | Self::Return
            | Self::RevokeSignIn
            | Self::DeleteService
            | Self::RotateService => &[],
        }
    }
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
    /// The person said yes to each of these.
    All(Vec<Mutation>),
    /// The server is to try an incident out; nothing is changed.
    TryOut(Box<IncidentPreviewAsk>),
}
