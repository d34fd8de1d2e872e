//! Who calls, and what they send. A handler that takes a [`Signed`] or a [`Mutation`] cannot run for anybody else.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::domain::refusal::Refusal;
use crate::gate::grants::Version;
use crate::gate::people::Presented;
use crate::gate::{Caller, OnceKey, new_trace};
use crate::secret::{Proof, Secret, hash_of};
use crate::store::audit::Origin;

use super::App;
use super::error::Failed;
use super::proof;

/// Few calls of ours need more; a larger body is a mistake or an attack.
const BODY_MAX: usize = 64 * 1024;
/// A body that takes longer than this is held back on purpose.
const BODY_TIME: Duration = Duration::from_secs(10);
/// An idempotency key is for machines; this fits every kind of UUID and hash.
const KEY_MAX: usize = 64;

tokio::task_local! {
    static TRACE: String;
}

/// The trace of the call that is being answered.
pub fn current_trace() -> String {
    TRACE.try_with(Clone::clone).unwrap_or_default()
}

/// Gives each call its trace, and its answer the header that names it.
pub async fn trace(request: Request, next: Next) -> Response {
    let trace = new_trace();
    let mut response = TRACE.scope(trace.clone(), next.run(request)).await;
    if let Ok(value) = trace.parse() {
        response.headers_mut().insert("portcullis-trace", value);
    }
    response
}

/// Where a call comes from.
pub fn origin(parts: &Parts) -> Origin {
    let channel = match parts
        .headers
        .get("portcullis-channel")
        .and_then(|value| value.to_str().ok())
    {
        Some("tui") => "tui",
        Some("cli") => "cli",
        _ => "api",
    };
    let address = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip().to_string());
    Origin {
        trace: current_trace(),
        channel: channel.to_owned(),
        address,
    }
}

/// A caller that has proved who it is.
#[derive(Debug, Clone)]
pub struct Signed(pub Caller);

impl FromRequestParts<App> for Signed {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        // Several extractors of one call ask; only the first has to look the token up.
        if let Some(signed) = parts.extensions.get::<Self>() {
            return Ok(signed.clone());
        }
        let carried = proof::carried(parts, app)?;
        let presented = Presented {
            token: carried.token,
            proof: carried.proof.as_ref(),
            purpose: proof::purpose(parts),
        };
        let signed = Self(app.gate.authenticate(presented, origin(parts)).await?);
        parts.extensions.insert(signed.clone());
        Ok(signed)
    }
}

/// A call that asks something which does not fit into an address: who, and what. It changes nothing.
pub struct Question<T> {
    pub caller: Caller,
    pub body: T,
}

impl<T: DeserializeOwned + Send> FromRequest<App> for Question<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failed> {
        let (mut parts, body) = request.into_parts();
        let Signed(caller) = Signed::from_request_parts(&mut parts, app).await?;
        let bytes = read(body, BODY_MAX).await?;
        Ok(Self {
            caller,
            body: parse(&parts.headers, &bytes)?,
        })
    }
}

/// A call that changes something: who, exactly once, and what. `MAX` is the largest body in bytes.
pub struct Mutation<T, const MAX: usize = BODY_MAX> {
    pub caller: Caller,
    pub once: OnceKey,
    pub body: T,
}

impl<T: DeserializeOwned + Send, const MAX: usize> FromRequest<App> for Mutation<T, MAX> {
    type Rejection = Failed;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failed> {
        let (mut parts, body) = request.into_parts();
        let Signed(caller) = Signed::from_request_parts(&mut parts, app).await?;
        let key = idempotency_key(&parts.headers)?;
        let bytes = read(body, MAX).await?;
        let digest = hash_of(&format!(
            "{} {} {} {}",
            parts.method,
            parts.uri.path(),
            version_text(&parts.headers),
            String::from_utf8_lossy(&bytes)
        ));
        let once = OnceKey {
            key,
            proof: step_up_proof(&parts.headers),
            digest: digest
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
        };
        Ok(Self {
            caller,
            once,
            body: parse(&parts.headers, &bytes)?,
        })
    }
}

/// The version that a call is about, as it stands in its header; nothing where it has none.
fn version_text(headers: &HeaderMap) -> &str {
    let value = headers.get(header::IF_MATCH);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim()
}

/// The proof of a second factor that came with a call.
fn step_up_proof(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get("portcullis-step-up")?.to_str().ok()?;
    Some(Secret::new(value.trim().to_owned()))
}

/// A call of somebody who is not signed in yet.
pub struct Anonymous<T> {
    pub origin: Origin,
    /// Of the key that a sign-in is going to be bound to, or is.
    pub proof: Option<Proof>,
    pub body: T,
}

impl<T: DeserializeOwned + Send> FromRequest<App> for Anonymous<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failed> {
        let (parts, body) = request.into_parts();
        let proof = proof::proof(&parts, app)?;
        let bytes = read(body, BODY_MAX).await?;
        Ok(Self {
            origin: origin(&parts),
            proof,
            body: parse(&parts.headers, &bytes)?,
        })
    }
}

/// The body of a call that needs to say nothing: empty, or `{}`.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

async fn read(body: axum::body::Body, most: usize) -> Result<axum::body::Bytes, Failed> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Failed::Malformed(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {} KiB or was cut off", most / 1024),
        )),
        Err(_) => Err(Failed::Malformed(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive within 10 seconds".to_owned(),
        )),
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Failed> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let json = headers.get(header::CONTENT_TYPE).is_none_or(|value| {
        value.to_str().is_ok_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        })
    });
    if !json {
        return Err(Failed::Malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be `application/json`".to_owned(),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Failed::Malformed(
            StatusCode::BAD_REQUEST,
            format!("the body is not what this call takes: {error}"),
        )
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Failed> {
    let value = headers
        .get("idempotency-key")
        .ok_or(Refusal::IdempotencyKeyRequired)?;
    let key = value.to_str().unwrap_or_default();
    let fits = !key.is_empty()
        && key.len() <= KEY_MAX
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        return Ok(key.to_owned());
    }
    Err(Failed::Malformed(
        StatusCode::BAD_REQUEST,
        "`Idempotency-Key` takes 1 to 64 of `A-Z a-z 0-9 - _`".to_owned(),
    ))
}

/// The version that a decision was made on, from `If-Match: "7"`.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Version);

impl FromRequestParts<App> for IfMatch {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        // Nobody is told what is wrong with a call before it is known who calls.
        Signed::from_request_parts(parts, app).await?;
        let value = parts
            .headers
            .get(header::IF_MATCH)
            .ok_or(Refusal::VersionRequired)?;
        let number = value.to_str().ok().and_then(|text| {
            text.trim()
                .strip_prefix('"')?
                .strip_suffix('"')?
                .parse()
                .ok()
        });
        match number {
            Some(number) if number > 0 => Ok(Self(Version(number))),
            _ => Err(Failed::Malformed(
                StatusCode::BAD_REQUEST,
                "`If-Match` takes the version in quotes, like `\"3\"`".to_owned(),
            )),
        }
    }
}
