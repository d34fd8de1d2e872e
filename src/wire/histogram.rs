//! How many events there were over time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bucket {
    /// Where it begins; it ends where the next one begins.
    pub since: DateTime<Utc>,
    pub count: u64,
}

/// Counts over time, of stretches of the same length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Histogram {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub buckets: Vec<Bucket>,
    /// The sum of the counts.
    pub total: u64,
    /// Not every event was looked at: what is counted there is there, and there may be more.
    pub partial: bool,
}
