//! Locks: a block on a principal, a role, a target, a tag or everything, with a reason and perhaps an end.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;

/// What a lock blocks. Exactly the parts that its `kind` names are there; any other part is refused, because a role
/// that is named and overlooked would lock the whole target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LockOn {
    /// One principal, on every target.
    Principal {
        #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
        principal: String,
    },
    /// One target, for everybody.
    Target {
        #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
        target: String,
    },
    /// One role of one target, for everybody.
    Role {
        #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
        target: String,
        #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
        role: String,
    },
    /// Every target with this tag, now and later.
    Tag {
        #[schema(max_length = 63)]
        name: String,
        #[schema(max_length = 255)]
        value: String,
    },
    /// Every target, for everybody.
    Everything,
}

/// One lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockView {
    #[schema(pattern = "^L-[0-9a-hjkmnp-tv-z]{10}$", example = "L-7k3qm2xd0v")]
    pub id: String,
    pub on: LockOn,
    pub reason: String,
    /// `in_force`, `lifted` or `over`.
    pub state: String,
    pub placed_by: String,
    pub created_at: DateTime<Utc>,
    /// When it is over by itself; absent: when somebody lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ends_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lifted_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lifted_at: Option<DateTime<Utc>>,
    /// The incident that it was placed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub incident: Option<String>,
    /// How many open grants it took away when it was placed.
    pub grants_closed: u32,
    /// Send this back in `If-Match` to lift it.
    pub version: i64,
    pub allowed_actions: Vec<AllowedAction>,
}

/// Places a lock: no request, approval, activation or credential gets past it, and open grants that it matches are
/// revoked in the same transaction.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLock {
    pub on: LockOn,
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
    /// How long; absent: until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        min_length = 2,
        max_length = 20
    )]
    pub duration: Option<String>,
}

/// Lifts a lock. What it took away does not come back: people ask again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifting {
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}
