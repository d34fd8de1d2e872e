//! A change: new states, each together with the one event that explains it and the work that it promises.

use chrono::{DateTime, Utc};

use super::break_glass::{SignOff, Use};
use super::event::Event;
use super::grant::Grant;
use super::ids::{GrantId, PrincipalId};
use super::incident::Incident;
use super::lock::Lock;
use super::policy::Applied;
use super::request::Request;
use super::review::Review;
use super::standing::Standing;

/// Work on a target, promised in the transaction of the change and done after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkKind {
    /// Make the access, or bring it to its present end.
    Activate,
    /// Take the access away.
    Close,
}

impl WorkKind {
    /// The word used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Close => "close",
        }
    }
}

/// One promise: there is at most one of each kind for a grant, and a later promise moves an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub grant: GrantId,
    pub kind: WorkKind,
    pub due_at: DateTime<Utc>,
}

/// What is to be written for one step.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    NewRequest(Request),
    /// A request with its version raised by one, and the review that came with it.
    Request(Request, Option<Review>),
    NewGrant(Grant),
    /// A grant with its version raised by one.
    Grant(Grant),
    /// A grant for which a credential was issued: same version, later `credential_ends_at`.
    Credential(Grant),
    NewIncident(Incident),
    /// A use of break-glass that waits for its sign-off. Its person has no other.
    NewUse(Use),
    /// A use with its version raised by one, and the sign-off that came with it.
    Use(Use, SignOff),
    /// A request that somebody claims or releases: same version. `before` had the claim when the request was read.
    Claim {
        request: Request,
        before: Option<PrincipalId>,
    },
    /// Another policy comes into use in the place of this one, or the first.
    Policy {
        before: Option<Applied>,
        now: Applied,
    },
    NewLock(Lock),
    /// A lock with its version raised by one.
    Lock(Lock),
    NewStanding(Standing),
    /// Standing access with its version raised by one.
    Standing(Standing),
    /// Only the event: somebody asked for what was already so, or was refused.
    Nothing,
}

/// One new state and the one event that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub record: Record,
    pub event: Event,
    pub work: Vec<Work>,
    /// Promises of this grant that the step fulfils or makes pointless.
    pub done: Vec<(GrantId, WorkKind)>,
}

impl Step {
    /// A step that promises nothing.
    pub fn new(record: Record, event: Event) -> Self {
        Self {
            record,
            event,
            work: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Adds a promise.
    #[must_use]
    pub fn promise(mut self, grant: &GrantId, kind: WorkKind, due_at: DateTime<Utc>) -> Self {
        self.work.push(Work {
            grant: grant.clone(),
            kind,
            due_at,
        });
        self
    }

    /// Marks a promise as kept.
    #[must_use]
    pub fn kept(mut self, grant: &GrantId, kind: WorkKind) -> Self {
        self.done.push((grant.clone(), kind));
        self
    }
}

/// What one transaction writes: usually one step, two where an approval also schedules or extends a grant.
pub type Change = Vec<Step>;
