//! Handlers under `/v1/grants`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::grant::GrantState;
use crate::domain::ids::GrantId;
use crate::gate::Caller;
use crate::query::List;
use crate::store::grants::Filter;
use crate::wire::{
    CredentialAsk, CredentialView, GrantView, NewExtension, Page, RequestView, Revocation,
};

use super::caller::{IfMatch, Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::query::{Id, Params};
use super::requests::{Cursor, any, field};
use super::search::{Search, Wanted};
use super::{App, views};

/// Lists grants, newest first: everybody's for those who may see them, one's own otherwise.
#[utoipa::path(get, path = "/v1/grants", tag = "grants", params(
    ("state" = Option<String>, Query, description = "states, several with commas", pattern = "^(scheduled|activating|active|closing|ended|returned|revoked|activation_failed)(,(scheduled|activating|active|closing|ended|returned|revoked|activation_failed))*$"),
    ("mine" = Option<bool>, Query, description = "only the caller's own"),
    ("target" = Option<String>, Query, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$"),
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `is:expiring env:prod left:<10m`; see `/v1/requests`"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<GrantView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<GrantView>>, Failed> {
    let mut filter = Filter {
        states: params.words("state", &GrantState::ALL.map(GrantState::as_str))?,
        person: params.flag("mine")?.then(|| caller.principal.id.clone()),
        target: params.parsed("target")?,
        after: params.parsed::<Cursor>("after")?.map(|cursor| cursor.0),
        ..any()
    };
    let limit = params.limit()?;
    let wanted = Wanted::take(&mut params, List::Grants, &app.gate, &caller).await?;
    params.done()?;
    if let Some(wanted) = &wanted {
        filter.among = wanted.among();
    }
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, &mut search).await?;
    Ok(Json(Page {
        items: search.found,
        next: search.next.map(|(at, id)| format!("{at}~{id}")),
    }))
}

/// Reads grants until the search is over.
pub async fn find(
    app: &App,
    caller: &Caller,
    mut filter: Filter,
    search: &mut Search<GrantView, (i64, String)>,
) -> Result<(), Failed> {
    while let Some(more) = search.more() {
        let page = app.gate.grants(caller, filter.clone(), more).await?;
        search.take(page.iter().map(|seen| {
            let after = (
                seen.grant.created_at.timestamp_millis(),
                seen.grant.id.to_string(),
            );
            (views::grant(&app.gate, seen, &caller.principal), after)
        }));
        filter.after.clone_from(&search.next);
    }
    Ok(())
}

/// Shows one grant.
#[utoipa::path(get, path = "/v1/grants/{id}", tag = "grants", params(("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = GrantView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<GrantId>,
) -> Result<Json<GrantView>, Failed> {
    let seen = app.gate.grant(&caller, &id).await?;
    Ok(Json(views::grant(&app.gate, &seen, &caller.principal)))
}

/// Asks for a later end: for the holder a request that waits for its reviews, for a reviewer one that carries the reviewer's own.
#[utoipa::path(post, path = "/v1/grants/{id}/extend", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = NewExtension, responses((status = 201, body = RequestView), Problems))]
pub async fn extend(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    IfMatch(version): IfMatch,
    call: Mutation<NewExtension>,
) -> Result<(StatusCode, Json<RequestView>), Failed> {
    let Mutation { caller, once, body } = call;
    let by = field("by", &body.by)?;
    match app
        .gate
        .extend(&caller, &id, version, by, &body.reason, &once)
        .await
    {
        Ok(seen) => Ok((
            StatusCode::CREATED,
            Json(views::request(&app.gate, &seen, &caller.principal)),
        )),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Gives one's own grant back. The answer comes when the intent is durable; the grant is `returned` once the target was read back.
#[utoipa::path(post, path = "/v1/grants/{id}/return", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 202, body = GrantView), Problems))]
pub async fn give_back(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    IfMatch(version): IfMatch,
    call: Mutation<Nothing>,
) -> Result<(StatusCode, Json<GrantView>), Failed> {
    let Mutation { caller, once, .. } = call;
    match app.gate.give_back(&caller, &id, version, &once).await {
        Ok(seen) => Ok((
            StatusCode::ACCEPTED,
            Json(views::grant(&app.gate, &seen, &caller.principal)),
        )),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Takes a grant away. Authorisation says no from this answer on; the grant is `revoked` once the target was read back.
#[utoipa::path(post, path = "/v1/grants/{id}/revoke", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = Revocation, responses((status = 202, body = GrantView), Problems))]
pub async fn revoke(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    IfMatch(version): IfMatch,
    call: Mutation<Revocation>,
) -> Result<(StatusCode, Json<GrantView>), Failed> {
    let Mutation { caller, once, body } = call;
    match app
        .gate
        .revoke(&caller, &id, version, &body.reason, &once)
        .await
    {
        Ok(seen) => Ok((
            StatusCode::ACCEPTED,
            Json(views::grant(&app.gate, &seen, &caller.principal)),
        )),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Makes what the holder logs in with. It is shown once, never stored, and ends by itself with the grant or sooner.
#[utoipa::path(post, path = "/v1/grants/{id}/credential", tag = "grants", params(
    ("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = CredentialAsk, responses((status = 200, body = CredentialView), Problems))]
pub async fn credential(
    State(app): State<App>,
    Id(id): Id<GrantId>,
    call: Mutation<CredentialAsk>,
) -> Result<Json<CredentialView>, Failed> {
    let Mutation { caller, once, body } = call;
    match app
        .gate
        .credential(&caller, &id, body.public_key.as_deref(), &once)
        .await
    {
        Ok(credential) => Ok(Json(views::credential(credential))),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}
