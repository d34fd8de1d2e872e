//! Passkeys: asking one to be made or to confirm calls, and taking its answer, once.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::ids::{FactorId, PrincipalId};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Factor, QUESTION, SecondFactorRefusal, Way};
use crate::gate::{Caller, Error, Gate, OnceKey, hex};
use crate::secret::passkey::{self, Answered, NotAnswered};
use crate::secret::{hash_of, random};
use crate::store::Tx;
use crate::store::second_factors::Question;

use super::enrol::{own, person};
use super::step_up::{Calls, check_digests};

/// A passkey that is not made yet.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    pub factor: Factor,
    /// What the browser is asked.
    pub options: Value,
}

/// What a passkey is asked to confirm.
#[derive(Debug, Clone)]
pub struct ToConfirm {
    /// Names the question; the answer comes with it.
    pub question: String,
    /// What the browser is asked, with the random part in place of what has to be signed.
    pub options: Value,
}

impl Gate {
    /// Begins to add a passkey. It proves nothing until a browser has answered.
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        name: &str,
        once: &OnceKey,
    ) -> Result<NewPasskey, Error> {
        let factor = self.begin_factor(caller, Way::Passkey, name, once).await?;
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let factor = own(&mut tx, &who.id, factor.id.as_str()).await?;
        let known = passkeys(&tx.factors(&who.id).await?)
            .iter()
            .map(|public| passkey::credential(public))
            .collect::<anyhow::Result<Vec<_>>>()?;
        // Of this installation alone: an authenticator keeps one passkey for each person that it knows.
        let derived = self.rules.key().derive("passkey user", &[who.id.as_str()]);
        let mut user = [0; 16];
        user.iter_mut()
            .zip(derived)
            .for_each(|(to, from)| *to = from);
        let asked = passkey::ask_for_new(user, who.name.as_str(), &known)?;
        let question = about_factor(caller, &who, &factor.id);
        tx.ask_passkey(&question, &asked.state, now).await?;
        self.store.commit(tx).await?;
        Ok(NewPasskey {
            factor,
            options: asked.options,
        })
    }

    /// Takes the question of a new passkey away and judges the answer. The question is gone whatever comes of it.
    pub(super) async fn made(
        &self,
        caller: &Caller,
        id: &FactorId,
        answer: &Value,
    ) -> Result<Result<Answered, SecondFactorRefusal>, Error> {
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let question = about_factor(caller, &who, id);
        let state = tx.take_question(&question, now - QUESTION).await?;
        self.store.commit(tx).await?;
        let Some(state) = state else {
            return Ok(Err(gone()));
        };
        Ok(passkey::added(&state, answer)?.map_err(not_accepted))
    }

    /// Asks the caller's passkeys to confirm these calls. `server` is the address by which the caller knows this
    /// server, and must have been checked.
    pub async fn ask_passkey(
        &self,
        caller: &Caller,
        digests: &BTreeSet<String>,
        server: &str,
    ) -> Result<ToConfirm, Error> {
        person(&caller.principal)?;
        check_digests(digests)?;
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let calls = Calls {
            sign_in: caller.sign_in.as_str(),
            digests,
        };
        let asked = ask(&mut tx, &who.id, calls, server, now).await?;
        let asked = asked.ok_or_else(|| Refusal::NotFound {
            what: "passkey",
            name: "of yours".to_owned(),
        })?;
        self.store.commit(tx).await?;
        Ok(asked)
    }

    /// Takes the answer of a passkey for these calls; the question is gone whatever comes of it.
    pub(super) async fn take_passkey(
        &self,
        tx: &mut Tx,
        who: &Principal,
        calls: Option<Calls<'_>>,
        (question, answer): (&str, &Value),
        now: DateTime<Utc>,
    ) -> Result<Result<(), SecondFactorRefusal>, Error> {
        let Some(calls) = calls else {
            return Ok(Err(gone()));
        };
        let question = Question {
            id: question,
            principal: &who.id,
            sign_in: calls.sign_in,
            about: &of(calls.digests),
        };
        let Some(state) = tx.take_question(&question, now - QUESTION).await? else {
            return Ok(Err(gone()));
        };
        let factors = tx.factors(&who.id).await?;
        let answered = match passkey::signed(&state, &passkeys(&factors), answer)? {
            Ok(answered) => answered,
            Err(not) => return Ok(Err(not_accepted(not))),
        };
        for factor in &factors {
            let Some(public) = confirmed(factor) else {
                continue;
            };
            if passkey::credential(public)? != answered.credential {
                continue;
            }
            let (counter, public) = (answered.counter, &answered.public);
            if tx.take_signature(&factor.id, counter, public, now).await? {
                return Ok(Ok(()));
            }
        }
        Ok(Err(not_accepted(NotAnswered("its counter went back"))))
    }
}

/// Asks the passkeys of a person to sign for these calls; nothing where there are none.
pub(in crate::gate) async fn ask(
    tx: &mut Tx,
    who: &PrincipalId,
    calls: Calls<'_>,
    server: &str,
    now: DateTime<Utc>,
) -> Result<Option<ToConfirm>, Error> {
    let known = passkeys(&tx.factors(who).await?);
    if known.is_empty() {
        return Ok(None);
    }
    let asked = passkey::ask(&known, server, calls.digests)?;
    let id = hex(&random::<16>()?);
    let question = Question {
        id: &id,
        principal: who,
        sign_in: calls.sign_in,
        about: &of(calls.digests),
    };
    tx.ask_passkey(&question, &asked.state, now).await?;
    Ok(Some(ToConfirm {
        question: id,
        options: asked.options,
    }))
}

fn about_factor<'a>(caller: &'a Caller, who: &'a Principal, id: &'a FactorId) -> Question<'a> {
    Question {
        id: id.as_str(),
        principal: &who.id,
        sign_in: caller.sign_in.as_str(),
        about: id.as_str(),
    }
}

fn of(digests: &BTreeSet<String>) -> String {
    let all: Vec<&str> = digests.iter().map(String::as_str).collect();
    hex(&hash_of(&all.join(" ")))
}

fn confirmed(factor: &Factor) -> Option<&String> {
    let counts = factor.way == Way::Passkey && factor.confirmed_at.is_some();
    factor.public.as_ref().filter(|_| counts)
}

fn passkeys(factors: &[Factor]) -> Vec<String> {
    factors.iter().filter_map(confirmed).cloned().collect()
}

fn gone() -> SecondFactorRefusal {
    SecondFactorRefusal::PasskeyNotAccepted {
        why: "it was asked for something else, answered before, or took too long",
    }
}

fn not_accepted(NotAnswered(why): NotAnswered) -> SecondFactorRefusal {
    SecondFactorRefusal::PasskeyNotAccepted { why }
}
