//! Handlers under `/v1/locks`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::LockId;
use crate::domain::lock::LockState;
use crate::domain::refusal::Refusal;
use crate::gate::Caller;
use crate::gate::locks::On;
use crate::query::List;
use crate::store::locks::Filter;
use crate::wire::{Lifting, LockOn, LockView, NewLock, Page};

use super::caller::{IfMatch, Mutation, Signed};
use super::error::{Failed, Problems};
use super::query::{Id, Params};
use super::requests::{Cursor, field};
use super::search::{Search, Wanted};
use super::{App, views};

/// Lists locks, newest first; those in force unless others are asked for.
#[utoipa::path(get, path = "/v1/locks", tag = "locks", params(
    ("state" = Option<String>, Query, description = "`in_force`, `lifted`, `over`, several with commas; `in_force` when absent, unless the filter says which", pattern = "^(in_force|lifted|over)(,(in_force|lifted|over))*$"),
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~L-[0-9a-hjkmnp-tv-z]{10}$"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `kind:principal left:<1h`; see `/v1/requests`"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<LockView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<LockView>>, Failed> {
    let words = params.words("state", &LockState::ALL.map(LockState::as_str))?;
    let after = params.parsed::<Cursor>("after")?.map(|cursor| cursor.0);
    let limit = params.limit()?;
    let wanted = Wanted::take(&mut params, List::Locks, &app.gate, &caller).await?;
    params.done()?;
    let says_state = wanted.as_ref().is_some_and(Wanted::says_state);
    let asked = |state: &LockState| {
        words.contains(&state.as_str())
            || words.is_empty() && (says_state || *state == LockState::InForce)
    };
    let filter = Filter {
        states: LockState::ALL.into_iter().filter(asked).collect(),
        after,
        ..Filter::default()
    };
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, &mut search).await?;
    Ok(Json(Page {
        items: search.found,
        next: search.next.map(|(at, id)| format!("{at}~{id}")),
    }))
}

/// Locks in every state.
pub fn any() -> Filter {
    Filter {
        states: LockState::ALL.to_vec(),
        ..Filter::default()
    }
}

/// Looks through the locks until enough were found.
pub async fn find(
    app: &App,
    caller: &Caller,
    mut filter: Filter,
    search: &mut Search<LockView, (i64, String)>,
) -> Result<(), Failed> {
    while let Some(more) = search.more() {
        let page = app.gate.locks(caller, &filter, more).await?;
        search.take(page.iter().map(|seen| {
            let after = (
                seen.lock.created_at.timestamp_millis(),
                seen.lock.id.to_string(),
            );
            (views::lock(&app.gate, seen, &caller.principal), after)
        }));
        filter.after.clone_from(&search.next);
    }
    Ok(())
}

/// Shows one lock.
#[utoipa::path(get, path = "/v1/locks/{id}", tag = "locks", params(("id" = String, Path, pattern = "^L-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = LockView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<LockId>,
) -> Result<Json<LockView>, Failed> {
    let seen = app.gate.lock(&caller, &id).await?;
    Ok(Json(views::lock(&app.gate, &seen, &caller.principal)))
}

/// Places a lock: nothing that it matches is asked for, approved, made or used from this answer on, and open grants that it matches are revoked.
#[utoipa::path(post, path = "/v1/locks", tag = "locks", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewLock, responses((status = 201, body = LockView), Problems))]
pub async fn place(
    State(app): State<App>,
    call: Mutation<NewLock>,
) -> Result<(StatusCode, Json<LockView>), Failed> {
    let Mutation { caller, once, body } = call;
    let on = on(body.on)?;
    let length = body
        .duration
        .map(|text| field("duration", &text))
        .transpose()?;
    match app
        .gate
        .place_lock(&caller, on, length, &body.reason, &once)
        .await
    {
        Ok(seen) => Ok((
            StatusCode::CREATED,
            Json(views::lock(&app.gate, &seen, &caller.principal)),
        )),
        Err(error) => Err(app.refused(&caller, error, "a lock").await),
    }
}

/// Lifts a lock. What it took away does not come back: people ask again.
#[utoipa::path(post, path = "/v1/locks/{id}/lift", tag = "locks", params(
    ("id" = String, Path, pattern = "^L-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = Lifting, responses((status = 200, body = LockView), Problems))]
pub async fn lift(
    State(app): State<App>,
    Id(id): Id<LockId>,
    IfMatch(version): IfMatch,
    call: Mutation<Lifting>,
) -> Result<Json<LockView>, Failed> {
    let Mutation { caller, once, body } = call;
    match app
        .gate
        .lift(&caller, &id, version, &body.reason, &once)
        .await
    {
        Ok(seen) => Ok(Json(views::lock(&app.gate, &seen, &caller.principal))),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

fn on(on: LockOn) -> Result<On, Refusal> {
    Ok(match on {
        LockOn::Principal { principal } => On::Principal(field("principal", &principal)?),
        LockOn::Target { target } => On::Target(field("target", &target)?),
        LockOn::Role { target, role } => On::Role(field("target", &target)?, field("role", &role)?),
        LockOn::Tag { name, value } => On::Tag { name, value },
        LockOn::Everything => On::Everything,
    })
}
