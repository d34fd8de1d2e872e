//! A session, one live connection under a grant: who may end it, and how that is told.

use super::event::{Actor, Event, EventCode};
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
                Action::Submit
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

    /// What is recorded once the target has confirmed that a session is gone.
    pub fn session_ended(&self, who: &Principal, session: &str, reason: &str) -> Event {
        self.event(EventCode::SessionEnded, Actor::Principal(who.as_ref()))
            .reason(Some(reason))
            .detail("session", session)
    }
}
