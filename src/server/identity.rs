//! Handlers for signing in at an identity provider.

use axum::Json;
use axum::extract::State;

use crate::domain::refusal::Refusal;
use crate::gate::identity::{Begin, Finish};
use crate::secret::Secret;
use crate::wire::{ProviderFinish, ProviderStart, ProviderStarted, SignInWays, Tokens};

use super::App;
use super::caller::Anonymous;
use super::error::{Failed, Problems};
use super::people::tokens;

/// A challenge is the SHA-256 of the verifier in base64url.
const CHALLENGE: usize = 43;

/// Says how people sign in here.
#[utoipa::path(get, path = "/v1/sign-in/ways", tag = "people", responses((status = 200, body = SignInWays), Problems), security(()))]
pub async fn ways(State(app): State<App>) -> Json<SignInWays> {
    Json(SignInWays {
        server: app.name.to_string(),
        code: true,
        provider: app.gate.issuer().map(str::to_owned),
    })
}

/// Begins a sign-in at the identity provider. It is good for ten minutes and for one finish.
#[utoipa::path(post, path = "/v1/sign-in/oidc/start", tag = "people", request_body = ProviderStart, responses((status = 200, body = ProviderStarted), Problems), security(()))]
pub async fn start(
    State(app): State<App>,
    call: Anonymous<ProviderStart>,
) -> Result<Json<ProviderStarted>, Failed> {
    let begun = app.gate.begin_sign_in(begin(call.body)?).await?;
    Ok(Json(ProviderStarted {
        authorize_url: begun.authorize_url,
        state: begun.state.expose().to_owned(),
    }))
}

/// Finishes a sign-in with what the browser brought back.
#[utoipa::path(post, path = "/v1/sign-in/oidc/finish", tag = "people", request_body = ProviderFinish, responses((status = 200, body = Tokens), Problems), security(()))]
pub async fn finish(
    State(app): State<App>,
    call: Anonymous<ProviderFinish>,
) -> Result<Json<Tokens>, Failed> {
    let finish = brought(call.body)?;
    Ok(tokens(
        &app,
        &app.gate
            .finish_sign_in(finish, call.proof.as_ref(), &call.origin)
            .await?,
    ))
}

/// What a browser brought back, for a sign-in or a step-up.
pub(in crate::server) fn brought(body: ProviderFinish) -> Result<Finish, Refusal> {
    let answer = match (body.code, body.error) {
        (Some(code), None) => Ok(Secret::new(code)),
        (None, Some(error)) => Err(word(&error)),
        _ => return Err(bad("code", "give either `code` or `error`")),
    };
    Ok(Finish {
        state: Secret::new(body.state),
        answer,
        code_verifier: Secret::new(body.code_verifier),
        iss: body.iss,
    })
}

/// What a program wants to send a browser to the provider with.
pub(in crate::server) fn begin(body: ProviderStart) -> Result<Begin, Refusal> {
    if !is_loopback(&body.redirect_uri) {
        let why =
            "the browser may only be sent back to `http://127.0.0.1:PORT/` or `http://[::1]:PORT/`";
        return Err(bad("redirect_uri", why));
    }
    let challenge = &body.code_challenge;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if challenge.len() != CHALLENGE || !challenge.bytes().all(fits) {
        let why = "this is no S256 challenge: 43 letters of base64url";
        return Err(bad("code_challenge", why));
    }
    Ok(Begin {
        redirect_uri: body.redirect_uri,
        code_challenge: body.code_challenge,
        device: body.device.unwrap_or_default().chars().take(100).collect(),
    })
}

/// Says whether an address leads to a program on the person's own machine and nowhere else (RFC 8252, 7.3).
fn is_loopback(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else {
        return false;
    };
    url.scheme() == "http"
        && matches!(url.host_str(), Some("127.0.0.1" | "[::1]"))
        && url.port().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        // What the provider compares is the text, so it has to be the text that was looked at.
        && url.as_str() == text
        && text.len() <= 200
}

/// An error code of OAuth has few letters; anything else is not worth repeating.
fn word(error: &str) -> String {
    let plain = error
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    plain.take(60).collect()
}

fn bad(field: &str, why: &str) -> Refusal {
    Refusal::BadInput {
        field: field.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_comes_back_to_this_machine_and_nowhere_else() {
        for good in ["http://127.0.0.1:40000/", "http://[::1]:1/signed-in"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "http://127.0.0.1/",
            "https://127.0.0.1:1/",
            "http://localhost:1/",
            "http://127.0.0.1.evil.example:1/",
            "http://127.0.0.1:1@evil.example:2/",
            "http://user@127.0.0.1:1/",
            "http://127.1:1/",
            "http://0x7f000001:1/",
            "http://127.0.0.1:1/?next=evil",
            "http://127.0.0.1:1/#a",
            "http://[::ffff:127.0.0.1]:1/",
            "HTTP://127.0.0.1:1/",
            "portcullis://127.0.0.1:1/",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
