//! Proving a second factor for calls that are named by their digests.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{DIGESTS_MAX, OLDEST, SecondFactorRefusal, Way};
use crate::secret::{Secret, TokenKind, hash_of};

use crate::gate::identity::{Finish, Heard};
use crate::gate::{Caller, Error, Gate, hex};

/// What a person presents.
#[derive(Clone)]
pub enum Proof {
    /// A code of an authenticator application.
    Totp(String),
    /// One of the codes that were written down.
    Recovery(String),
    /// What a passkey answered to a question.
    Passkey { question: String, answer: Value },
    /// What a browser brought back from the identity provider.
    Oidc(Finish),
}

/// The calls that a proof is going to be for.
#[derive(Clone, Copy)]
pub(in crate::gate) struct Calls<'a> {
    /// The sign-in, or the device on which one is being made.
    pub sign_in: &'a str,
    pub digests: &'a BTreeSet<String>,
}

impl Proof {
    /// The way of this proof.
    pub fn way(&self) -> Way {
        match self {
            Self::Totp(_) => Way::Totp,
            Self::Recovery(_) => Way::Recovery,
            Self::Passkey { .. } => Way::Passkey,
            Self::Oidc(_) => Way::Oidc,
        }
    }
}

impl Gate {
    /// Takes a second factor and gives a proof for these calls: for this person in this sign-in, each once.
    pub async fn step_up(
        &self,
        caller: &Caller,
        digests: &BTreeSet<String>,
        proof: &Proof,
    ) -> Result<(Secret, DateTime<Utc>), Error> {
        check_digests(digests)?;
        // Asked before the transaction, and answered or refused in it, so that either is on record.
        let heard = match proof {
            Proof::Oidc(finish) => match self.hear_step_up(caller, digests, finish).await {
                Err(Error::Fault(fault)) => return Err(fault.into()),
                Err(Error::Refused(refusal)) => Some(Err(refusal)),
                Ok(heard) => Some(Ok(heard)),
            },
            _ => None,
        };
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let actor = Actor::Principal(who.as_ref());
        let calls = Calls {
            sign_in: caller.sign_in.as_str(),
            digests,
        };
        let outcome = match &heard {
            None => {
                let checked = self
                    .check_factor(&mut tx, &who, proof, Some(calls), now)
                    .await?;
                checked.map(|_| now).map_err(Refusal::from)
            }
            Some(Ok(heard)) => self.judge_step_up(&mut tx, &who.id, heard, now).await?,
            Some(Err(refusal)) => Err(refusal.clone()),
        };
        let (event, answer) = match outcome {
            Ok(proved_at) => {
                let (token, way) = (TokenKind::StepUp.issue()?, proof.way());
                let digests: Vec<String> = digests.iter().cloned().collect();
                tx.insert_step_up(
                    &hex(&hash_of(token.expose())),
                    &who.id,
                    &caller.sign_in,
                    way,
                    &digests,
                    proved_at,
                )
                .await?;
                let mut event = Event::new(EventCode::SteppedUp, actor)
                    .detail("way", way.as_str())
                    .detail("sign_in", caller.sign_in.as_str())
                    .detail("calls", digests.len());
                for (name, words) in heard.iter().flatten().flat_map(Heard::words) {
                    event = event.detail(name, words);
                }
                let until = proved_at + self.settings.step_up.max_age.min(OLDEST);
                (Some(event), Ok((token, until)))
            }
            Err(refusal) => {
                let event = refused(actor, &refusal, proof.way());
                // Tries while somebody has to wait are told once in a while.
                let waits = event.code == EventCode::TriedTooOften;
                let told = !waits || self.is_news(format!("{} waits", who.id), now);
                (told.then_some(event), Err(refusal.into()))
            }
        };
        let change = event.map(|event| Step::new(Record::Nothing, event));
        let change = change.into_iter().collect();
        tx.apply(&change, &caller.origin, now).await?;
        self.store.commit(tx).await?;
        answer
    }
}

/// The event of a second factor that was not taken.
pub(in crate::gate) fn refused(actor: Actor, refusal: &Refusal, way: Way) -> Event {
    let code = match refusal {
        Refusal::SecondFactor(SecondFactorRefusal::TriedTooOften { .. }) => {
            EventCode::TriedTooOften
        }
        _ => EventCode::StepUpRefused,
    };
    let event = Event::new(code, actor)
        .outcome(Outcome::Denied)
        .detail("way", way.as_str());
    match refusal {
        Refusal::SecondFactor(SecondFactorRefusal::PasskeyNotAccepted { why }) => {
            event.detail("why", *why)
        }
        Refusal::Identity(refusal) => event
            .detail("code", refusal.code())
            .reason(Some(refusal.text())),
        _ => event,
    }
}

/// Whether these can be the digests of calls.
pub(in crate::gate) fn check_digests(digests: &BTreeSet<String>) -> Result<(), Refusal> {
    let wrong = |why: String| {
        Err(Refusal::BadInput {
            field: "digests".to_owned(),
            why,
        })
    };
    if digests.is_empty() || digests.len() > DIGESTS_MAX {
        return wrong(format!("a proof is for 1 to {DIGESTS_MAX} calls"));
    }
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digests
        .iter()
        .any(|digest| digest.len() != 64 || !digest.bytes().all(hex))
    {
        return wrong("a digest is 64 hexadecimal digits, as the refusal has it".to_owned());
    }
    Ok(())
}
