//! The window of a grant: scheduled, made on the target, extended. Its end is planned from the first moment.

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step, WorkKind};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::GrantId;
use crate::domain::lock::Locks;
use crate::domain::policy::Way;
use crate::domain::refusal::Refusal;
use crate::domain::request::Request;
use crate::domain::span::Span;

use super::{Grant, GrantState, authorize};

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
            close_due_at: None,
            overriding: None,
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
}
