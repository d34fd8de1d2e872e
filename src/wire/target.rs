//! A target of the catalogue, as the caller sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One target of the catalogue, with what the caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    pub name: String,
    /// `postgres` or `ssh`.
    pub kind: String,
    /// Its name or address, for those who may ask for a role on it; where ssh can use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `A`, `A+` or `C`.
    pub enforcement: String,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub roles: Vec<RoleView>,
    /// Only of a target that says itself who gets in beside grants, and for those who may see that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reported: Option<ReportedView>,
}

/// When a target reported last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportedView {
    /// Left out where it never has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at: Option<DateTime<Utc>>,
}

/// One role of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    pub name: String,
    pub description: String,
    pub includes: Vec<String>,
    /// What policy says to the caller about this role for the shortest duration.
    pub verdict: String,
    pub may_ask: bool,
}
