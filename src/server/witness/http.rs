//! The two addresses of a witness.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::server::listen;
use crate::server::tls::{Renewed, Tls};
use crate::tlog::NotCosigned;

use super::{Answer, Witness};

/// A proof, and a note of the longest that is read.
const BODY: usize = 72 * 1024;
/// A body that has not arrived by then does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers until told to stop.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    if let Some(tls) = &tls {
        // A certificate that was renewed holds without a new start.
        tokio::spawn(Arc::clone(tls).run(stop.clone(), |change| match change {
            Renewed::Kept(why) => {
                tracing::error!(why, "the new certificate cannot be used; the old one stays");
            }
            Renewed::Unchanged | Renewed::Replaced(_) => {}
        }));
    }
    let router = Router::new()
        .route("/add-checkpoint", post(add))
        .route("/{hash}/checkpoint", get(newest))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            PATIENCE,
        ))
        .with_state(witness);
    listen::accept(listener, tls, router, stop).await;
}

/// Signs a checkpoint, or says why not.
async fn add(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let work = move || {
        let Ok(text) = std::str::from_utf8(&body) else {
            let why = "it is no text";
            return Answer::Refused(NotCosigned::Form { why });
        };
        witness.add(text, now())
    };
    let answered = tokio::task::spawn_blocking(work).await;
    match answered.unwrap_or_else(|error| Answer::Fault(error.into())) {
        Answer::Signed(line) => plain(StatusCode::OK, line),
        Answer::Refused(refused) => answer(&refused),
        Answer::Fault(error) => {
            tracing::error!(error = ?error, "a checkpoint was not signed, because it could not be kept");
            plain(StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    }
}

fn answer(refused: &NotCosigned) -> Response {
    let status = match refused {
        NotCosigned::Form { .. } => StatusCode::BAD_REQUEST,
        NotCosigned::UnknownLog { .. } => StatusCode::NOT_FOUND,
        NotCosigned::Unsigned { .. } => StatusCode::FORBIDDEN,
        NotCosigned::Conflict { size } => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response();
        }
        NotCosigned::Forked | NotCosigned::Inconsistent => StatusCode::UNPROCESSABLE_ENTITY,
    };
    plain(status, format!("{refused}\n"))
}

/// What was seen last of a log, for whoever compares.
async fn newest(State(witness): State<Arc<Witness>>, Path(hash): Path<String>) -> Response {
    match witness.newest(&hash) {
        Some(note) => plain(StatusCode::OK, note),
        None => plain(StatusCode::NOT_FOUND, String::new()),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, text).into_response()
}

/// Seconds by the clock of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a witness says when it signed, and has no other clock"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
