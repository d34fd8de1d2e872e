//! What can come of a call besides its answer, each as one sentence and a hint.

use crate::wire::Problem;

/// The code of a keyring that cannot be used.
pub const NO_KEYRING: &str = "no-keyring";

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server said no, or admitted a fault.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// There is no sign-in for this server, or it is over.
    #[error("{text}")]
    NotSignedIn { text: String },
    /// The server did not answer, and nothing was changed.
    #[error("{text}")]
    Unreachable { text: String },
    /// The connection broke after a change was sent: whether it happened is not known.
    #[error("the connection broke before the server answered: whether this was done is not known")]
    OutcomeUnknown,
    /// Something answered that is not a Portcullis server of this version.
    #[error("{text}")]
    BadReply { text: String },
    /// Something on this machine is not as it has to be.
    #[error("{text}")]
    Local { text: String, hint: String },
    /// The key of this device belongs into a keyring that cannot be used at this moment.
    #[error("{text}")]
    NoKeyring { text: String, hint: &'static str },
}

impl ClientError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Problem(problem) => problem.hint.clone(),
            Self::NotSignedIn { .. } => Some("run `portcullis login`".to_owned()),
            Self::Unreachable { .. } => {
                Some("check the address (`--server` or `PORTCULLIS_SERVER`) and that the server runs".to_owned())
            }
            Self::OutcomeUnknown => Some("look at the present state before you try again".to_owned()),
            Self::BadReply { .. } => Some("check that the address is that of a Portcullis server, and that both have the same version".to_owned()),
            Self::Local { hint, .. } => Some(hint.clone()),
            Self::NoKeyring { hint, .. } => Some((*hint).to_owned()),
        }
    }

    /// The stable code of a problem.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            Self::NoKeyring { .. } => Some(NO_KEYRING),
            _ => None,
        }
    }

    /// The trace to quote when asking for help.
    pub fn trace(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.instance),
            _ => None,
        }
    }

    /// Whether trying again later may help without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.status >= 500 || problem.status == 429,
            Self::Unreachable { .. } | Self::OutcomeUnknown => true,
            Self::NotSignedIn { .. }
            | Self::BadReply { .. }
            | Self::Local { .. }
            | Self::NoKeyring { .. } => false,
        }
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
