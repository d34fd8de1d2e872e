//! The accept loop. `axum::serve` has no limits of time or number, so this one sets them (`reliability.md` §0.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::server::tls::Tls;

/// Headers arrive within this time of the connection becoming idle, or it is closed.
const HEADERS: Duration = Duration::from_secs(5);
/// Encryption is agreed on within this time, or the connection is closed.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections at once. Each holds a file descriptor, of which there are 1,024 on many systems.
const CONNECTIONS: usize = 4_096;
/// More header fields than any client of ours sends.
const HEADER_FIELDS: usize = 64;
/// Room for the longest header block that we read.
const HEADER_BYTES: usize = 32 * 1024;
/// How long open connections may finish what they are doing when the server stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// Accepts connections until told to stop, then lets open ones finish.
pub async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely. Trying again at once would only spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // A connection too many is closed at once: waiting would hold it open for nothing.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), tls.clone());
        // The handshake happens in the connection's own task and place, so nobody who stalls it holds up another.
        connections.spawn(async move {
            begin(socket, address, tls, router, stop).await;
            drop(place);
        });
    }
    connections.close();
    let _ = tokio::time::timeout(GOODBYE, connections.wait()).await;
}

async fn begin(
    socket: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(tls) = tls else {
        return serve(socket, address, router, stop).await;
    };
    let agreeing = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(socket));
    match stop.run_until_cancelled(agreeing).await {
        Some(Ok(Ok(socket))) => serve(socket, address, router, stop).await,
        Some(Ok(Err(error))) => tracing::debug!(%error, "a connection was not encrypted"),
        Some(Err(_)) | None => {}
    }
}

async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router.map_request(
        move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            request.map(axum::body::Body::new)
        },
    ));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(HEADER_FIELDS)
        .max_buf_size(HEADER_BYTES);
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
