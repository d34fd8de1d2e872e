//! What the tamper-evident log says to those who check it.

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
}

/// That an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventProofView {
    pub index: i64,
    /// The bytes that are hashed, in base64: index, epoch, and the event as canonical JSON (RFC 8785).
    pub entry: String,
    /// A signed note about a log that has the event.
    pub checkpoint: String,
    /// The public key as `name+hash+key`.
    pub key: String,
    /// The proof (RFC 9162 §2.1.3), hashes in base64.
    pub inclusion: Vec<String>,
}
