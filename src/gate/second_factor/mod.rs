//! Second factors: proving one for certain calls, and looking for that proof before anything is committed.
//!
//! A guarded function says `writing.guard(…)`; that is all. [`Gate::finish`] commits nothing that is guarded and not
//! proved, so the rules speak first and nobody is asked for a code for something that is refused anyway.

mod enrol;
mod passkey;
mod step_up;

pub(in crate::gate) use enrol::notify;
pub use enrol::{Confirmed, Enrolled, First, NewTotp};
pub(in crate::gate) use passkey::ask as ask_passkey_of;
pub use passkey::{NewPasskey, ToConfirm};
pub(in crate::gate) use step_up::Calls;
pub use step_up::Proof;
pub(in crate::gate) use step_up::check_digests;

use chrono::{DateTime, Utc};

use crate::domain::break_glass::BreakGlassRefusal;
use crate::domain::change::Change;
use crate::domain::ids::{FactorId, PrincipalId};
use crate::domain::principal::Principal;
use crate::domain::second_factor::{
    Guarded, SECOND_FACTOR, SecondFactorRefusal, Way, read_recovery_code,
};
use crate::domain::span::Span;
use crate::secret::{Key, TokenKind, Totp, hash_of};
use crate::store::Tx;
use crate::store::second_factors::Use;

use super::{Error, Gate, Writing, hex};

impl Writing {
    /// Says that this transaction needs the proof of a second factor before it is committed.
    pub(super) fn guard(&mut self, guarded: Guarded) {
        self.guarded = Some(guarded);
    }
}

impl Gate {
    /// Uses the proof up that came with a guarded call. Without a good one nothing of the transaction is committed.
    ///
    /// INVARIANT: a guarded change is committed together with the use of a proof that is bound to exactly this call,
    /// this person and this sign-in (`a_proof_is_good_for_one_call_only`).
    pub(super) async fn prove(&self, writing: &mut Writing) -> Result<Option<Way>, Error> {
        let Some(guarded) = writing.guarded.take() else {
            return Ok(None);
        };
        let who = writing.who.id.clone();
        let mut ways = self.ways(&mut writing.tx, &who).await?;
        if !guarded.asks(!ways.is_empty(), writing.method, &self.settings.step_up) {
            return Ok(None);
        }
        if let Some(proof) = &writing.once.proof
            && TokenKind::StepUp.read(proof.expose()).is_ok()
        {
            let wanted = Use {
                proof: &hex(&hash_of(proof.expose())),
                digest: &writing.once.digest,
                principal: &who,
                sign_in: &writing.sign_in,
                good_since: self.settings.step_up.good_since(writing.now),
            };
            if let Some(way) = writing.tx.use_step_up(wanted, writing.now).await? {
                return Ok(Some(way));
            }
        }
        if guarded == Guarded::BreakGlass {
            // INVARIANT: a sealed code is the second factor of one break-glass, and of nothing else
            // (`a_sealed_code_is_the_second_factor_of_one_break_glass`).
            let since = self.settings.step_up.good_since(writing.now);
            let digest = writing.once.digest.clone();
            let tx = &mut writing.tx;
            if tx.prove_by_code(&writing.sign_in, &digest, since).await? {
                return Ok(Some(Way::Sealed));
            }
            if ways.is_empty() && tx.code_behind(&writing.sign_in).await?.is_some() {
                return Err(Error::Refused(BreakGlassRefusal::CodeSpent.into()));
            }
        }
        if !ways.is_empty() && writing.tx.recovery_codes_left(&who).await? > 0 {
            ways.push(Way::Recovery);
        }
        Err(Error::Refused(
            SecondFactorRefusal::StepUpRequired {
                digest: writing.once.digest.clone(),
                ways,
                max_age: Span::from_chrono(self.settings.step_up.max_age).unwrap_or(Span::MAX),
                proof_refused: writing.once.proof.is_some(),
            }
            .into(),
        ))
    }

    /// How a person can prove a second factor, the better way first.
    pub(super) async fn ways(&self, tx: &mut Tx, who: &PrincipalId) -> Result<Vec<Way>, Error> {
        let factors = tx.factors(who).await?;
        let at_provider = self.at_provider(tx, who).await?.is_some();
        let has = |way: &Way| {
            let mut factors = factors.iter();
            factors.any(|factor| factor.way == *way && factor.confirmed_at.is_some())
        };
        Ok(Way::ALL
            .into_iter()
            .filter(|way| has(way) || (at_provider && *way == Way::Oidc))
            .collect())
    }

    /// Checks a second factor of a person and uses it up; a passkey for these calls. The try counts whether or not it
    /// is right, so the
    /// transaction has to be committed in both cases.
    pub(super) async fn check_factor(
        &self,
        tx: &mut Tx,
        who: &Principal,
        proof: &Proof,
        calls: Option<Calls<'_>>,
        now: DateTime<Utc>,
    ) -> Result<Result<Way, SecondFactorRefusal>, Error> {
        let subject = format!("second factor {}", who.id);
        let (count, began_at) = tx.count_try(&subject, SECOND_FACTOR.per, now).await?;
        if let Err(refusal) = SECOND_FACTOR.check(count, began_at, now) {
            return Ok(Err(refusal));
        }
        let right = match proof {
            Proof::Totp(code) => self.take_totp(tx, who, code, now).await?,
            Proof::Recovery(code) => match read_recovery_code(code) {
                Some(code) => {
                    let hash = hex(&hash_of(&code));
                    tx.use_recovery_code(&hash, &who.id, now).await?
                }
                None => false,
            },
            Proof::Passkey { question, answer } => {
                let said = (question.as_str(), answer);
                match self.take_passkey(tx, who, calls, said, now).await? {
                    Ok(()) => true,
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
            // Only a step-up begins one.
            Proof::Oidc(_) => false,
        };
        if !right {
            return Ok(Err(SecondFactorRefusal::CodeNotAccepted));
        }
        tx.forget_tries(&subject).await?;
        Ok(Ok(proof.way()))
    }

    async fn take_totp(
        &self,
        tx: &mut Tx,
        who: &Principal,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let factors = tx.factors(&who.id).await?;
        let mut right = false;
        for factor in factors
            .iter()
            .filter(|factor| factor.way == Way::Totp && factor.confirmed_at.is_some())
        {
            let secret = totp(self.rules.key(), &factor.id);
            if let Some(step) = secret.step_of(code, now.timestamp())
                && !right
            {
                // INVARIANT: of several who present one code at the same time, this lets one through
                // (`one_code_is_taken_once_however_many_present_it`).
                right = tx.take_step(&factor.id, step, now).await?;
            }
        }
        Ok(right)
    }
}

/// The secret of a TOTP factor: derived, so that the database has none.
fn totp(key: &Key, id: &FactorId) -> Totp {
    Totp::new(key.derive("totp", &[id.as_str()]))
}

/// Says in each event of a change how the second factor was proved.
pub(super) fn told(change: &Change, way: Option<Way>) -> Change {
    let mut change = change.clone();
    if let Some(way) = way {
        for step in &mut change {
            let way = serde_json::Value::from(way.as_str());
            step.event.details.insert("second_factor".to_owned(), way);
        }
    }
    change
}
