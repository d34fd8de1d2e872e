//! Adding, confirming and removing second factors, and recovery codes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::{FactorId, PrincipalId, PrincipalName};
use crate::domain::permit::Action;
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{
    FACTORS_MAX, Factor, Guarded, RECOVERY_CODES, SecondFactorRefusal, Way, first_factor,
    recovery_code,
};
use crate::secret::{Secret, hash_of, random};
use crate::store::Tx;

use super::totp;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, hex, new_bits};

/// Names of factors are for lists on a terminal.
const NAME_MAX: usize = 40;
/// What happened to an account is told at each sign-in for so long.
const TOLD_FOR: TimeDelta = TimeDelta::days(7);

/// What a person has to prove who they are.
#[derive(Debug, Clone)]
pub struct Enrolled {
    pub factors: Vec<Factor>,
    pub recovery_codes_left: i64,
    pub has_password: bool,
    /// A fresh sign-in at the provider is a second factor of theirs.
    pub at_provider: bool,
    /// What happened to the account lately, as sentences.
    pub notices: Vec<String>,
}

/// A TOTP factor that is not confirmed yet, with what the application needs.
#[derive(Debug, Clone)]
pub struct NewTotp {
    pub factor: Factor,
    pub who: PrincipalName,
    pub secret: Secret,
}

/// What a new factor answers first.
#[derive(Debug, Clone)]
pub enum First {
    /// The code that an authenticator application shows.
    Code(String),
    /// What a browser answered to the options of a new passkey.
    Passkey(Value),
}

/// A confirmed factor, and recovery codes when it is the first one.
pub struct Confirmed {
    pub factor: Factor,
    pub recovery_codes: Vec<String>,
}

impl Gate {
    /// The caller's own second factors.
    pub async fn enrolled(&self, caller: &Caller) -> Result<Enrolled, Error> {
        let (mut tx, now) = self.look().await?;
        let who = &caller.principal.id;
        Ok(Enrolled {
            factors: tx.factors(who).await?,
            recovery_codes_left: tx.recovery_codes_left(who).await?,
            has_password: tx.password(who).await?.is_some(),
            at_provider: self.at_provider(&mut tx, who).await?.is_some(),
            notices: tx.notices(who, now - TOLD_FOR).await?,
        })
    }

    /// Begins to add an authenticator application. It proves nothing until its first code has confirmed it.
    pub async fn add_totp(
        &self,
        caller: &Caller,
        name: &str,
        once: &OnceKey,
    ) -> Result<NewTotp, Error> {
        let factor = self.begin_factor(caller, Way::Totp, name, once).await?;
        Ok(NewTotp {
            secret: totp(self.rules.key(), &factor.id).text(),
            who: caller.principal.name.clone(),
            factor,
        })
    }

    /// Adds a factor that is not confirmed, in place of any other such.
    pub(super) async fn begin_factor(
        &self,
        caller: &Caller,
        way: Way,
        name: &str,
        once: &OnceKey,
    ) -> Result<Factor, Error> {
        check_name(name)?;
        let new = FactorId::from_bits(new_bits()?);
        let opened = self.open_if(caller, once, new.as_str(), person).await?;
        let mut writing = match opened {
            Opened::Before(id) => {
                let (mut tx, _) = self.look().await?;
                return own(&mut tx, &caller.principal.id, &id).await;
            }
            Opened::Now(writing) => writing,
        };
        writing.guard(Guarded::ChangeFactors);
        let who = writing.who.clone();
        writing.tx.delete_unconfirmed_factors(&who.id).await?;
        let confirmed = writing.tx.factors(&who.id).await?.len();
        if confirmed >= FACTORS_MAX {
            return Err(refuse(SecondFactorRefusal::TooManyFactors {
                most: FACTORS_MAX,
            }));
        }
        if self.prove(&mut writing).await?.is_none() {
            // INVARIANT: a stolen sign-in never gets a second factor of its own
            // (`a_first_second_factor_needs_a_fresh_sign_in`).
            first_factor(caller.how.authenticated_at, writing.now).map_err(refuse)?;
        }
        let factor = Factor {
            id: new,
            principal: who.id.clone(),
            way,
            name: name.to_owned(),
            created_at: writing.now,
            confirmed_at: None,
            last_used_at: None,
            last_step: 0,
            public: None,
        };
        writing.tx.insert_factor(&factor).await?;
        self.finish(writing, &Vec::new()).await?;
        Ok(factor)
    }

    /// Confirms a factor by its first code, or by the answer of a new passkey. Whoever has no recovery codes gets ten,
    /// once.
    pub async fn confirm_factor(
        &self,
        caller: &Caller,
        id: &FactorId,
        first: &First,
        once: &OnceKey,
    ) -> Result<Confirmed, Error> {
        let made = match first {
            First::Code(_) => None,
            First::Passkey(answer) => Some(self.made(caller, id, answer).await?),
        };
        let opened = self.open_if(caller, once, id.as_str(), person).await?;
        let mut writing = match opened {
            // The codes were lost with their answer, and nobody can read them again.
            Opened::Before(_) => {
                let (mut tx, _) = self.look().await?;
                return Ok(Confirmed {
                    factor: own(&mut tx, &caller.principal.id, id.as_str()).await?,
                    recovery_codes: Vec::new(),
                });
            }
            Opened::Now(writing) => writing,
        };
        let (who, now) = (writing.who.clone(), writing.now);
        let mut factor = own(&mut writing.tx, &who.id, id.as_str()).await?;
        if factor.confirmed_at.is_some() {
            return Err(refuse(SecondFactorRefusal::AlreadyConfirmed));
        }
        match (factor.way, first, made) {
            (Way::Totp, First::Code(code), _) => {
                let step = totp(self.rules.key(), id).step_of(code, now.timestamp());
                let step = step.ok_or_else(|| refuse(SecondFactorRefusal::CodeNotAccepted))?;
                if !writing.tx.take_step(id, step, now).await? {
                    return Err(refuse(SecondFactorRefusal::CodeNotAccepted));
                }
            }
            (Way::Passkey, _, Some(made)) => {
                let made = made.map_err(refuse)?;
                writing.tx.keep_passkey(id, &made.public).await?;
            }
            _ => return Err(refuse(SecondFactorRefusal::CodeNotAccepted)),
        }
        if !writing.tx.confirm_factor(id, now).await? {
            return Err(refuse(SecondFactorRefusal::AlreadyConfirmed));
        }
        (factor.confirmed_at, factor.last_used_at) = (Some(now), Some(now));
        let recovery_codes = if writing.tx.recovery_codes_left(&who.id).await? == 0 {
            make_codes(&mut writing.tx, &who.id, now).await?
        } else {
            Vec::new()
        };
        let text = format!("the second factor `{}` was added", factor.name);
        notify(&mut writing.tx, &who.id, &text, now).await?;
        let others = writing.tx.factors(&who.id).await?;
        let first = !others
            .iter()
            .any(|other| other.id != *id && other.confirmed_at.is_some());
        let event = Event::new(EventCode::FactorAdded, Actor::Principal(who.as_ref()))
            .detail("factor", id.as_str())
            .detail("way", factor.way.as_str())
            .detail("first", first);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok(Confirmed {
            factor,
            recovery_codes,
        })
    }

    /// Removes one of the caller's own factors; with the last one its recovery codes go, too.
    pub async fn remove_factor(
        &self,
        caller: &Caller,
        id: &FactorId,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let opened = self.open_if(caller, once, id.as_str(), person).await?;
        let Opened::Now(mut writing) = opened else {
            return Ok(());
        };
        let who = writing.who.clone();
        let factor = own(&mut writing.tx, &who.id, id.as_str()).await?;
        writing.guard(Guarded::ChangeFactors);
        // The proof is looked for first: without its factor there would be none.
        let way = self.prove(&mut writing).await?;
        writing.tx.delete_factor(id).await?;
        let left = writing.tx.factors(&who.id).await?;
        if !left.iter().any(|factor| factor.confirmed_at.is_some()) {
            writing.tx.delete_recovery_codes(&who.id).await?;
        }
        let mut event = Event::new(EventCode::FactorRemoved, Actor::Principal(who.as_ref()))
            .detail("factor", id.as_str())
            .detail("way", factor.way.as_str());
        if let Some(way) = way {
            event = event.detail("second_factor", way.as_str());
        }
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }

    /// Makes ten new recovery codes; the old ones are good no longer.
    pub async fn new_recovery_codes(
        &self,
        caller: &Caller,
        once: &OnceKey,
    ) -> Result<Vec<String>, Error> {
        let opened = self.open_if(caller, once, "codes", person).await?;
        let Opened::Now(mut writing) = opened else {
            return Err(Refusal::IdempotencyKeyReused.into());
        };
        let (who, now) = (writing.who.clone(), writing.now);
        let factors = writing.tx.factors(&who.id).await?;
        if !factors.iter().any(|factor| factor.confirmed_at.is_some()) {
            return Err(Refusal::NotFound {
                what: "second factor",
                name: "of yours".to_owned(),
            }
            .into());
        }
        writing.guard(Guarded::ChangeFactors);
        let codes = make_codes(&mut writing.tx, &who.id, now).await?;
        let event = Event::new(EventCode::RecoveryCodesMade, Actor::Principal(who.as_ref()));
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok(codes)
    }

    /// Takes every second factor of a person away who has lost them. The person is told at the next sign-in.
    pub async fn reset_factors(
        &self,
        caller: &Caller,
        name: &PrincipalName,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let opened = self
            .open(caller, once, name.as_str(), Action::Invite)
            .await?;
        let Opened::Now(mut writing) = opened else {
            return Ok(());
        };
        let (who, now) = (writing.who.clone(), writing.now);
        let found = writing.tx.principal_named(name).await?;
        let person = found.ok_or_else(|| Refusal::NotFound {
            what: "principal",
            name: name.to_string(),
        })?;
        writing.guard(Guarded::ResetFactors);
        let way = self.prove(&mut writing).await?;
        let removed = writing.tx.delete_factors(&person.id).await?;
        let text = format!("{} removed all your second factors", who.name);
        notify(&mut writing.tx, &person.id, &text, now).await?;
        let mut event = Event::new(EventCode::FactorsReset, Actor::Principal(who.as_ref()))
            .detail("factors", removed);
        if let Some(way) = way {
            event = event.detail("second_factor", way.as_str());
        }
        event.principal = Some(person.name);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }
}

/// Keeps something that a person is told at the next sign-in.
pub(in crate::gate) async fn notify(
    tx: &mut Tx,
    of: &PrincipalId,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let id = format!("{:016x}", new_bits()?);
    Ok(tx.insert_notice(&id, of, text, now).await?)
}

async fn make_codes(
    tx: &mut Tx,
    of: &PrincipalId,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Error> {
    tx.delete_recovery_codes(of).await?;
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let code = recovery_code(random()?);
        tx.insert_recovery_code(&hex(&hash_of(&code)), of, now)
            .await?;
        codes.push(code);
    }
    Ok(codes)
}

/// Every person has second factors of their own; a machine has none.
pub(super) fn person(who: &Principal) -> Result<(), Refusal> {
    if who.service.is_some() {
        return Err(Refusal::NotAllowed {
            action: "have a second factor",
            needs: "a person",
        });
    }
    Ok(())
}

pub(super) async fn own(tx: &mut Tx, who: &PrincipalId, id: &str) -> Result<Factor, Error> {
    let factors = tx.factors(who).await?;
    let found = factors.into_iter().find(|factor| factor.id.as_str() == id);
    Ok(found.ok_or_else(|| Refusal::NotFound {
        what: "second factor",
        name: id.to_owned(),
    })?)
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= NAME_MAX
        && !name.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(Refusal::BadInput {
        field: "name".to_owned(),
        why: format!("a second factor has a name of 1 to {NAME_MAX} characters"),
    })
}

fn refuse(refusal: SecondFactorRefusal) -> Error {
    Error::Refused(refusal.into())
}
