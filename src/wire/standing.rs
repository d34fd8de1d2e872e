//! Standing access: what lets somebody into a target although no grant backs it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;

/// One piece of standing access. Names and rights are as the target has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandingView {
    #[schema(pattern = "^A-[0-9a-hjkmnp-tv-z]{10}$", example = "A-7k3qm2xd0v")]
    pub id: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub target: String,
    /// `account`, `member` or `key`.
    pub kind: String,
    /// Who gets in, as the target calls them.
    pub subject: String,
    /// What they may there, as short sentences.
    pub rights: Vec<String>,
    /// `open`, `imported`, `ignored` or `gone`.
    pub state: String,
    /// When it was seen first, or again after it was gone.
    pub found_at: DateTime<Utc>,
    /// Since when at least it is there, where the target says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub since: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gone_at: Option<DateTime<Utc>>,
    /// Who said something about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub said_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub said_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Who answers for it, where it is imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner: Option<String>,
    /// Until when; afterwards it is open again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub until: Option<DateTime<Utc>>,
    /// Send this back in `If-Match` to settle it.
    pub version: i64,
    pub allowed_actions: Vec<AllowedAction>,
}

impl StandingView {
    /// What its age is counted from: what its target says, or else when it was seen first.
    pub fn there_since(&self) -> DateTime<Utc> {
        self.since.unwrap_or(self.found_at)
    }
}

/// Why standing access stays, or why what was said is taken back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingWord {
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// Names somebody who answers for standing access until a date.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingImport {
    /// Somebody whom Portcullis knows.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub owner: String,
    /// For how long, at most `30d`.
    #[schema(example = "30d")]
    pub duration: String,
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}
