//! Who the caller is, and how people come to be signed in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// Redeems a one-time code: the bootstrap code of a new server, or an admin's invitation.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[schema(max_length = 200)]
    pub code: String,
    /// The name for the first admin; only with the bootstrap code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub name: Option<String>,
    /// Where the sign-in happens, for the list of sign-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub device: Option<String>,
}

/// Exchanges a refresh token for new tokens; the old one is good no longer.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[schema(max_length = 200)]
    pub refresh_token: String,
}

/// Tokens of one sign-in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    pub access_token: String,
    pub access_expires_at: DateTime<Utc>,
    pub refresh_token: String,
    pub refresh_expires_at: DateTime<Utc>,
    pub me: Me,
}

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    pub id: String,
    pub name: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub sign_in: String,
    /// How the sign-in came to be, and when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub how: Option<SignInHow>,
    /// The server's name and its clock, so that clients can count down correctly.
    pub server: String,
    pub now: DateTime<Utc>,
}

/// How a sign-in came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignInHow {
    /// `code`, `password`, `oidc`, `device`, `service` or `sealed`.
    pub method: String,
    pub authenticated_at: DateTime<Utc>,
    /// What was proved, in the words of RFC 8176.
    pub amr: Vec<String>,
    /// Whether the tokens work only with the key of the device.
    pub bound: bool,
    /// When it ends at the latest.
    pub ends_at: DateTime<Utc>,
    /// Who answers for it, for a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner: Option<String>,
}

/// Invites a person, or gives a known one another sign-in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "ada")]
    pub name: String,
    /// Product roles; for a known principal these replace the present ones, unless empty.
    #[serde(default)]
    #[schema(schema_with = schema::product_roles)]
    pub roles: Vec<String>,
    #[serde(default)]
    #[schema(schema_with = schema::groups)]
    pub groups: Vec<String>,
}

/// A one-time sign-in code, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct InvitationCode {
    pub name: String,
    pub code: String,
    pub expires_at: DateTime<Utc>,
}

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignInView {
    pub id: String,
    pub principal: String,
    pub device: String,
    /// `code`, `password`, `oidc`, `device`, `service` or `sealed`.
    pub method: String,
    /// Whether its tokens work only with the key of the device.
    pub bound: bool,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}
