//! The evidence about one grant in one file, which can be checked on a machine that has nothing but the key of the log.
//!
//! Each event is there with the bytes that were hashed into the log and the proof that they are in it; the parts that no
//! log covers are sealed together with the events by the key of the log. What that shows, and what it does not, the file
//! says itself.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    EntryError, EventView, GrantView, LogEntry, LogLinkView, Recorded, RecoveryProofView,
    RequestView, SessionView, hash_of_text,
};
use crate::domain::event::Event;

/// What the file says that it is, and the first line of its seal.
pub const EVIDENCE: &str = "portcullis.evidence/1";

/// What no proof in the file covers, as sentences for whoever reads it.
pub const NOT_PROVEN: [&str; 4] = [
    "`grant`, `request`, `requests`, `policy` and `sessions` are what the server said when the file was made: its seal shows that nobody changed them since, not that they were true",
    "`sessions` are those that the target reported at that moment; what ended before is in the events only",
    "that there are no further events about this grant: only the whole log shows that, with `portcullis audit verify`",
    "that the log itself was not written anew by whoever has its key: compare `checkpoint` with what a witness keeps",
];

/// One event with its proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEvent {
    /// The event as people read it; everything in it follows from `entry`, and its texts from `salt`.
    pub event: EventView,
    /// The bytes that are hashed, in base64: index, epoch, and the event as canonical JSON (RFC 8785).
    pub entry: String,
    /// With it, reason and address have the hashes that `entry` has; absent where there is no text, or it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub salt: Option<String>,
    /// That the entry is in the log of `checkpoint`, or in what the recovery after its epoch found (RFC 9162 §2.1.3),
    /// hashes in base64.
    pub inclusion: Vec<String>,
}

/// The policy under which access was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidencePolicy {
    /// As the request and its events name it.
    pub version: String,
    /// Its text as it was then; absent where it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// Whose clock its hours are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub time_zone: Option<String>,
}

/// Who made the file, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceMade {
    pub at: chrono::DateTime<chrono::Utc>,
    pub by: String,
}

/// Everything about one grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceView {
    /// `portcullis.evidence/1`.
    pub schema: String,
    pub made: EvidenceMade,
    pub grant: GrantView,
    /// What it came of, with its reviews.
    pub request: RequestView,
    /// Further requests about it: to prolong it.
    pub requests: Vec<RequestView>,
    pub policy: EvidencePolicy,
    pub sessions: Vec<SessionView>,
    /// Every event about the grant and its request, oldest first.
    pub events: Vec<EvidenceEvent>,
    /// The index of the first event of the log of `checkpoint`: a proof is about the place `index - begins`.
    #[serde(default)]
    pub begins: u64,
    /// A signed note about a log that has the events.
    pub checkpoint: String,
    /// From the epoch of the oldest event to the one of `checkpoint`, where history was lost in between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<RecoveryProofView>,
    /// What vouches for each key of the log but the first, for those who bring an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LogLinkView>,
    /// The public key as `name+hash+key`. Whoever checks the file brings their own.
    pub key: String,
    /// What no proof covers.
    pub not_proven: Vec<String>,
    /// A note, signed with the key of the log, with the hash of every part.
    pub seal: String,
}

/// The hash of each part of a file by its name, but for the seal itself. Nothing when it is no JSON object.
pub fn parts(file: &Value) -> Option<Vec<(String, String)>> {
    let fields = file.as_object()?.iter();
    let fields = fields.filter(|(name, _)| *name != "seal");
    fields
        .map(|(name, part)| {
            let bytes = serde_json_canonicalizer::to_vec(part).ok()?;
            Some((name.clone(), STANDARD.encode(digest(&SHA256, &bytes))))
        })
        .collect()
}

/// The text of the seal over these parts.
pub fn seal(parts: &[(String, String)]) -> String {
    parts
        .iter()
        .fold(format!("{EVIDENCE}\n"), |text, (name, hash)| {
            text + &format!("{name} {hash}\n")
        })
}

/// What does not follow from an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlike {
    Entry(EntryError),
    /// A text has not the hash that the entry has.
    Text(&'static str),
    /// The event says something else than the entry.
    Event,
}

/// The event that an entry is, with its texts; `tags` are not recorded.
pub fn event_of(
    bytes: &[u8],
    salt: Option<&str>,
    reason: Option<&str>,
    address: Option<&str>,
) -> Result<EventView, Unlike> {
    let entry = LogEntry::decode(bytes).map_err(Unlike::Entry)?;
    let text = |name: &'static str, told: Option<&str>| {
        let hash = format!("{name}_sha256");
        match (told, entry.text(&hash), entry.text(name)) {
            // Erased, or never there.
            (None, _, None) => Ok(None),
            (Some(told), Some(hash), _)
                if salt.is_some_and(|salt| hash_of_text(salt, told) == hash) =>
            {
                Ok(Some(told.to_owned()))
            }
            // Before there was a tree the texts were in the event itself.
            (told, None, Some(said)) if told == Some(said) => Ok(Some(said.to_owned())),
            _ => Err(Unlike::Text(name)),
        }
    };
    let (reason, address) = (text("reason", reason)?, text("address", address)?);
    let event: Event = serde_json::from_value(Value::Object(entry.body.clone()))
        .map_err(|_| Unlike::Entry(EntryError::NotJson))?;
    let event = Event { reason, ..event };
    let said = |name: &str| entry.text(name).unwrap_or_default().to_owned();
    let recorded = Recorded {
        index: i64::try_from(entry.index).unwrap_or(i64::MAX),
        id: said("id"),
        time: said("at").parse().map_err(|_| Unlike::Event)?,
        trace: entry.text("trace").map(str::to_owned),
        channel: said("channel"),
        address,
    };
    Ok(EventView::of(&event, recorded, BTreeMap::new()))
}
