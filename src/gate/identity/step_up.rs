//! A fresh sign-in at the provider as the proof of a second factor, bound to the calls that it is for.
//!
//! What the browser is sent away with is remembered together with the person, their sign-in and the digests; what it
//! brings back is good for nothing else. The rule for what the provider has to say is in `domain`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::ids::PrincipalId;
use crate::domain::provider::IdentityRefusal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{AT_PROVIDER, SignedInAgain};
use crate::gate::second_factor::check_digests;
use crate::gate::{Caller, Error, Gate};
use crate::store::Tx;
use crate::store::identities::{ForStepUp, Identity};

use super::{Begin, Begun, Errand, Finish, brought, said};

/// What a provider said of a step-up, with the moment when it was begun.
pub(in crate::gate) struct Heard {
    said: SignedInAgain,
    begun: DateTime<Utc>,
}

impl Gate {
    /// Begins a step-up at the provider for these calls: the answer is where the browser has to go.
    pub async fn begin_step_up(
        &self,
        caller: &Caller,
        digests: BTreeSet<String>,
        begin: Begin,
    ) -> Result<Begun, Error> {
        let refuse = |refusal: IdentityRefusal| Error::from(Refusal::from(refusal));
        check_digests(&digests)?;
        let provider = self.provider()?;
        let settings = &self.settings.step_up;
        if !settings.is_at_provider() {
            return Err(refuse(IdentityRefusal::NoStepUp));
        }
        let discovery = provider.discovery().await.map_err(said)?;
        let (age, acr_values) = (
            settings.max_age.num_seconds().to_string(),
            settings.acr_values.join(" "),
        );
        // Asked for an age, a provider has to say when the sign-in was made; and asked to prompt, to make a new one.
        let mut more = vec![
            ("scope", "openid"),
            ("prompt", "login"),
            ("max_age", age.as_str()),
        ];
        if !acr_values.is_empty() {
            more.push(("acr_values", &acr_values));
        }
        let errand = Errand::new(&discovery, &provider.settings, begin, &more)?;
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        if self.at_provider(&mut tx, &who.id).await?.is_none() {
            return Err(refuse(IdentityRefusal::NoStepUp));
        }
        let subject = format!("step-up at the provider {}", who.id);
        let (count, began_at) = tx.count_try(&subject, AT_PROVIDER.per, now).await?;
        if let Err(refusal) = AT_PROVIDER.check(count, began_at, now) {
            self.store.commit(tx).await?;
            return Err(Refusal::from(refusal).into());
        }
        let whose = ForStepUp {
            principal: who.id.to_string(),
            sign_in: caller.sign_in.to_string(),
            digests,
        };
        let away = errand.remember(&mut tx, Some(whose), now).await?;
        self.store.commit(tx).await?;
        Ok(away)
    }

    /// Asks the provider what became of a step-up of this caller for exactly these calls.
    ///
    /// INVARIANT: what was begun by somebody else, in another sign-in, for other calls or as a sign-in is taken out and
    /// proves nothing (`a_sign_in_at_the_provider_proves_what_it_was_begun_for`).
    pub(in crate::gate) async fn hear_step_up(
        &self,
        caller: &Caller,
        digests: &BTreeSet<String>,
        finish: &Finish,
    ) -> Result<Heard, Error> {
        let refuse = |refusal: IdentityRefusal| Error::from(Refusal::from(refusal));
        let provider = self.provider()?;
        let (call, now) = self
            .take_call(&finish.state)
            .await?
            .ok_or_else(|| refuse(IdentityRefusal::StepUpNotBegun))?;
        let whose = call.step_up.as_ref();
        let whose = whose.filter(|whose| whose.is_of(&caller.principal.id, &caller.sign_in));
        let whose = whose.ok_or_else(|| refuse(IdentityRefusal::StepUpNotBegun))?;
        if whose.digests != *digests {
            return Err(refuse(IdentityRefusal::StepUpForAnother));
        }
        let code = brought(provider, &call, finish).await?;
        let claims = provider.redeem_step_up(&call, code, &finish.code_verifier, now);
        let claims = claims.await.map_err(said)?;
        Ok(Heard {
            said: SignedInAgain {
                subject: claims.subject,
                at: claims.auth_time,
                acr: claims.acr,
                amr: claims.amr,
            },
            begun: call.created_at,
        })
    }

    /// Whether what the provider said is a proof of this person, and of which moment.
    pub(in crate::gate) async fn judge_step_up(
        &self,
        tx: &mut Tx,
        who: &PrincipalId,
        heard: &Heard,
        now: DateTime<Utc>,
    ) -> Result<Result<DateTime<Utc>, Refusal>, Error> {
        let Some(identity) = self.at_provider(tx, who).await? else {
            return Ok(Err(IdentityRefusal::NoStepUp.into()));
        };
        let settings = &self.settings.step_up;
        let at = heard
            .said
            .proves(&identity.subject, settings, heard.begun, now);
        Ok(at.map_err(|fault| IdentityRefusal::Fault(fault).into()))
    }

    /// The person as the provider knows them, where a fresh sign-in there is a second factor of theirs.
    pub(in crate::gate) async fn at_provider(
        &self,
        tx: &mut Tx,
        who: &PrincipalId,
    ) -> Result<Option<Identity>, Error> {
        let Some(provider) = &self.provider else {
            return Ok(None);
        };
        if !self.settings.step_up.is_at_provider() {
            return Ok(None);
        }
        let identity = tx.identity_of(who).await?;
        Ok(identity.filter(|one| one.issuer == provider.settings.issuer && one.gone_at.is_none()))
    }
}

impl Heard {
    /// What the record says of it.
    pub(in crate::gate) fn words(&self) -> [(&'static str, String); 2] {
        [
            ("acr", self.said.acr.clone().unwrap_or_default()),
            ("amr", self.said.amr.join(" ")),
        ]
    }
}
