//! Handlers for live sessions: the list under `/v1/sessions`, and the end of one under its grant.

use axum::Json;
use axum::extract::State;

use crate::catalog::Catalog;
use crate::domain::allowed;
use crate::domain::principal::Principal;
use crate::gate::Caller;
use crate::gate::sessions::{SeenSession, SeenSessions, word};
use crate::gate::sight::place;
use crate::query::List;
use crate::wire::{SessionEnd, SessionEnded, SessionSource, SessionView, Sessions};

use super::caller::{Mutation, Signed};
use super::error::{Failed, Problems};
use super::query::{Params, SessionOf};
use super::search::Wanted;
use super::{App, views};

/// Lists live connections under grants, newest first, as far as the targets report them: everybody's for those who may see them, one's own otherwise. A target's answer is good for 2 seconds; `sources` says how old it is and what is missing.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `is:idle age:>1h`; see `/v1/requests`"),
), responses((status = 200, body = Sessions), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Sessions>, Failed> {
    let wanted = Wanted::take(&mut params, List::Sessions, &app.gate, &caller).await?;
    params.done()?;
    Ok(Json(find(&app, &caller, wanted).await?))
}

/// The live sessions that the caller may see and that pass.
pub async fn find(app: &App, caller: &Caller, wanted: Option<Wanted>) -> Result<Sessions, Failed> {
    let seen = app.gate.sessions(caller).await?;
    let mut sessions = view(app, &seen, &caller.principal);
    if let Some(wanted) = wanted {
        sessions.items.retain(|session| wanted.lets(session));
    }
    Ok(sessions)
}

/// Ends one live connection, and answers once the target has confirmed that it is gone. The grant stays, and its holder may connect again.
#[utoipa::path(post, path = "/v1/grants/{id}/sessions/{session}/end", tag = "sessions", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("session" = String, Path, description = "the `id` of the session", pattern = "^[A-Za-z0-9.-]{1,64}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = SessionEnd, responses((status = 200, body = SessionEnded), Problems))]
pub async fn end(
    State(app): State<App>,
    SessionOf(id, session): SessionOf,
    call: Mutation<SessionEnd>,
) -> Result<Json<SessionEnded>, Failed> {
    let Mutation { caller, once, body } = call;
    match app
        .gate
        .end_session(&caller, &id, &session, &body.reason, &once)
        .await
    {
        Ok(outcome) => Ok(Json(SessionEnded {
            grant: id.to_string(),
            session,
            outcome: word(outcome).to_owned(),
        })),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

fn view(app: &App, seen: &SeenSessions, who: &Principal) -> Sessions {
    let rules = app.gate.rules().current();
    let catalog = &rules.catalog;
    Sessions {
        items: seen
            .sessions
            .iter()
            .map(|session| session_view(catalog, session, who))
            .collect(),
        sources: seen
            .sources
            .iter()
            .map(|source| SessionSource {
                target: source.target.to_string(),
                as_of: source.as_of,
                problem: source.problem.clone(),
            })
            .collect(),
    }
}

pub(in crate::server) fn session_view(
    catalog: &Catalog,
    session: &SeenSession,
    who: &Principal,
) -> SessionView {
    let SeenSession { live, grant } = session;
    SessionView {
        id: live.id.clone(),
        grant: grant.id.to_string(),
        holder: grant.holder.name.to_string(),
        target: grant.target.to_string(),
        role: grant.role.to_string(),
        started_at: live.started_at,
        address: live.address.clone(),
        program: live.program.clone(),
        activity: live.activity.map(|activity| activity.as_str().to_owned()),
        command: live.command.clone(),
        allowed_actions: views::actions(allowed::on_session(
            who,
            grant,
            place(catalog, &grant.target),
        )),
    }
}
