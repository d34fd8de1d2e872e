//! How a command ends: its exit code, and what it says when it was not done.

use std::process::ExitCode;

use crate::client::{ClientError, NO_KEYRING};
use crate::query::Span;
use crate::wire::Problem;

/// Shown under `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  refused: policy, a person or the present state says no
  2  the command line is not understood
  3  the server cannot be reached, or has a fault
  4  not signed in
  5  not done within the time to wait; it goes on without you
  6  sent, but the answer got lost: look before you repeat it
  7  something on this machine is in the way
`connect` and `exec` end with the exit code of what they run; `status` ends with 1 where there is nothing, and
`receipt` while the target has not confirmed.";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    pub const DONE: Self = Self(0);
    pub const REFUSED: Self = Self(1);
    pub const USAGE: Self = Self(2);
    pub const UNREACHABLE: Self = Self(3);
    pub const NOT_SIGNED_IN: Self = Self(4);
    pub const TIMED_OUT: Self = Self(5);
    pub const UNKNOWN: Self = Self(6);
    pub const HERE: Self = Self(7);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a command did not do what it was asked, as one sentence and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// Empty when everything is said already.
    pub text: String,
    pub hint: Option<String>,
    /// A text of the command line, and the part of it that is wrong.
    pub marked: Option<(String, Span)>,
    /// The code in JSON output where it says more than the exit code.
    pub code: Option<&'static str>,
    /// As the server gave it.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self {
            exit,
            text: text.into(),
            hint,
            marked: None,
            code: None,
            problem: None,
        }
    }

    /// Somebody or something said no.
    pub fn refused(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::REFUSED, text, hint)
    }

    /// What was typed makes no sense together.
    pub fn usage(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, text, hint)
    }

    /// It was not done in time, and goes on.
    pub fn timed_out(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::TIMED_OUT, text, hint)
    }

    /// Something on this machine is in the way.
    pub fn here(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::HERE, text, hint)
    }

    /// Nothing is left to say: it was printed, or nobody reads any more.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "", "")
    }

    /// The code in JSON output.
    pub(super) fn code(&self) -> &'static str {
        if let Some(code) = self.code {
            return code;
        }
        match self.exit {
            Exit::REFUSED => "refused",
            Exit::USAGE => "usage",
            Exit::UNREACHABLE => "unreachable",
            Exit::NOT_SIGNED_IN => "not-signed-in",
            Exit::TIMED_OUT => "timed-out",
            Exit::UNKNOWN => "outcome-unknown",
            _ => "local",
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Problem(problem)
                if matches!(problem.code.as_str(), "not-signed-in" | "token-expired") =>
            {
                Exit::NOT_SIGNED_IN
            }
            ClientError::Problem(problem) if problem.status >= 500 => Exit::UNREACHABLE,
            ClientError::Problem(_) => Exit::REFUSED,
            ClientError::NotSignedIn { .. } => Exit::NOT_SIGNED_IN,
            ClientError::Unreachable { .. } | ClientError::BadReply { .. } => Exit::UNREACHABLE,
            ClientError::OutcomeUnknown => Exit::UNKNOWN,
            ClientError::Local { .. } | ClientError::NoKeyring { .. } => Exit::HERE,
        };
        let code = matches!(error, ClientError::NoKeyring { .. }).then_some(NO_KEYRING);
        let (text, hint) = (error.to_string(), error.hint());
        let problem = match error {
            ClientError::Problem(problem) => Some(problem),
            _ => None,
        };
        Self {
            exit,
            text,
            hint,
            marked: None,
            code,
            problem,
        }
    }
}
