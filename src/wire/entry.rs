//! An event as the tamper-evident log has it: the bytes that are hashed, served in bundles, exported and verified.
//!
//! What people typed and where they were is in there as salted hashes only, so that it can be erased later and the
//! tree stands.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::event::Actor;

/// The schema that the body of an entry names.
pub const SCHEMA: &str = "portcullis.audit/1";
/// A bundle gives the length of an entry in two bytes.
const ENTRY_MAX: usize = 65_535;
const HEAD: usize = 12;

/// One entry of the log: its index in eight bytes, the epoch of the log in four, both big-endian, and the body as
/// canonical JSON (RFC 8785).
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    pub index: u64,
    pub epoch: u32,
    pub body: Map<String, Value>,
}

/// Who did it, as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct SignedActor<'e> {
    pub id: Option<&'e str>,
    /// `principal`, `system` or `anonymous`.
    pub kind: &'e str,
    pub name: Option<&'e str>,
}

impl<'e> From<&'e Actor> for SignedActor<'e> {
    fn from(actor: &'e Actor) -> Self {
        let (kind, who) = match actor {
            Actor::Principal(who) => ("principal", Some(who)),
            Actor::System => ("system", None),
            Actor::Anonymous => ("anonymous", None),
        };
        Self {
            id: who.map(|who| who.id.as_str()),
            kind,
            name: who.map(|who| who.name.as_str()),
        }
    }
}

/// What is signed of an event: the members of the body of its entry. What is absent is left out.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'e> {
    pub actor: SignedActor<'e>,
    pub address: Option<&'e str>,
    pub address_sha256: Option<&'e str>,
    pub at: DateTime<Utc>,
    pub channel: &'e str,
    pub code: &'e str,
    pub details: &'e Map<String, Value>,
    pub grant: Option<&'e str>,
    pub id: &'e str,
    pub outcome: &'e str,
    pub principal: Option<&'e str>,
    pub reason: Option<&'e str>,
    pub reason_sha256: Option<&'e str>,
    pub request: Option<&'e str>,
    pub role: Option<&'e str>,
    pub target: Option<&'e str>,
    pub trace: &'e str,
}

impl Signed<'_> {
    /// The bytes that are hashed of the event at an index, in an epoch of the log. Sorting the members of each of
    /// millions would take longer than everything else, so they are written in order.
    pub fn encode(&self, index: u64, epoch: u32) -> Result<Vec<u8>, EntryError> {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut bytes = head(index, epoch);
        bytes.extend_from_slice(b"{\"actor\":{");
        let actor = [
            ("id", self.actor.id),
            ("kind", Some(self.actor.kind)),
            ("name", self.actor.name),
        ];
        members(&actor, &mut bytes)?;
        bytes.extend_from_slice(b"},");
        let before_details = [
            ("address", self.address),
            ("address_sha256", self.address_sha256),
            ("at", Some(&at)),
            ("channel", Some(self.channel)),
            ("code", Some(self.code)),
        ];
        members(&before_details, &mut bytes)?;
        if !self.details.is_empty() {
            bytes.extend_from_slice(b",\"details\":");
            canonical(self.details, &mut bytes)?;
        }
        bytes.push(b',');
        let after_details = [
            ("grant", self.grant),
            ("id", Some(self.id)),
            ("outcome", Some(self.outcome)),
            ("principal", self.principal),
            ("reason", self.reason),
            ("reason_sha256", self.reason_sha256),
            ("request", self.request),
            ("role", self.role),
            ("schema", Some(SCHEMA)),
            ("target", self.target),
            ("trace", Some(self.trace)),
        ];
        members(&after_details, &mut bytes)?;
        bytes.push(b'}');
        whole(bytes)
    }
}

fn head(index: u64, epoch: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(640);
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.extend_from_slice(&epoch.to_be_bytes());
    bytes
}

/// Those members that are there, with commas between them. Texts are the same in canonical JSON as in any compact one.
fn members(members: &[(&str, Option<&str>)], bytes: &mut Vec<u8>) -> Result<(), EntryError> {
    let present = members
        .iter()
        .filter_map(|(name, text)| Some((name, (*text)?)));
    for (nth, (name, text)) in present.enumerate() {
        if nth > 0 {
            bytes.push(b',');
        }
        bytes.push(b'"');
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *bytes, text).map_err(|_| EntryError::NotJson)?;
    }
    Ok(())
}

fn canonical(object: &Map<String, Value>, bytes: &mut Vec<u8>) -> Result<(), EntryError> {
    serde_json_canonicalizer::to_writer(object, bytes).map_err(|_| EntryError::NotJson)
}

fn whole(bytes: Vec<u8>) -> Result<Vec<u8>, EntryError> {
    if bytes.len() > ENTRY_MAX {
        return Err(EntryError::TooLong);
    }
    Ok(bytes)
}

/// What places an entry in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'e> {
    pub index: u64,
    pub epoch: u32,
    /// When the event happened, in RFC 3339.
    pub at: &'e str,
}

#[derive(Deserialize)]
struct Placed<'e> {
    schema: &'e str,
    at: &'e str,
}

/// Why bytes are no entry, or something cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    TooShort,
    TooLong,
    NotJson,
    /// The same event could be written in two ways; only one of them is an entry.
    NotCanonical,
    Schema,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "it is cut off",
            Self::TooLong => "it has more than 65,535 bytes",
            Self::NotJson => "its body is not a JSON object",
            Self::NotCanonical => "its body is not canonical JSON",
            Self::Schema => "its schema is not one that this program knows",
        })
    }
}

impl std::error::Error for EntryError {}

impl LogEntry {
    /// The bytes that are hashed.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let mut bytes = head(self.index, self.epoch);
        canonical(&self.body, &mut bytes)?;
        whole(bytes)
    }

    /// Reads an entry, and nothing that merely looks like one.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let (index, rest) = bytes.split_first_chunk::<8>().ok_or(EntryError::TooShort)?;
        let (epoch, json) = rest.split_first_chunk::<4>().ok_or(EntryError::TooShort)?;
        let body = serde_json::from_slice(json).map_err(|_| EntryError::NotJson)?;
        let entry = Self {
            index: u64::from_be_bytes(*index),
            epoch: u32::from_be_bytes(*epoch),
            body,
        };
        if entry.text("schema") != Some(SCHEMA) {
            return Err(EntryError::Schema);
        }
        if entry.encode()?.get(HEAD..) != Some(json) {
            return Err(EntryError::NotCanonical);
        }
        Ok(entry)
    }

    /// What places an entry in its log, without taking the rest of it apart: of millions only this is looked at.
    pub fn place(bytes: &[u8]) -> Result<Place<'_>, EntryError> {
        let (index, rest) = bytes.split_first_chunk::<8>().ok_or(EntryError::TooShort)?;
        let (epoch, json) = rest.split_first_chunk::<4>().ok_or(EntryError::TooShort)?;
        let body: Placed<'_> = serde_json::from_slice(json).map_err(|_| EntryError::NotJson)?;
        if body.schema != SCHEMA {
            return Err(EntryError::Schema);
        }
        Ok(Place {
            index: u64::from_be_bytes(*index),
            epoch: u32::from_be_bytes(*epoch),
            at: body.at,
        })
    }

    /// A text of the body by its name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }
}

/// What the first entry of an epoch says: what was signed last before, what of it was found, and who went on and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The epoch that it begins.
    pub epoch: u32,
    /// The index of its entry.
    pub begins: u64,
    pub at: String,
    pub by: String,
    pub why: String,
    /// The last that was signed before, and of which epoch it is.
    pub signed_epoch: u32,
    pub signed_size: u64,
    pub signed_root: String,
    /// What was found of the epoch before: that of the index in front.
    pub found_epoch: u32,
    pub found_size: u64,
    pub found_root: String,
}

impl Recovered {
    /// The code of its event.
    pub const CODE: &'static str = "audit.recovered";

    /// Reads an entry, if it is one that begins an epoch.
    pub fn read(entry: &LogEntry) -> Option<Self> {
        let details = entry.body.get("details")?;
        let text = |name: &str| Some(details.get(name)?.as_str()?.to_owned());
        let number = |name: &str| details.get(name)?.as_u64();
        let epoch = |name: &str| u32::try_from(number(name)?).ok();
        let found = Self {
            epoch: epoch("epoch")?,
            begins: entry.index,
            at: entry.text("at")?.to_owned(),
            by: match text("operator") {
                Some(operator) => operator,
                None => entry.body.get("actor")?.get("name")?.as_str()?.to_owned(),
            },
            why: text("why")?,
            signed_epoch: epoch("signed_epoch")?,
            signed_size: number("signed_size")?,
            signed_root: text("signed_root")?,
            found_epoch: epoch("found_epoch")?,
            found_size: number("found_size")?,
            found_root: text("found_root")?,
        };
        let fits = entry.text("code") == Some(Self::CODE) && found.epoch == entry.epoch;
        (fits && found.found_size <= found.begins).then_some(found)
    }

    /// Whether it admits that as much was signed as this.
    pub fn covers(&self, epoch: u32, size: u64, root: &str) -> bool {
        let same = self.signed_size == size && self.signed_root == root;
        self.signed_epoch > epoch || self.signed_epoch == epoch && (self.signed_size > size || same)
    }
}

/// SHA-256 over salt and value, in base64.
pub fn hash_of_text(salt: &str, value: &str) -> String {
    let mut bytes = salt.as_bytes().to_vec();
    bytes.extend_from_slice(value.as_bytes());
    STANDARD.encode(digest(&SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PrincipalId;
    use crate::domain::principal::PrincipalRef;

    #[test]
    fn what_is_written_in_order_is_what_canonical_json_would_be() {
        let details = serde_json::json!({
            "zeta": [1, -2.5e30, true, null], "alpha": {"\u{fb01}": 1, "\u{1f600}": 2, "b": "\u{7f}\u{1}/\\\"\u{2028}"}, "": 0.1,
        });
        let none = Map::new();
        let who = Actor::Principal(PrincipalRef {
            id: PrincipalId::from_bits(7),
            name: "ada".parse().unwrap(),
        });
        let texts = [
            None,
            Some("INC-1 \"x\" \\ \n\t\u{8}\u{c}\u{1b} \u{202e}Ä \u{1f600}"),
        ];
        for (nth, actor) in [&who, &Actor::System, &Actor::Anonymous]
            .into_iter()
            .enumerate()
        {
            for text in texts {
                let signed = Signed {
                    actor: actor.into(),
                    address: text,
                    address_sha256: text,
                    at: DateTime::UNIX_EPOCH,
                    channel: "cli",
                    code: "request.submitted",
                    details: if nth == 1 {
                        &none
                    } else {
                        details.as_object().unwrap()
                    },
                    grant: text,
                    id: "018bcfe5-0000-7000-8000-000000000001",
                    outcome: "success",
                    principal: text,
                    reason: text,
                    reason_sha256: text,
                    request: text,
                    role: text,
                    target: text,
                    trace: "t",
                };
                let bytes = signed.encode(4_127, 2).unwrap();
                // It refuses what is not canonical.
                let entry = LogEntry::decode(&bytes).unwrap();
                assert_eq!((entry.index, entry.epoch), (4_127, 2));
                assert_eq!(entry.text("target"), text);
                assert_eq!(entry.encode().unwrap(), bytes);
            }
        }
    }
}
