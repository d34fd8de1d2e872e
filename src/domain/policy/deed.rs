//! What a policy can be about: asking, and what others do about what was asked.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::ids::RoleName;
use crate::domain::principal::Principal;
use crate::domain::request::RequestKind;
use crate::domain::span::Span;
use crate::domain::target::Target;

/// One action of the schema. A policy whose scope names none is about `Request`, as it always was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Ask for access or for more time.
    Request,
    /// Have access at once and be reviewed afterwards.
    BreakGlass,
    /// Approve or deny a request of somebody else.
    Review,
    /// Prolong the grant of somebody else.
    Extend,
    /// Take a grant away.
    Revoke,
    /// Place or lift a lock.
    Lock,
}

impl Deed {
    /// Every deed, for help and messages.
    pub const ALL: [Self; 6] = [
        Self::Request,
        Self::BreakGlass,
        Self::Review,
        Self::Extend,
        Self::Revoke,
        Self::Lock,
    ];

    /// The name of the action in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::BreakGlass => "break_glass",
            Self::Review => "review",
            Self::Extend => "extend",
            Self::Revoke => "revoke",
            Self::Lock => "lock",
        }
    }

    /// Whether a `permit` of it gives access, and therefore says how long and who reviews.
    pub fn gives_access(self) -> bool {
        matches!(self, Self::Request | Self::BreakGlass)
    }

    /// The deed as a verb phrase that follows a name and `may not`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Request => "ask for access",
            Self::BreakGlass => "break glass",
            Self::Review => "review requests",
            Self::Extend => "extend the grants of others",
            Self::Revoke => "revoke grants",
            Self::Lock => "place or lift locks",
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One question about something that is done to what others asked for or hold.
#[derive(Debug, Clone, Copy)]
pub struct Doing<'a> {
    pub deed: Deed,
    pub who: &'a Principal,
    pub target: &'a Target,
    /// Whose request or grant it is, or whom a lock is on.
    pub owner: Option<&'a Principal>,
    /// The role of the request or grant, or of a lock on a role.
    pub role: Option<&'a RoleName>,
    /// What kind of request is reviewed.
    pub kind: Option<RequestKind>,
    /// For how long access would be given.
    pub duration: Option<Span>,
    pub ticket: Option<&'a str>,
    /// What a lock is on: `principal`, `target`, `role`, `tag` or `everything`.
    pub on: Option<&'static str>,
    pub now: DateTime<Utc>,
}
