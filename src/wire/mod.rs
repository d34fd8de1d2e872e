//! JSON bodies shared by server and client. Moments are RFC 3339 in UTC with milliseconds, durations are text
//! like `1h30m`, names and ids are as people write them, and unknown fields in calls are refused.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

mod facet;
mod incident;
mod lock;
pub mod problem;
mod schema;
mod session;

pub use facet::{Facet, Facets};
pub use incident::{
    IncidentCommit, IncidentItem, IncidentPreview, IncidentPreviewAsk, IncidentReceipt,
    IncidentScope, IncidentSummary, IncidentView,
};
pub use lock::{Lifting, LockOn, LockView, NewLock};
pub use problem::{Problem, ProblemSpan};
pub use session::{SessionEnd, SessionEnded, SessionSource, SessionView, Sessions};

/// One page of a list, newest first unless the list says otherwise. There is no total: counting is not free.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this as `after` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What a caller may do with one row at this moment, so that no client offers what would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowedAction {
    /// `approve`, `deny`, `withdraw`, `claim`, `release`, `extend`, `return`, `revoke`, `connect`, `end` or `lift`.
    pub action: String,
    pub allowed: bool,
    /// Why not, as a sentence; present when `allowed` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// One way to get access: a policy, who reviews under it, and how many of them have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayView {
    pub policy: String,
    /// How many distinct people have to approve.
    pub threshold: u32,
    /// How many have.
    pub approvals: u32,
    /// The group that reviews; absent where no review is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reviewers: Option<String>,
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
    /// `access` or `extend`.
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

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    #[schema(pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$", example = "G-7k3qm2xd0v")]
    pub id: String,
    pub request: String,
    /// `scheduled`, `activating`, `active`, `closing`, `ended`, `returned`, `revoked` or `activation_failed`.
    pub state: String,
    pub holder: String,
    pub target: String,
    /// `postgres` or `ssh`; absent when the target is no longer in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target_kind: Option<String>,
    /// `A`, `A+` or `C`: who ends it when every Portcullis node is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub enforcement: Option<String>,
    pub role: String,
    /// The tags of the target, while it is in the catalogue.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub reason: String,
    pub duration: String,
    pub max_total: String,
    pub not_before: DateTime<Utc>,
    /// When the target acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub starts_at: Option<DateTime<Utc>>,
    /// The end; a plan until `starts_at` is there.
    pub expires_at: DateTime<Utc>,
    pub max_expires_at: DateTime<Utc>,
    /// `end`, `return` or `revoke`, from `closing` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub close_kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub close_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub closed_by: Option<String>,
    pub attempts: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_error: Option<String>,
    pub extensions: i64,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Send this back in `If-Match` with a decision.
    pub version: i64,
    pub allowed_actions: Vec<AllowedAction>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorView {
    /// `principal`, `system` or `anonymous`.
    pub kind: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
}

/// One audit event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// The dense index: 0, 1, 2, … without a gap.
    pub index: i64,
    pub id: String,
    pub time: DateTime<Utc>,
    /// The stable code, for example `grant.revoked`.
    pub event: String,
    /// `success`, `denied` or `error`.
    pub outcome: String,
    pub actor: ActorView,
    /// Whose access it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The call that caused it: events of one call share it, and so do the steps that follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trace: Option<String>,
    /// `tui`, `cli`, `api` or `system`.
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub address: Option<String>,
    /// The tags of the target, while it is in the catalogue.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// One sentence for people.
    pub sentence: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub details: Map<String, Value>,
}

/// One target of the catalogue, with what the caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    pub name: String,
    /// `postgres` or `ssh`.
    pub kind: String,
    /// `A`, `A+` or `C`.
    pub enforcement: String,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub roles: Vec<RoleView>,
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

/// Asks for a later end of an active grant. From a reviewer it is an ask for the holder, with the reviewer's approval.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        min_length = 2,
        max_length = 20,
        example = "15m"
    )]
    pub by: String,
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}

/// Takes a grant away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}

/// Asks for a credential of one's own active grant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialAsk {
    /// For SSH: the public key to certify, as one line of an OpenSSH `.pub` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2000)]
    pub public_key: Option<String>,
}

/// A short-lived secret or certificate bound to one grant. It is shown once and stored nowhere.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CredentialView {
    /// A login role on a PostgreSQL server, good until the grant ends.
    Postgres {
        host: String,
        port: u16,
        database: String,
        user: String,
        password: String,
        /// `disable` or `verify-full`.
        sslmode: String,
        /// The authority that signed the server's certificate, in PEM, where the system does not know it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        ssl_root_cert: Option<String>,
        ends_at: DateTime<Utc>,
    },
    /// An SSH user certificate, good for minutes and issued again while the grant lasts.
    Ssh {
        host: String,
        port: u16,
        user: String,
        /// One line in OpenSSH format.
        certificate: String,
        /// The host's public key, when the catalogue knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        host_key: Option<String>,
        ends_at: DateTime<Utc>,
    },
}

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
    /// The server's name and its clock, so that clients can count down correctly.
    pub server: String,
    pub now: DateTime<Utc>,
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
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}
