//! Handlers under `/v1/incidents`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;

use crate::domain::ids::IncidentId;
use crate::domain::incident::{Ask, Fate, Item, ItemId, Scope, Shown};
use crate::domain::refusal::Refusal;
use crate::gate::Caller;
use crate::gate::grants::SeenGrant;
use crate::gate::incidents::{Commit, Preview, Receipt, SeenIncident};
use crate::query::{Context, List};
use crate::store::incidents::Line;
use crate::wire::{
    IncidentCommit, IncidentItem, IncidentPreview, IncidentPreviewAsk, IncidentReceipt,
    IncidentScope, IncidentSummary, IncidentView, Page,
};

use super::caller::{Mutation, Question, Signed};
use super::error::{Failed, Problems};
use super::query::{Id, Params};
use super::requests::{Cursor, field};
use super::search::Wanted;
use super::{App, views};

/// A commit names up to 5,000 items; this fits them twice.
const COMMIT_MAX: usize = 1024 * 1024;

/// A scope that takes more words than this is named by its targets and people instead.
const FILTER_MAX: usize = 500;

/// Lists incidents, newest first.
#[utoipa::path(get, path = "/v1/incidents", tag = "incidents", params(
    ("after" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,15}~I-[0-9a-hjkmnp-tv-z]{10}$"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<IncidentSummary>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<IncidentSummary>>, Failed> {
    let after = params.parsed::<Cursor>("after")?.map(|cursor| cursor.0);
    let limit = params.limit()?;
    params.done()?;
    let page = app.gate.incidents(&caller, after.as_ref(), limit).await?;
    let full = i64::try_from(page.len()).unwrap_or(i64::MAX) >= limit;
    let next = page.last().filter(|_| full).map(|last| {
        let incident = &last.incident;
        format!("{}~{}", incident.created_at.timestamp_millis(), incident.id)
    });
    Ok(Json(Page {
        items: page.iter().map(summary).collect(),
        next,
    }))
}

/// Shows one incident with a receipt for each item, as things are now.
#[utoipa::path(get, path = "/v1/incidents/{id}", tag = "incidents", params(("id" = String, Path, pattern = "^I-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = IncidentView), Problems))]
pub async fn show(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentView>, Failed> {
    let seen = app.gate.incident(&caller, &id).await?;
    Ok(Json(view(&app, &seen, &caller)))
}

/// Lists exactly what an incident would take away, and gives a token that is good for committing exactly that. It changes nothing.
#[utoipa::path(post, path = "/v1/incidents/preview", tag = "incidents", request_body = IncidentPreviewAsk,
    responses((status = 200, body = IncidentPreview), Problems))]
pub async fn preview(
    State(app): State<App>,
    call: Question<IncidentPreviewAsk>,
) -> Result<Json<IncidentPreview>, Failed> {
    let Question { caller, body } = call;
    let ask = ask(body)?;
    let fits = filter(&app, &caller, &ask)?;
    match app.gate.preview_incident(&caller, &ask, &fits).await {
        Ok(preview) => Ok(Json(shown(&app, preview, &caller))),
        Err(error) => Err(app.refused(&caller, error, "an incident").await),
    }
}

/// Takes away exactly what a dry run has shown. What has changed since is reported and stays; receipts tell when each grant is off its target.
#[utoipa::path(post, path = "/v1/incidents", tag = "incidents", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = IncidentCommit, responses((status = 201, body = IncidentView), Problems))]
pub async fn commit(
    State(app): State<App>,
    call: Mutation<IncidentCommit, COMMIT_MAX>,
) -> Result<(StatusCode, Json<IncidentView>), Failed> {
    let Mutation { caller, once, body } = call;
    let ask = ask(body.ask)?;
    let items = body.items.iter().map(|item| {
        Ok(Shown {
            id: field("items", &item.id)?,
            version: item.version,
        })
    });
    let keep = body.keep.iter().map(|id| field::<ItemId>("keep", id));
    let commit = Commit {
        token: body.token,
        items: items.collect::<Result<_, Refusal>>()?,
        keep: keep.collect::<Result<_, Refusal>>()?,
        count: usize::try_from(body.count).unwrap_or(usize::MAX),
        reason: body.reason,
        ask,
    };
    let fits = filter(&app, &caller, &commit.ask)?;
    match app
        .gate
        .commit_incident(&caller, commit, &fits, &once)
        .await
    {
        Ok(seen) => Ok((StatusCode::CREATED, Json(view(&app, &seen, &caller)))),
        Err(error) => Err(app.refused(&caller, error, "an incident").await),
    }
}

fn ask(ask: IncidentPreviewAsk) -> Result<Ask, Refusal> {
    let scope = ask.scope;
    let targets = scope.targets.iter().map(|name| field("targets", name));
    let principals = scope
        .principals
        .iter()
        .map(|name| field("principals", name));
    Ok(Ask {
        scope: Scope {
            targets: targets.collect::<Result<_, Refusal>>()?,
            principals: principals.collect::<Result<_, Refusal>>()?,
            tags: scope.tags,
            filter: scope.filter,
            everything: scope.everything,
        },
        lock: ask.lock,
        deny_pending: ask.deny_pending,
    })
}

/// The filter of the scope, as the gate can ask it: it sees a grant as the caller does.
fn filter(
    app: &App,
    caller: &Caller,
    ask: &Ask,
) -> Result<impl Fn(&SeenGrant) -> bool + Send + Sync + use<>, Failed> {
    let text = ask.scope.filter.as_deref();
    if text.is_some_and(|text| text.chars().count() > FILTER_MAX) {
        return Err(Failed::Refused(Refusal::BadInput {
            field: "filter".to_owned(),
            why: format!("it has more than {FILTER_MAX} characters"),
        }));
    }
    let read = |text| Wanted::read(text, List::Grants, DateTime::UNIX_EPOCH, caller);
    let wanted = text.map(read).transpose()?;
    if wanted.as_ref().is_some_and(|wanted| wanted.expr.is_empty()) {
        return Err(Failed::Refused(Refusal::BadInput {
            field: "filter".to_owned(),
            why: "it says nothing: leave it out".to_owned(),
        }));
    }
    let (app, who) = (app.clone(), caller.principal.clone());
    Ok(move |seen: &SeenGrant| {
        wanted.as_ref().is_none_or(|wanted| {
            let context = Context {
                now: seen.now,
                me: who.name.as_str(),
            };
            let view = views::grant(&app.gate, seen, &who);
            wanted.expr.lets(&view, context)
        })
    })
}

fn shown(app: &App, preview: Preview, caller: &Caller) -> IncidentPreview {
    let who = &caller.principal;
    let people: std::collections::BTreeSet<_> = preview
        .grants
        .iter()
        .map(|seen| &seen.grant.holder.id)
        .collect();
    let items = preview.items.iter().map(|item| IncidentItem {
        id: item.id.as_str().to_owned(),
        version: item.version,
    });
    IncidentPreview {
        as_of: preview.as_of,
        good_until: preview.good_until,
        people: u32::try_from(people.len()).unwrap_or(u32::MAX),
        items: items.collect(),
        grants: preview
            .grants
            .iter()
            .map(|seen| views::grant(&app.gate, seen, who))
            .collect(),
        requests: preview
            .requests
            .iter()
            .map(|seen| views::request(&app.gate, seen, who))
            .collect(),
        locks: preview.locks,
        token: preview.token,
    }
}

fn scope_view(scope: &Scope) -> IncidentScope {
    IncidentScope {
        targets: scope.targets.iter().map(ToString::to_string).collect(),
        tags: scope.tags.clone(),
        principals: scope.principals.iter().map(ToString::to_string).collect(),
        filter: scope.filter.clone(),
        everything: scope.everything,
    }
}

fn summary(line: &Line) -> IncidentSummary {
    let incident = &line.incident;
    IncidentSummary {
        id: incident.id.to_string(),
        reason: incident.reason.clone(),
        scope: scope_view(&incident.ask.scope),
        started_by: incident.started_by.name.to_string(),
        created_at: incident.created_at,
        items: u32::try_from(line.items).unwrap_or(u32::MAX),
        revoking: u32::try_from(line.revoking).unwrap_or(u32::MAX),
        done: line.revoking == 0,
    }
}

fn view(app: &App, seen: &SeenIncident, caller: &Caller) -> IncidentView {
    let incident = &seen.incident;
    IncidentView {
        id: incident.id.to_string(),
        reason: incident.reason.clone(),
        scope: scope_view(&incident.ask.scope),
        started_by: incident.started_by.name.to_string(),
        created_at: incident.created_at,
        items: seen.receipts.iter().map(receipt).collect(),
        appeared: incident.appeared.clone(),
        locks: seen
            .locks
            .iter()
            .map(|lock| views::lock(&app.gate, lock, &caller.principal))
            .collect(),
        done: seen.receipts.iter().all(Receipt::is_done),
    }
}

fn receipt(receipt: &Receipt) -> IncidentReceipt {
    let Item {
        id,
        holder,
        target,
        role,
        fate,
        changed,
    } = &receipt.item;
    let grant = receipt.grant.as_ref();
    let overridden = grant.and_then(|grant| grant.overriding.as_ref()?.confirmed.as_ref());
    let outcome = match fate {
        Fate::Revoking if receipt.is_done() && overridden.is_some() => "overridden",
        Fate::Revoking if receipt.is_done() => "revoked",
        fate => fate.as_str(),
    };
    let told = receipt.ended.as_ref().map(|event| &event.details);
    let steps = told
        .and_then(|details| details.get("receipt")?.as_array())
        .map(|steps| {
            let text = |step: &serde_json::Value| step.as_str().map(str::to_owned);
            steps.iter().filter_map(text).collect()
        });
    let mut steps: Vec<String> = steps.unwrap_or_default();
    if let Some(confirmed) = overridden {
        let by = &confirmed.by.name;
        steps.push(format!(
            "its target never confirmed; {by} confirmed the override"
        ));
    }
    let cut = told.and_then(|details| details.get("sessions_ended")?.as_u64());
    IncidentReceipt {
        id: id.as_str().to_owned(),
        holder: holder.to_string(),
        target: target.to_string(),
        role: role.to_string(),
        outcome: outcome.to_owned(),
        changed: changed.clone(),
        state: receipt.state.to_owned(),
        blocked_at: receipt.blocked_at,
        sessions_ended: cut.and_then(|count| u32::try_from(count).ok()),
        steps,
        read_back_at: grant
            .filter(|_| overridden.is_none())
            .and_then(|grant| grant.ended_at),
        attempts: grant.map_or(0, |grant| grant.attempts),
        last_error: grant.and_then(|grant| grant.last_error.clone()),
    }
}
