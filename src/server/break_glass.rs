//! Handlers for break-glass: taking access, the uses that wait for their sign-off, and sealed codes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::break_glass::UseState;
use crate::domain::ids::{CodeId, PrincipalName, RequestId};
use crate::domain::request::Ask;
use crate::gate::Caller;
use crate::query::List;
use crate::store::break_glass::Filter;
use crate::wire::{
    BreakGlassView, NewBreakGlass, NewSealedCodes, Page, SealedCodeText, SealedCodeView,
    SealedCodes, SealedSignIn, SignOff, Tokens,
};

use super::caller::{Anonymous, IfMatch, Mutation, Nothing, Signed};
use super::error::{Failed, Problems};
use super::people::tokens;
use super::query::{Id, Params};
use super::requests::{Cursor, field};
use super::search::{Search, Wanted};
use super::{App, views};

/// Lists uses of break-glass, newest first: everybody's for those who may see them, one's own otherwise.
#[utoipa::path(get, path = "/v1/break-glass", tag = "break-glass", params(
    ("state" = Option<String>, Query, description = "`open`, `justified`, `not_justified`, several with commas; `open` is the queue of what has to be signed off", pattern = "^(open|justified|not_justified)(,(open|justified|not_justified))*$"),
    ("mine" = Option<bool>, Query, description = "only the caller's own"),
    ("target" = Option<String>, Query, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$"),
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `is:open env:prod`; see `/v1/requests`"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<BreakGlassView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<BreakGlassView>>, Failed> {
    let words = params.words("state", &UseState::ALL.map(UseState::as_str))?;
    let asked = |state: &UseState| words.contains(&state.as_str());
    let filter = Filter {
        states: UseState::ALL.into_iter().filter(asked).collect(),
        person: params.flag("mine")?.then(|| caller.principal.id.clone()),
        target: params.parsed("target")?,
        after: params.parsed::<Cursor>("after")?.map(|cursor| cursor.0),
        ..Filter::default()
    };
    let limit = params.limit()?;
    let wanted = Wanted::take(&mut params, List::BreakGlass, &app.gate, &caller).await?;
    params.done()?;
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, &mut search).await?;
    Ok(Json(Page {
        items: search.found,
        next: search.next.map(|(at, id)| format!("{at}~{id}")),
    }))
}

/// Every use.
pub fn any() -> Filter {
    Filter::default()
}

/// Looks through the uses until enough were found.
pub async fn find(
    app: &App,
    caller: &Caller,
    mut filter: Filter,
    search: &mut Search<BreakGlassView, (i64, String)>,
) -> Result<(), Failed> {
    while let Some(more) = search.more() {
        let page = app.gate.uses(caller, filter.clone(), more).await?;
        search.take(page.iter().map(|seen| {
            let of = &seen.found.of;
            let after = (of.created_at.timestamp_millis(), of.request.to_string());
            (
                views::break_glass(&app.gate, seen, &caller.principal),
                after,
            )
        }));
        filter.after.clone_from(&search.next);
    }
    Ok(())
}

/// Takes access at once, for a review afterwards. Everybody who would have reviewed it is told; until it is signed off the caller cannot do it again.
#[utoipa::path(post, path = "/v1/break-glass", tag = "break-glass", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewBreakGlass, responses((status = 201, body = BreakGlassView), Problems))]
pub async fn submit(
    State(app): State<App>,
    call: Mutation<NewBreakGlass>,
) -> Result<(StatusCode, Json<BreakGlassView>), Failed> {
    let Mutation { caller, once, body } = call;
    let ask = Ask {
        target: field("target", &body.target)?,
        role: field("role", &body.role)?,
        duration: field("duration", &body.duration)?,
        not_before: None,
        reason: body.reason,
        ticket: body.ticket,
    };
    let about = format!("{} on {}", ask.role, ask.target);
    match app.gate.break_glass(&caller, ask, &once).await {
        Ok(seen) => {
            let view = views::break_glass(&app.gate, &seen, &caller.principal);
            Ok((StatusCode::CREATED, Json(view)))
        }
        Err(error) => Err(app.refused(&caller, error, &about).await),
    }
}

/// Shows one use.
#[utoipa::path(get, path = "/v1/break-glass/{id}", tag = "break-glass", params(("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = BreakGlassView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<RequestId>,
) -> Result<Json<BreakGlassView>, Failed> {
    let seen = app.gate.use_of(&caller, &id).await?;
    let view = views::break_glass(&app.gate, &seen, &caller.principal);
    Ok(Json(view))
}

/// Gives the verdict on a use of somebody else.
#[utoipa::path(post, path = "/v1/break-glass/{id}/sign-off", tag = "break-glass", params(
    ("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = SignOff, responses((status = 200, body = BreakGlassView), Problems))]
pub async fn sign_off(
    State(app): State<App>,
    Id(id): Id<RequestId>,
    IfMatch(version): IfMatch,
    call: Mutation<SignOff>,
) -> Result<Json<BreakGlassView>, Failed> {
    let Mutation { caller, once, body } = call;
    let said = (field("verdict", &body.verdict)?, body.comment.as_str());
    match app
        .gate
        .sign_off(&caller, &id, version.0, said, &once)
        .await
    {
        Ok(seen) => {
            let view = views::break_glass(&app.gate, &seen, &caller.principal);
            Ok(Json(view))
        }
        Err(error) => Err(app.refused(&caller, error, id.as_str()).await),
    }
}

/// Lists sealed codes without the codes: everybody's for an admin or auditor, one's own otherwise.
#[utoipa::path(get, path = "/v1/sealed-codes", tag = "break-glass", params(("name" = Option<String>, Query, description = "for whom they were made", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")),
    responses((status = 200, body = Page<SealedCodeView>), Problems))]
pub async fn codes(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<SealedCodeView>>, Failed> {
    let name: Option<PrincipalName> = params.parsed("name")?;
    params.done()?;
    let codes = app.gate.sealed_codes(&caller, name.as_ref()).await?;
    Ok(Json(Page {
        items: codes.iter().map(views::sealed_code).collect(),
        next: None,
    }))
}

/// Makes sealed codes for a person. They are shown once.
#[utoipa::path(post, path = "/v1/sealed-codes", tag = "break-glass", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NewSealedCodes, responses((status = 201, body = SealedCodes), Problems))]
pub async fn seal(
    State(app): State<App>,
    call: Mutation<NewSealedCodes>,
) -> Result<(StatusCode, Json<SealedCodes>), Failed> {
    let Mutation { caller, once, body } = call;
    let name = field("name", &body.name)?;
    let expires = field("expires", &body.expires)?;
    let made = app.gate.seal(&caller, &name, body.count, expires, &once);
    match made.await {
        Ok(made) => {
            let expires_at = made.first().map(|made| made.code.expires_at);
            let codes = made.iter().map(|made| SealedCodeText {
                id: made.code.id.to_string(),
                code: made.text.expose().to_owned(),
            });
            let answer = SealedCodes {
                name: name.to_string(),
                codes: codes.collect(),
                expires_at: expires_at.unwrap_or_default(),
            };
            Ok((StatusCode::CREATED, Json(answer)))
        }
        Err(error) => Err(app.refused(&caller, error, &body.name).await),
    }
}

/// Revokes a sealed code that nobody has used.
#[utoipa::path(delete, path = "/v1/sealed-codes/{id}", tag = "break-glass", params(
    ("id" = String, Path, pattern = "^C-[0-9a-hjkmnp-tv-z]{10}$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), responses((status = 204), Problems))]
pub async fn unseal(
    State(app): State<App>,
    Id(id): Id<CodeId>,
    call: Mutation<Nothing>,
) -> Result<StatusCode, Failed> {
    match app.gate.unseal(&call.caller, &id, &call.once).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&call.caller, error, id.as_str()).await),
    }
}

/// Signs in with a sealed code, once. The sign-in lasts an hour and is good for break-glass and what follows from it.
#[utoipa::path(post, path = "/v1/sign-in/sealed", tag = "people", request_body = SealedSignIn, responses((status = 200, body = Tokens), Problems), security(()))]
pub async fn sign_in(
    State(app): State<App>,
    call: Anonymous<SealedSignIn>,
) -> Result<Json<Tokens>, Failed> {
    let device = call.body.device.unwrap_or_default();
    let (code, proof) = (call.body.code.trim(), call.proof.as_ref());
    let issued = app.gate.sign_in_sealed(code, &device, proof, &call.origin);
    Ok(tokens(&app, &issued.await?))
}
