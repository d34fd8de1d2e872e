//! An event as the tamper-evident log has it: the bytes that are hashed, served in bundles, exported and verified.
//!
//! What people typed and where they were is in there as salted hashes only, so that it can be erased later and the
//! tree stands.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// An entry from what is stored of an event: its moment, and the rest as a JSON object.
    pub fn new(
        (index, epoch): (u64, u32),
        at: DateTime<Utc>,
        mut body: Map<String, Value>,
    ) -> Self {
        let moment = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        for (name, value) in [("schema", SCHEMA), ("at", &moment)] {
            body.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        Self { index, epoch, body }
    }

    /// The bytes that are hashed.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        serde_json_canonicalizer::to_writer(&self.body, &mut bytes)
            .map_err(|_| EntryError::NotJson)?;
        if bytes.len() > ENTRY_MAX {
            return Err(EntryError::TooLong);
        }
        Ok(bytes)
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
            by: entry.body.get("actor")?.get("name")?.as_str()?.to_owned(),
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
