//! Places that the history is delivered to: a TLS syslog receiver and an HTTP collector, both of which can fail.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What has arrived, in the order in which it did.
#[derive(Clone, Default)]
pub(super) struct Arrived {
    pub(super) messages: Arc<Mutex<Vec<String>>>,
    /// How often somebody came.
    pub(super) calls: Arc<AtomicUsize>,
    /// What they proved themselves with.
    pub(super) tokens: Arc<Mutex<Vec<String>>>,
    /// How many batches came compressed.
    pub(super) packed: Arc<AtomicUsize>,
}

impl Arrived {
    pub(super) fn all(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    /// The indexes of events, each as often as it came.
    pub(super) fn indexes(&self) -> Vec<i64> {
        let all = self.all();
        let read = |text: &String| {
            let value: Value = serde_json::from_str(text).unwrap();
            value["index"].as_i64().unwrap()
        };
        all.iter().map(read).collect()
    }

    /// That every event up to one came, and that each came first in its order.
    pub(super) fn is_whole(&self, size: i64) -> bool {
        let mut next = 0;
        for index in self.indexes() {
            assert!(index <= next, "event {index} came before {next}");
            next = next.max(index + 1);
        }
        next >= size
    }
}

/// Whether this call fails: the first ones and every third after, so that no run is without failures.
fn fails(call: usize) -> bool {
    call < 2 || call.is_multiple_of(3)
}

/// Reads syslog over TLS as RFC 5425 frames it. One that fails hangs up in the middle.
pub(super) async fn syslog(tls: Arc<rustls::ServerConfig>, flaky: bool) -> (u16, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived = Arrived::default();
    let shared = arrived.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let call = shared.calls.fetch_add(1, Ordering::SeqCst);
            let acceptor = TlsAcceptor::from(Arc::clone(&tls));
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut bytes = Vec::new();
            if flaky && fails(call) {
                let mut some = vec![0; 100];
                let _ = stream.read(&mut some).await;
                let (tcp, _) = stream.into_inner();
                tcp.set_zero_linger().unwrap();
                continue;
            }
            stream.read_to_end(&mut bytes).await.unwrap();
            for message in frames(&bytes) {
                let (_, json) = message.split_once('\u{feff}').unwrap();
                shared.messages.lock().unwrap().push(json.to_owned());
            }
            let _ = stream.shutdown().await;
        }
    });
    (port, arrived)
}

/// The messages of a connection: a length, a space, and as many bytes.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space])
            .unwrap()
            .parse()
            .unwrap();
        let (message, rest) = bytes[space + 1..].split_at(length);
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = rest;
    }
    messages
}

/// Takes batches as Splunk's collector does. One that fails says so, sometimes after it has taken the batch.
pub(super) async fn http(flaky: bool) -> (u16, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived = Arrived::default();
    let shared = arrived.clone();
    let take = move |headers: HeaderMap, body: Bytes| {
        let shared = shared.clone();
        async move {
            let call = shared.calls.fetch_add(1, Ordering::SeqCst);
            let token = headers["authorization"].to_str().unwrap().to_owned();
            shared.tokens.lock().unwrap().push(token);
            if flaky && fails(call) && call.is_multiple_of(2) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let body = match headers.get("content-encoding") {
                Some(how) => {
                    assert_eq!(how, "gzip");
                    shared.packed.fetch_add(1, Ordering::SeqCst);
                    let mut plain = Vec::new();
                    GzDecoder::new(body.as_ref())
                        .read_to_end(&mut plain)
                        .unwrap();
                    plain
                }
                None => body.to_vec(),
            };
            let mut messages = shared.messages.lock().unwrap();
            for line in std::str::from_utf8(&body).unwrap().lines() {
                let wrapped: Value = serde_json::from_str(line).unwrap();
                assert_eq!(wrapped["source"], "portcullis");
                assert!(wrapped["time"].is_f64() && wrapped["host"].is_string());
                messages.push(wrapped["event"].to_string());
            }
            if flaky && fails(call) {
                return StatusCode::GATEWAY_TIMEOUT;
            }
            StatusCode::OK
        }
    };
    let app = Router::new().route("/services/collector/event", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (port, arrived)
}
