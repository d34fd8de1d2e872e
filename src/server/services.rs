//! Handlers for service accounts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::PrincipalName;
use crate::gate::people::NewService;
use crate::wire::{self, Page, ServiceRotation, ServiceToken, ServiceView};

use super::App;
use super::caller::{Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::people::words;
use super::query::Id;
use super::requests::field;

/// More scopes or groups than any machine needs.
const MOST: usize = 50;

/// Lists service accounts: all for an admin or auditor, those that one answers for otherwise.
#[utoipa::path(get, path = "/v1/service-accounts", tag = "people", responses((status = 200, body = Page<ServiceView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Page<ServiceView>>, Failed> {
    let all = app.gate.services(&caller).await?.into_iter();
    let items = all.map(|seen| ServiceView {
        name: seen.principal.name.to_string(),
        owner: seen.service.owner.name.to_string(),
        scopes: seen
            .service
            .scopes
            .iter()
            .map(ToString::to_string)
            .collect(),
        groups: seen
            .principal
            .groups
            .iter()
            .map(ToString::to_string)
            .collect(),
        expires_at: seen.expires_at,
    });
    Ok(Json(Page {
        items: items.collect(),
        next: None,
    }))
}

/// Makes a service account. Its token is shown once.
#[utoipa::path(post, path = "/v1/service-accounts", tag = "people", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = wire::NewService, responses((status = 201, body = ServiceToken), Problems))]
pub async fn create(
    State(app): State<App>,
    call: Mutation<wire::NewService>,
) -> Result<(StatusCode, Json<ServiceToken>), Failed> {
    let Mutation { caller, once, body } = call;
    let new = NewService {
        name: field("name", &body.name)?,
        owner: field("owner", &body.owner)?,
        scopes: words("scopes", &body.scopes, MOST)?.into_iter().collect(),
        groups: words("groups", &body.groups, MOST)?.into_iter().collect(),
        lasts: field("expires", &body.expires)?,
    };
    match app.gate.create_service(&caller, new, &once).await {
        Ok((token, expires_at)) => Ok((
            StatusCode::CREATED,
            Json(ServiceToken {
                name: body.name,
                token: token.expose().to_owned(),
                expires_at,
            }),
        )),
        Err(error) => Err(app.refused(&caller, error, &body.name).await),
    }
}

/// Gives a service account another token; the one before stops working at once.
#[utoipa::path(post, path = "/v1/service-accounts/{id}/rotate", tag = "people", params(
    ("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "its name"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = ServiceRotation, responses((status = 200, body = ServiceToken), Problems))]
pub async fn rotate(
    State(app): State<App>,
    Id(name): Id<PrincipalName>,
    call: Mutation<ServiceRotation>,
) -> Result<Json<ServiceToken>, Failed> {
    let lasts = field("expires", &call.body.expires)?;
    let rotated = app
        .gate
        .rotate_service(&call.caller, &name, lasts, &call.once);
    match rotated.await {
        Ok((token, expires_at)) => Ok(Json(ServiceToken {
            name: name.to_string(),
            token: token.expose().to_owned(),
            expires_at,
        })),
        Err(error) => Err(app.refused(&call.caller, error, name.as_str()).await),
    }
}

/// Ends a service account: its token stops working at once.
#[utoipa::path(delete, path = "/v1/service-accounts/{id}", tag = "people", params(
    ("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "its name"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn delete(
    State(app): State<App>,
    Id(name): Id<PrincipalName>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    match app
        .gate
        .delete_service(&call.caller, &name, &call.once)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, name.as_str()).await),
    }
}
