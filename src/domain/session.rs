//! A session, one live connection under a grant: who may end it, and how that is told.

use super::event::{Actor, Event, EventCode, Outcome};
use super::grant::{Grant, GrantState};
use super::permit::{Action, permit};
use super::principal::Principal;
use super::refusal::Refusal;

impl Grant {
    /// Whether this person may end sessions of the grant; its holder may. Ending one changes nothing about the grant.
    pub fn may_end_session(&self, who: &Principal) -> Result<(), Refusal> {
        let own = who.id == self.holder.id;
        permit(
            who,
            if own {
                Action::UseGrant
            } else {
                Action::EndSessions
            },
        )?;
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
