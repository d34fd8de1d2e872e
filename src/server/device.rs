//! Handlers for signing in on machines without a browser, and for the device keys that this starts from.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::DeviceKeyId;
use crate::gate::identity::DeviceAnswer;
use crate::gate::people::SeenKey;
use crate::secret::Secret;
use crate::wire::{
    DeviceFinish, DeviceFinished, DeviceKeyView, DeviceStart, DeviceStarted, NewDeviceKey, Page,
};

use super::App;
use super::caller::{Anonymous, Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::people::tokens;
use super::query::Id;

fn view(seen: SeenKey) -> DeviceKeyView {
    DeviceKeyView {
        id: seen.key.id.to_string(),
        owner: seen.owner.to_string(),
        thumbprint: seen.key.thumbprint,
        name: seen.key.name,
        created_at: seen.key.created_at,
        last_used_at: seen.key.last_used_at,
    }
}

/// Begins a sign-in on a machine without a browser. The call has to come with the proof of an enrolled device key.
#[utoipa::path(post, path = "/v1/sign-in/device/start", tag = "people", request_body = DeviceStart, responses((status = 200, body = DeviceStarted), Problems), security(()))]
pub async fn start(
    State(app): State<App>,
    call: Anonymous<DeviceStart>,
) -> Result<Json<DeviceStarted>, Failed> {
    let device = call.body.device.unwrap_or_default();
    let device = device.chars().take(100).collect();
    let begun = app
        .gate
        .begin_device_sign_in(device, call.proof.as_ref(), &call.origin)
        .await?;
    Ok(Json(DeviceStarted {
        handle: begun.handle.expose().to_owned(),
        user_code: begun.user_code,
        verification_uri: begun.verification_uri,
        verification_uri_complete: begun.verification_uri_complete,
        expires_in: begun.lasts,
        wait: begun.wait,
    }))
}

/// Asks whether the person has approved it: tokens, or how long to wait before asking again.
#[utoipa::path(post, path = "/v1/sign-in/device/finish", tag = "people", request_body = DeviceFinish, responses((status = 200, body = DeviceFinished), Problems), security(()))]
pub async fn finish(
    State(app): State<App>,
    call: Anonymous<DeviceFinish>,
) -> Result<Json<DeviceFinished>, Failed> {
    let handle = Secret::new(call.body.handle);
    let answer = app
        .gate
        .finish_device_sign_in(&handle, call.proof.as_ref(), &call.origin)
        .await?;
    Ok(Json(match answer {
        DeviceAnswer::Waiting(wait) => DeviceFinished {
            wait: Some(wait),
            tokens: None,
        },
        DeviceAnswer::SignedIn(issued) => DeviceFinished {
            wait: None,
            tokens: Some(tokens(&app, &issued).0),
        },
    }))
}

/// The caller's device keys; everybody's for an admin or auditor.
#[utoipa::path(get, path = "/v1/device-keys", tag = "people", responses((status = 200, body = Page<DeviceKeyView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Page<DeviceKeyView>>, Failed> {
    let all = app.gate.device_keys(&caller).await?;
    Ok(Json(Page {
        items: all.into_iter().map(view).collect(),
        next: None,
    }))
}

/// Enrols the key of a machine of the caller, so that they can sign in there without a browser.
#[utoipa::path(post, path = "/v1/device-keys", tag = "people", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewDeviceKey, responses((status = 201, body = DeviceKeyView), Problems))]
pub async fn enrol(
    State(app): State<App>,
    call: Mutation<NewDeviceKey>,
) -> Result<(StatusCode, Json<DeviceKeyView>), Failed> {
    let Mutation { caller, once, body } = call;
    match app
        .gate
        .enrol_device(&caller, &body.thumbprint, &body.name, &once)
        .await
    {
        Ok(seen) => Ok((StatusCode::CREATED, Json(view(seen)))),
        Err(error) => Err(app.refused(&caller, error, "device key").await),
    }
}

/// Revokes a device key for good, and ends the sign-ins that were made from it without a browser.
#[utoipa::path(delete, path = "/v1/device-keys/{id}", tag = "people", params(
    ("id" = String, Path, pattern = "^D-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn revoke(
    State(app): State<App>,
    Id(id): Id<DeviceKeyId>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    match app.gate.revoke_device(&call.caller, &id, &call.once).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, id.as_str()).await),
    }
}
