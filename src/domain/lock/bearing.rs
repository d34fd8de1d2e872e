//! Locks as they bear on one target: what they refuse there.

use chrono::{DateTime, Utc};

use crate::domain::extent::Tags;
use crate::domain::grant::Grant;
use crate::domain::ids::{PrincipalId, RoleName, TargetName};
use crate::domain::refusal::Refusal;
use crate::domain::request::Request;

use super::{Blocked, Lock, LockState};

/// Whose access to what: the part of a request or grant that a lock looks at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub principal: &'a PrincipalId,
    pub target: &'a TargetName,
    pub role: &'a RoleName,
}

impl<'a> From<&'a Grant> for Subject<'a> {
    fn from(grant: &'a Grant) -> Self {
        Self {
            principal: &grant.holder.id,
            target: &grant.target,
            role: &grant.role,
        }
    }
}

/// Locks as they bear on one target: its tags decide which locks on tags match.
#[derive(Debug, Clone, Copy)]
pub struct Locks<'a> {
    all: &'a [Lock],
    /// None when the target is no longer in the catalogue.
    tags: Option<&'a Tags>,
}

impl<'a> Locks<'a> {
    /// No lock at all.
    pub const NONE: Self = Self {
        all: &[],
        tags: None,
    };

    /// These locks, for a target with these tags.
    pub fn new(all: &'a [Lock], tags: Option<&'a Tags>) -> Self {
        Self { all, tags }
    }

    /// The tags of the target that they bear on; none where it is not in the catalogue.
    pub fn tags(&self) -> Option<&'a Tags> {
        self.tags
    }

    /// The first lock in force that blocks this.
    pub fn on(&self, subject: Subject<'_>, now: DateTime<Utc>) -> Option<&'a Lock> {
        self.all
            .iter()
            .find(|lock| lock.state(now) == LockState::InForce && lock.matches(subject, self.tags))
    }

    /// Refuses what a lock in force blocks.
    pub fn check(&self, subject: Subject<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.on(subject, now)
            .map_or(Ok(()), |lock| Err(lock.refusal()))
    }

    /// Refuses a person on whom there is a lock in force.
    pub fn check_person(&self, who: &PrincipalId, now: DateTime<Utc>) -> Result<(), Refusal> {
        let on_them =
            |lock: &&Lock| matches!(&lock.on, Blocked::Principal(locked) if locked.id == *who);
        self.all
            .iter()
            .filter(|lock| lock.state(now) == LockState::InForce)
            .find(on_them)
            .map_or(Ok(()), |lock| Err(lock.refusal()))
    }

    /// Refuses an approval that a lock in force blocks: of what it would give, or by this reviewer.
    pub fn check_approval(
        &self,
        request: &Request,
        reviewer: &PrincipalId,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let terms = request.terms();
        let subject = Subject {
            principal: &request.requester.id,
            target: &request.target,
            role: &terms.role,
        };
        self.check(subject, now)?;
        self.check_person(reviewer, now)
    }
}
