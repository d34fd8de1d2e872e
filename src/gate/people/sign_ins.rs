//! The sign-ins that are good: listed, and ended.

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::SignInId;
use crate::domain::permit::{Action, permit};
use crate::domain::refusal::Refusal;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened};
use crate::store::audit::Origin;
use crate::store::sign_ins::SignIn;

impl Gate {
    pub(super) async fn end_sign_in(
        &self,
        id: &SignInId,
        event: Event,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        if !tx.revoke_sign_in(id, now).await? {
            return Ok(false);
        }
        tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
            .await?;
        self.store.commit(tx).await?;
        Ok(true)
    }

    /// Ends the caller's own sign-in.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        let event = Event::new(
            EventCode::SignedOut,
            Actor::Principal(caller.principal.as_ref()),
        )
        .detail("sign_in", caller.sign_in.as_str());
        self.end_sign_in(&caller.sign_in, event, &caller.origin)
            .await
            .map(|_| ())
    }

    /// The sign-ins that are good: everybody's for those who may see them, one's own otherwise.
    pub async fn sign_ins(&self, caller: &Caller) -> Result<Vec<SignIn>, Error> {
        let (mut tx, now) = self.look().await?;
        let mut all = tx.sign_ins(now).await?;
        if permit(&caller.principal, Action::ReadPeople).is_err() {
            all.retain(|sign_in| sign_in.principal.id == caller.principal.id);
        }
        Ok(all)
    }

    /// Ends a sign-in: one's own, or anybody's for an admin.
    pub async fn revoke_sign_in(
        &self,
        caller: &Caller,
        id: &SignInId,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let mut writing = match self.open_if(caller, once, id.as_str(), |_| Ok(())).await? {
            Opened::Before(_) => return Ok(()),
            Opened::Now(writing) => writing,
        };
        let who = &writing.who;
        let sign_in = writing.tx.sign_in(id, writing.now).await?;
        let seen = sign_in.filter(|sign_in| {
            sign_in.principal.id == who.id || permit(who, Action::ReadPeople).is_ok()
        });
        let sign_in = seen.ok_or_else(|| Refusal::NotFound {
            what: "sign-in",
            name: id.to_string(),
        })?;
        if sign_in.principal.id != who.id {
            permit(who, Action::Invite)?;
        }
        writing.tx.revoke_sign_in(id, writing.now).await?;
        let mut event = Event::new(EventCode::SignInRevoked, Actor::Principal(who.as_ref()))
            .detail("sign_in", id.as_str());
        event.principal = Some(sign_in.principal.name);
        let change = vec![Step::new(Record::Nothing, event)];
        self.finish(writing, &change).await
    }
}
