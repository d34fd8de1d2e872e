//! One call: what it says, how it is signed, and what the answer means.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use chrono::SecondsFormat;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use super::Webhook;
use crate::domain::ids::GrantId;
use crate::egress::{Answer, Client, Fault, Limits};
use crate::secret::read_private;
use crate::targets::{Access, Failure};

const SIGNATURE: HeaderName = HeaderName::from_static("portcullis-signature");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Ten thousand objects fit into this.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Shorter secrets can be guessed by whoever has seen one call.
const SHORTEST_SECRET: usize = 24;

/// What there is to say.
pub(super) enum Said<'a> {
    /// An object, what it stands for, and what the service calls the role.
    Up(&'a str, &'a Access<'a>, Option<&'a str>),
    Down(&'a str, &'a GrantId, i64),
    Observe,
}

impl Said<'_> {
    fn body(&self, installation: &str) -> Value {
        match self {
            Self::Up(object, access, value) => json!({
                "version": 1,
                "kind": "up",
                "installation": installation,
                "object": object,
                "grant": access.grant,
                "epoch": access.epoch,
                "holder": access.holder,
                "role": access.role,
                "value": value,
                "ends_at": access.ends_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            }),
            Self::Down(object, grant, epoch) => json!({
                "version": 1,
                "kind": "down",
                "installation": installation,
                "object": object,
                "grant": grant,
                "epoch": epoch,
            }),
            Self::Observe => json!({
                "version": 1,
                "kind": "observe",
                "installation": installation,
            }),
        }
    }

    /// The same for the same change, however often it is told; what only asks needs none.
    fn key(&self) -> Option<String> {
        match self {
            Self::Up(_, access, _) => Some(format!("{}:{}:up", access.grant, access.epoch)),
            Self::Down(_, grant, epoch) => Some(format!("{grant}:{epoch}:down")),
            Self::Observe => None,
        }
    }
}

impl Webhook {
    fn client(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let limits = Limits {
            whole: Duration::from_secs(self.settings.time_limit.seconds().into()),
            answer: LONGEST_ANSWER,
        };
        let (reach, ca) = (self.settings.reach(), self.settings.ca_file.as_deref());
        let made = Client::to(&self.url, &reach, ca, limits)
            .map_err(|error| Failure::passing(format!("{error:#}")))?;
        Ok(self.client.get_or_init(|| made))
    }

    /// Says something to the service, and gives what it answers when that is a yes.
    pub(super) async fn call(&self, said: Said<'_>) -> Result<Vec<u8>, Failure> {
        let body = said.body(self.installation.as_str()).to_string();
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(key) = said.key().and_then(|key| key.parse().ok()) {
            headers.insert(KEY, key);
        }
        headers.insert(SIGNATURE, self.signature(&body)?);
        *request.body_mut() = Some(body.into());
        let answer = self
            .client()?
            .send(request)
            .await
            .map_err(|fault| failure(&fault))?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(self.refused(&answer))
        }
    }

    /// Signs when and what, with each secret that is in use: while one takes the other's place the service knows either.
    fn signature(&self, body: &str) -> Result<HeaderValue, Failure> {
        let time = clock();
        let mut text = format!("t={time}");
        let files = [
            Some(&self.settings.secret_file),
            self.settings.previous_secret_file.as_ref(),
        ];
        for file in files.into_iter().flatten() {
            let tag = signed(file, time, body)?;
            let _ = write!(text, ",v1={tag}");
        }
        HeaderValue::from_str(&text).map_err(|error| Failure::permanent(error.to_string()))
    }

    fn refused(&self, answer: &Answer) -> Failure {
        let status = answer.status;
        let why: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let why = why
            .as_ref()
            .and_then(|body| body.get("error")?.as_str())
            .map_or_else(String::new, |why| format!(": {why}"));
        let place = self.place();
        let mut message = format!("`{place}` answered with {}{why}", status.as_u16());
        if status.is_redirection() {
            message = format!(
                "`{place}` answered with {}, and nobody is sent on",
                status.as_u16()
            );
        }
        let passing = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::CONFLICT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if status.is_client_error() && !passing.contains(&status) {
            Failure::permanent(message)
        } else {
            Failure::passing(message).not_before(answer.retry_after())
        }
    }
}

fn signed(file: &Path, time: u64, body: &str) -> Result<String, Failure> {
    // Read each time, so that it can be replaced while the server runs.
    let secret = read_private(file).map_err(|error| Failure::passing(format!("{error:#}")))?;
    let secret = secret.expose().trim();
    if secret.len() < SHORTEST_SECRET {
        return Err(Failure::permanent(format!(
            "the secret in `{}` is shorter than {SHORTEST_SECRET} characters",
            file.display()
        )));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let mut text = String::new();
    for byte in tag.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn failure(fault: &Fault) -> Failure {
    if fault.stays() {
        Failure::permanent(fault.to_string())
    } else {
        Failure::passing(fault.to_string())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature says when it was made, and the service compares that with its own clock"
)]
fn clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
