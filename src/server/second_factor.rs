//! Handlers for second factors and for proving one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

use crate::domain::ids::{FactorId, PrincipalName};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::Factor;
use crate::gate::second_factor::{First, Proof};
use crate::wire::{
    FactorAnswer, FactorConfirmed, FactorToConfirm, FactorView, Factors, NewFactor, PasskeyAsk,
    PasskeyQuestion, ProviderStart, ProviderStarted, RecoveryCodes, StepUp, StepUpProof,
    StepUpStart, StepUpToken,
};

use super::App;
use super::caller::{Mutation, Nothing, Question, Signed};
use super::error::{Failed, Problems};
use super::identity::{begin, brought};
use super::proof::is_this_server;
use super::query::Id;
use super::requests::field;

/// How the server is called in an authenticator application.
const ISSUER: &str = "Portcullis";

fn view(factor: &Factor) -> FactorView {
    FactorView {
        id: factor.id.to_string(),
        kind: factor.way.as_str().to_owned(),
        name: factor.name.clone(),
        confirmed: factor.confirmed_at.is_some(),
        created_at: factor.created_at,
        last_used_at: factor.last_used_at,
    }
}

pub(in crate::server) fn proof(proof: StepUpProof) -> Result<Proof, Refusal> {
    Ok(match proof {
        StepUpProof::Totp { code } => Proof::Totp(code),
        StepUpProof::Recovery { code } => Proof::Recovery(code),
        StepUpProof::Passkey { question, answer } => Proof::Passkey { question, answer },
        StepUpProof::Oidc(finish) => Proof::Oidc(brought(finish)?),
    })
}

/// Proves a second factor for calls that were refused with `step-up-required`.
///
/// The proof is good for these calls of this sign-in, each once, and only for a few minutes.
#[utoipa::path(post, path = "/v1/step-up", tag = "second factors", request_body = StepUp, responses((status = 200, body = StepUpToken), Problems))]
pub async fn step_up(
    State(app): State<App>,
    call: Question<StepUp>,
) -> Result<Json<StepUpToken>, Failed> {
    let Question { caller, body } = call;
    let digests = body.digests.into_iter().collect();
    let (token, expires_at) = app
        .gate
        .step_up(&caller, &digests, &proof(body.proof)?)
        .await?;
    Ok(Json(StepUpToken {
        proof: token.expose().to_owned(),
        expires_at,
    }))
}

/// Asks the caller's passkeys to confirm calls that were refused with `step-up-required`.
#[utoipa::path(post, path = "/v1/passkey-questions", tag = "second factors", request_body = PasskeyAsk, responses((status = 200, body = PasskeyQuestion), Problems))]
pub async fn ask_passkey(
    State(app): State<App>,
    headers: HeaderMap,
    call: Question<PasskeyAsk>,
) -> Result<Json<PasskeyQuestion>, Failed> {
    let Question { caller, body } = call;
    if !is_this_server(&body.server, &headers, &app) {
        return Err(elsewhere().into());
    }
    let digests = body.digests.into_iter().collect();
    let asked = app
        .gate
        .ask_passkey(&caller, &digests, &body.server)
        .await?;
    Ok(Json(PasskeyQuestion {
        question: asked.question,
        options: asked.options,
    }))
}

/// Begins a step-up at the identity provider, for calls that were refused with `step-up-required` and name `oidc` as
/// a way. It is finished with `POST /v1/step-up` for the same digests, within ten minutes.
#[utoipa::path(post, path = "/v1/step-up/oidc/start", tag = "second factors", request_body = StepUpStart, responses((status = 200, body = ProviderStarted), Problems))]
pub async fn begin_step_up(
    State(app): State<App>,
    call: Question<StepUpStart>,
) -> Result<Json<ProviderStarted>, Failed> {
    let Question { caller, body } = call;
    let begin = begin(ProviderStart {
        redirect_uri: body.redirect_uri,
        code_challenge: body.code_challenge,
        device: None,
    })?;
    let digests = body.digests.into_iter().collect();
    let away = app.gate.begin_step_up(&caller, digests, begin).await?;
    Ok(Json(ProviderStarted {
        authorize_url: away.authorize_url,
        state: away.state.expose().to_owned(),
    }))
}

/// The caller's own second factors.
#[utoipa::path(get, path = "/v1/factors", tag = "second factors", responses((status = 200, body = Factors), Problems))]
pub async fn list(State(app): State<App>, Signed(caller): Signed) -> Result<Json<Factors>, Failed> {
    let enrolled = app.gate.enrolled(&caller).await?;
    Ok(Json(Factors {
        factors: enrolled.factors.iter().map(view).collect(),
        recovery_codes_left: enrolled.recovery_codes_left,
        has_password: enrolled.has_password,
        at_provider: enrolled.at_provider,
        notices: enrolled.notices,
    }))
}

/// Begins to add an authenticator application or a passkey. It proves nothing until its first answer was sent.
#[utoipa::path(post, path = "/v1/factors", tag = "second factors", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewFactor, responses((status = 201, body = FactorToConfirm), Problems))]
pub async fn add(
    State(app): State<App>,
    call: Mutation<NewFactor>,
) -> Result<(StatusCode, Json<FactorToConfirm>), Failed> {
    let Mutation { caller, once, body } = call;
    let begun = match body.kind.as_str() {
        "totp" => app
            .gate
            .add_totp(&caller, &body.name, &once)
            .await
            .map(|new| {
                let secret = new.secret.expose();
                FactorToConfirm {
                    factor: view(&new.factor),
                    uri: Some(format!(
                        "otpauth://totp/{ISSUER}:{}?secret={secret}&issuer={ISSUER}",
                        new.who
                    )),
                    secret: Some(secret.to_owned()),
                    passkey: None,
                }
            }),
        "passkey" => {
            let new = app.gate.add_passkey(&caller, &body.name, &once).await;
            new.map(|new| FactorToConfirm {
                factor: view(&new.factor),
                secret: None,
                uri: None,
                passkey: Some(new.options),
            })
        }
        _ => return Err(bad("kind", "`totp` and `passkey` can be added").into()),
    };
    match begun {
        Ok(begun) => Ok((StatusCode::CREATED, Json(begun))),
        Err(error) => Err(app.refused(&caller, error, "second factor").await),
    }
}

/// For whoever calls this server by another name than its own.
pub(in crate::server) fn elsewhere() -> Refusal {
    bad("server", "this is not the `public_url` of this server")
}

fn bad(field: &str, why: &str) -> Refusal {
    Refusal::BadInput {
        field: field.to_owned(),
        why: why.to_owned(),
    }
}

/// Confirms a factor by its first code, or by the answer of a new passkey.
#[utoipa::path(post, path = "/v1/factors/{id}/confirm", tag = "second factors", params(
    ("id" = String, Path, pattern = "^F-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = FactorAnswer, responses((status = 200, body = FactorConfirmed), Problems))]
pub async fn confirm(
    State(app): State<App>,
    Id(id): Id<FactorId>,
    call: Mutation<FactorAnswer>,
) -> Result<Json<FactorConfirmed>, Failed> {
    let Mutation { caller, once, body } = call;
    let first = match (body.code, body.passkey) {
        (Some(code), None) => First::Code(code),
        (None, Some(answer)) => First::Passkey(answer),
        _ => return Err(bad("code", "give a code or the answer of a passkey").into()),
    };
    match app.gate.confirm_factor(&caller, &id, &first, &once).await {
        Ok(confirmed) => Ok(Json(FactorConfirmed {
            factor: view(&confirmed.factor),
            recovery_codes: confirmed.recovery_codes,
        })),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Removes one of the caller's own factors.
#[utoipa::path(delete, path = "/v1/factors/{id}", tag = "second factors", params(
    ("id" = String, Path, pattern = "^F-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn remove(
    State(app): State<App>,
    Id(id): Id<FactorId>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    match app.gate.remove_factor(&call.caller, &id, &call.once).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, id.as_str()).await),
    }
}

/// Makes ten new recovery codes; the old ones are good no longer.
#[utoipa::path(post, path = "/v1/recovery-codes", tag = "second factors", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    responses((status = 201, body = RecoveryCodes), Problems))]
pub async fn recovery_codes(
    State(app): State<App>,
    call: Mutation<Nothing>,
) -> Result<(StatusCode, Json<RecoveryCodes>), Failed> {
    match app.gate.new_recovery_codes(&call.caller, &call.once).await {
        Ok(codes) => Ok((StatusCode::CREATED, Json(RecoveryCodes { codes }))),
        Err(error) => Err(app.refused(&call.caller, error, "recovery codes").await),
    }
}

/// Takes every second factor of a person away who has lost them. The person is told at the next sign-in.
#[utoipa::path(post, path = "/v1/people/{name}/reset-factors", tag = "second factors", params(
    ("name" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn reset(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    let known: PrincipalName = field("name", &name)?;
    match app
        .gate
        .reset_factors(&call.caller, &known, &call.once)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, &name).await),
    }
}
