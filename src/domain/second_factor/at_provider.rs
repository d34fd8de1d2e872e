//! What an identity provider has to say of a fresh sign-in before it counts as the proof of a second factor.

use chrono::{DateTime, TimeDelta, Utc};

use super::StepUp;
use crate::domain::provider::ProviderFault as Fault;

/// How far the provider's clock may be from ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// A sign-in that somebody made for a step-up, in the provider's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedInAgain {
    pub subject: String,
    /// When the person last proved who they are there.
    pub at: Option<DateTime<Utc>>,
    /// What that reached.
    pub acr: Option<String>,
    /// In which ways it was made.
    pub amr: Vec<String>,
}

impl SignedInAgain {
    /// Whether it is a proof, and of which moment. A session from before the step-up began is none, however young:
    /// it would prove that somebody was there, and not that they confirm this.
    pub fn proves(
        &self,
        subject: &str,
        settings: &StepUp,
        begun: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Fault> {
        if self.subject != subject {
            return Err(Fault::StepUpOtherPerson);
        }
        let at = self.at.ok_or(Fault::StepUpTimeMissing)?;
        if at > now + LEEWAY {
            return Err(Fault::TokenTooEarly);
        }
        if at < begun - LEEWAY || at < settings.good_since(now) {
            return Err(Fault::StepUpTooOld);
        }
        let reaches = |wanted: &[String], said: &[&str]| {
            wanted.is_empty() || wanted.iter().any(|one| said.contains(&one.as_str()))
        };
        let acr: Vec<&str> = self.acr.as_deref().into_iter().collect();
        let amr: Vec<&str> = self.amr.iter().map(String::as_str).collect();
        if !settings.is_at_provider()
            || !reaches(&settings.acr_values, &acr)
            || !reaches(&settings.amr, &amr)
        {
            return Err(Fault::StepUpTooWeak);
        }
        Ok(at.min(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn only_a_fresh_and_strong_sign_in_of_the_same_person_is_a_proof() {
        type Change = (&'static str, Fault, Box<dyn Fn(&mut SignedInAgain)>);
        let begun = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let now = begun + TimeDelta::minutes(2);
        let settings = StepUp {
            acr_values: words(&["gold", "silver"]),
            amr: words(&["otp", "hwk"]),
            ..StepUp::default()
        };
        let good = SignedInAgain {
            subject: "u1".to_owned(),
            at: Some(now - TimeDelta::seconds(10)),
            acr: Some("silver".to_owned()),
            amr: words(&["pwd", "otp"]),
        };
        let judged = |change: &dyn Fn(&mut SignedInAgain)| {
            let mut said = good.clone();
            change(&mut said);
            said.proves("u1", &settings, begun, now)
        };
        assert_eq!(judged(&|_| {}), Ok(now - TimeDelta::seconds(10)));
        // A clock that is a little ahead makes no proof from the future.
        assert_eq!(judged(&|s| s.at = Some(now + LEEWAY)), Ok(now));
        assert_eq!(judged(&|s| s.at = Some(begun - LEEWAY)), Ok(begun - LEEWAY));
        let second = TimeDelta::seconds(1);
        let bad: Vec<Change> = vec![
            (
                "another",
                Fault::StepUpOtherPerson,
                Box::new(|s| s.subject = "u2".to_owned()),
            ),
            (
                "no time",
                Fault::StepUpTimeMissing,
                Box::new(|s| s.at = None),
            ),
            (
                "future",
                Fault::TokenTooEarly,
                Box::new(move |s| s.at = Some(now + LEEWAY + second)),
            ),
            (
                "before",
                Fault::StepUpTooOld,
                Box::new(move |s| s.at = Some(begun - LEEWAY - second)),
            ),
            ("no acr", Fault::StepUpTooWeak, Box::new(|s| s.acr = None)),
            (
                "other acr",
                Fault::StepUpTooWeak,
                Box::new(|s| s.acr = Some("SILVER".to_owned())),
            ),
            (
                "password",
                Fault::StepUpTooWeak,
                Box::new(|s| s.amr = words(&["pwd"])),
            ),
            ("no amr", Fault::StepUpTooWeak, Box::new(|s| s.amr.clear())),
        ];
        for (name, fault, change) in bad {
            assert_eq!(judged(&*change), Err(fault), "{name}");
        }
    }

    #[test]
    fn it_is_too_old_when_any_proof_would_be() {
        let begun = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let settings = StepUp {
            amr: words(&["otp"]),
            max_age: TimeDelta::minutes(2),
            ..StepUp::default()
        };
        let said = SignedInAgain {
            subject: "u1".to_owned(),
            at: Some(begun),
            acr: None,
            amr: words(&["otp"]),
        };
        let after =
            |minutes| said.proves("u1", &settings, begun, begun + TimeDelta::minutes(minutes));
        assert_eq!(after(2), Ok(begun));
        assert_eq!(after(3), Err(Fault::StepUpTooOld));
        // Nobody has said what a second factor is, so nothing is one.
        let unset = StepUp::default();
        assert_eq!(
            said.proves("u1", &unset, begun, begun),
            Err(Fault::StepUpTooWeak)
        );
    }
}
