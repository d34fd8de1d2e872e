//! Asks the provider again what groups somebody has, before access is given by them.
//!
//! An answer is good for `groups_max_age`. When the provider is down, what was last known gives access until that age
//! and not longer; taking access away never waits for it. Whoever has other groups loses what they would not have got
//! with them.
//!
//! A provider that takes a refresh token no more says the same of a token that is over and of a person who is gone. So
//! the sign-ins from there are over at once and nothing new is given; what access there is goes after `gone_after`,
//! unless the person has signed in again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::domain::change::{Change, Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::grant::GrantState;
use crate::domain::ids::{GrantId, GroupName, PrincipalId, RequestId};
use crate::domain::principal::Principal;
use crate::domain::provider::{IdentityRefusal, ProviderFault};
use crate::domain::refusal::Refusal;
use crate::domain::roles::Roles;
use crate::gate::eligible;
use crate::gate::locks::GIVING;
use crate::gate::people::stored_hash;
use crate::gate::{Error, Gate, new_trace};
use crate::store::Tx;
use crate::store::grants;
use crate::store::identities::Identity;
use crate::store::tokens::TokenUse;

use super::provider::{Again, Provider, Told};
use super::{mapping, seal};

/// One node asks at a time; a node that died while it asked is not waited for longer than this.
const TURN: TimeDelta = TimeDelta::seconds(15);
/// How long, and how often, a node waits for the answer that another one gets.
const WAIT: (u32, Duration) = (60, Duration::from_millis(100));

/// How often it is looked who has access and was not asked about for a while.
const POLL: Duration = Duration::from_secs(15);

/// How sure one has to be of somebody's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// As fresh as the settings say, or no.
    ToGive,
    /// The newest there is; an old answer is better than none.
    ToGoOn,
}

impl Gate {
    /// Makes sure that somebody's groups are fresh enough to give access by.
    pub(in crate::gate) async fn confirmed(&self, who: &PrincipalId) -> Result<(), Error> {
        self.ask_again(who, Need::ToGive).await
    }

    /// As `confirmed`, but an old answer is better than none. Whoever is known to be gone is gone all the same.
    pub(in crate::gate) async fn confirmed_if_possible(
        &self,
        who: &PrincipalId,
    ) -> Result<(), Error> {
        self.ask_again(who, Need::ToGoOn).await
    }

    /// As `confirmed`, for whoever asked for this; what does not exist is left to the caller to refuse.
    pub(in crate::gate) async fn requester_confirmed(&self, id: &RequestId) -> Result<(), Error> {
        if self.provider.is_none() {
            return Ok(());
        }
        let mut tx = self.store.glance().await?;
        let request = tx.request(id).await?;
        drop(tx);
        match request {
            Some(request) => self.confirmed(&request.requester.id).await,
            None => Ok(()),
        }
    }

    /// As `confirmed`, for whoever has this grant.
    pub(in crate::gate) async fn holder_confirmed(&self, id: &GrantId) -> Result<(), Error> {
        if self.provider.is_none() {
            return Ok(());
        }
        let mut tx = self.store.glance().await?;
        let grant = tx.grant(id).await?;
        drop(tx);
        // What was taken with a sealed code was taken because the provider could not be asked.
        let sealed = self.store.glance().await?.is_sealed(id).await?;
        match grant {
            Some(grant) if sealed => self.confirmed_if_possible(&grant.holder.id).await,
            Some(grant) => self.confirmed(&grant.holder.id).await,
            None => Ok(()),
        }
    }

    /// Looks at somebody's groups again because their sign-in is to go on.
    pub(in crate::gate) async fn looked_at_again(&self, refresh_token: &str) -> Result<(), Error> {
        if self.provider.is_none() {
            return Ok(());
        }
        let mut tx = self.store.glance().await?;
        let found = tx
            .token(&stored_hash(refresh_token), TokenUse::Refresh)
            .await?;
        drop(tx);
        match found {
            Some(token) => {
                let asked = self.ask_again(&token.sign_in.principal.id, Need::ToGoOn);
                match asked.await {
                    // Their sign-ins are over, and that is what the caller is going to find.
                    Err(Error::Refused(Refusal::Identity(
                        IdentityRefusal::Gone | IdentityRefusal::Lapsed,
                    ))) => Ok(()),
                    other => other,
                }
            }
            None => Ok(()),
        }
    }

    /// Whether the holder of a grant is gone at the provider, inside the transaction that would make the access.
    pub(in crate::gate) async fn is_gone(
        &self,
        tx: &mut Tx,
        who: &PrincipalId,
    ) -> Result<bool, Error> {
        if self.provider.is_none() {
            return Ok(false);
        }
        let identity = tx.identity_of(who).await?;
        Ok(identity.is_some_and(|identity| identity.gone_at.is_some()))
    }

    /// Asks again about everybody with access, until told to stop.
    pub async fn run_identities(self: Arc<Self>, stop: CancellationToken) {
        if self.provider.is_none() {
            return;
        }
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            if let Err(error) = self.confirm_holders().await {
                tracing::error!(error = ?error, "the groups of people with access could not be looked at; it is tried again");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Asks again about everybody who has access and was not asked about for a while; answers how many.
    pub async fn confirm_holders(&self) -> Result<usize, Error> {
        let Some(provider) = &self.provider else {
            return Ok(0);
        };
        let (mut tx, now) = self.glance().await?;
        let before = now - provider.settings.groups_max_age.to_chrono();
        let stale = tx.stale_holders(before).await?;
        drop(tx);
        let (mut tx, now) = self.glance().await?;
        let before = now - provider.settings.gone_after.to_chrono();
        let lapsed = tx.lapsed_before(before).await?;
        drop(tx);
        for who in &lapsed {
            self.lose(who, before).await?;
        }
        for who in &stale {
            if let Err(Error::Fault(fault)) = self.ask_again(who, Need::ToGoOn).await {
                tracing::warn!(principal = %who, error = format!("{fault:#}"), "somebody's groups could not be looked at again");
            }
        }
        Ok(stale.len())
    }

    async fn ask_again(&self, who: &PrincipalId, need: Need) -> Result<(), Error> {
        let Some(provider) = &self.provider else {
            return Ok(());
        };
        for _ in 0..WAIT.0 {
            let (mut tx, now) = self.glance().await?;
            let identity = tx.identity_of(who).await?;
            drop(tx);
            // Whoever is from here is as good as this database says.
            let Some(identity) = identity.filter(|one| one.issuer == provider.settings.issuer)
            else {
                return Ok(());
            };
            if identity.gone_at.is_some() {
                return Err(Refusal::from(IdentityRefusal::Gone).into());
            }
            if identity.lapsed_at.is_some() {
                return lapsed(need);
            }
            let max_age = provider.settings.groups_max_age.to_chrono();
            // A sign-in that goes on is looked at each time; calls that come together share one answer.
            let enough = match need {
                Need::ToGive => max_age,
                Need::ToGoOn => max_age.min(TimeDelta::seconds(10)),
            };
            if now - identity.checked_at < enough {
                return Ok(());
            }
            let Some(sealed) = &identity.refresh_token else {
                return old(need);
            };
            let mut tx = self.store.write().await?;
            let now = self.store.now(&mut tx).await?;
            let ours = tx.take_identity(who, now, now + TURN).await?;
            // INVARIANT: a refresh token is shown once. Whoever had the turn before may have got another one since this
            // was read, and a provider that sees a token twice ends all that came of it
            // (`a_provider_that_rotates_is_asked_once_however_many_refresh`).
            let still = ours && tx.identity_of(who).await?.as_ref() == Some(&identity);
            if still {
                self.store.commit(tx).await?;
                return self.asked(provider, &identity, sealed, need, now).await;
            }
            drop(tx);
            if !ours {
                tokio::time::sleep(WAIT.1).await;
            }
        }
        old(need)
    }

    async fn asked(
        &self,
        provider: &Provider,
        identity: &Identity,
        sealed: &str,
        need: Need,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let token = seal::open(self.rules.key(), sealed, identity.principal.as_str())?;
        match provider.again(&token, &identity.subject, now).await {
            Ok(Again::Told(told)) => self.changed(provider, identity, &told).await,
            Ok(Again::Refused) if self.lapse(identity).await? => lapsed(need),
            // The person signed in again in the same moment.
            Ok(Again::Refused) => Ok(()),
            Err(fault) => {
                let mut tx = self.store.write().await?;
                tx.drop_identity(&identity.principal).await?;
                self.store.commit(tx).await?;
                if fault == ProviderFault::TokenOtherPerson {
                    return Err(Refusal::from(IdentityRefusal::Fault(fault)).into());
                }
                tracing::warn!(
                    fault = fault.code(),
                    "the identity provider could not be asked again about somebody"
                );
                old(need)
            }
        }
    }

    /// Takes over what the provider says of somebody now.
    async fn changed(
        &self,
        provider: &Provider,
        identity: &Identity,
        told: &Told,
    ) -> Result<(), Error> {
        let (groups, roles) = mapping::mapped(&provider.settings, &told.groups);
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let before = tx.principal(&identity.principal).await?;
        let before =
            before.ok_or_else(|| anyhow::anyhow!("the principal of an identity is gone"))?;
        let renewed = self.sealed(told, &identity.principal)?;
        let Some(known) = tx.identity_of(&identity.principal).await? else {
            return Ok(());
        };
        // INVARIANT: what a sign-in has brought in the meantime is newer than this answer
        // (`an_answer_that_comes_after_a_sign_in_replaces_nothing`).
        if known.refresh_token != identity.refresh_token {
            tx.drop_identity(&identity.principal).await?;
            return Ok(self.store.commit(tx).await?);
        }
        let seen = Identity {
            refresh_token: renewed.or(known.refresh_token),
            checked_at: now,
            ..identity.clone()
        };
        tx.save_identity(&seen, now).await?;
        let after = Principal {
            roles,
            groups,
            ..before.clone()
        };
        let change = self.regrouped(&mut tx, &before, &after, now).await?;
        if change.is_empty() {
            return Ok(self.store.commit(tx).await?);
        }
        self.apply_own(tx, &change, &new_trace(), now).await
    }

    /// Gives somebody the groups and roles that they have at the provider now, and takes what they would not have got
    /// with them. Nothing when they are as before.
    ///
    /// INVARIANT: nobody keeps access through a group that they lost (`whoever_loses_a_group_loses_what_it_gave`).
    pub(super) async fn regrouped(
        &self,
        tx: &mut Tx,
        before: &Principal,
        after: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Change, Error> {
        if after == before {
            return Ok(Vec::new());
        }
        tx.save_principal(after, now).await?;
        let words = |names: Vec<&str>| names.join(" ");
        let mut event = Event::new(EventCode::GroupsChanged, Actor::System)
            .detail("roles", after.roles.words().join(" "))
            .detail(
                "groups",
                words(after.groups.iter().map(GroupName::as_str).collect()),
            );
        event.principal = Some(after.name.clone());
        let mut change = vec![Step::new(Record::Nothing, event)];
        let rules = self.rules.current();
        for grant in tx.hold_grants(&held_by(&after.id)).await? {
            let Some(request) = tx.request(&grant.request).await? else {
                continue;
            };
            if let Some(why) = eligible::no_more(tx, &request, after, &rules).await? {
                let cut = grant.cut(None, &why, ("identity", "groups"), now);
                change.extend(cut.map(|(_, step)| step));
            }
        }
        Ok(change)
    }

    /// Ends the sign-ins from the provider of somebody whom it confirms no more; `false` when they have signed in again
    /// since it was asked.
    async fn lapse(&self, asked: &Identity) -> Result<bool, Error> {
        let who = &asked.principal;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let known = tx.identity_of(who).await?;
        let known = known.filter(|known| known.refresh_token == asked.refresh_token);
        let (Some(known), Some(person)) = (known, tx.principal(who).await?) else {
            tx.drop_identity(who).await?;
            self.store.commit(tx).await?;
            return Ok(false);
        };
        let lapsed = Identity {
            refresh_token: None,
            lapsed_at: Some(now),
            ..known
        };
        tx.save_identity(&lapsed, now).await?;
        tx.revoke_provider_sign_ins_of(who, now).await?;
        let mut event = Event::new(EventCode::IdentityLapsed, Actor::System);
        event.principal = Some(person.name);
        let change = vec![Step::new(Record::Nothing, event)];
        self.apply_own(tx, &change, &new_trace(), now).await?;
        Ok(true)
    }

    /// Takes everything from somebody whom the provider has confirmed no more since before a moment, and who has not
    /// signed in since.
    async fn lose(&self, who: &PrincipalId, before: DateTime<Utc>) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let known = tx.identity_of(who).await?.filter(|known| {
            known.gone_at.is_none() && known.lapsed_at.is_some_and(|lapsed| lapsed < before)
        });
        let (Some(known), Some(person)) = (known, tx.principal(who).await?) else {
            return Ok(());
        };
        let nobody = Principal {
            roles: Roles::default(),
            groups: std::collections::BTreeSet::new(),
            ..person.clone()
        };
        tx.save_principal(&nobody, now).await?;
        let gone = Identity {
            checked_at: now,
            gone_at: Some(now),
            ..known
        };
        tx.save_identity(&gone, now).await?;
        tx.revoke_sign_ins_of(who, now).await?;
        let mut event = Event::new(EventCode::IdentityGone, Actor::System);
        event.principal = Some(person.name);
        let mut change: Change = vec![Step::new(Record::Nothing, event)];
        let because = ("identity", "gone");
        let why = "its holder is gone at the identity provider";
        for grant in tx.hold_grants(&held_by(who)).await? {
            change.extend(grant.cut(None, why, because, now).map(|(_, step)| step));
        }
        self.apply_own(tx, &change, &new_trace(), now).await
    }
}

/// What somebody has, or is going to have.
fn held_by(who: &PrincipalId) -> grants::Filter {
    grants::Filter {
        person: Some(who.clone()),
        states: GIVING.map(GrantState::as_str).to_vec(),
        ..grants::Filter::default()
    }
}

fn lapsed(need: Need) -> Result<(), Error> {
    match need {
        Need::ToGive => Err(Refusal::from(IdentityRefusal::Lapsed).into()),
        Need::ToGoOn => Ok(()),
    }
}

fn old(need: Need) -> Result<(), Error> {
    match need {
        Need::ToGive => Err(Refusal::from(IdentityRefusal::Stale).into()),
        Need::ToGoOn => Ok(()),
    }
}
