//! Handlers about the end of a grant: its receipt, and the override of one that its target does not confirm.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::grant::told::Told;
use crate::domain::ids::GrantId;
use crate::gate::endings::{Part, SeenEnding};
use crate::store::audit::Entry;
use crate::wire::{GrantView, OverrideWord, ReceiptStep, ReceiptView};

use super::caller::{IfMatch, Mutation, Signed};
use super::error::{Failed, Problems};
use super::query::Id;
use super::{App, views};

/// Tells the end of a grant step by step, with times: who asked, what the target acknowledged, and which attempts failed.
#[utoipa::path(get, path = "/v1/grants/{id}/receipt", tag = "grants", params(("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = ReceiptView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<GrantId>,
) -> Result<Json<ReceiptView>, Failed> {
    let seen = app.gate.ending(&caller, &id).await?;
    Ok(Json(view(&seen)))
}

/// Proposes that a grant counts as ended although its target has not confirmed. Nothing changes until another admin confirms.
#[utoipa::path(post, path = "/v1/grants/{id}/override", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = OverrideWord, responses((status = 202, body = GrantView), Problems))]
pub async fn propose_override(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    version: IfMatch,
    call: Mutation<OverrideWord>,
) -> Result<(StatusCode, Json<GrantView>), Failed> {
    let grant = overridden(&app, (id, version), Part::Propose, call).await?;
    Ok((StatusCode::ACCEPTED, grant))
}

/// Confirms what another admin proposed: from here on the grant counts as ended, with the mark that its target never confirmed.
#[utoipa::path(post, path = "/v1/grants/{id}/override/confirm", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = OverrideWord, responses((status = 200, body = GrantView), Problems))]
pub async fn confirm_override(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    version: IfMatch,
    call: Mutation<OverrideWord>,
) -> Result<Json<GrantView>, Failed> {
    overridden(&app, (id, version), Part::Confirm, call).await
}

async fn overridden(
    app: &App,
    (id, IfMatch(version)): (GrantId, IfMatch),
    part: Part,
    call: Mutation<OverrideWord>,
) -> Result<Json<GrantView>, Failed> {
    let Mutation { caller, once, body } = call;
    let word = (part, body.reason.as_str());
    match app
        .gate
        .override_end(&caller, &id, version, word, &once)
        .await
    {
        Ok(seen) => Ok(Json(views::grant(&app.gate, &seen, &caller.principal))),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

fn view(seen: &SeenEnding) -> ReceiptView {
    let grant = &seen.grant;
    let mut steps: Vec<ReceiptStep> = seen.events.iter().flat_map(lines).collect();
    steps.sort_by_key(|step| step.at);
    ReceiptView {
        grant: grant.id.to_string(),
        state: grant.state.as_str().to_owned(),
        holder: grant.holder.name.to_string(),
        target: grant.target.to_string(),
        role: grant.role.to_string(),
        steps,
        left_out: seen.left_out,
        attempts: grant.attempts,
        overdue: grant.is_overdue(seen.now),
        next_attempt_at: seen.next_attempt_at(),
        sessions_ended: seen.sessions_ended(),
        ended_at: grant.ended_at,
    }
}

fn lines(entry: &Entry) -> impl Iterator<Item = ReceiptStep> {
    let event = &entry.event;
    let told = Told {
        code: event.code,
        actor: event.actor.name(),
        at: entry.at,
        reason: event.reason.as_deref(),
        details: &event.details,
    };
    told.lines().into_iter().map(|line| ReceiptStep {
        at: line.at,
        kind: line.kind.as_str().to_owned(),
        what: line.what,
        reason: line.reason,
        attempt: line.attempt,
        event: entry.id.clone(),
    })
}
