//! Handlers for local accounts.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::gate::accounts::Typed;
use crate::secret::Secret;
use crate::wire::{NewPassword, PasskeyQuestion, PasswordPasskey, PasswordSignIn, Tokens};

use super::App;
use super::caller::{Anonymous, Mutation};
use super::error::{Failed, Problems};
use super::people::tokens;
use super::proof::is_this_server;
use super::second_factor::{elsewhere, proof};

/// Signs in to a local account with a password, and with the second factor of whoever has one.
#[utoipa::path(post, path = "/v1/sign-in/password", tag = "people", request_body = PasswordSignIn, responses((status = 200, body = Tokens), Problems), security(()))]
pub async fn sign_in(
    State(app): State<App>,
    call: Anonymous<PasswordSignIn>,
) -> Result<Json<Tokens>, Failed> {
    let body = call.body;
    let device = body.device.unwrap_or_default();
    let typed = Typed {
        name: &body.name,
        password: Secret::new(body.password),
        proof: body.proof.map(proof).transpose()?,
        device: &device,
        device_proof: call.proof.as_ref(),
    };
    let issued = app.gate.sign_in_with_password(typed, &call.origin).await?;
    Ok(tokens(&app, &issued))
}

/// Asks the passkeys of a local account for a sign-in to it on this device, once the password was right.
///
/// In place of `challenge` the page puts the same as for a step-up, with one digest: the SHA-256 of the texts
/// `portcullis sign-in`, the name, and the thumbprint (RFC 7638) of the device key, each after its length in eight
/// bytes. The call has to come with the proof of that key.
#[utoipa::path(post, path = "/v1/sign-in/password/passkey", tag = "people", request_body = PasswordPasskey, responses((status = 200, body = PasskeyQuestion), Problems), security(()))]
pub async fn ask_passkey(
    State(app): State<App>,
    headers: HeaderMap,
    call: Anonymous<PasswordPasskey>,
) -> Result<Json<PasskeyQuestion>, Failed> {
    let body = call.body;
    if !is_this_server(&body.server, &headers, &app) {
        return Err(elsewhere().into());
    }
    let typed = Typed {
        name: &body.name,
        password: Secret::new(body.password),
        proof: None,
        device: "",
        device_proof: call.proof.as_ref(),
    };
    let asked = app
        .gate
        .ask_passkey_to_sign_in(typed, &body.server, &call.origin)
        .await?;
    Ok(Json(PasskeyQuestion {
        question: asked.question,
        options: asked.options,
    }))
}

/// Sets the caller's password.
#[utoipa::path(post, path = "/v1/account/password", tag = "people", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewPassword, responses((status = 204), Problems))]
pub async fn set_password(
    State(app): State<App>,
    call: Mutation<NewPassword>,
) -> Result<StatusCode, Failed> {
    let Mutation { caller, once, body } = call;
    let password = Secret::new(body.password);
    let current = body.current.map(Secret::new);
    match app
        .gate
        .set_password(&caller, password, current, &once)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&caller, error, "password").await),
    }
}
