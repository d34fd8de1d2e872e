//! Local accounts: a password and a second factor, for embedded use and for the day the provider is down.
//!
//! Nobody learns here which names there are: an unknown name costs as much time as a wrong password, counts as a try,
//! and is answered in the same words.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::PrincipalName;
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{
    Guarded, Limit, PASSWORD_FROM_ADDRESS, PASSWORD_OF_ACCOUNT, SecondFactorRefusal, Way,
    check_password,
};
use crate::domain::sign_in::Method;
use crate::secret::{self, HashedPassword, Secret, passkey};
use crate::store::Tx;
use crate::store::audit::Origin;

use super::people::sign_in::open_sign_in;
use super::people::{Issued, NewSignIn};
use super::second_factor::{Calls, Proof, ToConfirm, ask_passkey_of, notify};
use super::{Caller, Error, Gate, OnceKey, Opened};

/// What somebody types to sign in.
pub struct Typed<'a> {
    pub name: &'a str,
    pub password: Secret,
    pub proof: Option<Proof>,
    pub device: &'a str,
    /// Of the device key that the sign-in is going to be bound to.
    pub device_proof: Option<&'a secret::Proof>,
}

/// Somebody whose password was right.
struct Known {
    who: Principal,
    hash: HashedPassword,
    /// The key of the device that the sign-in is going to be bound to.
    jkt: Option<String>,
}

/// A sign-in that is being made, as what a passkey signs for.
///
/// INVARIANT: what a passkey signed for one sign-in is good for no other account, no other device, no call, and once
/// (`an_answer_to_another_question_signs_nobody_in`).
struct Attempt {
    device: String,
    digests: BTreeSet<String>,
}

impl Attempt {
    fn of(who: &Principal, jkt: &str) -> Self {
        Self {
            device: format!("on {jkt}"),
            digests: [passkey::sign_in(who.name.as_str(), jkt)].into(),
        }
    }

    fn calls(&self) -> Calls<'_> {
        Calls {
            sign_in: &self.device,
            digests: &self.digests,
        }
    }
}

impl Gate {
    /// Sets the caller's password. Whoever has a second factor proves it; whoever has only a password gives that.
    pub async fn set_password(
        &self,
        caller: &Caller,
        password: Secret,
        current: Option<Secret>,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let who = &caller.principal;
        if !self.settings.local_accounts.are_open_to(&who.name) {
            return Err(refuse(SecondFactorRefusal::NoLocalAccounts));
        }
        check_password(password.expose(), who.name.as_str()).map_err(refuse)?;
        let kept = self.look().await?.0.password(&who.id).await?;
        let knows = match (&kept, current) {
            (Some(kept), Some(current)) => self.guess(caller, current, kept).await?,
            _ => false,
        };
        // Hashing takes a while, and a transaction is not to be held meanwhile.
        let hash = self.hasher.hash(password).await?;
        let opened = self
            .open_if(caller, once, "password", |who| match who.service {
                Some(_) => Err(Refusal::NotAllowed {
                    action: "have a password",
                    needs: "a person",
                }),
                None => Ok(()),
            })
            .await?;
        let Opened::Now(mut writing) = opened else {
            return Ok(());
        };
        let (who, now) = (writing.who.clone(), writing.now);
        writing.guard(Guarded::SetPassword);
        let way = self.prove(&mut writing).await?;
        if way.is_none() && writing.tx.password(&who.id).await?.is_some() && !knows {
            return Err(refuse(SecondFactorRefusal::SignInRefused));
        }
        writing.tx.save_password(&who.id, &hash, now).await?;
        notify(&mut writing.tx, &who.id, "a password was set", now).await?;
        let mut event = Event::new(EventCode::PasswordSet, Actor::Principal(who.as_ref()));
        if let Some(way) = way {
            event = event.detail("second_factor", way.as_str());
        }
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }

    /// Whether this is the caller's present password. It counts as a try, as at a sign-in.
    async fn guess(
        &self,
        caller: &Caller,
        current: Secret,
        kept: &HashedPassword,
    ) -> Result<bool, Error> {
        let who = &caller.principal;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let subject = account(who.name.as_str());
        let checked = count(&mut tx, &subject, PASSWORD_OF_ACCOUNT, now).await?;
        self.store.commit(tx).await?;
        checked.map_err(refuse)?;
        Ok(self.hasher.check(current, Some(kept)).await?)
    }

    /// Signs in to a local account.
    pub async fn sign_in_with_password(
        &self,
        typed: Typed<'_>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let known = self.by_password(&typed, origin).await?;
        let Known { who, hash, jkt } = known;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        // The password may have been replaced while it was being checked.
        if tx.password(&who.id).await?.as_ref() != Some(&hash) {
            return Err(refuse(SecondFactorRefusal::SignInRefused));
        }
        let factors = tx.factors(&who.id).await?;
        let mut amr = vec!["pwd".to_owned()];
        if factors.iter().any(|factor| factor.confirmed_at.is_some()) {
            let Some(proof) = &typed.proof else {
                drop(tx);
                return Err(self.refuse_password(typed.name, "no code", origin).await);
            };
            let attempt = jkt.as_deref().map(|jkt| Attempt::of(&who, jkt));
            let calls = attempt.as_ref().map(Attempt::calls);
            if let Err(refusal) = self.check_factor(&mut tx, &who, proof, calls, now).await? {
                self.store.commit(tx).await?;
                let what = match proof.way() {
                    Way::Passkey => "passkey",
                    _ => "code",
                };
                let told = self.refuse_password(typed.name, what, origin).await;
                return Err(match refusal {
                    SecondFactorRefusal::TriedTooOften { .. } => refuse(refusal),
                    _ => told,
                });
            }
            let how = match proof.way() {
                Way::Passkey => "pop",
                _ => "otp",
            };
            amr.extend([how.to_owned(), "mfa".to_owned()]);
        }
        tx.forget_tries(&account(typed.name)).await?;
        let proved = NewSignIn {
            principal: who,
            method: Method::Password,
            amr,
            authenticated_at: None,
            jkt,
            device: typed.device.to_owned(),
        };
        let issued = open_sign_in(&mut tx, proved, &self.settings.tokens, now).await?;
        let event = Event::new(
            EventCode::SignedIn,
            Actor::Principal(issued.principal.as_ref()),
        )
        .detail("sign_in", issued.sign_in.as_str())
        .detail("device", typed.device)
        .detail("method", "password");
        tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
            .await?;
        self.store.commit(tx).await?;
        Ok(issued)
    }

    /// Asks the passkeys of a local account to sign for a sign-in to it on this device, once the password was right.
    /// `server` is the address by which the caller knows this server, and must have been checked.
    ///
    /// Whoever learns from the answer that a password is right has used up as many tries as at a sign-in, and an
    /// account without a passkey is answered like a wrong password.
    pub async fn ask_passkey_to_sign_in(
        &self,
        typed: Typed<'_>,
        server: &str,
        origin: &Origin,
    ) -> Result<ToConfirm, Error> {
        let Known { who, jkt, .. } = self.by_password(&typed, origin).await?;
        // Without the key of a device there is nothing that the answer could be bound to.
        let jkt = jkt.ok_or(Refusal::ProofRequired)?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let attempt = Attempt::of(&who, &jkt);
        let asked = ask_passkey_of(&mut tx, &who.id, attempt.calls(), server, now).await?;
        let Some(asked) = asked else {
            drop(tx);
            return Err(self.refuse_password(typed.name, "no passkey", origin).await);
        };
        self.store.commit(tx).await?;
        Ok(asked)
    }

    /// Whoever has this name and this password. It counts as a try.
    async fn by_password(&self, typed: &Typed<'_>, origin: &Origin) -> Result<Known, Error> {
        let name: Option<PrincipalName> = typed.name.parse().ok();
        let accounts = &self.settings.local_accounts;
        if !accounts.are_there() {
            return Err(refuse(SecondFactorRefusal::NoLocalAccounts));
        }
        let jkt = self
            .device_key(typed.device_proof, self.now().await?)
            .await?;
        self.count_password(typed.name, origin).await?;
        let known = match name.filter(|name| accounts.are_open_to(name)) {
            Some(name) => self.look().await?.0.principal_named(&name).await?,
            None => None,
        };
        let known = known.filter(|who| who.service.is_none());
        let hash = match &known {
            Some(who) => self.look().await?.0.password(&who.id).await?,
            None => None,
        };
        // As slow for a name that nobody has.
        let password = typed.password.clone();
        let right = self.hasher.check(password, hash.as_ref()).await?;
        match known.filter(|_| right).zip(hash) {
            Some((who, hash)) => Ok(Known { who, hash, jkt }),
            None => Err(self.refuse_password(typed.name, "password", origin).await),
        }
    }

    /// Counts a try before it is looked at, per account and per address.
    async fn count_password(&self, name: &str, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let of_account = account(name);
        let from = format!(
            "passwords from {}",
            origin.address.as_deref().unwrap_or("nowhere")
        );
        let one = count(&mut tx, &of_account, PASSWORD_OF_ACCOUNT, now).await?;
        let two = count(&mut tx, &from, PASSWORD_FROM_ADDRESS, now).await?;
        let checked = one.and(two);
        if checked.is_err() && self.is_news(format!("password waits {name}"), now) {
            let event = Event::new(EventCode::TriedTooOften, Actor::Anonymous)
                .outcome(Outcome::Denied)
                .detail("account", shown(name));
            tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                .await?;
        }
        self.store.commit(tx).await?;
        checked.map_err(refuse)
    }

    async fn refuse_password(&self, name: &str, what: &str, origin: &Origin) -> Error {
        let event = Event::new(EventCode::SignInRefused, Actor::Anonymous)
            .outcome(Outcome::Denied)
            .detail("account", shown(name))
            .detail("wrong", what);
        let written = async {
            let mut tx = self.store.write().await?;
            let now = self.store.now(&mut tx).await?;
            tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                .await?;
            Ok::<(), Error>(self.store.commit(tx).await?)
        };
        match written.await {
            Ok(()) => refuse(SecondFactorRefusal::SignInRefused),
            Err(error) => error,
        }
    }
}

/// Counts one try, and says whether it is one too many.
async fn count(
    tx: &mut Tx,
    subject: &str,
    limit: Limit,
    now: DateTime<Utc>,
) -> Result<Result<(), SecondFactorRefusal>, Error> {
    let (number, began_at) = tx.count_try(subject, limit.per, now).await?;
    Ok(limit.check(number, began_at, now))
}

/// A name is shortened: whoever types one has not proved to be anybody.
fn account(name: &str) -> String {
    format!("password of {}", shown(name))
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(63).collect()
}

fn refuse(refusal: SecondFactorRefusal) -> Error {
    Error::Refused(refusal.into())
}
