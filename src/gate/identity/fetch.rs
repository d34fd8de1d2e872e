//! How a provider's answers are fetched and read, whatever was asked: small ones, in seconds, from where it was asked.

use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::domain::provider::ProviderFault as Fault;

/// More than any answer of a provider needs.
const ANSWER_MAX: usize = 256 * 1024;

pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|_| Fault::NotJson)
}

pub(super) async fn successful(call: reqwest::RequestBuilder) -> Result<Vec<u8>, Fault> {
    let (status, bytes) = send(call).await?;
    if status.is_success() {
        Ok(bytes)
    } else {
        Err(fault_of(status))
    }
}

pub(super) fn fault_of(status: StatusCode) -> Fault {
    if status.is_redirection() {
        Fault::Redirect
    } else {
        Fault::Failed
    }
}

pub(super) async fn send(call: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), Fault> {
    let unreachable = |error: reqwest::Error| {
        let fault = if is_untrusted(&error) {
            Fault::Certificate
        } else {
            Fault::Unreachable
        };
        tracing::warn!(error = ?error.without_url(), "the identity provider does not answer");
        fault
    };
    let mut answer = call.send().await.map_err(unreachable)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_MAX {
            return Err(Fault::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((answer.status(), bytes))
}

/// Whether somebody answered who could not prove to be the one that was asked.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("invalid peer certificate") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An address with parameters added to those that it has.
pub(super) fn with_query(address: &str, pairs: &[(&str, &str)]) -> Result<String, Fault> {
    let mut url = Url::parse(address).map_err(|_| Fault::DiscoveryEndpoint)?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.into())
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    // A URL's query is written as a form is.
    let url = Url::parse_with_params("http://form/", pairs);
    url.ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}

pub(super) fn escaped(text: &str) -> String {
    encoded(&[("", text)]).trim_start_matches('=').to_owned()
}
