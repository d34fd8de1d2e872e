//! Service accounts and their tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// A service account to make. Its owner answers for it and may review nothing that it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "deploy-bot")]
    pub name: String,
    /// A person.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "ada")]
    pub owner: String,
    /// `request:TARGET/ROLE` (each may be `*`), `read`, `report:TARGET` or `metrics`. The first two may end in a tag
    /// like `@env:staging`: for targets that have it alone.
    #[schema(min_items = 1, max_items = 50)]
    pub scopes: Vec<String>,
    /// Groups that policies name.
    #[serde(default)]
    #[schema(schema_with = schema::groups)]
    pub groups: Vec<String>,
    /// How long its token is good, like `30d`.
    #[schema(max_length = 20, example = "30d")]
    pub expires: String,
}

/// Another token for a service account; the one before stops working.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRotation {
    /// How long the token is good, like `30d`.
    #[schema(max_length = 20, example = "30d")]
    pub expires: String,
}

/// A service token, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ServiceToken {
    pub name: String,
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// One service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    pub name: String,
    pub owner: String,
    pub scopes: Vec<String>,
    pub groups: Vec<String>,
    /// When its token ends; absent when it has none that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<DateTime<Utc>>,
}
