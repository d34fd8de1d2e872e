//! Looks at the newest checkpoint of a server's log, and demands that it continues what this machine saw before: every
//! console and every command line is a witness. An event is proved against what was seen so.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::client::epochs::{Chain, epoch_of, follow};
use crate::client::parts::{hashes, reached};
use crate::client::verify::{Broken, read_checkpoint};
use crate::client::witness::{Seen, WitnessFile};
use crate::client::{Client, ClientError};
use crate::tlog::{Checkpoint, VerifyingKey, check_consistency};
use crate::wire::evidence::event_of;
use crate::wire::{CheckpointView, EventProofView, EventView, Recovered};

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
    /// How many hashes lead from it to the root.
    pub hashes: usize,
    /// What that shows, where the event is of an epoch that ended.
    pub shows: Option<String>,
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
    #[error("the proof does not show that event {index} is in the log")]
    Absent { index: i64 },
    #[error("event {index} says something else than what was recorded")]
    Differs { index: i64 },
}

/// Looks at the log, compares, and keeps what was seen. It reads no events, so that it costs next to nothing: whether
/// they are what was signed only `audit verify` says. Without a file there is nothing to compare with.
pub async fn watch(client: &Client, file: Option<&WitnessFile>) -> Result<Watched, WatchError> {
    let seen = file.map(WitnessFile::read).transpose()?.flatten();
    let view = newest(client, seen.as_ref()).await?;
    let said: VerifyingKey = view.key.parse().map_err(Broken::Note)?;
    let trusted = seen.as_ref().map_or(said, |seen| seen.key.clone());
    let chain = follow(&trusted, &view.links)?;
    let signed = read_checkpoint(&view.checkpoint, &chain.key)?;
    if let Some(seen) = &seen {
        continues(seen, &chain, &signed, view.consistency.as_deref())?;
    }
    let news = seen.as_ref().is_none_or(|seen| seen.checkpoint != signed);
    if let Some(file) = file.filter(|_| news) {
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

/// Proves that an event is in the log that this machine watches, and that it says there what it says here.
pub async fn prove(
    client: &Client,
    file: Option<&WitnessFile>,
    event: &EventView,
) -> Result<Proved, WatchError> {
    for _ in 0..TRIES {
        let watched = watch(client, file).await?;
        let view = client.event_proof(event.index).await?;
        // INVARIANT: an event is proved only against a checkpoint that continues what was seen before.
        if read_checkpoint(&view.checkpoint, &watched.key)? == watched.checkpoint {
            return inclusion(event, &view, watched);
        }
    }
    let text = "the log grew faster than it could be looked at".to_owned();
    Err(ClientError::BadReply { text }.into())
}

fn inclusion(
    event: &EventView,
    view: &EventProofView,
    watched: Watched,
) -> Result<Proved, WatchError> {
    let index = event.index;
    let absent = || WatchError::Absent { index };
    let bytes = STANDARD.decode(&view.entry).map_err(|_| absent())?;
    let proof = hashes(&view.inclusion).ok_or_else(absent)?;
    let parts = reached(&watched.checkpoint, view.begins, &view.recoveries)?;
    let part = parts.last().ok_or_else(absent)?;
    if !part.has(&bytes, index.unsigned_abs(), &proof) {
        return Err(absent());
    }
    let (salt, reason) = (view.salt.as_deref(), event.reason.as_deref());
    let recorded = event_of(&bytes, salt, reason, event.address.as_deref());
    let shown = EventView {
        // Not recorded: those of the target as it is now.
        tags: BTreeMap::new(),
        ..event.clone()
    };
    match recorded {
        Ok(recorded) if recorded == shown => Ok(Proved {
            watched,
            hashes: proof.len()
                + view
                    .recoveries
                    .iter()
                    .map(|step| step.inclusion.len())
                    .sum::<usize>(),
            shows: part.shows(),
        }),
        _ => Err(WatchError::Differs { index }),
    }
}
