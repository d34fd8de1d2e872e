//! What a row is called, and a row as last seen, whatever kind it is.

use std::fmt;
use std::rc::Rc;

use crate::domain::ids::{GrantId, LockId, PrincipalName, RequestId, SignInId, StandingId};
use crate::wire::{
    AllowedAction, BreakGlassView, GrantView, LockView, RequestView, ServiceView, SessionView,
    SignInView, StandingView,
};

/// One live connection: the target's name for it, under its grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    pub grant: GrantId,
    pub id: String,
}

impl SessionKey {
    /// The key of a session as the server told of it.
    pub fn of(view: &SessionView) -> Option<Self> {
        Some(Self {
            grant: view.grant.parse().ok()?,
            id: view.id.clone(),
        })
    }
}

/// Which row something is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Request(RequestId),
    Grant(GrantId),
    Session(SessionKey),
    Lock(LockId),
    SignIn(SignInId),
    /// A service account, by its name.
    Service(PrincipalName),
    Standing(StandingId),
    /// A use of break-glass, by the request that was filed with it.
    Use(RequestId),
}

impl Subject {
    /// The id as people read it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Request(id) | Self::Use(id) => id.as_str(),
            Self::Grant(id) => id.as_str(),
            Self::Session(key) => &key.id,
            Self::Lock(id) => id.as_str(),
            Self::SignIn(id) => id.as_str(),
            Self::Service(name) => name.as_str(),
            Self::Standing(id) => id.as_str(),
        }
    }

    /// The request that it is.
    pub fn request(&self) -> Option<&RequestId> {
        match self {
            Self::Request(id) => Some(id),
            _ => None,
        }
    }

    /// The grant that it is.
    pub fn grant(&self) -> Option<&GrantId> {
        match self {
            Self::Grant(id) => Some(id),
            _ => None,
        }
    }

    /// Says whether the server gives this row alone, so that it can be read once more before it is decided on.
    pub fn can_be_read(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Grant(_) | Self::Lock(_))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(key) => write!(f, "{} of {}", key.id, key.grant),
            _ => f.write_str(self.as_str()),
        }
    }
}

/// One row as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Request(Rc<RequestView>),
    Grant(Rc<GrantView>),
    Session(Rc<SessionView>),
    Lock(Rc<LockView>),
    SignIn(Rc<SignInView>),
    Service(Rc<ServiceView>),
    Standing(Rc<StandingView>),
    Use(Rc<BreakGlassView>),
}

impl Seen {
    /// The version that a decision on it must name.
    pub fn version(&self) -> i64 {
        match self {
            Self::Request(view) => view.version,
            Self::Grant(view) => view.version,
            Self::Lock(view) => view.version,
            Self::Use(view) => view.version,
            Self::Standing(view) => view.version,
            // These are there or not; nothing about them is decided twice.
            Self::Session(_) | Self::SignIn(_) | Self::Service(_) => 0,
        }
    }

    /// The state word.
    pub fn state(&self) -> &str {
        match self {
            Self::Request(view) => &view.state,
            Self::Grant(view) => &view.state,
            Self::Lock(view) => &view.state,
            Self::Use(view) => &view.state,
            Self::Standing(view) => &view.state,
            Self::Session(_) | Self::SignIn(_) | Self::Service(_) => "live",
        }
    }

    /// What the server said about an action on this row: `Err` holds why not.
    pub fn allows(&self, action: &str) -> Result<(), String> {
        if matches!(self, Self::SignIn(_) | Self::Service(_)) {
            // The server says nothing of these; `World::may` knows the rule.
            return Ok(());
        }
        match self
            .actions()
            .iter()
            .find(|allowed| allowed.action == action)
        {
            Some(found) if found.allowed => Ok(()),
            Some(found) => Err(found
                .reason
                .clone()
                .unwrap_or_else(|| format!("you may not {action} this"))),
            None => Err(format!("you may not {action} this, it is {}", self.state())),
        }
    }

    fn actions(&self) -> &[AllowedAction] {
        match self {
            Self::Request(view) => &view.allowed_actions,
            Self::Grant(view) => &view.allowed_actions,
            Self::Session(view) => &view.allowed_actions,
            Self::Lock(view) => &view.allowed_actions,
            Self::SignIn(_) | Self::Service(_) => &[],
            Self::Use(view) => &view.allowed_actions,
            Self::Standing(view) => &view.allowed_actions,
        }
    }
}
