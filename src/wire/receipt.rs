//! How the end of a grant went.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The end of a grant, step by step with times, also the attempts that failed. Nothing of it says more than the record does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    #[schema(pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$", example = "G-7k3qm2xd0v")]
    pub grant: String,
    pub state: String,
    pub holder: String,
    pub target: String,
    pub role: String,
    /// In the order of time; empty while nobody asked for the end and its time is not over.
    pub steps: Vec<ReceiptStep>,
    /// There are more attempts than are listed, between the first ones and the last ones.
    #[serde(default)]
    pub left_out: bool,
    /// Attempts that failed.
    pub attempts: i64,
    /// The end was due a minute ago or longer, and the target has not confirmed.
    #[serde(default)]
    pub overdue: bool,
    /// When the target is asked again at the latest, while it has not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Live connections that were cut in the end.
    pub sessions_ended: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// One step of an ending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptStep {
    /// Of what a target acknowledged: when it did, by the clock of the database.
    pub at: DateTime<Utc>,
    /// `asked`, `blocked`, `acknowledged`, `unproved`, `failed`, `ended`, `proposed`, `overridden` or `found`.
    pub kind: String,
    /// One sentence. It may hold what a target answered.
    pub what: String,
    /// What somebody typed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Which attempt, of those that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempt: Option<i64>,
    /// The event that says so: its id.
    pub event: String,
}
