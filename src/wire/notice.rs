//! What people want of notices.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of every day in which nothing comes that can wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Like `22:00-07:00`.
    #[schema(max_length = 16)]
    pub times: String,
    /// Of the IANA database, like `Europe/Berlin`.
    #[schema(max_length = 64)]
    pub zone: String,
}

/// What somebody wants; what is left out is as it is for whoever never said anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeWishes {
    /// Where mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 254)]
    pub address: Option<String>,
    /// By which channels of those that go to single people; by all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 20)]
    pub channels: Option<Vec<String>>,
    /// The kinds that are not wanted.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub off: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quiet: Option<QuietHours>,
}

/// A kind of notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeKindView {
    pub kind: String,
    /// What it tells.
    pub about: String,
    /// It waits for nobody's quiet hours and cannot be turned off.
    pub urgent: bool,
    pub off: bool,
}

/// A channel that goes to single people, and where it goes for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailView {
    pub channel: String,
    pub address: String,
    /// The caller chose others; only what is urgent comes by this one.
    pub off: bool,
}

/// What the caller wants of notices, and what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticesView {
    pub wishes: NoticeWishes,
    pub kinds: Vec<NoticeKindView>,
    pub mail: Vec<MailView>,
    /// Channels where everybody reads the same.
    pub rooms: Vec<String>,
}
