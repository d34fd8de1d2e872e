//! How a grant goes away: revoked, returned, at its end, and what the target said to it.

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step, WorkKind};
use crate::domain::event::{Actor, EventCode, Outcome};
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;

use super::{Attempt, CloseKind, Grant, GrantState};

/// How far the epoch of a grant jumps in a restored database: the target may have seen as many changes since the backup.
const UNSEEN: i64 = 1_000_000;

impl Grant {
    /// Takes the grant away because the database was restored: nobody knows what became of it since the backup. Where
    /// its end has passed, it ends as it would have. `None` where it is closing or closed.
    pub fn restored(&self, reason: &str, now: DateTime<Utc>) -> Option<(Self, Step)> {
        if self.state == GrantState::Closing {
            return None;
        }
        let (mut next, step) = self
            .end(now)
            .or_else(|| self.cut(None, reason, ("because", "restored"), now))?;
        next.epoch += UNSEEN;
        let record = Record::Grant(next.clone());
        Some((next, Step { record, ..step }))
    }

    /// Lets the grant go on in a restored database, with the end that it has there, also on a target that has seen
    /// later changes of it. `None` where its end has passed, or it is closing or closed.
    pub fn kept(&self, now: DateTime<Utc>) -> Option<(Self, Step)> {
        let over = self.state == GrantState::Closing || self.state.is_final();
        if over || now >= self.expires_at {
            return None;
        }
        let mut next = self.next();
        next.epoch += UNSEEN;
        let event = next
            .event(EventCode::GrantKept, Actor::System)
            .moment("expires_at", next.expires_at);
        let step = Step::new(Record::Grant(next.clone()), event);
        let step = if self.state == GrantState::Active {
            step.promise(&next.id, WorkKind::Activate, now)
        } else {
            step
        };
        Some((next, step))
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
            next.close_due_at = Some(now.min(self.expires_at));
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

    /// What was handed out works until a moment and cannot be taken back: the end is due then, and the target is asked
    /// again.
    ///
    /// INVARIANT: that is never after the planned end, so that nothing postpones an end for ever
    /// (`what_cannot_be_taken_back_is_due_by_the_planned_end`).
    pub fn close_waits(
        &self,
        until: DateTime<Utc>,
        why: &str,
        so_far: &Attempt,
        retry_at: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        let why = format!("until {}: {why}", until.format("%H:%M:%SZ"));
        let (mut next, mut step) = self.close_retried(&why, so_far, retry_at)?;
        next.close_due_at = next.close_due_at.max(Some(until.min(self.expires_at)));
        step.record = Record::Grant(next.clone());
        step.event = step.event.moment("until", until);
        Some((next, step))
    }

    /// The target did not confirm; the attempt is repeated at `retry_at`, for ever, and everybody can see it. What the
    /// target acknowledged before it failed is kept.
    pub fn close_retried(
        &self,
        error: &str,
        so_far: &Attempt,
        retry_at: DateTime<Utc>,
    ) -> Option<(Self, Step)> {
        if self.state != GrantState::Closing {
            return None;
        }
        let mut next = self.next();
        next.attempts += 1;
        next.last_error = Some(error.to_owned());
        // A node of a version that kept no such moment may have begun it.
        next.close_due_at = self.close_due_at.or(Some(retry_at.min(self.expires_at)));
        let event = next
            .event(EventCode::GrantCloseFailed, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(error))
            .detail("attempt", next.attempts)
            .moment("retry_at", retry_at);
        let event = so_far.told_in(event);
        let step = Step::new(Record::Grant(next.clone()), event).promise(
            &next.id,
            WorkKind::Close,
            retry_at,
        );
        Some((next, step))
    }

    /// The target has confirmed, by being read back, that nothing is left.
    pub fn closed(&self, proof: &Attempt, now: DateTime<Utc>) -> Option<(Self, Step)> {
        if self.state != GrantState::Closing {
            return None;
        }
        let (state, code) = self.close_kind.unwrap_or(CloseKind::End).final_state();
        let mut next = self.next();
        next.state = state;
        next.ended_at = Some(now);
        next.last_error = None;
        // What was proposed and never confirmed is of no account any more.
        next.overriding = None;
        let event = next
            .event(code, Actor::System)
            .reason(next.close_reason.clone())
            .detail("sessions_ended", proof.sessions_ended)
            .moment("ended_at", now);
        let event = proof.told_in(event);
        let step = Step::new(Record::Grant(next.clone()), event)
            .kept(&next.id, WorkKind::Close)
            .kept(&next.id, WorkKind::Activate);
        Some((next, step))
    }
}
