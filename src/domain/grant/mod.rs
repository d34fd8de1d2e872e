//! A grant, the time-boxed right that results from a request, and its transitions.
//!
//! The end is never absent: `expires_at` and `max_expires_at` are planned when the grant is made, fixed when
//! the target acknowledges, and "no end" cannot be written down.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Record, Step};
use super::event::{Actor, Event, EventCode};
use super::ids::{GrantId, RequestId, RoleName, TargetName};
use super::lock::Locks;
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::span::Span;

mod closing;
mod overriding;
mod receipt;
pub mod told;
mod window;

pub use overriding::{OverrideRefusal, Overrider, Overriding, PROPOSED_FOR, Said};
pub use receipt::{Acknowledged, Attempt};

/// Where a grant is in its life. The last four are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    Scheduled,
    Activating,
    Active,
    /// Authorisation says no from here on; the target has not confirmed yet.
    Closing,
    Ended,
    Returned,
    Revoked,
    ActivationFailed,
}

impl GrantState {
    /// Every state, for tables and filters.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Activating,
        Self::Active,
        Self::Closing,
        Self::Ended,
        Self::Returned,
        Self::Revoked,
        Self::ActivationFailed,
    ];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Closing => "closing",
            Self::Ended => "ended",
            Self::Returned => "returned",
            Self::Revoked => "revoked",
            Self::ActivationFailed => "activation_failed",
        }
    }

    /// Whether nothing can happen to the grant any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Ended | Self::Returned | Self::Revoked | Self::ActivationFailed
        )
    }
}

impl fmt::Display for GrantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a grant is going away, weakest first: a stronger kind replaces a weaker one while the grant is closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseKind {
    End,
    Return,
    Revoke,
}

impl CloseKind {
    /// Every kind, weakest first.
    pub const ALL: [Self; 3] = [Self::End, Self::Return, Self::Revoke];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Return => "return",
            Self::Revoke => "revoke",
        }
    }

    fn final_state(self) -> (GrantState, EventCode) {
        match self {
            Self::End => (GrantState::Ended, EventCode::GrantEnded),
            Self::Return => (GrantState::Returned, EventCode::GrantReturned),
            Self::Revoke => (GrantState::Revoked, EventCode::GrantRevoked),
        }
    }
}

/// An end that its target has not confirmed for so long after it was due is overdue: admins are told, and it is counted
/// until it is gone. Short hiccups of a target are over by then.
pub const OVERDUE: TimeDelta = TimeDelta::seconds(60);

/// A right that somebody holds on a target for a stated time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub request: RequestId,
    pub holder: PrincipalRef,
    pub target: TargetName,
    pub role: RoleName,
    pub reason: String,
    pub state: GrantState,
    pub duration: Span,
    /// The longest that the grant may last in all, extensions included.
    pub max_total: Span,
    pub not_before: DateTime<Utc>,
    /// When the target acknowledged.
    pub starts_at: Option<DateTime<Utc>>,
    /// The end: planned until the target acknowledges, then fixed but for extensions.
    pub expires_at: DateTime<Utc>,
    /// No extension goes beyond this.
    pub max_expires_at: DateTime<Utc>,
    pub close_kind: Option<CloseKind>,
    pub close_reason: Option<String>,
    pub closed_by: Option<PrincipalRef>,
    /// When the target had to have confirmed the end.
    pub close_due_at: Option<DateTime<Utc>>,
    /// Who says that it counts as ended, where its target never did.
    pub overriding: Option<Overriding>,
    /// Attempts at the present activation or closing.
    pub attempts: i64,
    pub last_error: Option<String>,
    pub extensions: i64,
    /// Orders effects on the target: an effect with a lower epoch than the target has seen changes nothing.
    pub epoch: i64,
    /// Until when a credential that cannot be taken back is still good.
    pub credential_ends_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub version: i64,
}

/// Whether the grant gives its holder access at this moment. INVARIANT: a pure function of the grant, the locks and
/// the moment; it never waits for a sweeper (`access_is_given_only_while_active_and_inside_the_window`,
/// `no_lock_in_force_is_ever_passed`).
pub fn authorize(grant: &Grant, locks: Locks<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
    let inside = grant.starts_at.is_some_and(|start| start <= now) && now < grant.expires_at;
    if grant.state == GrantState::Active && inside {
        return locks.check(grant.into(), now);
    }
    let state = if grant.state == GrantState::Active {
        GrantState::Closing
    } else {
        grant.state
    };
    Err(Refusal::GrantNotActive {
        grant: grant.id.clone(),
        state,
    })
}

impl Grant {
    /// Records that the holder received a credential, and until when it is good. The version stays: what a
    /// reviewer sees and decides on has not changed.
    pub fn credential_issued(
        &self,
        by: &Principal,
        ends_at: DateTime<Utc>,
        what: &str,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        if by.id != self.holder.id {
            return Err(Refusal::NotTheHolder {
                grant: self.id.clone(),
            });
        }
        authorize(self, locks, now)?;
        let next = Self {
            credential_ends_at: self.credential_ends_at.max(Some(ends_at)),
            ..self.clone()
        };
        let event = next
            .event(EventCode::CredentialIssued, Actor::Principal(by.as_ref()))
            .detail("credential", what)
            .moment("ends_at", ends_at);
        Ok((next.clone(), Step::new(Record::Credential(next), event)))
    }

    /// From when on its end is overdue, unless its target confirms before; `None` once it is over.
    pub fn overdue_at(&self) -> Option<DateTime<Utc>> {
        let due = match self.state {
            GrantState::Closing => self.close_due_at.unwrap_or(self.expires_at),
            _ => self.expires_at,
        };
        (!self.state.is_final()).then(|| due + OVERDUE)
    }

    /// Whether its end is overdue.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.overdue_at().is_some_and(|at| at <= now)
    }

    fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    pub(in crate::domain) fn event(&self, code: EventCode, actor: Actor) -> Event {
        Event {
            principal: Some(self.holder.name.clone()),
            target: Some(self.target.clone()),
            role: Some(self.role.clone()),
            request: Some(self.request.clone()),
            grant: Some(self.id.clone()),
            ..Event::new(code, actor)
        }
    }
}

/// The live grants of the same holder that still give the same role on the same target: what they give must
/// survive the closing of this one. Connectors whose objects are shared between grants ask this first.
pub fn others_holding<'a>(
    closing: &'a Grant,
    all: &'a [Grant],
    locks: Locks<'a>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Grant> {
    all.iter().filter(move |other| {
        other.id != closing.id
            && other.holder.id == closing.holder.id
            && other.target == closing.target
            && other.role == closing.role
            && authorize(other, locks, now).is_ok()
    })
}
