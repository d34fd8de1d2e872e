//! A grant, the calls that change one, and the credential that it gives its holder.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AllowedAction;

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
    /// It was taken before anybody had reviewed it.
    #[serde(default)]
    pub break_glass: bool,
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
    /// From when on its end is overdue, unless its target confirms before; absent once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub overdue_at: Option<DateTime<Utc>>,
    /// Who says that it counts as ended although its target never confirmed: a proposal that waits for another admin, or both.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub overriding: Option<OverrideView>,
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

/// Who says that a grant counts as ended although its target never confirmed. Why they do is in its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverrideView {
    pub proposed_by: String,
    pub proposed_at: DateTime<Utc>,
    /// Until when another admin can confirm it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub open_until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub confirmed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub confirmed_at: Option<DateTime<Utc>>,
}

/// Says, as one of two, that a grant counts as ended although its target has not confirmed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideWord {
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
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
    /// Nothing is handed out: the target knows the holder, whose own account has the access until the grant ends.
    OwnAccount {
        /// What the grant has made of the account, as half a sentence.
        what: String,
        ends_at: DateTime<Utc>,
    },
}
