//! The handler of the receipt of an ending.

use axum::Json;
use axum::extract::State;

use crate::domain::grant::told::Told;
use crate::domain::ids::GrantId;
use crate::gate::endings::SeenEnding;
use crate::store::audit::Entry;
use crate::wire::{ReceiptStep, ReceiptView};

use super::App;
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Id;

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
