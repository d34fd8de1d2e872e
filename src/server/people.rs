//! Handlers for signing in and out, and for inviting people.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::SignInId;
use crate::domain::refusal::Refusal;
use crate::domain::roles::GivenRole;
use crate::gate::How;
use crate::gate::people::{Invite, Issued};
use crate::wire::{
    Invitation, InvitationCode, Me, Page, Refresh, SignIn, SignInHow, SignInView, Tokens,
};

use super::App;
use super::caller::{Anonymous, Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::query::Id;
use super::requests::field;

/// More groups than anybody is in.
const GROUPS_MAX: usize = 50;
/// Product roles of one person, each with its tag.
const ROLES_MAX: usize = 50;

pub(super) fn words<T: FromStr>(name: &str, list: &[String], most: usize) -> Result<Vec<T>, Refusal>
where
    T::Err: Display,
{
    if list.len() > most {
        return Err(Refusal::BadInput {
            field: name.to_owned(),
            why: format!("there are more than {most}"),
        });
    }
    list.iter().map(|word| field(name, word)).collect()
}

pub(super) fn tokens(app: &App, issued: &Issued) -> Json<Tokens> {
    Json(Tokens {
        access_token: issued.access.expose().to_owned(),
        access_expires_at: issued.access_expires_at,
        refresh_token: issued.refresh.expose().to_owned(),
        refresh_expires_at: issued.refresh_expires_at,
        me: me_view(
            app,
            &issued.principal,
            &issued.sign_in,
            &issued.how,
            issued.now,
        ),
    })
}

fn me_view(
    app: &App,
    who: &crate::domain::principal::Principal,
    sign_in: &SignInId,
    how: &How,
    now: chrono::DateTime<chrono::Utc>,
) -> Me {
    Me {
        id: who.id.to_string(),
        name: who.name.to_string(),
        roles: who.roles.words(),
        groups: who.groups.iter().map(ToString::to_string).collect(),
        sign_in: sign_in.to_string(),
        how: Some(SignInHow {
            method: how.method.to_string(),
            authenticated_at: how.authenticated_at,
            amr: how.amr.clone(),
            bound: how.bound,
            ends_at: how.ends_at,
            owner: who
                .service
                .as_ref()
                .map(|service| service.owner.name.to_string()),
        }),
        server: app.name.to_string(),
        now,
    }
}

/// Redeems a one-time code.
#[utoipa::path(post, path = "/v1/sign-in", tag = "people", request_body = SignIn, responses((status = 200, body = Tokens), Problems), security(()))]
pub async fn sign_in(
    State(app): State<App>,
    call: Anonymous<SignIn>,
) -> Result<Json<Tokens>, Failed> {
    let name = call
        .body
        .name
        .as_deref()
        .map(|name| field("name", name))
        .transpose()?;
    let device = call.body.device.unwrap_or_default();
    Ok(tokens(
        &app,
        &app.gate
            .sign_in(
                call.body.code.trim(),
                name,
                &device,
                call.proof.as_ref(),
                &call.origin,
            )
            .await?,
    ))
}

/// Exchanges a refresh token for new tokens. A refresh token that comes twice ends the sign-in.
#[utoipa::path(post, path = "/v1/tokens/refresh", tag = "people", request_body = Refresh, responses((status = 200, body = Tokens), Problems), security(()))]
pub async fn refresh(
    State(app): State<App>,
    call: Anonymous<Refresh>,
) -> Result<Json<Tokens>, Failed> {
    Ok(tokens(
        &app,
        &app.gate
            .refresh(
                call.body.refresh_token.trim(),
                call.proof.as_ref(),
                &call.origin,
            )
            .await?,
    ))
}

/// Ends the caller's sign-in.
#[utoipa::path(post, path = "/v1/sign-out", tag = "people", responses((status = 204), Problems))]
pub async fn sign_out(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<StatusCode, Failed> {
    app.gate.sign_out(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says who the caller is.
#[utoipa::path(get, path = "/v1/me", tag = "people", responses((status = 200, body = Me), Problems))]
pub async fn me(State(app): State<App>, Signed(caller): Signed) -> Result<Json<Me>, Failed> {
    let now = app.gate.now().await?;
    Ok(Json(me_view(
        &app,
        &caller.principal,
        &caller.sign_in,
        &caller.how,
        now,
    )))
}

/// Lists the sign-ins that are good: everybody's for an admin or auditor, one's own otherwise.
#[utoipa::path(get, path = "/v1/sign-ins", tag = "people", responses((status = 200, body = Page<SignInView>), Problems))]
pub async fn sign_ins(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Page<SignInView>>, Failed> {
    let items = app
        .gate
        .sign_ins(&caller)
        .await?
        .into_iter()
        .map(|sign_in| SignInView {
            current: sign_in.id == caller.sign_in,
            id: sign_in.id.to_string(),
            principal: sign_in.principal.name.to_string(),
            device: sign_in.device,
            method: sign_in.method.to_string(),
            bound: sign_in.jkt.is_some(),
            created_at: sign_in.created_at,
            last_used_at: sign_in.last_used_at,
            expires_at: sign_in.expires_at,
        });
    Ok(Json(Page {
        items: items.collect(),
        next: None,
    }))
}

/// Ends a sign-in, and with it all its tokens and streams.
#[utoipa::path(delete, path = "/v1/sign-ins/{id}", tag = "people", params(
    ("id" = String, Path, pattern = "^S-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn revoke_sign_in(
    State(app): State<App>,
    Id(id): Id<SignInId>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    match app.gate.revoke_sign_in(&call.caller, &id, &call.once).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, id.as_str()).await),
    }
}

/// Invites a person, or gives a known one another sign-in. The code is shown once and good for a day.
#[utoipa::path(post, path = "/v1/invitations", tag = "people", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = Invitation, responses((status = 201, body = InvitationCode), Problems))]
pub async fn invite(
    State(app): State<App>,
    call: Mutation<Invitation>,
) -> Result<(StatusCode, Json<InvitationCode>), Failed> {
    let Mutation { caller, once, body } = call;
    let invite = Invite {
        name: field("name", &body.name)?,
        roles: words::<GivenRole>("roles", &body.roles, ROLES_MAX)?
            .into_iter()
            .collect(),
        groups: words("groups", &body.groups, GROUPS_MAX)?
            .into_iter()
            .collect(),
    };
    match app.gate.invite(&caller, invite, &once).await {
        Ok((who, code, expires_at)) => Ok((
            StatusCode::CREATED,
            Json(InvitationCode {
                name: who.name.to_string(),
                code: code.expose().to_owned(),
                expires_at,
            }),
        )),
        Err(error) => Err(app.refused(&caller, error, &body.name).await),
    }
}
