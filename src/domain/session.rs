//! A session, one live connection under a grant: who may end it, and how that is told.

use super::event::{Actor, Event, EventCode, Outcome};
use super::extent::Place;
use super::grant::{Grant, GrantState};
use super::permit::{Action, permit_at};
use super::principal::Principal;
use super::refusal::Refusal;

impl Grant {
    /// Whether this person may end sessions of the grant, which is on a target in this place; its holder may. Ending
    /// one changes nothing about the grant.
    pub fn may_end_session(&self, who: &Principal, place: Place<'_>) -> Result<(), Refusal> {
        if who.id == self.holder.id {
            // To give up less than one has is never out of scope.
            permit_at(who, Action::UseGrant, Place::Somewhere)?;
        } else {
            permit_at(who, Action::EndSessions, place)?;
        }
        if self.state.is_final() || self.state == GrantState::Scheduled {
            return Err(Refusal::GrantNotActive {
                grant: self.id.clone(),
                state: self.state,
            });
        }
        Ok(())
    }

    /// What is recorded before the target is asked to end a session, so that a server that dies has said what it was
    /// about to do.
    pub fn session_ending(&self, who: &Principal, session: &str, reason: &str) -> Event {
        self.about_session(EventCode::SessionEnding, who, session)
            .reason(Some(reason))
    }

    /// What is recorded once the target has confirmed that a session is gone.
    pub fn session_ended(&self, who: &Principal, session: &str, reason: &str) -> Event {
        self.about_session(EventCode::SessionEnded, who, session)
            .reason(Some(reason))
    }

    /// What is recorded when the target knew no such session any more.
    pub fn session_end_ignored(&self, who: &Principal, session: &str, reason: &str) -> Event {
        self.about_session(EventCode::SessionEndIgnored, who, session)
            .reason(Some(reason))
    }

    /// What is recorded when the target did not do it, or did not answer.
    pub fn session_end_failed(&self, who: &Principal, session: &str, error: &str) -> Event {
        self.about_session(EventCode::SessionEndFailed, who, session)
            .outcome(Outcome::Error)
            .reason(Some(error))
    }

    fn about_session(&self, code: EventCode, who: &Principal, session: &str) -> Event {
        self.event(code, Actor::Principal(who.as_ref()))
            .detail("session", session)
    }
}
