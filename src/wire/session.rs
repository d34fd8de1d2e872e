//! Sessions: live connections under grants, as far as the targets report them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;

/// One live connection under a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// The target's own name for it, unique within its grant: letters, digits, `.` and `-`.
    #[schema(pattern = "^[A-Za-z0-9.-]{1,64}$")]
    pub id: String,
    pub grant: String,
    pub holder: String,
    pub target: String,
    pub role: String,
    /// When it was opened, by the target's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_at: Option<DateTime<Utc>>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub address: Option<String>,
    /// The program, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub program: Option<String>,
    /// `running`, `idle` or `idle_in_transaction`, where the target tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub activity: Option<String>,
    /// The last command, shortened to 500 characters; hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub command: Option<String>,
    /// The word is `end`.
    pub allowed_actions: Vec<AllowedAction>,
}

/// How much a target's part of the list can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionSource {
    pub target: String,
    /// When the target was asked, by the server's clock.
    pub as_of: DateTime<Utc>,
    /// Why sessions of this target are missing, as a sentence; absent when the list is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<String>,
}

/// Every live session that the caller may see, and which targets could not be asked or do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    pub items: Vec<SessionView>,
    /// One for each target that has open grants.
    pub sources: Vec<SessionSource>,
}

/// Ends one session; its grant stays, and its holder may connect again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionEnded {
    pub grant: String,
    pub session: String,
    /// `ended`, or `gone` when it had ended by itself.
    pub outcome: String,
}
