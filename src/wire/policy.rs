//! Bodies about the policy in use and the one that waits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The policy in use, and what the file says where that is something else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyStatus {
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub version: String,
    /// Whose clock hours and weekdays are read from.
    pub time_zone: String,
    /// How many policies it has.
    pub policies: usize,
    /// Since when it is in use; absent before there was a policy file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub applied_at: Option<DateTime<Utc>>,
    /// Who put it into use; absent where it was the first, or files hold as soon as they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub applied_by: Option<String>,
    /// `apply`: a changed file waits until an admin applies it; `file`: it holds as soon as it is written.
    pub changes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub waiting: Option<PolicyWaiting>,
}

/// A policy that waits to be applied, and which of its policies are other than those in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyWaiting {
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub version: String,
    pub time_zone: String,
    pub policies: usize,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
}

/// A policy as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyText {
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub version: String,
    pub time_zone: String,
    pub text: String,
}

/// Which policy comes into use, in the place of which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyApply {
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub version: String,
    /// The version in use as the caller saw it; where it is another by now, nothing happens.
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub instead_of: String,
    /// Why; it goes on the record.
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}
