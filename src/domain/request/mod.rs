//! A request, the ask, and its transitions: submitted (`filing`), reviewed (`deciding`), withdrawn, expired.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Change, Record, Step};
use super::claim::Claim;
use super::event::{Actor, Event, EventCode};
use super::grant::{Grant, GrantState};
use super::ids::{GrantId, PrincipalId, RequestId, RoleName, TargetName};
use super::policy::Snapshot;
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::review::{self, Decision, Review};
use super::span::Span;

mod deciding;
mod filing;
mod text;

pub use deciding::About;
pub use filing::Glass;
pub(in crate::domain) use text::check_comment;
pub use text::{REASON_MAX, check_reason};

/// How far ahead a start may lie: beyond this nobody can judge whether the access will still be right.
pub const LATEST_START: TimeDelta = TimeDelta::days(30);
/// Pending requests of one principal; more than a person can need, few enough that a flood stays readable.
pub const PENDING_MAX: usize = 10;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A new grant.
    Access,
    /// A later end for a grant that is active.
    Extend,
    /// A new grant at once, and the review afterwards.
    BreakGlass,
}

impl RequestKind {
    /// Every kind, for checks and help.
    pub const ALL: [Self; 3] = [Self::Access, Self::Extend, Self::BreakGlass];

    /// The word used in URLs, tables and Cedar policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Extend => "extend",
            Self::BreakGlass => "break_glass",
        }
    }
}

/// Where a request is in its life. All but `Pending` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    Pending,
    Approved,
    Denied,
    Withdrawn,
    Expired,
}

impl RequestState {
    /// Every state, for tables and filters.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody asks for, before any rule has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
    pub reason: String,
    pub ticket: Option<String>,
}

/// What an approval would give: the ask, made smaller by each narrowing so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
}

/// One ask and everything that was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub id: RequestId,
    pub kind: RequestKind,
    pub requester: PrincipalRef,
    /// The owner of the service account that asked; none where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PrincipalId>,
    /// Whoever made the token that it asked with, and so may have kept a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<PrincipalId>,
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
    pub reason: String,
    pub ticket: Option<String>,
    /// The policy as it was when the request was filed; later changes of policy do not touch it.
    pub snapshot: Snapshot,
    pub state: RequestState,
    pub created_at: DateTime<Utc>,
    pub decide_by: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
    /// The grant that resulted, or for `extend` the grant that it is about.
    pub grant: Option<GrantId>,
    pub reviews: Vec<Review>,
    /// Who is looking at it, or was until the claim lapsed.
    pub claim: Option<Claim>,
    pub version: i64,
}

impl Request {
    /// What an approval would give now.
    pub fn terms(&self) -> Terms {
        let mut terms = Terms {
            role: self.role.clone(),
            duration: self.duration,
            not_before: self.not_before,
        };
        for narrowed in self
            .reviews
            .iter()
            .filter(|review| review.decision == Decision::Approve)
            .map(|review| &review.narrowed)
        {
            terms.duration = narrowed
                .duration
                .map_or(terms.duration, |duration| duration.min(terms.duration));
            if let Some(role) = &narrowed.role {
                terms.role = role.clone();
            }
            terms.not_before = terms.not_before.max(narrowed.not_before);
        }
        terms
    }

    /// How many more people the nearest way needs: (approvals so far, threshold).
    pub fn progress(&self) -> (u32, u32) {
        self.snapshot
            .ways
            .iter()
            .map(|way| (review::approvals_for(way, &self.reviews), way.threshold))
            .min_by_key(|(have, need)| need.saturating_sub(*have))
            .unwrap_or((0, 1))
    }

    pub(in crate::domain) fn check_open(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.state != RequestState::Pending {
            let by = self
                .reviews
                .last()
                .filter(|_| matches!(self.state, RequestState::Approved | RequestState::Denied));
            return Err(Refusal::RequestDecided {
                request: self.id.clone(),
                state: self.state,
                by: by.map(|review| review.reviewer.name.to_string()),
            });
        }
        if now >= self.decide_by {
            return Err(Refusal::DeadlinePassed {
                request: self.id.clone(),
            });
        }
        Ok(())
    }

    /// Takes the request back; only the requester can.
    pub fn withdraw(&self, who: &Principal, now: DateTime<Utc>) -> Result<(Self, Change), Refusal> {
        if who.id != self.requester.id {
            return Err(Refusal::NotTheRequester {
                request: self.id.clone(),
            });
        }
        self.check_open(now)?;
        let next = self.decided(RequestState::Withdrawn, now);
        let event = next.event(EventCode::RequestWithdrawn, Actor::Principal(who.as_ref()));
        Ok((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    /// Lets the request expire once its deadline has passed; `None` before, and when it is decided.
    pub fn expire(&self, now: DateTime<Utc>) -> Option<(Self, Change)> {
        if self.state != RequestState::Pending || now < self.decide_by {
            return None;
        }
        let next = self.decided(RequestState::Expired, now);
        let event = next
            .event(EventCode::RequestExpired, Actor::System)
            .moment("decide_by", self.decide_by);
        Some((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    /// Lets a pending extension expire whose grant can no longer be extended; `None` for anything else.
    pub fn outlived(&self, parent: &Grant, now: DateTime<Utc>) -> Option<(Self, Change)> {
        let open = matches!(
            parent.state,
            GrantState::Scheduled | GrantState::Activating | GrantState::Active
        );
        if self.state != RequestState::Pending || self.kind != RequestKind::Extend || open {
            return None;
        }
        let next = self.decided(RequestState::Expired, now);
        let event = next
            .event(EventCode::RequestExpired, Actor::System)
            .detail("grant_state", parent.state.as_str());
        Some((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    fn decided(&self, state: RequestState, now: DateTime<Utc>) -> Self {
        Self {
            state,
            decided_at: Some(now),
            claim: None,
            version: self.version + 1,
            ..self.clone()
        }
    }

    pub(in crate::domain) fn event(&self, code: EventCode, actor: Actor) -> Event {
        Event {
            principal: Some(self.requester.name.clone()),
            target: Some(self.target.clone()),
            role: Some(self.role.clone()),
            request: Some(self.id.clone()),
            grant: self.grant.clone(),
            ..Event::new(code, actor)
        }
    }
}
