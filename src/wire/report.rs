//! What a host says of itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who gets in on a host beside grants, all of it: what is not in it any more counts as gone. Together the lists have at
/// most 500 pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostReport {
    #[schema(max_items = 500)]
    pub keys: Vec<HostKey>,
    /// Accounts that let somebody in with a password.
    #[schema(max_items = 500)]
    pub passwords: Vec<String>,
    #[schema(max_items = 500)]
    pub unread: Vec<UnreadKeys>,
}

/// A key that a host lets in; never its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostKey {
    /// Left out where it opens every account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._$-]{1,64}$")]
    pub account: Option<String>,
    /// As `ssh-keygen -l` writes it.
    #[schema(pattern = "^SHA256:[A-Za-z0-9+/]{43}$")]
    pub fingerprint: String,
    #[schema(min_length = 1, max_length = 128, example = "ssh-ed25519")]
    pub algorithm: String,
    /// Whoever it signs a certificate for gets in (`cert-authority`).
    #[serde(default)]
    pub authority: bool,
    /// Together at most 600 letters.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub options: Vec<String>,
    #[serde(default)]
    #[schema(max_length = 100)]
    pub comment: String,
    #[schema(max_length = 256)]
    pub file: String,
    /// When the file was changed last; the key is at least as old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changed_at: Option<DateTime<Utc>>,
}

/// A file of keys, or one line of it, that the host could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnreadKeys {
    /// Left out where it may open every account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9._$-]{1,64}$")]
    pub account: Option<String>,
    #[schema(max_length = 256)]
    pub file: String,
    /// The SHA-256 of the line, written like the fingerprint of a key; left out where it is the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^SHA256:[A-Za-z0-9+/]{43}$")]
    pub line: Option<String>,
    #[schema(max_length = 128)]
    pub why: String,
}
