//! The lines of a password or a one-time code, one after the other. None of them is kept longer than it takes to send
//! them, and none can be printed.

use crate::console::sign_in::Way;
use crate::secret::Secret;

/// What the next line is.
#[derive(Debug)]
pub(super) enum Secrets {
    Name,
    Password {
        name: String,
    },
    Factor {
        name: String,
        password: Secret,
    },
    Code,
    /// Of the first admin of a new server.
    OwnName {
        code: Secret,
    },
}

/// What a line led to.
pub(super) enum Next {
    Ask(Secrets),
    Send(Way),
    /// The person would rather do something else.
    Leave,
}

impl Secrets {
    pub(super) fn begin(word: &str) -> Self {
        if word == "code" {
            Self::Code
        } else {
            Self::Name
        }
    }

    pub(super) fn question(&self) -> &'static str {
        match self {
            Self::Name => "Type the name of your local account, or `no`.",
            Self::Password { .. } => {
                "Type its password; it is not shown. An empty line leaves it be."
            }
            Self::Factor { .. } => {
                "Type the code of your authenticator, a recovery code or the word `passkey`, which is not shown either; an empty line if you have no second factor."
            }
            Self::Code => "Type the one-time code; it is not shown. An empty line leaves it be.",
            Self::OwnName { .. } => {
                "Type your name if you are the first admin of a new server, else an empty line."
            }
        }
    }

    /// Says whether the line is a secret.
    pub(super) fn hides(&self) -> bool {
        !matches!(self, Self::Name | Self::OwnName { .. })
    }

    pub(super) fn take(self, line: &str) -> Next {
        let line = line.trim_end_matches(['\r', '\n']);
        let word = line.trim();
        match self {
            Self::Name if word.is_empty() || word.eq_ignore_ascii_case("no") => Next::Leave,
            Self::Name => Next::Ask(Self::Password {
                name: word.to_owned(),
            }),
            Self::Password { .. } | Self::Code if word.is_empty() => Next::Leave,
            Self::Password { name } => Next::Ask(Self::Factor {
                name,
                password: Secret::new(line.to_owned()),
            }),
            Self::Factor { name, password } => Next::Send(Way::Password {
                name,
                password,
                code: (!word.is_empty()).then(|| Secret::new(word.to_owned())),
            }),
            Self::Code => Next::Ask(Self::OwnName {
                code: Secret::new(word.to_owned()),
            }),
            Self::OwnName { code } => Next::Send(Way::Code {
                code,
                name: (!word.is_empty()).then(|| word.to_owned()),
            }),
        }
    }
}
