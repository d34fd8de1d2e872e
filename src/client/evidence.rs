//! Checks a file of evidence with nothing but the key of the log: each event, each proof, each part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use thiserror::Error;

use crate::client::keys::vouches;
use crate::client::parts::{Part, hashes, reached};
use crate::client::verify::{Broken, read_checkpoint};
use crate::domain::policy::version_of;
use crate::tlog::{Checkpoint, Note, NoteError, VerifyingKey};
use crate::wire::evidence::{EVIDENCE, NOT_PROVEN, Unlike, event_of, parts, seal};
use crate::wire::{EntryError, EvidenceEvent, EvidenceView, LogLinkView};

/// What is wrong with a file of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    #[error("it is no file of evidence that this program knows: {0}")]
    Form(String),
    #[error("{0}")]
    Log(Broken),
    #[error("event {index} cannot be read: {why}")]
    Entry { index: i64, why: EntryError },
    #[error("the proof does not show that event {index} is in the log")]
    Inclusion { index: i64 },
    #[error("event {index} says something else than what was recorded")]
    Event { index: i64 },
    #[error("the {text} of event {index} is not the one that was recorded")]
    Text { index: i64, text: &'static str },
    #[error("event {index} is about something else")]
    Foreign { index: i64 },
    #[error("event {index} is not in its place")]
    Order { index: i64 },
    #[error("the seal is not signed as it has to be: {0}")]
    Seal(NoteError),
    #[error("the part `{part}` is not what was sealed")]
    Part { part: String },
    #[error("the part `{part}` was taken out")]
    Gone { part: String },
    #[error("the policy is not the one of the version that was recorded")]
    Policy,
}

impl Unfit {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "evidence-form",
            Self::Log(broken) => broken.code(),
            Self::Entry { .. } => "evidence-entry",
            Self::Inclusion { .. } => "evidence-inclusion",
            Self::Event { .. } => "evidence-event",
            Self::Text { .. } => "evidence-text",
            Self::Foreign { .. } => "evidence-foreign",
            Self::Order { .. } => "evidence-order",
            Self::Seal(_) => "evidence-seal",
            Self::Part { .. } => "evidence-part",
            Self::Gone { .. } => "evidence-gone",
            Self::Policy => "evidence-policy",
        }
    }
}

/// A file that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub evidence: EvidenceView,
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub key: VerifyingKey,
    /// Events whose reason or address was erased.
    pub erased: usize,
    /// What the proofs in epochs that ended show.
    pub shows: Vec<String>,
}

/// Checks a file with the key of the log whose evidence it has to be, or with one that vouches for that key through the
/// links in the file or through these.
pub fn check(text: &str, key: &VerifyingKey, links: &[LogLinkView]) -> Result<Checked, Unfit> {
    let form = |error: serde_json::Error| Unfit::Form(error.to_string());
    let file: Value = serde_json::from_str(text).map_err(form)?;
    let said = file.get("schema").and_then(Value::as_str);
    if said != Some(EVIDENCE) {
        return Err(Unfit::Form(format!("its schema is not `{EVIDENCE}`")));
    }
    // What a whole file would say first: a part that is gone is better named than called unreadable.
    let note = file.get("seal").and_then(Value::as_str).unwrap_or_default();
    let note = Note::read(note).map_err(Unfit::Seal)?;
    let key = &signer(&file, key, links);
    let sealed = note.verify(key).map_err(Unfit::Seal)?;
    let found = parts(&file).unwrap_or_default();
    for line in sealed.lines().skip(1) {
        let part = line.split(' ').next().unwrap_or_default();
        if !found.iter().any(|(name, _)| name == part) {
            let part = part.to_owned();
            return Err(Unfit::Gone { part });
        }
    }
    let evidence: EvidenceView = serde_json::from_str(text).map_err(form)?;
    let checkpoint = read_checkpoint(&evidence.checkpoint, key).map_err(Unfit::Log)?;
    let reached =
        reached(&checkpoint, evidence.begins, &evidence.recoveries).map_err(Unfit::Log)?;
    let mut before = -1;
    let mut erased = 0;
    for event in &evidence.events {
        check_event(event, &evidence, &reached)?;
        let index = event.event.index;
        if index <= before {
            return Err(Unfit::Order { index });
        }
        before = index;
        erased += usize::from(is_erased(event));
    }
    for (name, hash) in &found {
        let line = format!("{name} {hash}");
        if !sealed.lines().skip(1).any(|sealed| sealed == line) {
            let part = name.clone();
            return Err(Unfit::Part { part });
        }
    }
    if sealed != seal(&found) {
        return Err(Unfit::Seal(NoteError::Form));
    }
    check_policy(&evidence)?;
    if evidence.not_proven != NOT_PROVEN.map(str::to_owned) {
        return Err(Unfit::Form(
            "it does not say what it does not prove".to_owned(),
        ));
    }
    Ok(Checked {
        shows: reached.iter().filter_map(Part::shows).collect(),
        key: key.clone(),
        evidence,
        checkpoint,
        erased,
    })
}

/// The key that a file names, if the trusted one vouches for it; otherwise the trusted one itself.
fn signer(file: &Value, trusted: &VerifyingKey, links: &[LogLinkView]) -> VerifyingKey {
    let named = file.get("key").and_then(Value::as_str);
    let named = named.and_then(|key| key.parse::<VerifyingKey>().ok());
    let own = file.get("links").cloned().unwrap_or_default();
    let own: Vec<LogLinkView> = serde_json::from_value(own).unwrap_or_default();
    let vouched = |key: &VerifyingKey| vouches(trusted, key, links) || vouches(trusted, key, &own);
    named.filter(vouched).unwrap_or_else(|| trusted.clone())
}

fn check_event(
    event: &EvidenceEvent,
    evidence: &EvidenceView,
    parts: &[Part],
) -> Result<(), Unfit> {
    let view = &event.event;
    let index = view.index;
    let too_short = |_| Unfit::Entry {
        index,
        why: EntryError::TooShort,
    };
    let bytes = STANDARD.decode(&event.entry).map_err(too_short)?;
    let texts = (view.reason.as_deref(), view.address.as_deref());
    let recorded = event_of(&bytes, event.salt.as_deref(), texts.0, texts.1);
    let recorded = recorded.map_err(|unlike| match unlike {
        Unlike::Entry(why) => Unfit::Entry { index, why },
        Unlike::Text(text) => Unfit::Text { index, text },
        Unlike::Event => Unfit::Event { index },
    })?;
    let place = u64::try_from(recorded.index).unwrap_or(u64::MAX);
    let included = hashes(&event.inclusion)
        .is_some_and(|proof| parts.iter().any(|part| part.has(&bytes, place, &proof)));
    if !included {
        return Err(Unfit::Inclusion { index });
    }
    if recorded != *view {
        return Err(Unfit::Event { index });
    }
    let grant = view.grant.as_deref() == Some(evidence.grant.id.as_str());
    let asked = |id: &str| view.request.as_deref() == Some(id);
    let requested =
        asked(&evidence.request.id) || evidence.requests.iter().any(|request| asked(&request.id));
    if grant || requested {
        return Ok(());
    }
    Err(Unfit::Foreign { index })
}

/// Whether the entry has the hash of a text that is not there.
fn is_erased(event: &EvidenceEvent) -> bool {
    let bytes = STANDARD.decode(&event.entry).unwrap_or_default();
    let Ok(entry) = crate::wire::LogEntry::decode(&bytes) else {
        return false;
    };
    let gone = |name: &str, told: Option<&String>| told.is_none() && entry.text(name).is_some();
    gone("reason_sha256", event.event.reason.as_ref())
        || gone("address_sha256", event.event.address.as_ref())
}

/// The version of a policy is a hash of its text, and the events name it.
fn check_policy(evidence: &EvidenceView) -> Result<(), Unfit> {
    let policy = &evidence.policy;
    let named = evidence.events.iter().filter_map(|event| {
        let asked = event.event.request.as_deref() == Some(evidence.request.id.as_str());
        let version = event.event.details.get("policy_version")?.as_str()?;
        asked.then_some(version)
    });
    let mut named = named.filter(|version| *version != policy.version);
    let zone = policy.time_zone.as_deref().unwrap_or("UTC").parse();
    let fits = match (&policy.text, zone) {
        (None, _) => true,
        (Some(text), Ok(zone)) => version_of(text, &zone) == policy.version,
        (Some(_), Err(_)) => false,
    };
    if named.next().is_some() || !fits {
        return Err(Unfit::Policy);
    }
    Ok(())
}
