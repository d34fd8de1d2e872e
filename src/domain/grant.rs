//! A grant, the time-boxed right that results from a request, and its transitions.
//!
//! The end is never absent: `expires_at` and `max_expires_at` are planned when the grant is made, fixed when
//! the target acknowledges, and "no end" cannot be written down.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Record, Step, WorkKind};
use super::event::{Actor, Event, EventCode, Outcome};
use super::ids::{GrantId, RequestId, RoleName, TargetName};
use super::lock::Locks;
use super::policy::Way;
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::request::{Request, check_reason};
use super::span::Span;

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
    /// Makes the grant that an approved request results in, with its end already promised.
    pub fn schedule(id: GrantId, request: &Request, way: &Way, now: DateTime<Utc>) -> (Self, Step) {
        let terms = request.terms();
        let not_before = terms.not_before.unwrap_or(now).max(now);
        let max_total = way.max_total.max(terms.duration);
        let grant = Self {
            id,
            request: request.id.clone(),
            holder: request.requester.clone(),
            target: request.target.clone(),
            role: terms.role,
            reason: request.reason.clone(),
            state: GrantState::Scheduled,
            duration: terms.duration,
            max_total,
            not_before,
            starts_at: None,
            expires_at: not_before + terms.duration.to_chrono(),
            max_expires_at: not_before + max_total.to_chrono(),
            close_kind: None,
            close_reason: None,
            closed_by: None,
            attempts: 0,
            last_error: None,
            extensions: 0,
            epoch: 0,
            credential_ends_at: None,
            created_at: now,
            ended_at: None,
            version: 1,
        };
        let event = grant
            .event(EventCode::GrantScheduled, Actor::System)
            .detail("duration", grant.duration.to_string())
            .moment("not_before", not_before)
            .moment("expires_at", grant.expires_at);
        let step = Step::new(Record::NewGrant(grant.clone()), event)
            .promise(&grant.id, WorkKind::Activate, not_before)
            .promise(&grant.id, WorkKind::Close, grant.expires_at);
        (grant, step)
    }

    /// Begins (or begins again) to make the access: plans the window from now, and raises the epoch.
    /// `None` where there is nothing to begin.
    pub fn activate(&self, now: DateTime<Utc>) -> Option<(Self, Step)> {
        if !matches!(self.state, GrantState::Scheduled | GrantState::Activating)
            || now < self.not_before
        {
            return None;
        }
        let mut next = self.next();
        next.state = GrantState::Activating;
        next.epoch += 1;
        next.attempts += 1;
        next.expires_at = now + self.duration.to_chrono();
        next.max_expires_at = now + self.max_total.to_chrono();
        let event = next
            .event(EventCode::GrantActivating, Actor::System)
            .detail("attempt", next.attempts)
            .moment("expires_at", next.expires_at);
        let step = Step::new(Record::Grant(next.clone()), event).promise(
            &next.id,
            WorkKind::Close,
            next.expires_at,
        );
        Some((next, step))
    }

    /// The target has acknowledged: the window is fixed now. `None` where another step came in between.
    pub fn activated(&self, epoch: i64, now: DateTime<Utc>) -> Option<(Self, Step)> {
        if self.state != GrantState::Activating || self.epoch != epoch || now >= self.expires_at {
            return None;
        }
        let mut next = self.next();
        next.state = GrantState::Active;
        next.starts_at = Some(now);
        next.attempts = 0;
        next.last_error = None;
        let event = next
            .event(EventCode::GrantActivated, Actor::System)
            .moment("starts_at", now)
            .moment("expires_at", next.expires_at);
        let step = Step::new(Record::Grant(next.clone()), event).kept(&next.id, WorkKind::Activate);
        Some((next, step))
    }

    /// The target could not be reached or said no for now; the attempt is repeated at `retry_at`.
    pub fn activation_retried(
        &self,
        epoch: i64,
        error: &str,
        retry_at: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        if self.state != GrantState::Activating || self.epoch != epoch {
            return None;
        }
        let mut next = self.next();
        next.last_error = Some(error.to_owned());
        let event = next
            .event(EventCode::GrantActivationRetried, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(error))
            .detail("attempt", next.attempts)
            .moment("retry_at", retry_at);
        let step = Step::new(Record::Grant(next.clone()), event).promise(
            &next.id,
            WorkKind::Activate,
            retry_at,
        );
        Some((next, step))
    }

    /// The access can never be made, and nothing of it is left on the target.
    pub fn activation_failed(
        &self,
        epoch: i64,
        error: &str,
        now: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        if self.state != GrantState::Activating || self.epoch != epoch {
            return None;
        }
        let mut next = self.next();
        next.state = GrantState::ActivationFailed;
        next.last_error = Some(error.to_owned());
        next.ended_at = Some(now);
        let event = next
            .event(EventCode::GrantActivationFailed, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(error));
        let step = Step::new(Record::Grant(next.clone()), event)
            .kept(&next.id, WorkKind::Activate)
            .kept(&next.id, WorkKind::Close);
        Some((next, step))
    }

    /// Whether the end could move by this much now. INVARIANT: never past `max_expires_at`
    /// (`the_end_moves_later_only_by_approved_extensions_and_never_past_the_cap`).
    pub fn check_extension(
        &self,
        by: Span,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        authorize(self, locks, now)?;
        if self.expires_at + by.to_chrono() > self.max_expires_at {
            let left = Span::from_chrono(self.max_expires_at - self.expires_at).ok();
            return Err(Refusal::OverTotalCap {
                cap: self.max_total,
                left,
            });
        }
        Ok(())
    }

    /// Moves the end, as an approved request says.
    pub fn extend(
        &self,
        request: &Request,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        let by = request.terms().duration;
        self.check_extension(by, locks, now)?;
        let mut next = self.next();
        next.expires_at += by.to_chrono();
        next.extensions += 1;
        next.epoch += 1;
        let event = Event {
            request: Some(request.id.clone()),
            ..next.event(EventCode::GrantExtended, Actor::System)
        }
        .detail("by", by.to_string())
        .moment("old_expires_at", self.expires_at)
        .moment("expires_at", next.expires_at);
        let step = Step::new(Record::Grant(next.clone()), event)
            .promise(&next.id, WorkKind::Activate, now)
            .promise(&next.id, WorkKind::Close, next.expires_at);
        Ok((next, step))
    }

    /// Whether the end that the target has been told is the one that holds; a newer one is still promised otherwise.
    pub fn is_applied(&self, epoch: i64) -> bool {
        self.state == GrantState::Active && self.epoch == epoch
    }

    /// Takes the grant away because somebody with the right to do so says so.
    pub fn revoke(
        &self,
        by: &Principal,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        let reason = check_reason(reason)?;
        Ok(self.close(CloseKind::Revoke, Some(by.as_ref()), Some(reason), now))
    }

    /// Takes the grant away because of something bigger than it: a lock or an incident, which the event names.
    /// `None` where that would change nothing.
    pub fn cut(
        &self,
        by: Option<&PrincipalRef>,
        reason: &str,
        because: (&str, &str),
        now: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        if self.state.is_final() || self.close_kind == Some(CloseKind::Revoke) {
            return None;
        }
        let reason = Some(reason.to_owned());
        let (next, mut step) = self.close(CloseKind::Revoke, by.cloned(), reason, now);
        step.event = step.event.detail(because.0, because.1);
        Some((next, step))
    }

    /// Gives the grant back early; only its holder can.
    pub fn give_back(&self, by: &Principal, now: DateTime<Utc>) -> Result<(Self, Step), Refusal> {
        if by.id != self.holder.id {
            return Err(Refusal::NotTheHolder {
                grant: self.id.clone(),
            });
        }
        Ok(self.close(CloseKind::Return, Some(by.as_ref()), None, now))
    }

    /// Lets the grant end when its window is over; `None` before that, and when it is closing or closed.
    pub fn end(&self, now: DateTime<Utc>) -> Option<(Self, Step)> {
        let open = matches!(
            self.state,
            GrantState::Scheduled | GrantState::Activating | GrantState::Active
        );
        (open && now >= self.expires_at).then(|| self.close(CloseKind::End, None, None, now))
    }

    /// INVARIANT: a final state never changes, and revoke beats return beats end
    /// (`a_stronger_way_of_closing_wins_and_final_states_stay`).
    fn close(
        &self,
        kind: CloseKind,
        by: Option<PrincipalRef>,
        reason: Option<String>,
        now: DateTime<Utc>,
    ) -> (Self, Step) {
        let actor = by.clone().map_or(Actor::System, Actor::Principal);
        let stronger = self.close_kind.is_none_or(|present| kind > present);
        if self.state.is_final() || !stronger {
            let event = self
                .event(EventCode::GrantCloseIgnored, actor)
                .reason(reason)
                .detail("close_kind", kind.as_str())
                .detail("state", self.state.as_str());
            return (self.clone(), Step::new(Record::Nothing, event));
        }
        let mut next = self.next();
        if self.state != GrantState::Closing {
            next.state = GrantState::Closing;
            next.epoch += 1;
            next.attempts = 0;
            next.last_error = None;
        }
        next.close_kind = Some(kind);
        next.close_reason.clone_from(&reason);
        next.closed_by = by;
        let event = next
            .event(EventCode::GrantClosing, actor)
            .reason(reason)
            .detail("close_kind", kind.as_str())
            .detail("from", self.state.as_str());
        let step = Step::new(Record::Grant(next.clone()), event)
            .kept(&next.id, WorkKind::Activate)
            .promise(&next.id, WorkKind::Close, now);
        (next, step)
    }

    /// The target did not confirm; the attempt is repeated at `retry_at`, for ever, and everybody can see it.
    pub fn close_retried(&self, error: &str, retry_at: DateTime<Utc>) -> Option<(Self, Step)> {
        if self.state != GrantState::Closing {
            return None;
        }
        let mut next = self.next();
        next.attempts += 1;
        next.last_error = Some(error.to_owned());
        let event = next
            .event(EventCode::GrantCloseFailed, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(error))
            .detail("attempt", next.attempts)
            .moment("retry_at", retry_at);
        let step = Step::new(Record::Grant(next.clone()), event).promise(
            &next.id,
            WorkKind::Close,
            retry_at,
        );
        Some((next, step))
    }

    /// The target has confirmed, by being read back, that nothing is left.
    pub fn closed(
        &self,
        receipt: &[String],
        sessions_ended: u32,
        now: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        if self.state != GrantState::Closing {
            return None;
        }
        let (state, code) = self.close_kind.unwrap_or(CloseKind::End).final_state();
        let mut next = self.next();
        next.state = state;
        next.ended_at = Some(now);
        next.last_error = None;
        let event = next
            .event(code, Actor::System)
            .reason(next.close_reason.clone())
            .detail("receipt", receipt.to_vec())
            .detail("sessions_ended", sessions_ended)
            .moment("ended_at", now);
        let step = Step::new(Record::Grant(next.clone()), event)
            .kept(&next.id, WorkKind::Close)
            .kept(&next.id, WorkKind::Activate);
        Some((next, step))
    }

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
