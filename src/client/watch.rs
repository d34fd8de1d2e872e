//! Looks at the newest checkpoint of a server's log, and demands that it continues what this machine saw before: every
//! console and every command line is a witness. An event is proved against what was seen so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use thiserror::Error;

use crate::client::epochs::{Chain, epoch_of, follow};
use crate::client::verify::{Broken, read_checkpoint};
use crate::client::witness::{Seen, WitnessFile};
use crate::client::{Client, ClientError};
use crate::tlog::{Checkpoint, Hash, VerifyingKey, check_consistency, check_inclusion, leaf_hash};
use crate::wire::{CheckpointView, EventProofView, EventView, LogEntry, Recovered, hash_of_text};

/// A checkpoint is signed about every ten seconds: whoever asks twice seldom gets two.
const TRIES: u8 = 3;

/// What was seen of a log that is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub key: VerifyingKey,
    pub checkpoint: Checkpoint,
    /// How many events this machine had seen before.
    pub before: Option<u64>,
    /// How history was lost since then, as the log itself says.
    pub recoveries: Vec<Recovered>,
}

/// That an event is in the log, and is there what it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    pub watched: Watched,
    pub index: u64,
    /// How many hashes lead from it to the root.
    pub hashes: usize,
    /// What people typed is compared where it is still there.
    pub texts: Texts,
}

/// What became of the texts of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// There are none.
    None,
    /// They are those whose hashes are in the log.
    Same,
    /// They were erased, or are not for everybody: the log has their hashes.
    Hidden,
}

/// Why a log was not found to be as it should be.
#[derive(Debug, Error)]
pub enum WatchError {
    /// Nothing is known: the server did not answer, or this machine cannot keep what it saw.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is not.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Looks at the log, compares, and keeps what was seen.
pub async fn watch(client: &Client, file: &WitnessFile) -> Result<Watched, WatchError> {
    let seen = file.read()?;
    let view = newest(client, seen.as_ref()).await?;
    let said: VerifyingKey = view.key.parse().map_err(Broken::Note)?;
    let trusted = seen.as_ref().map_or(said, |seen| seen.key.clone());
    let chain = follow(&trusted, &view.links)?;
    let signed = read_checkpoint(&view.checkpoint, &chain.key)?;
    if let Some(seen) = &seen {
        continues(seen, &chain, &signed, view.consistency.as_deref())?;
    }
    let news = seen.as_ref().is_none_or(|seen| seen.checkpoint != signed);
    if news {
        file.keep(&chain.key, &view.checkpoint)?;
    }
    let known = seen.as_ref().map(|seen| epoch_of(&seen.checkpoint.origin));
    let later = |one: &Recovered| known.is_some_and(|known| Some(one.epoch) > known);
    Ok(Watched {
        recoveries: chain.recoveries.into_iter().filter(later).collect(),
        key: chain.key,
        checkpoint: signed,
        before: seen.map(|seen| seen.checkpoint.size),
    })
}

/// The newest checkpoint, with the proof that it continues what was seen where there can be one.
async fn newest(client: &Client, seen: Option<&Seen>) -> Result<CheckpointView, ClientError> {
    if let Some(seen) = seen.filter(|seen| seen.checkpoint.size > 0) {
        match client.checkpoint_from(seen.checkpoint.size).await {
            // The log is shorter than what was seen: what it says now tells why.
            Err(ClientError::Problem(problem)) if problem.code == "not-found" => {}
            answered => return answered,
        }
    }
    client.checkpoint().await
}

fn continues(
    seen: &Seen,
    chain: &Chain,
    signed: &Checkpoint,
    proof: Option<&[String]>,
) -> Result<(), Broken> {
    chain.admits(seen)?;
    let before = &seen.checkpoint;
    if epoch_of(&before.origin) != epoch_of(&signed.origin) || before.size == 0 {
        return Ok(());
    }
    if before.size > signed.size {
        let (before, size) = (before.size, signed.size);
        return Err(Broken::Shorter { before, size });
    }
    let rewritten = || Broken::Rewritten { size: before.size };
    let proof = hashes(proof.unwrap_or_default()).ok_or_else(rewritten)?;
    check_consistency(
        (before.size, before.root),
        (signed.size, signed.root),
        &proof,
    )
    .map_err(|_| rewritten())
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// Proves that an event is in the log that this machine watches, and that it says there what it says here.
pub async fn prove(
    client: &Client,
    file: &WitnessFile,
    event: &EventView,
) -> Result<Proved, WatchError> {
    let mut left = TRIES;
    loop {
        let watched = watch(client, file).await?;
        let view = client.event_proof(event.index).await?;
        let signed = read_checkpoint(&view.checkpoint, &watched.key)?;
        left -= 1;
        if signed == watched.checkpoint || left == 0 {
            // INVARIANT: an event is proved only against a checkpoint that continues what was seen before.
            if signed != watched.checkpoint {
                let text = "the log grew faster than it could be looked at".to_owned();
                return Err(ClientError::BadReply { text }.into());
            }
            return Ok(inclusion(event, &view, watched)?);
        }
    }
}

fn inclusion(
    event: &EventView,
    view: &EventProofView,
    watched: Watched,
) -> Result<Proved, Broken> {
    let index = u64::try_from(event.index).unwrap_or_default();
    let absent = || Broken::Absent { index };
    let bytes = STANDARD.decode(&view.entry).map_err(|_| absent())?;
    let proof = hashes(&view.inclusion).ok_or_else(absent)?;
    let place = index.checked_sub(view.begins).ok_or_else(absent)?;
    let signed = &watched.checkpoint;
    check_inclusion(
        leaf_hash(&bytes),
        place,
        (signed.size, signed.root),
        &proof,
    )
    .map_err(|_| absent())?;
    let entry = LogEntry::decode(&bytes).map_err(|why| Broken::Entry { index, why })?;
    if entry.index != index {
        let found = entry.index;
        return Err(Broken::Index { index, found });
    }
    if let Some(what) = other(event, &entry) {
        return Err(Broken::Shown { index, what });
    }
    let texts = texts(event, &entry, view.salt.as_deref());
    Ok(Proved {
        watched,
        index,
        hashes: proof.len(),
        texts: texts.ok_or(Broken::Shown {
            index,
            what: "words",
        })?,
    })
}

/// The first field in which what is shown is not what the log has.
fn other(event: &EventView, entry: &LogEntry) -> Option<&'static str> {
    let text = |name: &str| entry.text(name).map(str::to_owned);
    let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let actor = entry.body.get("actor");
    let of_actor = |name: &str| {
        let found = actor.and_then(|actor| actor.get(name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let pairs = [
        ("id", text("id"), Some(event.id.clone())),
        ("time", text("at"), Some(moment(event.time))),
        ("code", text("code"), Some(event.event.clone())),
        ("outcome", text("outcome"), Some(event.outcome.clone())),
        ("actor", of_actor("kind"), Some(event.actor.kind.clone())),
        ("actor", of_actor("id"), event.actor.id.clone()),
        ("principal", text("principal"), event.principal.clone()),
        ("target", text("target"), event.target.clone()),
        ("role", text("role"), event.role.clone()),
        ("request", text("request"), event.request.clone()),
        ("grant", text("grant"), event.grant.clone()),
        ("channel", text("channel"), Some(event.channel.clone())),
    ];
    let differs = pairs.into_iter().find(|(_, there, here)| there != here);
    let named = of_actor("name").is_none_or(|name| name == event.actor.name);
    let details = entry.body.get("details").and_then(Value::as_object);
    let same = details.map_or(event.details.is_empty(), |details| {
        *details == event.details
    });
    match (differs, named, same) {
        (Some((what, ..)), ..) => Some(what),
        (None, false, _) => Some("actor"),
        (None, _, false) => Some("details"),
        _ => None,
    }
}

/// Whether the texts are those whose hashes are in the log; nothing when they are others.
fn texts(event: &EventView, entry: &LogEntry, salt: Option<&str>) -> Option<Texts> {
    let pairs = [
        (entry.text("reason_sha256"), event.reason.as_deref()),
        (entry.text("address_sha256"), event.address.as_deref()),
    ];
    let mut found = Texts::None;
    for (hash, shown) in pairs {
        match (hash, shown, salt) {
            (None, None, _) => {}
            (Some(hash), Some(shown), Some(salt)) => {
                if hash_of_text(salt, shown) != hash {
                    return None;
                }
                if found == Texts::None {
                    found = Texts::Same;
                }
            }
            (Some(_), ..) => found = Texts::Hidden,
            // A text where the log has none.
            (None, Some(_), _) => return None,
        }
    }
    Some(found)
}
