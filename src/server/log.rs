//! Handlers of the tamper-evident log: checkpoints, proofs, and the tiles of c2sp.org/tlog-tiles.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::refusal::Refusal;
use crate::gate::reads::Read;
use crate::tlog::{Checkpoint, Hash, Note, TileAt, WIDTH};
use crate::wire::{CheckpointView, EventProofView};

use super::App;
use super::audit::Index;
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;

/// What is below this never changes, so that it may be kept for ever.
const FOREVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Says what the log is, signed; with `from`, also that it continues the log of that size.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit", params(
    ("from" = Option<i64>, Query, minimum = 0, description = "the size of a log that was seen before"),
), responses((status = 200, body = CheckpointView), Problems))]
pub async fn checkpoint(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<CheckpointView>, Failed> {
    let from = params.parsed::<Index>("from")?;
    params.done()?;
    let checkpoint = app.gate.checkpoint(&caller).await?;
    let consistency = match from {
        None => None,
        Some(from) => {
            let size = size_of(&checkpoint)?;
            let hashes = app.gate.consistency(&caller, (from.number(), size)).await?;
            Some(texts(&hashes))
        }
    };
    Ok(Json(CheckpointView {
        key: app.gate.log_verifier().await?,
        checkpoint,
        consistency,
        minimum: app.gate.minimum().await?,
    }))
}

/// Shows that an event is in the log, to those who may see the event.
#[utoipa::path(get, path = "/v1/audit/{index}/proof", tag = "audit", params(
    ("index" = i64, Path, minimum = 0, description = "the index of the event"),
), responses((status = 200, body = EventProofView), Problems))]
pub async fn proof(
    State(app): State<App>,
    Signed(caller): Signed,
    Path(index): Path<String>,
) -> Result<Json<EventProofView>, Failed> {
    let index: Index = index.parse().map_err(|_| Refusal::NotFound {
        what: "event",
        name: index,
    })?;
    let proof = app.gate.entry_proof(&caller, index.number()).await?;
    Ok(Json(EventProofView {
        index: index.0,
        entry: STANDARD.encode(&proof.entry),
        checkpoint: proof.checkpoint,
        key: app.gate.log_verifier().await?,
        inclusion: texts(&proof.hashes),
    }))
}

/// The newest checkpoint as other tools want it: `checkpoint` below the prefix of the log.
pub async fn note(State(app): State<App>, Signed(caller): Signed) -> Result<Response, Failed> {
    let note = app.gate.checkpoint(&caller).await?;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], note).into_response())
}

/// A tile, or a bundle of entries.
pub async fn tile(
    State(app): State<App>,
    Signed(caller): Signed,
    Path((level, rest)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let unknown = || Refusal::NotFound {
        what: "tile",
        name: format!("{level}/{rest}"),
    };
    let bytes = if level == "entries" {
        let at = TileAt::read("0", &rest).ok_or_else(unknown)?;
        let bundle = app.gate.bundle(&caller, at).await?;
        let first = i64::try_from(at.number.saturating_mul(WIDTH)).unwrap_or(i64::MAX);
        let range = first..first.saturating_add(i64::from(at.width));
        let read = Read::of(
            "the log itself".to_owned(),
            false,
            range.map(|index| (index, "")),
        );
        app.gate.note_read(&caller, read).await;
        bundle
    } else {
        let at = TileAt::read(&level, &rest).ok_or_else(unknown)?;
        let hashes = app.gate.tile(&caller, at).await?;
        hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    };
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, FOREVER),
    ];
    Ok((headers, bytes).into_response())
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

fn size_of(note: &str) -> Result<u64, Failed> {
    let read = Note::read(note).map_err(|error| Failed::Fault(error.into()))?;
    let checkpoint: Result<Checkpoint, String> = read.unverified().parse();
    Ok(checkpoint
        .map_err(|error| Failed::Fault(anyhow::Error::msg(error)))?
        .size)
}
