//! A request with what was decided about it, and the calls that file one and decide one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;

/// One way to get access: a policy, who reviews under it, and how many of them have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayView {
    pub policy: String,
    /// The line of the policy file at which it starts.
    #[serde(default)]
    pub line: usize,
    /// How many distinct people have to approve.
    pub threshold: u32,
    /// How many have.
    pub approvals: u32,
    /// The group that reviews, or several as in `dba and security`; absent where no review is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reviewers: Option<String>,
    /// What each of several groups has to give; nobody counts for two of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<NeedView>,
    /// The longest single request, and the longest total with extensions.
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$"
    )]
    pub max_duration: String,
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$"
    )]
    pub max_total: String,
}

/// How many people of one group have to approve, and who has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedView {
    pub group: String,
    pub threshold: u32,
    pub approved_by: Vec<String>,
}

/// One reviewer's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewView {
    pub reviewer: String,
    /// `approve` or `deny`.
    pub decision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
    /// What the approval took away from the ask.
    #[serde(default, skip_serializing_if = "NarrowView::is_empty")]
    pub narrowed: NarrowView,
    pub created_at: DateTime<Utc>,
}

/// What an approval takes away; every part may only make the access smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NarrowView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        example = "30m"
    )]
    pub duration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_before: Option<DateTime<Utc>>,
}

impl NarrowView {
    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the requester did on this target before, for the person who decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// Grants of this requester on this target in the last 30 days, this request not counted.
    pub grants_30d: u32,
    /// How many of those were revoked.
    pub revoked_30d: u32,
    /// When the last one started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_at: Option<DateTime<Utc>>,
    /// The longest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub longest: Option<String>,
}

/// Something about a request that is unlike what its requester usually does, for the person who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignalView {
    /// Stable: `first_on_target`, `off_hours`, `longer_than_usual`, `reason_reused`, `often_this_week`.
    pub code: String,
    /// Two or three words for a column.
    pub word: String,
    /// One sentence that says from which facts it was concluded.
    pub why: String,
}

/// Who is looking at a request, so that two people do not do the same work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    pub by: String,
    pub since: DateTime<Utc>,
    /// It lapses then, unless it is claimed again.
    pub until: DateTime<Utc>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    #[schema(pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$", example = "R-7k3qm2xd0v")]
    pub id: String,
    /// `access`, `extend` or `break_glass`.
    pub kind: String,
    /// `pending`, `approved`, `denied`, `withdrawn` or `expired`.
    pub state: String,
    pub requester: String,
    pub target: String,
    pub role: String,
    pub duration: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_before: Option<DateTime<Utc>>,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket: Option<String>,
    /// What an approval gives, after every narrowing so far.
    pub role_granted: String,
    pub duration_granted: String,
    /// When the access would end if it were approved now; when it is decided, the end that was computed then.
    pub would_end_at: DateTime<Utc>,
    /// The policy verdict as one sentence.
    pub verdict: String,
    pub policy_version: String,
    pub ways: Vec<WayView>,
    pub reviews: Vec<ReviewView>,
    pub history: HistoryView,
    /// What is unusual about a pending request; empty once it is decided.
    #[serde(default)]
    pub signals: Vec<SignalView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub claim: Option<ClaimView>,
    /// The tags of the target, while it is in the catalogue.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `A`, `A+` or `C`: who ends the access when every Portcullis node is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub enforcement: Option<String>,
    pub created_at: DateTime<Utc>,
    pub decide_by: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decided_at: Option<DateTime<Utc>>,
    /// The grant that resulted, or that an extension is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grant: Option<String>,
    /// Send this back in `If-Match` with a decision.
    pub version: i64,
    pub allowed_actions: Vec<AllowedAction>,
}

/// Asks for access.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "orders-db")]
    pub target: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", example = "readonly")]
    pub role: String,
    /// How long, counted from the moment when the access is usable: 1 second to 30 days.
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        min_length = 2,
        max_length = 20,
        example = "1h30m"
    )]
    pub duration: String,
    /// What for: 3 to 2,000 characters.
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$",
        example = "INC-4127 stuck orders"
    )]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64, pattern = "^[A-Za-z0-9_/#.:-]*$")]
    pub ticket: Option<String>,
    /// Not before this moment; at most 30 days from now. Absent: as soon as it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_before: Option<DateTime<Utc>>,
}

/// Approves a request, perhaps for less than was asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "NarrowView::is_empty")]
    pub narrowed: NarrowView,
}

/// Denies a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub comment: String,
}
