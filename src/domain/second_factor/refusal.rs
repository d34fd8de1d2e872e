//! What is said when a second factor or a password is missing, wrong or tried too often.

use chrono::TimeDelta;

use super::Way;
use crate::domain::second_factor::ADD_ONE;
use crate::domain::span::Span;

/// Why a proof was not taken, or is needed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondFactorRefusal {
    /// The call needs a proof that is bound to it.
    StepUpRequired {
        /// What the call is, for the machine that asks for the proof.
        digest: String,
        /// How the caller can prove; empty when there is no way yet.
        ways: Vec<Way>,
        max_age: Span,
        /// A proof came with the call, but not a good one for it.
        proof_refused: bool,
    },
    /// A code that is wrong, or was used before.
    CodeNotAccepted,
    /// A passkey that did not sign, or not this.
    PasskeyNotAccepted { why: &'static str },
    /// The first second factor needs a sign-in that is not older than this.
    SignInTooOld { most: TimeDelta },
    /// Somebody has to wait.
    TriedTooOften { wait: TimeDelta },
    /// Too many second factors.
    TooManyFactors { most: usize },
    /// The factor is in use already.
    AlreadyConfirmed,
    /// A name, a password and a code that do not fit together. Which of them is wrong is told to nobody.
    SignInRefused,
    /// The password is no good one.
    BadPassword { why: &'static str },
    /// People sign in at the identity provider.
    NoLocalAccounts,
}

impl SecondFactorRefusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StepUpRequired { .. } => "step-up-required",
            Self::CodeNotAccepted | Self::PasskeyNotAccepted { .. } => "second-factor-refused",
            Self::SignInTooOld { .. } => "sign-in-too-old",
            Self::TriedTooOften { .. } => "tried-too-often",
            Self::TooManyFactors { .. } => "too-many-factors",
            Self::AlreadyConfirmed => "factor-confirmed",
            Self::SignInRefused => "sign-in-refused",
            Self::BadPassword { .. } => "bad-password",
            Self::NoLocalAccounts => "no-local-accounts",
        }
    }

    /// What is wrong, in the reader's words.
    pub fn text(&self) -> String {
        match self {
            Self::StepUpRequired {
                proof_refused: true,
                ..
            } => "the proof of your second factor is too old, was used, or is for something else"
                .to_owned(),
            Self::StepUpRequired { ways, .. } if ways.is_empty() => {
                "this needs a second factor, and you have none yet".to_owned()
            }
            Self::StepUpRequired { .. } => "this needs a proof of your second factor".to_owned(),
            Self::CodeNotAccepted => "this code is wrong, too old or was used before".to_owned(),
            Self::PasskeyNotAccepted { why } => {
                format!("the answer of this passkey was not accepted: {why}")
            }
            Self::SignInTooOld { most } => format!(
                "your first second factor needs a sign-in that is not older than {} minutes",
                most.num_minutes()
            ),
            Self::TriedTooOften { wait } => {
                let minutes = (wait.num_seconds() + 59) / 60;
                let unit = if minutes == 1 { "minute" } else { "minutes" };
                format!("this was tried too often: the next try is in {minutes} {unit}")
            }
            Self::TooManyFactors { most } => {
                format!("you have {most} second factors, which is the limit")
            }
            Self::AlreadyConfirmed => "this second factor is confirmed already".to_owned(),
            Self::SignInRefused => "name, password and code do not fit together".to_owned(),
            Self::BadPassword { why } => (*why).to_owned(),
            Self::NoLocalAccounts => "there are no local accounts on this server".to_owned(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::StepUpRequired { ways, .. } if ways.is_empty() => ADD_ONE,
            Self::StepUpRequired { ways, .. } if ways.as_slice() == [Way::Oidc] => {
                "run it in a terminal: it opens your browser for a sign-in at the identity provider"
            }
            Self::StepUpRequired { ways, .. } if ways.contains(&Way::Totp) => {
                "give the code of your authenticator, in scripts with `--totp CODE`"
            }
            Self::StepUpRequired { ways, .. } if ways.contains(&Way::Passkey) => {
                "confirm it with your passkey: at a terminal, `portcullis` opens a page for it"
            }
            Self::StepUpRequired { .. } => "give one of your recovery codes",
            Self::PasskeyNotAccepted { .. } => {
                "try again, and confirm it with a passkey of this account"
            }
            Self::SignInTooOld { .. } => "run `portcullis login` again, then add the second factor",
            Self::CodeNotAccepted => {
                "wait for the next code; if none is taken, the clock of your phone may be wrong"
            }
            Self::TooManyFactors { .. } => "remove one with `portcullis factor remove ID`",
            Self::SignInRefused => "without a password, sign in with a one-time code of an admin",
            Self::BadPassword { .. } => "four words that do not belong together are a good one",
            Self::NoLocalAccounts => "sign in with `portcullis login`",
            Self::TriedTooOften { .. } | Self::AlreadyConfirmed => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether an auditor will want to know.
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::SignInTooOld { .. }
                | Self::StepUpRequired {
                    proof_refused: true,
                    ..
                }
        )
    }
}
