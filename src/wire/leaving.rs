//! What is taken out of the history, and how its deliveries stand.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose texts to erase: of one person, or of one event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Everything that they did, and that is about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 63)]
    pub person: Option<String>,
    /// The index of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub event: Option<i64>,
    /// Why; it must not repeat what is erased.
    pub reason: String,
}

/// What was erased.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Erased {
    /// Events that lost a reason or an address.
    pub events: u64,
}

/// Up to where to prune, by index or by time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Events before this index go, in whole bundles of 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub to: Option<i64>,
    /// Events before this moment go, in whole bundles of 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub before: Option<DateTime<Utc>>,
    /// The checkpoint of an export that was checked and has them.
    #[schema(max_length = 65536)]
    pub checkpoint: String,
    pub reason: String,
}

/// How far the history is pruned.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PruneView {
    /// The first event that is still there.
    pub minimum: i64,
    /// The first that stays; until it is `minimum`, the server is still at it.
    pub to: i64,
}

/// How a delivery to a place outside stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    pub name: String,
    /// Where to.
    pub to: String,
    /// `json` or `ocsf`; `checkpoint` for a witness, which signs checkpoints and gets no event.
    pub format: String,
    /// The first event that is not there.
    pub next: i64,
    /// How many are not there.
    pub lag: i64,
    /// When the oldest of them happened; of a witness, since when a checkpoint is without its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub oldest: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delivered_at: Option<DateTime<Utc>>,
    /// Since when it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub failing_since: Option<DateTime<Utc>>,
    /// How often it was tried since.
    pub attempts: i64,
    /// Why it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
}
