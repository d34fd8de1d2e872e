//! What the tamper-evident log says to those who check it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The newest checkpoint, and what it is checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// A signed note (c2sp.org/tlog-checkpoint): origin, size and root of the log.
    pub checkpoint: String,
    /// The public key as `name+hash+key` (c2sp.org/signed-note).
    pub key: String,
    /// With `from`: that the log of that size is the beginning of this one (RFC 9162 §2.1.4), hashes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub consistency: Option<Vec<String>>,
    /// The first event that is still there: of those before it the hashes are left.
    #[serde(default)]
    pub minimum: i64,
    /// What vouches for each key but the first, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LogLinkView>,
}

/// That a key of the log vouches for the next: because an epoch began, or because the key was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLinkView {
    /// The epoch that the key is of.
    pub epoch: u32,
    /// Which key of the epoch it is.
    pub generation: u32,
    /// The index of the first event of the epoch.
    pub begins: u64,
    pub at: DateTime<Utc>,
    /// The key as `name+hash+key`.
    pub key: String,
    /// A checkpoint with signatures of this key and of the one before.
    pub checkpoint: String,
    /// The newest entry that `checkpoint` is about, in base64: where it begins an epoch the first of that, and the only
    /// one; where the key was changed the event that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entry: Option<String>,
    /// Where the key was changed: that `entry` is in the log of `checkpoint` (RFC 9162 §2.1.3), hashes in base64. With it
    /// a key also says which one was before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inclusion: Option<Vec<String>>,
}

/// Goes on with the log where history was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRecovery {
    /// What happened. It stays in the log for ever.
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}

/// That an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventProofView {
    pub index: i64,
    /// The index of the first event of the log: the proof is about the place `index - begins`.
    pub begins: u64,
    /// The bytes that are hashed, in base64: index, epoch, and the event as canonical JSON (RFC 8785).
    pub entry: String,
    /// With it, reason and address have the hashes that `entry` has; absent where there is no text, or it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub salt: Option<String>,
    /// A signed note about a log that has the event.
    pub checkpoint: String,
    /// The public key as `name+hash+key`.
    pub key: String,
    /// The proof (RFC 9162 §2.1.3), hashes in base64: in the log of `checkpoint`, or where there are `recoveries` in what
    /// the first of them found.
    pub inclusion: Vec<String>,
    /// From an epoch that ended to the one of `checkpoint`, one recovery after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryProofView>,
}

/// How the log went on where history was lost, and that it says so itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryProofView {
    /// The first entry of an epoch, in base64: it says size and root of what was found of the epoch before.
    pub entry: String,
    /// That it is the first entry of the log of the checkpoint, or of what the next recovery found (RFC 9162 §2.1.3), hashes
    /// in base64.
    pub inclusion: Vec<String>,
}
