//! The handler of the evidence about a grant.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::domain::ids::GrantId;
use crate::gate::evidence::Proved;
use crate::wire::evidence::{EVIDENCE, NOT_PROVEN, parts};
use crate::wire::{EvidenceEvent, EvidenceMade, EvidencePolicy, EvidenceView};

use super::caller::Signed;
use super::error::{Failed, Problems};
use super::log::{link, steps};
use super::query::Id;
use super::sessions::session_view;
use super::{App, views};

/// Gives everything about a grant in one file that can be checked without this server. That it is taken is itself recorded.
#[utoipa::path(get, path = "/v1/grants/{id}/evidence", tag = "audit", params(("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = EvidenceView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<GrantId>,
) -> Result<Json<Value>, Failed> {
    let seen = match app.gate.evidence(&caller, &id).await {
        Ok(seen) => seen,
        Err(error) => return Err(app.refused(&caller, error, id.as_str()).await),
    };
    let (who, rules) = (&caller.principal, app.gate.rules().current());
    let requests = seen.requests.iter();
    let sessions = seen.sessions.iter();
    let mut evidence = EvidenceView {
        schema: EVIDENCE.to_owned(),
        made: EvidenceMade {
            at: seen.now,
            by: who.name.to_string(),
        },
        grant: views::grant(&app.gate, &seen.grant, who),
        request: views::request(&app.gate, &seen.request, who),
        requests: requests
            .map(|request| views::request(&app.gate, request, who))
            .collect(),
        policy: EvidencePolicy {
            version: seen.request.request.snapshot.policy_version.clone(),
            time_zone: seen.policy.as_ref().map(|kept| kept.time_zone.clone()),
            text: seen.policy.map(|kept| kept.text),
        },
        sessions: sessions
            .map(|session| session_view(&rules.catalog, session, who))
            .collect(),
        events: seen
            .events
            .iter()
            .map(|event| proved(&app, event))
            .collect(),
        begins: seen.begins,
        checkpoint: seen.checkpoint,
        recoveries: steps(&seen.recoveries),
        links: seen.links.into_iter().map(link).collect(),
        key: app.gate.log_verifier().await?,
        not_proven: NOT_PROVEN.map(str::to_owned).to_vec(),
        seal: String::new(),
    };
    // What its reader may do is no part of what happened.
    evidence.grant.allowed_actions.clear();
    evidence.request.allowed_actions.clear();
    for request in &mut evidence.requests {
        request.allowed_actions.clear();
    }
    for session in &mut evidence.sessions {
        session.allowed_actions.clear();
    }
    let fault = |error: serde_json::Error| Failed::Fault(error.into());
    let mut file = serde_json::to_value(&evidence).map_err(fault)?;
    let hashes = parts(&file)
        .ok_or_else(|| Failed::Fault(anyhow::anyhow!("the evidence has a part without a hash")))?;
    let seal = app.gate.seal_parts(&hashes).await?;
    if let Some(fields) = file.as_object_mut() {
        fields.insert("seal".to_owned(), seal.into());
    }
    Ok(Json(file))
}

fn proved(app: &App, proved: &Proved) -> EvidenceEvent {
    let rules = app.gate.rules().current();
    let mut event = views::event(&rules.catalog, &proved.entry);
    // They are of today's catalogue, and on no record.
    event.tags.clear();
    let texts = event.reason.is_some() || event.address.is_some();
    EvidenceEvent {
        event,
        entry: STANDARD.encode(&proved.bytes),
        salt: proved.salt.clone().filter(|_| texts),
        inclusion: proved.inclusion.iter().map(ToString::to_string).collect(),
    }
}
