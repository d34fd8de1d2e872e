//! Break-glass: taking access before review, the uses that wait for their sign-off, and sealed codes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;
use super::incident::whole;

/// One use of break-glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakGlassView {
    /// That of the request that was filed with it.
    #[schema(pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$", example = "R-7k3qm2xd0v")]
    pub id: String,
    /// `open` while it waits for its sign-off, then `justified` or `not_justified`.
    pub state: String,
    pub person: String,
    pub target: String,
    pub role: String,
    pub duration: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket: Option<String>,
    pub grant: String,
    /// The state of the grant, and when its access ends or has ended.
    pub grant_state: String,
    pub ends_at: DateTime<Utc>,
    /// Everybody who would have reviewed a request like it.
    pub skipped: Vec<String>,
    /// The groups whose members sign off, as in `` `dba` or `security` ``.
    pub reviewers: String,
    /// How many people have to find it justified, and how many have.
    pub threshold: u32,
    pub justified_by: u32,
    pub sign_offs: Vec<SignOffView>,
    /// The sealed code by which the person was signed in, and who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sealed_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sealed_by: Option<String>,
    /// The tags of the target, while it is in the catalogue.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Send this back in `If-Match` with a sign-off.
    pub version: i64,
    pub allowed_actions: Vec<AllowedAction>,
}

/// One reviewer's sign-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignOffView {
    pub reviewer: String,
    /// `justified` or `not_justified`.
    pub verdict: String,
    pub comment: String,
    pub created_at: DateTime<Utc>,
}

/// Takes access at once. Everybody who would have reviewed it is told.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBreakGlass {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "orders-db")]
    pub target: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "admin")]
    pub role: String,
    /// How long, counted from the moment when the access is usable.
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        min_length = 2,
        max_length = 20,
        example = "30m"
    )]
    pub duration: String,
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$",
        example = "INC-4127 payments are down, nobody answers"
    )]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64, pattern = "^[A-Za-z0-9_/#.:-]*$")]
    pub ticket: Option<String>,
}

/// The verdict on a use. Until there is one, its person cannot break glass again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    #[schema(pattern = "^(justified|not_justified)$")]
    pub verdict: String,
    /// What was looked at: 3 to 2,000 characters.
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub comment: String,
}

/// Makes sealed codes for a person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSealedCodes {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "ada")]
    pub name: String,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 20)]
    pub count: u32,
    /// For how many days they are good: `1d` to `365d`.
    #[schema(
        pattern = "^[1-9][0-9]{0,2}d$",
        min_length = 2,
        max_length = 4,
        example = "90d"
    )]
    pub expires: String,
}

/// Sealed codes, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SealedCodes {
    pub name: String,
    pub codes: Vec<SealedCodeText>,
    pub expires_at: DateTime<Utc>,
}

/// One sealed code on its only way out.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SealedCodeText {
    #[schema(pattern = "^C-[0-9a-hjkmnp-tv-z]{10}$")]
    pub id: String,
    pub code: String,
}

/// A sealed code, without the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealedCodeView {
    #[schema(pattern = "^C-[0-9a-hjkmnp-tv-z]{10}$")]
    pub id: String,
    /// For whom it was made.
    pub name: String,
    pub made_by: String,
    /// `good`, `used`, `revoked` or `expired`.
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub used_at: Option<DateTime<Utc>>,
}

/// Signs in with a sealed code, once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedSignIn {
    #[schema(max_length = 200)]
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub device: Option<String>,
}
