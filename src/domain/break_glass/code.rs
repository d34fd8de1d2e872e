//! Sealed codes: made in advance for one person, good once, for the day when nobody can sign in otherwise.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::CodeId;
use crate::domain::principal::PrincipalRef;

/// The most codes that one call makes: what fits on a sheet of paper in a safe.
pub const CODES_MAX: u32 = 20;
/// Codes that lie around for longer are forgotten by those who made them.
const DAYS_MAX: u16 = 365;
/// How long a sign-in by a sealed code lasts: an incident's first hour, and then another code.
pub const SEALED_SIGN_IN: TimeDelta = TimeDelta::hours(1);

/// For how many days sealed codes are good: longer than any access, because they lie in a safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u16);

impl Days {
    /// The days as a difference of two moments.
    pub fn to_chrono(self) -> TimeDelta {
        TimeDelta::days(i64::from(self.0))
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl std::str::FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.trim().strip_suffix('d');
        let plain = days.filter(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
        plain
            .and_then(|days| days.parse().ok())
            .filter(|days| (1..=DAYS_MAX).contains(days))
            .map(Self)
            .ok_or_else(|| format!("sealed codes are good for `1d` to `{DAYS_MAX}d`, like `90d`"))
    }
}

/// A sealed code as other records point at it. Whoever made it may not sign off what was done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRef {
    pub id: CodeId,
    pub made_by: PrincipalRef,
}

/// One sealed code. The code itself is nowhere in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub id: CodeId,
    pub person: PrincipalRef,
    pub made_by: PrincipalRef,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whether a code still opens anything, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    Good,
    Used,
    Revoked,
    Expired,
}

impl CodeState {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Used => "used",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl Code {
    /// Whether it still opens anything.
    pub fn state(&self, now: DateTime<Utc>) -> CodeState {
        if self.used_at.is_some() {
            CodeState::Used
        } else if self.revoked_at.is_some() {
            CodeState::Revoked
        } else if self.expires_at <= now {
            CodeState::Expired
        } else {
            CodeState::Good
        }
    }

    /// The pointer that a use keeps.
    pub fn as_ref(&self) -> CodeRef {
        CodeRef {
            id: self.id.clone(),
            made_by: self.made_by.clone(),
        }
    }
}
