//! Handlers of the tamper-evident log: checkpoints, proofs, and the tiles of c2sp.org/tlog-tiles.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::refusal::Refusal;
use crate::gate::Caller;
use crate::gate::log::{SeenLink, Step};
use crate::gate::reads::Read;
use crate::tlog::{Checkpoint, Hash, Note, TileAt, WIDTH};
use crate::wire::{CheckpointView, EventProofView, LogLinkView, LogRecovery, RecoveryProofView};

use super::App;
use super::audit::Index;
use super::caller::{Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::query::Params;

/// What is below the number of an epoch never changes, so that it may be kept for ever.
const FOREVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// The present epoch may be another one day.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Says what the log is, signed; with `from`, also that it continues the log of that size.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit", params(
    ("from" = Option<i64>, Query, minimum = 0, description = "the size of a log that was seen before"),
    ("fresh" = Option<String>, Query, pattern = "^true$", description = "with everything that was committed before this call; for those who may read everybody's history"),
), responses((status = 200, body = CheckpointView), Problems))]
pub async fn checkpoint(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<CheckpointView>, Failed> {
    let from = params.parsed::<Index>("from")?;
    let fresh = params.words("fresh", &["true"])?;
    params.done()?;
    let checkpoint = if fresh.is_empty() {
        app.gate.checkpoint(&caller).await?
    } else {
        app.gate.fresh_checkpoint(&caller).await?
    };
    let consistency = match from {
        None => None,
        Some(from) => {
            let size = size_of(&checkpoint)?;
            let hashes = app.gate.consistency(&caller, (from.number(), size)).await?;
            Some(texts(&hashes))
        }
    };
    let links = app.gate.log_links().await?;
    Ok(Json(CheckpointView {
        key: app.gate.log_verifier().await?,
        checkpoint,
        consistency,
        links: links.into_iter().map(link).collect(),
        minimum: app.gate.minimum().await?,
    }))
}

/// Begins another epoch of the log, because what was signed before is not there any more. What is lost of it stays on record.
#[utoipa::path(post, path = "/v1/audit/recover", tag = "audit", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = LogRecovery, responses((status = 201, body = LogLinkView), Problems))]
pub async fn recover(
    State(app): State<App>,
    call: Mutation<LogRecovery>,
) -> Result<(StatusCode, Json<LogLinkView>), Failed> {
    let Mutation { caller, once, body } = call;
    match app.gate.recover_log(&caller, &body.reason, &once).await {
        Ok(seen) => Ok((StatusCode::CREATED, Json(link(seen)))),
        Err(error) => Err(app.refused(&caller, error, "the audit log").await),
    }
}

/// Goes on under another key of the log, which the present one vouches for.
#[utoipa::path(post, path = "/v1/audit/rotate-key", tag = "audit", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    responses((status = 201, body = LogLinkView), Problems))]
pub async fn rotate_key(
    State(app): State<App>,
    call: Mutation<Nothing>,
) -> Result<(StatusCode, Json<LogLinkView>), Failed> {
    match app.gate.rotate_log_key(&call.caller, &call.once).await {
        Ok(seen) => Ok((StatusCode::CREATED, Json(link(seen)))),
        Err(error) => Err(app
            .refused(&call.caller, error, "the key of the audit log")
            .await),
    }
}

pub(super) fn link(seen: SeenLink) -> LogLinkView {
    LogLinkView {
        epoch: seen.link.epoch.number,
        generation: seen.link.generation,
        begins: seen.link.epoch.begins,
        at: seen.link.at,
        key: seen.key,
        checkpoint: seen.link.note,
        entry: seen.entry.map(|entry| STANDARD.encode(entry)),
        inclusion: seen.inclusion.as_deref().map(texts),
    }
}

/// What leads from an epoch that ended to the present one.
pub(super) fn steps(steps: &[Step]) -> Vec<RecoveryProofView> {
    let view = |step: &Step| RecoveryProofView {
        entry: STANDARD.encode(&step.entry),
        inclusion: texts(&step.hashes),
    };
    steps.iter().map(view).collect()
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
        begins: proof.begins,
        entry: STANDARD.encode(&proof.entry),
        salt: proof.salt,
        checkpoint: proof.checkpoint,
        key: app.gate.log_verifier().await?,
        inclusion: texts(&proof.hashes),
        recoveries: steps(&proof.recoveries),
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
    part(&app, &caller, None, (&level, &rest)).await
}

/// The same of an epoch that ended with a recovery.
pub async fn tile_before(
    State(app): State<App>,
    Signed(caller): Signed,
    Path((epoch, level, rest)): Path<(String, String, String)>,
) -> Result<Response, Failed> {
    let number = epoch.parse().map_err(|_| Refusal::NotFound {
        what: "epoch",
        name: epoch,
    })?;
    part(&app, &caller, Some(number), (&level, &rest)).await
}

async fn part(
    app: &App,
    caller: &Caller,
    epoch: Option<u32>,
    (level, rest): (&str, &str),
) -> Result<Response, Failed> {
    let unknown = || Refusal::NotFound {
        what: "tile",
        name: format!("{level}/{rest}"),
    };
    let bytes = if level == "entries" {
        let at = TileAt::read("0", rest).ok_or_else(unknown)?;
        let bundle = app.gate.bundle(caller, epoch, at).await?;
        let first = i64::try_from(at.number.saturating_mul(WIDTH)).unwrap_or(i64::MAX);
        let range = first..first.saturating_add(i64::from(at.width));
        let read = Read::of(
            "the log itself".to_owned(),
            false,
            range.map(|index| (index, "")),
        );
        app.gate.note_read(caller, read).await;
        bundle
    } else {
        let at = TileAt::read(level, rest).ok_or_else(unknown)?;
        let hashes = app.gate.tile(caller, epoch, at).await?;
        hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    };
    let kind = HeaderValue::from_static("application/octet-stream");
    let keep = epoch.map_or(ASK_AGAIN, |_| FOREVER);
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)];
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
