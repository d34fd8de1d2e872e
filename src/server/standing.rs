//! Handlers under `/v1/standing`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::{StandingId, TargetName};
use crate::domain::refusal::Refusal;
use crate::domain::report;
use crate::domain::standing::StandingState;
use crate::gate::Caller;
use crate::gate::standing::{SeenStanding, Word};
use crate::store::standing::Filter;
use crate::wire::{
    AllowedAction, HostKey, HostReport, Page, StandingImport, StandingView, StandingWord,
    UnreadKeys,
};

use super::App;
use super::caller::{IfMatch, Mutation, Signed};
use super::error::{Failed, Problems};
use super::query::{Id, Params};
use super::requests::{Cursor, field};

/// The longest report there is, in bytes: 500 pieces with every text as long as it may be.
const REPORT_MAX: usize = 1024 * 1024;

/// Lists standing access, newest first; what is open unless other states are asked for.
#[utoipa::path(get, path = "/v1/standing", tag = "standing", params(
    ("state" = Option<String>, Query, description = "`open`, `imported`, `ignored`, `gone`, several with commas; `open` when absent", pattern = "^(open|imported|ignored|gone)(,(open|imported|ignored|gone))*$"),
    ("target" = Option<String>, Query, description = "one target", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$"),
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~A-[0-9a-hjkmnp-tv-z]{10}$"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<StandingView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<StandingView>>, Failed> {
    let words = params.words("state", &StandingState::ALL.map(StandingState::as_str))?;
    let target = params.parsed::<TargetName>("target")?;
    let after = params.parsed::<Cursor>("after")?.map(|cursor| cursor.0);
    let limit = params.limit()?;
    params.done()?;
    let asked = |state: &StandingState| {
        words.contains(&state.as_str()) || words.is_empty() && *state == StandingState::Open
    };
    let filter = Filter {
        states: StandingState::ALL.into_iter().filter(asked).collect(),
        target,
        after,
        ..Filter::default()
    };
    let many = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = app.gate.standing(&caller, &filter, limit + 1).await?;
    let more = page.len() > many;
    page.truncate(many);
    let next = page.last().filter(|_| more).map(|seen| {
        let standing = &seen.standing;
        format!("{}~{}", standing.found_at.timestamp_millis(), standing.id)
    });
    Ok(Json(Page {
        items: page.iter().map(view).collect(),
        next,
    }))
}

/// Shows one piece of standing access.
#[utoipa::path(get, path = "/v1/standing/{id}", tag = "standing", params(("id" = String, Path, pattern = "^A-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = StandingView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<StandingId>,
) -> Result<Json<StandingView>, Failed> {
    Ok(Json(view(&app.gate.one_standing(&caller, &id).await?)))
}

/// Says why it stays. When its rights grow later, it is open again.
#[utoipa::path(post, path = "/v1/standing/{id}/ignore", tag = "standing", params(
    ("id" = String, Path, pattern = "^A-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = StandingWord, responses((status = 200, body = StandingView), Problems))]
pub async fn ignore(
    State(app): State<App>,
    Id(id): Id<StandingId>,
    version: IfMatch,
    call: Mutation<StandingWord>,
) -> Result<Json<StandingView>, Failed> {
    let reason = call.body.reason.clone();
    settle(
        &app,
        &call.caller,
        (id, version),
        (Word::Ignore, &reason),
        &call.once,
    )
    .await
}

/// Names somebody who answers for it until a date; afterwards it is open again.
#[utoipa::path(post, path = "/v1/standing/{id}/import", tag = "standing", params(
    ("id" = String, Path, pattern = "^A-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = StandingImport, responses((status = 200, body = StandingView), Problems))]
pub async fn import(
    State(app): State<App>,
    Id(id): Id<StandingId>,
    version: IfMatch,
    call: Mutation<StandingImport>,
) -> Result<Json<StandingView>, Failed> {
    let word = Word::Import(
        field("owner", &call.body.owner)?,
        field("duration", &call.body.duration)?,
    );
    let reason = call.body.reason.clone();
    settle(
        &app,
        &call.caller,
        (id, version),
        (word, &reason),
        &call.once,
    )
    .await
}

/// Takes back what was said about it.
#[utoipa::path(post, path = "/v1/standing/{id}/reopen", tag = "standing", params(
    ("id" = String, Path, pattern = "^A-[0-9a-hjkmnp-tv-z]{10}$"),
    ("If-Match" = String, Header, description = "the version that was decided on, in quotes", pattern = "^\"[1-9][0-9]{0,8}\"$"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = StandingWord, responses((status = 200, body = StandingView), Problems))]
pub async fn reopen(
    State(app): State<App>,
    Id(id): Id<StandingId>,
    version: IfMatch,
    call: Mutation<StandingWord>,
) -> Result<Json<StandingView>, Failed> {
    let reason = call.body.reason.clone();
    settle(
        &app,
        &call.caller,
        (id, version),
        (Word::Reopen, &reason),
        &call.once,
    )
    .await
}

/// Takes from a host who gets in there beside grants. It is for the host's own service account, with the scope
/// `report:TARGET` of that target; a target of another kind is looked at instead.
#[utoipa::path(put, path = "/v1/targets/{name}/standing", tag = "standing", params(
    ("name" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "a target of the kind `ssh`"),
    ("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"),
), request_body = HostReport, responses((status = 204), Problems))]
pub async fn report(
    State(app): State<App>,
    Id(name): Id<TargetName>,
    call: Mutation<HostReport, REPORT_MAX>,
) -> Result<StatusCode, Failed> {
    let Mutation { caller, once, body } = call;
    let report = reported(body);
    match app
        .gate
        .report_standing(&caller, &name, &report, &once)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(app.refused(&caller, error, name.as_str()).await),
    }
}

fn reported(body: HostReport) -> report::HostReport {
    let key = |key: HostKey| report::HostKey {
        account: key.account,
        fingerprint: key.fingerprint,
        algorithm: key.algorithm,
        is_authority: key.authority,
        options: key.options,
        comment: key.comment,
        file: key.file,
        changed_at: key.changed_at,
    };
    let unread = |one: UnreadKeys| report::Unread {
        account: one.account,
        file: one.file,
        line: one.line,
        why: one.why,
    };
    report::HostReport {
        keys: body.keys.into_iter().map(key).collect(),
        passwords: body.passwords,
        unread: body.unread.into_iter().map(unread).collect(),
    }
}

async fn settle(
    app: &App,
    caller: &Caller,
    (id, IfMatch(version)): (StandingId, IfMatch),
    (word, reason): (Word, &str),
    once: &crate::gate::OnceKey,
) -> Result<Json<StandingView>, Failed> {
    match app
        .gate
        .settle_standing(caller, &id, (word, reason), version, once)
        .await
    {
        Ok(seen) => Ok(Json(view(&seen))),
        Err(error) => Err(app.refused(caller, error, id.as_str()).await),
    }
}

fn view(seen: &SeenStanding) -> StandingView {
    let SeenStanding {
        standing,
        refusal,
        now,
    } = seen;
    let said = standing.said.as_ref();
    let import = said.and_then(|said| said.import.as_ref());
    let state = standing.state(*now);
    let nothing_said = || (state == StandingState::Open).then_some("nobody said anything about it");
    let allowed = |action: &str, no: Option<String>| AllowedAction {
        action: action.to_owned(),
        allowed: no.is_none(),
        reason: no,
    };
    let no = refusal.as_ref().map(Refusal::text);
    StandingView {
        id: standing.id.to_string(),
        target: standing.target.to_string(),
        kind: standing.kind.as_str().to_owned(),
        subject: standing.subject.clone(),
        rights: standing.rights.clone(),
        state: state.as_str().to_owned(),
        found_at: standing.found_at,
        since: standing.since,
        gone_at: standing.gone_at,
        said_by: said.map(|said| said.by.name.to_string()),
        said_at: said.map(|said| said.at),
        reason: said.map(|said| said.reason.clone()),
        owner: import.map(|(owner, _)| owner.to_string()),
        until: import.map(|(_, until)| *until),
        version: standing.version,
        allowed_actions: vec![
            allowed("ignore", no.clone()),
            allowed("import", no.clone()),
            allowed("reopen", no.or_else(|| nothing_said().map(str::to_owned))),
        ],
    }
}
