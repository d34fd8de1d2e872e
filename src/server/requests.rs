//! Handlers under `/v1/requests`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::{RequestId, RoleName};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Ask, RequestState};
use crate::domain::review::{Decision, Narrowing};
use crate::gate::Caller;
use crate::gate::requests::{SeenRequest, Verdicted};
use crate::query::List;
use crate::store::grants::Filter;
use crate::wire::{Approval, Denial, NarrowView, NewRequest, Page, RequestView};

use super::caller::{IfMatch, Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::query::{Id, Params};
use super::search::{Search, Wanted};
use super::{App, views};

fn answer(app: &App, seen: &SeenRequest, who: &Principal) -> Json<RequestView> {
    Json(views::request(&app.gate, seen, who))
}

/// Reads one field of a body, and names it when it cannot be read.
pub fn field<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Refusal>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Refusal::BadInput {
        field: name.to_owned(),
        why: error.to_string(),
    })
}

/// Lists requests, newest first: everybody's for those who may see them, one's own otherwise.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(
    ("state" = Option<String>, Query, description = "`pending`, `approved`, `denied`, `withdrawn`, `expired`, several with commas", pattern = "^(pending|approved|denied|withdrawn|expired)(,(pending|approved|denied|withdrawn|expired))*$"),
    ("mine" = Option<bool>, Query, description = "only the caller's own"),
    ("target" = Option<String>, Query, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$"),
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `state:pending target:db-* age:>30m`, as `portcullis requests --help` explains; a page under a filter may be short, or empty, and still have a `next`: the server looks at a bounded number of rows for each"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<RequestView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<RequestView>>, Failed> {
    let mut filter = Filter {
        states: params.words("state", &RequestState::ALL.map(RequestState::as_str))?,
        person: params.flag("mine")?.then(|| caller.principal.id.clone()),
        target: params.parsed("target")?,
        after: params.parsed::<Cursor>("after")?.map(|cursor| cursor.0),
        ..any()
    };
    let limit = params.limit()?;
    let wanted = Wanted::take(&mut params, List::Requests, &app.gate, &caller).await?;
    params.done()?;
    if let Some(wanted) = &wanted {
        let time = wanted.time();
        filter.among = wanted.among();
        filter.made = (time.from, time.until);
    }
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, &mut search).await?;
    Ok(Json(Page {
        items: search.found,
        next: search.next.map(|(at, id)| format!("{at}~{id}")),
    }))
}

/// Requests or grants of any kind.
pub fn any() -> Filter {
    Filter::default()
}

/// Reads requests until the search is over.
pub async fn find(
    app: &App,
    caller: &Caller,
    mut filter: Filter,
    search: &mut Search<RequestView, (i64, String)>,
) -> Result<(), Failed> {
    while let Some(more) = search.more() {
        let page = app.gate.requests(caller, filter.clone(), more).await?;
        search.take(page.iter().map(|seen| {
            let after = (
                seen.request.created_at.timestamp_millis(),
                seen.request.id.to_string(),
            );
            (views::request(&app.gate, seen, &caller.principal), after)
        }));
        filter.after.clone_from(&search.next);
    }
    Ok(())
}

/// Where the next page begins: a moment and an id.
pub struct Cursor(pub (i64, String));

impl std::str::FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, id) = text.split_once('~').ok_or("it is not a cursor of ours")?;
        Ok(Self((
            at.parse().map_err(|_| "it is not a cursor of ours")?,
            id.to_owned(),
        )))
    }
}

/// Asks for access.
#[utoipa::path(post, path = "/v1/requests", tag = "requests", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewRequest, responses((status = 201, body = RequestView), Problems))]
pub async fn submit(
    State(app): State<App>,
    call: Mutation<NewRequest>,
) -> Result<(StatusCode, Json<RequestView>), Failed> {
    let Mutation { caller, once, body } = call;
    let ask = Ask {
        target: field("target", &body.target)?,
        role: field("role", &body.role)?,
        duration: field("duration", &body.duration)?,
        not_before: body.not_before,
        reason: body.reason,
        ticket: body.ticket,
    };
    let about = format!("{} on {}", ask.role, ask.target);
    match app.gate.submit(&caller, ask, &once).await {
        Ok(seen) => Ok((StatusCode::CREATED, answer(&app, &seen, &caller.principal))),
        Err(error) => Err(app.refused(&caller, error, &about).await),
    }
}

/// Shows one request.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests", params(("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = RequestView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<RequestId>,
) -> Result<Json<RequestView>, Failed> {
    Ok(answer(
        &app,
        &app.gate.request(&caller, &id).await?,
        &caller.principal,
    ))
}

/// Approves a request, perhaps for less than was asked.
#[utoipa::path(post, path = "/v1/requests/{id}/approve", tag = "requests", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = Approval, responses((status = 200, body = RequestView), Problems))]
pub async fn approve(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    IfMatch(version): IfMatch,
    call: Mutation<Approval>,
) -> Result<Json<RequestView>, Failed> {
    let Mutation { caller, once, body } = call;
    let verdict = Verdicted {
        decision: Decision::Approve,
        comment: body.comment,
        narrowed: narrowing(&body.narrowed)?,
    };
    match app
        .gate
        .review(&caller, &id, version.0, verdict, &once)
        .await
    {
        Ok(seen) => Ok(answer(&app, &seen, &caller.principal)),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

fn narrowing(view: &NarrowView) -> Result<Narrowing, Refusal> {
    Ok(Narrowing {
        duration: view
            .duration
            .as_deref()
            .map(|text| field("narrowed.duration", text))
            .transpose()?,
        role: view
            .role
            .as_deref()
            .map(|text| field::<RoleName>("narrowed.role", text))
            .transpose()?,
        not_before: view.not_before,
    })
}

/// Denies a request; the comment goes to the requester.
#[utoipa::path(post, path = "/v1/requests/{id}/deny", tag = "requests", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = Denial, responses((status = 200, body = RequestView), Problems))]
pub async fn deny(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    IfMatch(version): IfMatch,
    call: Mutation<Denial>,
) -> Result<Json<RequestView>, Failed> {
    let Mutation { caller, once, body } = call;
    let verdict = Verdicted {
        decision: Decision::Deny,
        comment: Some(body.comment),
        narrowed: Narrowing::default(),
    };
    match app
        .gate
        .review(&caller, &id, version.0, verdict, &once)
        .await
    {
        Ok(seen) => Ok(answer(&app, &seen, &caller.principal)),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Takes one's own pending request back.
#[utoipa::path(post, path = "/v1/requests/{id}/withdraw", tag = "requests", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 200, body = RequestView), Problems))]
pub async fn withdraw(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    IfMatch(version): IfMatch,
    call: Mutation<Nothing>,
) -> Result<Json<RequestView>, Failed> {
    let Mutation { caller, once, .. } = call;
    match app.gate.withdraw(&caller, &id, version.0, &once).await {
        Ok(seen) => Ok(answer(&app, &seen, &caller.principal)),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Tells other reviewers that the caller looks at a pending request. It lapses after 5 minutes, claiming again prolongs it, and it never stands in the way of a decision.
#[utoipa::path(post, path = "/v1/requests/{id}/claim", tag = "requests", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 200, body = RequestView), Problems))]
pub async fn claim(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    call: Mutation<Nothing>,
) -> Result<Json<RequestView>, Failed> {
    let Mutation { caller, once, .. } = call;
    match app.gate.claim(&caller, &id, &once).await {
        Ok(seen) => Ok(answer(&app, &seen, &caller.principal)),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Takes the caller's claim back before it lapses.
#[utoipa::path(post, path = "/v1/requests/{id}/release", tag = "requests", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 200, body = RequestView), Problems))]
pub async fn release(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    call: Mutation<Nothing>,
) -> Result<Json<RequestView>, Failed> {
    let Mutation { caller, once, .. } = call;
    match app.gate.release(&caller, &id, &once).await {
        Ok(seen) => Ok(answer(&app, &seen, &caller.principal)),
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}
