//! Proofs of a device key as the gate judges them: made now, never seen before, and by the key that signed in.
//!
//! Each node remembers the proofs that it took for as long as their time allows, and refuses those made before it
//! started. Over PostgreSQL, where there are other nodes, a proof that comes with a change is also put down in the
//! database, so that no node takes it again. One that only reads is not: for as long as a minute somebody who has the
//! token and the proof could read on another node what they could read on this one.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::sign_in::Method;
use crate::gate::{Error, Gate};
use crate::secret::Proof;
use crate::store::audit::Origin;
use crate::store::sign_ins::SignIn;

use super::stored_hash;

/// A proof travels for less than this, also through a slow network.
const OLDEST: TimeDelta = TimeDelta::seconds(60);
/// So much may the clock of a device be ahead.
const NEWEST: TimeDelta = TimeDelta::seconds(10);
/// As long as a proof can be good, and a little more.
const KEPT: TimeDelta = TimeDelta::seconds(75);
/// How many proofs one node takes in that time. Who has no sign-in adds none.
const MOST: usize = 2_000_000;

/// What a proof comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A call that changes nothing.
    Read,
    /// A call that changes something.
    Change,
}

/// The proofs that one node took lately: two sets, of which the older one is let go of as a whole.
pub(in crate::gate) struct Seen(Mutex<Sets>);

struct Sets {
    began: Option<DateTime<Utc>>,
    turned: DateTime<Utc>,
    young: HashSet<u128>,
    old: HashSet<u128>,
}

impl Default for Seen {
    fn default() -> Self {
        Self(Mutex::new(Sets {
            began: None,
            turned: DateTime::UNIX_EPOCH,
            young: HashSet::new(),
            old: HashSet::new(),
        }))
    }
}

impl Seen {
    /// From here on proofs are taken: what was made earlier may have been taken before a restart.
    pub(in crate::gate) fn begin(&self, now: DateTime<Utc>) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A proof tells whole seconds.
        sets.began = DateTime::from_timestamp(now.timestamp(), 0);
    }

    fn take(&self, name: u128, made: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Refusal> {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.began.is_some_and(|began| made < began) {
            return Err(out_of_time(made, now));
        }
        if now - sets.turned >= KEPT {
            sets.old = std::mem::take(&mut sets.young);
            if now - sets.turned >= KEPT * 2 {
                sets.old.clear();
            }
            sets.turned = now;
        }
        if sets.young.len() >= MOST {
            return Err(Refusal::Busy);
        }
        if sets.old.contains(&name) || !sets.young.insert(name) {
            return Err(seen_before());
        }
        Ok(())
    }
}

fn seen_before() -> Refusal {
    Refusal::ProofNotValid {
        why: "it was used before",
    }
}

fn out_of_time(made: DateTime<Utc>, now: DateTime<Utc>) -> Refusal {
    Refusal::ProofOutOfTime {
        ahead: (made - now).num_seconds(),
    }
}

impl Gate {
    /// Takes a proof once: it was made lately, and nobody has shown it before.
    async fn take_proof(
        &self,
        proof: &Proof,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let made = DateTime::from_timestamp(proof.at, 0).unwrap_or(DateTime::UNIX_EPOCH);
        if made < now - OLDEST || made > now + NEWEST {
            return Err(out_of_time(made, now).into());
        }
        let hash = stored_hash(&format!("{} {}", proof.thumbprint, proof.jti));
        let name = u128::from_str_radix(hash.get(..32).unwrap_or_default(), 16).unwrap_or_default();
        self.proofs.take(name, made, now)?;
        if purpose == Purpose::Change && self.store.is_shared() {
            let mut tx = self.store.glance().await?;
            if !tx.take_proof(&hash, now + KEPT).await? {
                return Err(seen_before().into());
            }
        }
        Ok(())
    }

    /// The device key that a new sign-in is bound to. Every way to sign in asks here.
    pub(in crate::gate) async fn device_key(
        &self,
        proof: Option<&Proof>,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, Error> {
        match proof {
            Some(proof) => {
                self.take_proof(proof, Purpose::Change, now).await?;
                Ok(Some(proof.thumbprint.clone()))
            }
            None if self.settings.tokens.sender_constrained => Err(Refusal::ProofRequired.into()),
            None => Ok(None),
        }
    }

    /// Whether whoever presents this token has the key of the device that signed in.
    pub(super) async fn check_device(
        &self,
        sign_in: &SignIn,
        access: Option<&str>,
        proof: Option<&Proof>,
        purpose: Purpose,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        // A machine has no device; its token is scoped and ends instead.
        if sign_in.method == Method::Service {
            return Ok(());
        }
        let Some(jkt) = &sign_in.jkt else {
            // A proof says that its token is bound. A token that is not comes without, if it may come at all.
            if self.settings.tokens.sender_constrained || proof.is_some() {
                return Err(Refusal::SignInUnbound.into());
            }
            return Ok(());
        };
        let Some(proof) = proof else {
            self.note_misuse(sign_in, "no proof", origin, now).await?;
            return Err(Refusal::ProofRequired.into());
        };
        if proof.thumbprint != *jkt {
            self.note_misuse(sign_in, "another key", origin, now)
                .await?;
            return Err(Refusal::ProofNotValid {
                why: "it is from another device",
            }
            .into());
        }
        // A refresh token travels in the body, and its proof names no token.
        if access.is_some_and(|token| !proof.is_for(Some(token))) {
            return Err(Refusal::ProofNotValid {
                why: "it is for another token",
            }
            .into());
        }
        match self.take_proof(proof, purpose, now).await {
            Err(Error::Refused(refusal @ Refusal::ProofNotValid { .. })) => {
                self.note_misuse(sign_in, "a proof twice", origin, now)
                    .await?;
                Err(refusal.into())
            }
            other => other,
        }
    }

    /// Somebody has a token and not the key of its device: that is put on record, once a minute.
    async fn note_misuse(
        &self,
        sign_in: &SignIn,
        why: &str,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let address = origin.address.as_deref().unwrap_or_default();
        if !self.is_news(format!("misuse {} {why} {address}", sign_in.id), now) {
            return Ok(());
        }
        metrics::counter!("portcullis_token_misuse_total").increment(1);
        let mut event = Event::new(EventCode::TokenMisused, Actor::Anonymous)
            .outcome(Outcome::Denied)
            .detail("sign_in", sign_in.id.as_str())
            .detail("device", sign_in.device.as_str())
            .detail("came_with", why);
        event.principal = Some(sign_in.principal.name.clone());
        let mut tx = self.store.write().await?;
        tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
            .await?;
        Ok(self.store.commit(tx).await?)
    }
}
