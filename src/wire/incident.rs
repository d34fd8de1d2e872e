//! Incident mode: a dry run that lists exactly what would be taken away, a commit of exactly that, and receipts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{GrantView, LockView};

/// What an incident is about. Parts that are there must all match; `everything` must be said when no other part is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentScope {
    #[serde(default)]
    #[schema(max_items = 100)]
    pub targets: Vec<String>,
    /// Targets with all of these tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub principals: Vec<String>,
    /// A filter over grants, in the filter language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 500)]
    pub filter: Option<String>,
    #[serde(default)]
    pub everything: bool,
}

/// Asks what an incident would take away; nothing is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentPreviewAsk {
    pub scope: IncidentScope,
    /// Also lock the scope, so that nothing new begins; not possible with a filter.
    #[serde(default)]
    pub lock: bool,
    /// Also deny pending requests in the scope.
    #[serde(default)]
    pub deny_pending: bool,
}

/// One grant or request as it was when it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentItem {
    /// `G-…` or `R-…`.
    pub id: String,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1)]
    pub version: i64,
}

/// JSON has one kind of number: `3.0` is three, as JSON Schema has it.
pub(super) fn whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = serde_json::Number::deserialize(deserializer)?;
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits
        .parse::<i64>()
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no whole number of this size")))
}

/// The dry run. Its token is good for exactly these items, this caller and five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentPreview {
    /// Send this back to commit.
    pub token: String,
    pub as_of: DateTime<Utc>,
    pub good_until: DateTime<Utc>,
    /// Every grant that would be revoked, soonest end first.
    pub grants: Vec<GrantView>,
    /// Every pending request that would be denied.
    pub requests: Vec<super::RequestView>,
    /// How many distinct people hold these grants.
    pub people: u32,
    /// Send this back to commit, whole.
    pub items: Vec<IncidentItem>,
    /// What would be locked, as sentences.
    pub locks: Vec<String>,
}

/// Commits a dry run: exactly what was shown, without what was removed from the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentCommit {
    #[schema(max_length = 4000, pattern = "^[A-Za-z0-9_-]*$")]
    pub token: String,
    pub ask: IncidentPreviewAsk,
    /// As the dry run gave them, in the same order.
    #[schema(max_items = 5000)]
    pub items: Vec<IncidentItem>,
    /// Ids that stay as they are.
    #[serde(default)]
    #[schema(max_items = 5000)]
    pub keep: Vec<String>,
    /// How many items the person typed: `items` without `keep`.
    #[serde(deserialize_with = "whole")]
    #[schema(maximum = 5000)]
    pub count: u32,
    #[schema(
        min_length = 3,
        max_length = 2000,
        pattern = "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]*$"
    )]
    pub reason: String,
}

/// One incident in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentSummary {
    #[schema(pattern = "^I-[0-9a-hjkmnp-tv-z]{10}$", example = "I-7k3qm2xd0v")]
    pub id: String,
    pub reason: String,
    pub scope: IncidentScope,
    pub started_by: String,
    pub created_at: DateTime<Utc>,
    /// How many grants and requests it was about.
    pub items: u32,
    /// How many grants are not off yet.
    pub revoking: u32,
    /// Nothing is left to wait for.
    pub done: bool,
}

/// An incident with a receipt for each item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentView {
    #[schema(pattern = "^I-[0-9a-hjkmnp-tv-z]{10}$", example = "I-7k3qm2xd0v")]
    pub id: String,
    pub reason: String,
    pub scope: IncidentScope,
    pub started_by: String,
    pub created_at: DateTime<Utc>,
    pub items: Vec<IncidentReceipt>,
    /// Grants and requests that matched the scope at the commit but were not in the dry run; nothing was done to them,
    /// unless a lock of the incident matches them.
    pub appeared: Vec<String>,
    pub locks: Vec<LockView>,
    /// Nothing is left to wait for.
    pub done: bool,
}

/// How far the end of one item has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentReceipt {
    pub id: String,
    pub holder: String,
    pub target: String,
    pub role: String,
    /// `revoking` until the target has confirmed, then `revoked`, or `overridden` where it never did; `denied`; `already_over`; or `changed` when it was
    /// no longer as it had been shown: then nothing was done to it, unless a lock of the incident matches it.
    pub outcome: String,
    /// What was different from what was shown, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changed: Option<String>,
    /// The grant's state now.
    pub state: String,
    /// When Portcullis began to say no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub blocked_at: Option<DateTime<Utc>>,
    /// How many sessions the target cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sessions_ended: Option<u32>,
    /// What was done and seen on the target, in order; the last one is the reading back.
    pub steps: Vec<String>,
    /// When the target was read back and had nothing left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub read_back_at: Option<DateTime<Utc>>,
    /// How often the target was told in vain.
    #[serde(default)]
    pub attempts: i64,
    /// Why it is not off yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_error: Option<String>,
}
