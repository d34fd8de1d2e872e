//! Signing in and out, tokens, invitations, one file an idea.
//!
//! Every way to sign in ends in [`sign_in::open_sign_in`], which takes what was proved and hands the tokens out. To
//! add one: a file here or beside this folder, a [`Method`], an event with the word for it.

mod device_keys;
mod invite;
mod proofs;
mod services;
pub(in crate::gate) mod sign_in;
mod sign_ins;
mod tokens;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::SignInId;
use crate::domain::principal::Principal;
use crate::domain::sign_in::Method;
use crate::gate::How;
use crate::secret::{Secret, hash_of};

pub use device_keys::SeenKey;
pub use invite::Invite;
pub use proofs::Purpose;
pub(in crate::gate) use proofs::Seen;
pub use services::{NewService, SeenService};
pub(in crate::gate) use sign_in::check_name;
pub use tokens::{ACCESS_LIFE, Presented};

/// A one-time code reaches its person within a day, or another one is made.
pub(in crate::gate) const CODE_LIFE: TimeDelta = TimeDelta::hours(24);

/// What a sign-in or a refresh hands out, once.
pub struct Issued {
    pub access: Secret,
    pub access_expires_at: DateTime<Utc>,
    pub refresh: Secret,
    pub refresh_expires_at: DateTime<Utc>,
    pub principal: Principal,
    pub sign_in: SignInId,
    pub how: How,
    pub now: DateTime<Utc>,
}

/// Somebody who has just proved who they are, and how.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    pub principal: Principal,
    pub method: Method,
    /// What was proved, in the words of RFC 8176: `pwd`, `otp`, `hwk`, `mfa`.
    pub amr: Vec<String>,
    /// When it was proved, where an identity provider says so; now otherwise.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// The thumbprint of the device key that came with the call.
    pub jkt: Option<String>,
    /// Where the sign-in happens, for the list of sign-ins.
    pub device: String,
}

/// A token as the database knows it.
pub(in crate::gate) fn stored_hash(token: &str) -> String {
    hash_of(token)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
