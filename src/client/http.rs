//! The only place that makes an HTTP client, so that time limits and the ban on redirects hold everywhere.

use std::time::Duration;

use crate::client::{ClientError, ServerUrl};
use crate::secret::distrust;

/// A server that does not even accept the connection within this time is taken for unreachable.
const CONNECT: Duration = Duration::from_secs(2);
/// Longer than the pause between two heartbeats of the event stream.
const SILENCE: Duration = Duration::from_secs(20);

/// Shorter than the server keeps a silent connection, so that a call is never sent into one that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// Makes an HTTP client for one server.
///
/// It follows no redirect, because a redirect could carry the bearer token elsewhere. For a server on this machine
/// it uses no proxy and loads no certificates.
pub fn http(server: &ServerUrl) -> Result<reqwest::Client, ClientError> {
    // Fails when a provider is there already, and that one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true);
    if server.is_plain() {
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build().map_err(|error| ClientError::Local {
        text: format!("no secure connection can be made: {}", root_cause(&error)),
        hint: "check that this machine has CA certificates, or point `SSL_CERT_FILE` at a file of them".to_owned(),
    })
}

/// The innermost cause, which is the part that says something: `connection refused` and not `error sending request`.
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    if let Some(why) = distrust(&text) {
        return why.to_owned();
    }
    // The system's messages end with a number that helps nobody.
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
