//! Second factors: what needs the proof of one, how old such a proof may be, and what may be tried how often.
//!
//! A proof is not "signed in with two factors": it is bound to exactly one call, by its digest, and is used up by it.
//! So whoever steals a token, or a proof, still cannot do anything that the person has not confirmed.

mod accounts;
mod at_provider;
mod limit;
mod password;
mod recovery;
mod refusal;

pub use accounts::LocalAccounts;
pub use at_provider::SignedInAgain;
pub use limit::{
    AT_PROVIDER, DEVICE_SIGN_INS, DEVICE_SIGN_INS_FROM_ADDRESS, LONGEST_COUNT, Limit,
    PASSWORD_FROM_ADDRESS, PASSWORD_OF_ACCOUNT, SEALED_FROM_ADDRESS, SECOND_FACTOR,
};
pub use password::check_password;
pub use recovery::{RECOVERY_CODES, read as read_recovery_code, recovery_code};
pub use refusal::SecondFactorRefusal;

use chrono::{DateTime, TimeDelta, Utc};

use super::ids::{FactorId, PrincipalId};
use super::sign_in::Method;

/// How to get a second factor, for whoever has none.
pub const ADD_ONE: &str =
    "add one with `portcullis factor add passkey` or `portcullis factor add totp`";
/// What serves people as one whom the server sends to their provider.
pub const PROVIDER_SERVES: &str = "a fresh sign-in at your identity provider counts as one here";

/// No proof is taken that is older than this, whatever the settings say.
pub const OLDEST: TimeDelta = TimeDelta::minutes(15);
/// The most calls that one proof is good for: a page of marked rows.
pub const DIGESTS_MAX: usize = 200;
/// How long a passkey may take to answer.
pub const QUESTION: TimeDelta = TimeDelta::minutes(5);
/// The first second factor is added within this time of signing in, or not at all: before that there is nothing but
/// the tokens of a sign-in, and whoever has stolen those must not make a second factor of their own.
pub const FRESH: TimeDelta = TimeDelta::minutes(10);
/// The most second factors of one person.
pub const FACTORS_MAX: usize = 10;

macro_rules! guarded {
    ($($(#[$doc:meta])* $variant:ident, $phrase:literal, $when:ident;)*) => {
        /// What needs the proof of a second factor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Guarded { $($(#[$doc])* $variant,)* }

        impl Guarded {
            /// Everything that is guarded, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What it is, as a verb phrase.
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$variant => $phrase),* }
            }

            fn when(self) -> When {
                match self { $(Self::$variant => When::$when),* }
            }
        }
    };
}

/// Who has to prove a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Everybody, unless the server was told not to ask.
    Required,
    /// Whoever has a second factor, whatever the server was told.
    Enrolled,
    /// Whoever signed in without a browser on the same machine, whatever the server was told.
    FromDevice,
}

guarded! {
    Approve, "approve a request", Required;
    ExtendOthers, "extend the grant of somebody else", Required;
    /// Take many grants away in one act.
    Incident, "revoke in bulk", Required;
    /// Let a grant count as ended although its target has not confirmed, as one of two.
    OverrideEnd, "override the end of a grant", Required;
    PlaceLock, "place a lock", Required;
    LiftLock, "lift a lock", Required;
    ChangePolicy, "change the policy", Required;
    BreakGlass, "break the glass", Required;
    /// Give the verdict on somebody's break-glass.
    SignOff, "sign off a break-glass", Required;
    SealCodes, "make sealed codes", Required;
    /// Take what people typed and where they were out of the history.
    EraseHistory, "erase texts from the history", Required;
    PruneHistory, "prune the history", Required;
    EnrolDevice, "enrol a device", Required;
    RecoverLog, "recover the audit log", Required;
    RotateLogKey, "change the key of the audit log", Required;
    /// Gives nothing, but whoever stole a device should not be able to speak for its person either.
    Deny, "deny a request", FromDevice;
    /// Take every second factor of somebody else away.
    ResetFactors, "remove the second factors of somebody else", Required;
    /// Add or remove one's own second factor, or make new recovery codes.
    ChangeFactors, "change your second factors", Enrolled;
    SetPassword, "set your password", Enrolled;
}

impl Guarded {
    /// Whether a person who has, or has not, a second factor must prove one.
    ///
    /// INVARIANT: whoever signed in through the device flow decides nothing without a proof of its own
    /// (`a_sign_in_from_a_device_decides_nothing_without_a_proof`).
    pub fn asks(self, enrolled: bool, method: Method, settings: &StepUp) -> bool {
        let from_device = method == Method::Device;
        match self.when() {
            When::Required => settings.required || from_device,
            When::Enrolled => enrolled || from_device,
            When::FromDevice => from_device,
        }
    }
}

/// What the server was told about step-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    pub required: bool,
    /// How old a proof may be when it is used.
    pub max_age: TimeDelta,
    /// What a fresh sign-in at the identity provider has to reach, by its own words; empty when that does not matter.
    pub acr_values: Vec<String>,
    /// In which of these ways it has to be made (RFC 8176); empty when that does not matter.
    pub amr: Vec<String>,
    /// When a changed policy comes into use, if the server was told.
    pub policy_changes: Option<PolicyChanges>,
}

/// When a policy file that was changed comes into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyChanges {
    /// When an admin has applied it, with the proof of a second factor where those are asked for.
    Apply,
    /// As soon as it is written: whoever can write the file changes the policy.
    File,
}

impl PolicyChanges {
    /// Every way, for help.
    pub const ALL: [Self; 2] = [Self::Apply, Self::File];

    /// The word used in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::File => "file",
        }
    }
}

impl Default for StepUp {
    fn default() -> Self {
        Self {
            required: true,
            max_age: TimeDelta::minutes(5),
            acr_values: Vec::new(),
            amr: Vec::new(),
            policy_changes: None,
        }
    }
}

impl StepUp {
    /// The oldest moment of a proof that is still good.
    pub fn good_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.max_age.min(OLDEST)
    }

    /// When a changed policy comes into use. Untold, it waits where there is a proof that it can wait for.
    pub fn policy_changes(&self) -> PolicyChanges {
        let usual = if self.required {
            PolicyChanges::Apply
        } else {
            PolicyChanges::File
        };
        self.policy_changes.unwrap_or(usual)
    }

    /// Whether a fresh sign-in at the identity provider is a second factor: the server has to be told what makes it
    /// one, because for many providers a password alone is a sign-in.
    pub fn is_at_provider(&self) -> bool {
        !self.acr_values.is_empty() || !self.amr.is_empty()
    }
}

/// A way to prove a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A code of an authenticator application (RFC 6238).
    Totp,
    /// A key in hardware or in the browser (`WebAuthn`).
    Passkey,
    /// A fresh sign-in at the identity provider.
    Oidc,
    /// One of the codes that were written down.
    Recovery,
    /// The sealed code that opened the sign-in, for the first break-glass done with it.
    Sealed,
}

impl Way {
    /// Every way, the better first.
    pub const ALL: [Self; 5] = [
        Self::Passkey,
        Self::Totp,
        Self::Oidc,
        Self::Recovery,
        Self::Sealed,
    ];

    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Oidc => "oidc",
            Self::Recovery => "recovery",
            Self::Sealed => "sealed",
        }
    }
}

impl std::str::FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|way| way.as_str() == text)
            .ok_or_else(|| "second factors are totp, passkey, oidc, recovery or sealed".to_owned())
    }
}

/// A second factor of a person. Its secret is nowhere in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    pub id: FactorId,
    pub principal: PrincipalId,
    pub way: Way,
    /// What the person calls it.
    pub name: String,
    pub created_at: DateTime<Utc>,
    /// When it was first proved; before that it proves nothing.
    pub confirmed_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    /// The newest step of a TOTP code that was taken: no code of this step or of one before is taken again. Of a
    /// passkey how often it has signed, as far as it counts.
    pub last_step: i64,
    /// What is public of a confirmed passkey, as JSON.
    pub public: Option<String>,
}

/// Whether somebody may add their first second factor who signed in at this moment.
pub fn first_factor(
    signed_in_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), SecondFactorRefusal> {
    if now - signed_in_at <= FRESH {
        return Ok(());
    }
    Err(SecondFactorRefusal::SignInTooOld { most: FRESH })
}

/// The table of what is guarded as text, one line each: for review, and for a test that pins it down.
pub fn table() -> String {
    Guarded::ALL.iter().fold(String::new(), |text, guarded| {
        let who = match guarded.when() {
            When::Required => "everybody",
            When::Enrolled => "who has a second factor",
            When::FromDevice => "who signed in without a browser",
        };
        text + &format!("{:<46} {who}\n", guarded.phrase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_step_up_off_does_not_open_ones_own_factors() {
        let off = StepUp {
            required: false,
            ..StepUp::default()
        };
        for guarded in Guarded::ALL {
            let asks = |enrolled, settings: &StepUp| guarded.asks(enrolled, Method::Oidc, settings);
            if *guarded == Guarded::Deny {
                assert!(!asks(true, &StepUp::default()));
                continue;
            }
            let own = matches!(guarded, Guarded::ChangeFactors | Guarded::SetPassword);
            assert_eq!(asks(true, &off), own, "{guarded:?}");
            assert!(asks(true, &StepUp::default()), "{guarded:?}");
            // Whoever has none can add the first, and nothing else.
            assert_eq!(asks(false, &StepUp::default()), !own, "{guarded:?}");
        }
    }

    #[test]
    fn a_sign_in_from_a_device_decides_nothing_without_a_proof() {
        let off = StepUp {
            required: false,
            ..StepUp::default()
        };
        for guarded in Guarded::ALL {
            assert!(guarded.asks(false, Method::Device, &off), "{guarded:?}");
        }
    }

    #[test]
    fn the_first_factor_is_added_soon_after_signing_in() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(first_factor(now - FRESH, now), Ok(()));
        assert!(first_factor(now - FRESH - TimeDelta::seconds(1), now).is_err());
    }

    #[test]
    fn no_setting_makes_an_old_proof_good() {
        let now = DateTime::UNIX_EPOCH;
        let lax = StepUp {
            required: true,
            max_age: TimeDelta::days(1),
            ..StepUp::default()
        };
        assert_eq!(now - lax.good_since(now), OLDEST);
    }
}
