//! Proving a second factor for calls that are named by their digests.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::SignInId;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{DIGESTS_MAX, SecondFactorRefusal, Way};
use crate::secret::{Secret, TokenKind, hash_of};

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
}

/// The calls that a proof is going to be for.
#[derive(Clone, Copy)]
pub(in crate::gate) struct Calls<'a> {
    pub sign_in: &'a SignInId,
    pub digests: &'a BTreeSet<String>,
}

impl Proof {
    /// The way of this proof.
    pub fn way(&self) -> Way {
        match self {
            Self::Totp(_) => Way::Totp,
            Self::Recovery(_) => Way::Recovery,
            Self::Passkey { .. } => Way::Passkey,
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
        check(digests)?;
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let actor = Actor::Principal(who.as_ref());
        let calls = Calls {
            sign_in: &caller.sign_in,
            digests,
        };
        let outcome = self
            .check_factor(&mut tx, &who, proof, Some(calls), now)
            .await?;
        let (event, answer) = match outcome {
            Ok(way) => {
                let token = TokenKind::StepUp.issue()?;
                let digests: Vec<String> = digests.iter().cloned().collect();
                tx.insert_step_up(
                    &hex(&hash_of(token.expose())),
                    &who.id,
                    &caller.sign_in,
                    way,
                    &digests,
                    now,
                )
                .await?;
                let event = Event::new(EventCode::SteppedUp, actor)
                    .detail("way", way.as_str())
                    .detail("sign_in", caller.sign_in.as_str())
                    .detail("calls", digests.len());
                (
                    Some(event),
                    Ok((token, now + self.settings.step_up.max_age)),
                )
            }
            Err(refusal) => {
                let event = refused(actor, &refusal, proof.way());
                // Tries while somebody has to wait are told once in a while.
                let waits = matches!(refusal, SecondFactorRefusal::TriedTooOften { .. });
                let told = !waits || self.is_news(format!("{} waits", who.id), now);
                (told.then_some(event), Err(Refusal::from(refusal).into()))
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
pub(in crate::gate) fn refused(actor: Actor, refusal: &SecondFactorRefusal, way: Way) -> Event {
    let code = match refusal {
        SecondFactorRefusal::TriedTooOften { .. } => EventCode::TriedTooOften,
        _ => EventCode::StepUpRefused,
    };
    let event = Event::new(code, actor)
        .outcome(Outcome::Denied)
        .detail("way", way.as_str());
    match refusal {
        SecondFactorRefusal::PasskeyNotAccepted { why } => event.detail("why", *why),
        _ => event,
    }
}

pub(super) fn check(digests: &BTreeSet<String>) -> Result<(), Refusal> {
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
