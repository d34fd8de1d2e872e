//! Signing in with a sealed code. It asks no provider and no password, and is good for break-glass alone.

use anyhow::Context;

use crate::config::TokenSettings;
use crate::domain::break_glass::{BreakGlassRefusal, SEALED_SIGN_IN};
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::second_factor::SEALED_FROM_ADDRESS;
use crate::domain::sign_in::Method;
use crate::domain::span::Span;
use crate::gate::people::sign_in::open_sign_in;
use crate::gate::people::{Issued, NewSignIn, stored_hash};
use crate::gate::second_factor::notify;
use crate::gate::{Caller, Error, Gate};
use crate::secret::{Proof, TokenKind};
use crate::store::audit::Origin;

use super::refuse;

impl Gate {
    /// Opens a sign-in with a sealed code, once.
    pub async fn sign_in_sealed(
        &self,
        code: &str,
        device: &str,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let subject = self.count_sealed(origin).await?;
        if TokenKind::Sealed.read(code).is_err() {
            return Err(self.refuse_sealed(origin).await);
        }
        let jkt = self.device_key(proof, self.now().await?).await?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let Some(code) = tx.use_sealed_code(&stored_hash(code), now).await? else {
            drop(tx);
            return Err(self.refuse_sealed(origin).await);
        };
        let principal = tx
            .principal(&code.person.id)
            .await?
            .context("the person of a sealed code is gone")?;
        let proved = NewSignIn {
            principal: Method::Sealed.reduced(principal),
            method: Method::Sealed,
            amr: vec!["otp".to_owned()],
            authenticated_at: None,
            jkt,
            device: device.to_owned(),
        };
        let usual = self.settings.tokens;
        let short = Span::from_chrono(SEALED_SIGN_IN).unwrap_or(usual.absolute);
        let settings = TokenSettings {
            absolute: usual.absolute.min(short),
            ..usual
        };
        let issued = open_sign_in(&mut tx, proved, &settings, now).await?;
        tx.code_opened(&code.id, &issued.sign_in).await?;
        tx.forget_tries(&subject).await?;
        let text = format!(
            "your sealed code `{}` was used; if that was not you, tell an admin",
            code.id
        );
        notify(&mut tx, &code.person.id, &text, now).await?;
        let actor = || Actor::Principal(issued.principal.as_ref());
        let used = Event::new(EventCode::SealedCodeUsed, actor())
            .detail("code", code.id.as_str())
            .detail("made_by", code.made_by.name.as_str())
            .detail("sign_in", issued.sign_in.as_str());
        let signed_in = Event::new(EventCode::SignedIn, actor())
            .detail("sign_in", issued.sign_in.as_str())
            .detail("device", device)
            .detail("method", "sealed code");
        let change = [used, signed_in].map(|event| Step::new(Record::Nothing, event));
        tx.apply(&change.into(), origin, now).await?;
        self.store.commit(tx).await?;
        tracing::warn!(sign_in.id = %issued.sign_in, "somebody signed in with a sealed code");
        Ok(issued)
    }

    /// Makes sure that the groups of whoever calls are fresh enough to give access by. For a sealed sign-in the
    /// newest that is known will do: it is for the day when the provider cannot be asked.
    pub(in crate::gate) async fn confirmed_for(&self, caller: &Caller) -> Result<(), Error> {
        if caller.how.method == Method::Sealed {
            return self.confirmed_if_possible(&caller.principal.id).await;
        }
        self.confirmed(&caller.principal.id).await
    }

    /// Counts a try before it is looked at; answers what a right one forgives.
    async fn count_sealed(&self, origin: &Origin) -> Result<String, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let address = origin.address.as_deref().unwrap_or("nowhere");
        let subject = format!("sealed codes from {address}");
        let (count, began_at) = tx.count_try(&subject, SEALED_FROM_ADDRESS.per, now).await?;
        let checked = SEALED_FROM_ADDRESS.check(count, began_at, now);
        if checked.is_err() && self.is_news(format!("sealed waits {address}"), now) {
            let event = Event::new(EventCode::TriedTooOften, Actor::Anonymous)
                .outcome(Outcome::Denied)
                .detail("way", "sealed code");
            tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                .await?;
        }
        self.store.commit(tx).await?;
        checked.map_err(|refusal| Error::Refused(refusal.into()))?;
        Ok(subject)
    }

    async fn refuse_sealed(&self, origin: &Origin) -> Error {
        let written = async {
            let mut tx = self.store.write().await?;
            let now = self.store.now(&mut tx).await?;
            let address = origin.address.as_deref().unwrap_or_default();
            if self.is_news(format!("sealed code {address}"), now) {
                let event = Event::new(EventCode::SignInRefused, Actor::Anonymous)
                    .outcome(Outcome::Denied)
                    .detail("wrong", "sealed code");
                tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                    .await?;
            }
            Ok::<(), Error>(self.store.commit(tx).await?)
        };
        match written.await {
            Ok(()) => refuse(BreakGlassRefusal::CodeNotValid),
            Err(error) => error,
        }
    }
}
