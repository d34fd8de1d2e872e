//! Handlers under `/v1/policy` that say which policy is in use, and put another into use.

use axum::Json;
use axum::extract::State;

use crate::domain::policy::{Differences, Policy};
use crate::gate::policy::SeenPolicy;
use crate::wire::{PolicyApply, PolicyStatus, PolicyText, PolicyWaiting};

use super::App;
use super::caller::{Mutation, Signed};
use super::error::{Failed, Problems};
use super::query::Id;

/// Shows which policy is in use, since when and by whose word, and which one waits to be applied.
#[utoipa::path(get, path = "/v1/policy", tag = "policy", responses((status = 200, body = PolicyStatus), Problems))]
pub async fn status(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<PolicyStatus>, Failed> {
    Ok(Json(view(&app.gate.policy(&caller).await?)))
}

/// Shows a policy as it is written: one that is in use, waits, or was once in use.
#[utoipa::path(get, path = "/v1/policy/versions/{version}", tag = "policy", params(("version" = String, Path, pattern = "^[0-9a-f]{12}$")),
    responses((status = 200, body = PolicyText), Problems))]
pub async fn text(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(version): Id<String>,
) -> Result<Json<PolicyText>, Failed> {
    let kept = app.gate.policy_text(&caller, &version).await?;
    Ok(Json(PolicyText {
        version,
        time_zone: kept.time_zone,
        text: kept.text,
    }))
}

/// Puts another policy into use on every node. What was asked under an earlier one is decided as it was asked.
#[utoipa::path(post, path = "/v1/policy/apply", tag = "policy", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = PolicyApply, responses((status = 200, body = PolicyStatus), Problems))]
pub async fn apply(
    State(app): State<App>,
    call: Mutation<PolicyApply>,
) -> Result<Json<PolicyStatus>, Failed> {
    let Mutation { caller, once, body } = call;
    let seen = app
        .gate
        .apply_policy(
            &caller,
            &body.version,
            &body.instead_of,
            &body.reason,
            &once,
        )
        .await?;
    Ok(Json(view(&seen)))
}

fn view(seen: &SeenPolicy) -> PolicyStatus {
    let in_use = &seen.rules.policy;
    PolicyStatus {
        version: in_use.version().to_owned(),
        time_zone: in_use.zone().to_string(),
        policies: in_use.rules().count(),
        applied_at: seen.applied.as_ref().map(|applied| applied.at),
        applied_by: seen
            .applied
            .as_ref()
            .and_then(|applied| Some(applied.by.as_ref()?.to_string())),
        changes: seen.changes.as_str().to_owned(),
        waiting: seen.waiting.as_ref().map(|next| waiting(in_use, next)),
    }
}

fn waiting(in_use: &Policy, next: &Policy) -> PolicyWaiting {
    let Differences {
        added,
        removed,
        changed,
    } = Differences::between(in_use, next);
    PolicyWaiting {
        version: next.version().to_owned(),
        time_zone: next.zone().to_string(),
        policies: next.rules().count(),
        added,
        removed,
        changed,
    }
}
