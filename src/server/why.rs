//! Handlers that say why: of requests and grants, and of questions to the policy.

use axum::Json;
use axum::extract::State;

use crate::domain::extent::Place;
use crate::domain::grant::GrantState;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Policy, Verdict};
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKind, RequestState};
use crate::domain::review::{self, Decision};
use crate::gate::why::{self, SeenWhy};
use crate::wire::{
    PolicyAnswer, PolicyLine, PolicyQuestion, PolicyTold, ReplayAsk, ReplayPage, ReplayView,
    WhyView, WhyWay,
};

use super::App;
use super::caller::{Question, Signed};
use super::error::{Failed, Problems};
use super::query::Id;
use super::requests::{Cursor, field};
use super::views;

/// Says why a request is as it is: the deciding policies, who counted, and what is missing.
#[utoipa::path(get, path = "/v1/requests/{id}/why", tag = "requests", params(("id" = String, Path, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = WhyView), Problems))]
pub async fn of_request(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<RequestId>,
) -> Result<Json<WhyView>, Failed> {
    Ok(Json(view(&app.gate.why_request(&caller, &id).await?)))
}

/// Says why there is a grant: the request that it came of, and what became of it since.
#[utoipa::path(get, path = "/v1/grants/{id}/why", tag = "grants", params(("id" = String, Path, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$")),
    responses((status = 200, body = WhyView), Problems))]
pub async fn of_grant(
    State(app): State<App>,
    Signed(caller): Signed,
    Id(id): Id<GrantId>,
) -> Result<Json<WhyView>, Failed> {
    Ok(Json(view(&app.gate.why_grant(&caller, &id).await?)))
}

/// Says what the policy in use answers to a question, policy by policy. It changes nothing.
#[utoipa::path(post, path = "/v1/policy/explain", tag = "policy", request_body = PolicyQuestion,
    responses((status = 200, body = PolicyAnswer), Problems))]
pub async fn explain(
    State(app): State<App>,
    call: Question<PolicyQuestion>,
) -> Result<Json<PolicyAnswer>, Failed> {
    let Question { caller, body } = call;
    let question = why::Question {
        principal: body
            .principal
            .as_deref()
            .map(|name| field("principal", name))
            .transpose()?,
        target: field("target", &body.target)?,
        role: field("role", &body.role)?,
        duration: field("duration", &body.duration)?,
        at: body.at,
        ticket: body.ticket,
    };
    let answered = app.gate.explain(&caller, question).await?;
    Ok(Json(PolicyAnswer {
        principal: answered.who.name.to_string(),
        groups: answered
            .who
            .groups
            .iter()
            .map(ToString::to_string)
            .collect(),
        permitted: matches!(answered.verdict, Verdict::Permitted { .. }),
        verdict: answered.verdict.sentence(),
        at: answered.at,
        told: PolicyTold {
            version: answered.version,
            policies: answered.explained.iter().map(PolicyLine::from).collect(),
            errors: answered.verdict.errors().to_vec(),
        },
    }))
}

/// Decides recorded requests once more, by another policy, and lists those that it would decide differently. It changes nothing.
#[utoipa::path(post, path = "/v1/policy/replay", tag = "policy", request_body = ReplayAsk,
    responses((status = 200, body = ReplayPage), Problems))]
pub async fn replay(
    State(app): State<App>,
    call: Question<ReplayAsk>,
) -> Result<Json<ReplayPage>, Failed> {
    let Question { caller, body } = call;
    permit_at(&caller.principal, Action::ReadPolicy, Place::Somewhere)?;
    if !(1..=400).contains(&body.days) {
        return Err(bad("days", "it is a number from 1 to 400".to_owned()));
    }
    let after = body
        .after
        .as_deref()
        .map(|after| field::<Cursor>("after", after));
    let after = after.transpose()?.map(|cursor| cursor.0);
    // Reading a policy takes the processor for some milliseconds; others are served meanwhile.
    let text = body.policy;
    let read = tokio::task::spawn_blocking(move || Policy::parse(&text));
    let read = read.await.map_err(|error| Failed::Fault(error.into()))?;
    let other = read.map_err(|problems| {
        let first = problems.into_iter().next();
        let why = first.map_or_else(String::new, |first| {
            format!("line {}: {}", first.line, first.message)
        });
        bad("policy", why)
    })?;
    let other = other.in_zone(app.gate.rules().current().policy.zone().clone());
    let found = app.gate.replay(&caller, &other, body.days, after).await?;
    Ok(Json(ReplayPage {
        looked_at: found.looked_at,
        different: found.different.iter().map(different).collect(),
        next: found.next.map(|(at, id)| format!("{at}~{id}")),
    }))
}

fn bad(what: &str, why: String) -> Failed {
    Failed::Refused(Refusal::BadInput {
        field: what.to_owned(),
        why,
    })
}

fn different((request, verdict): &(Request, Verdict)) -> ReplayView {
    ReplayView {
        request: request.id.to_string(),
        requester: request.requester.name.to_string(),
        target: request.target.to_string(),
        role: request.role.to_string(),
        duration: request.duration.to_string(),
        created_at: request.created_at,
        before: request.snapshot.sentence(),
        after: verdict.sentence(),
    }
}

fn view(seen: &SeenWhy) -> WhyView {
    let request = &seen.request;
    let decided = decided(request);
    let pending = request.state == RequestState::Pending;
    let ways: Vec<WhyWay> = request
        .snapshot
        .ways
        .iter()
        .map(|way| WhyWay {
            policy: way.policy_id.clone(),
            line: way.line,
            threshold: way.threshold,
            approvals: review::approvals_for(way, &request.reviews),
            needs: views::needs(way, &request.reviews),
            decided: decided.is_some_and(|decided| decided == way),
            text: seen
                .kept
                .as_ref()
                .and_then(|kept| policy::written_at(&kept.text, way.line))
                .map(str::to_owned),
        })
        .collect();
    let missing = ways.iter().filter(|_| pending).map(missing).collect();
    let state = match &seen.grant {
        Some(grant) => grant.state.as_str(),
        None => request.state.as_str(),
    };
    WhyView {
        id: seen
            .grant
            .as_ref()
            .map_or_else(|| request.id.to_string(), |grant| grant.id.to_string()),
        request: request.id.to_string(),
        state: state.to_owned(),
        sentence: sentence(seen, decided),
        policy_version: request.snapshot.policy_version.clone(),
        policy_in_use: seen.in_use,
        ways,
        missing,
    }
}

/// The way by which a request was approved.
fn decided(request: &Request) -> Option<&policy::Way> {
    if request.state != RequestState::Approved {
        return None;
    }
    review::satisfied(&request.snapshot.ways, &request.reviews)
}

fn missing(way: &WhyWay) -> String {
    let parts = way.needs.iter().filter_map(|need| {
        let given = u32::try_from(need.approved_by.len()).unwrap_or(u32::MAX);
        let left = need.threshold.saturating_sub(given);
        let reviews = if left == 1 { "review" } else { "reviews" };
        (left > 0).then(|| format!("{left} more {reviews} by `{}`", need.group))
    });
    let parts: Vec<String> = parts.collect();
    format!(
        "{} (policy `{}`, line {})",
        parts.join(" and "),
        way.policy,
        way.line
    )
}

fn sentence(seen: &SeenWhy, decided: Option<&policy::Way>) -> String {
    let request = &seen.request;
    let by = |decision: Decision| {
        let names: Vec<String> = request
            .reviews
            .iter()
            .filter(|review| review.decision == decision)
            .map(|review| format!("`{}`", review.reviewer.name))
            .collect();
        names.join(" and ")
    };
    let asked = match (request.state, decided) {
        (RequestState::Pending, _) => {
            let reviewers = request.reviewer_groups();
            format!("it waits for members of {reviewers}, and nobody else can decide it")
        }
        (RequestState::Approved, _) if request.kind == RequestKind::BreakGlass => {
            let policy = request
                .snapshot
                .ways
                .first()
                .map_or_else(String::new, |way| {
                    format!(", as policy `{}` (line {}) lets", way.policy_id, way.line)
                });
            let reviewers = request.reviewer_groups();
            format!(
                "`{}` broke glass{policy}; members of {reviewers} sign it off afterwards",
                request.requester.name
            )
        }
        (RequestState::Approved, Some(way)) if way.is_immediate() => format!(
            "policy `{}` (line {}) gives it without review",
            way.policy_id, way.line
        ),
        (RequestState::Approved, Some(way)) => format!(
            "approved by {}, as policy `{}` (line {}) asks: it {}",
            by(Decision::Approve),
            way.policy_id,
            way.line,
            way.needs()
        ),
        (RequestState::Approved, None) => format!("approved by {}", by(Decision::Approve)),
        (RequestState::Denied, _) if by(Decision::Deny).is_empty() => {
            "denied by an incident".to_owned()
        }
        (RequestState::Denied, _) => {
            let denial = request
                .reviews
                .iter()
                .find(|review| review.decision == Decision::Deny);
            let comment = denial.and_then(|review| review.comment.as_deref());
            let comment = comment.map_or_else(String::new, |comment| format!(": {comment}"));
            format!("denied by {}{comment}", by(Decision::Deny))
        }
        (RequestState::Withdrawn, _) => {
            format!("`{}`, who asked, took it back", request.requester.name)
        }
        (RequestState::Expired, _) => "nobody decided it in time".to_owned(),
    };
    let Some(grant) = &seen.grant else {
        return asked;
    };
    let until = grant
        .expires_at
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let now = match grant.state {
        GrantState::Scheduled => "it has not begun yet".to_owned(),
        GrantState::Activating => "its target is being told".to_owned(),
        GrantState::Active => format!("it gives access until {until}"),
        GrantState::Closing => "it gives no access any more; its target is being told".to_owned(),
        GrantState::Ended => format!("it ended at {until}"),
        GrantState::Returned => "its holder gave it back".to_owned(),
        GrantState::Revoked => "it was revoked".to_owned(),
        GrantState::ActivationFailed => "its target could not give the access".to_owned(),
    };
    format!("{asked}; {now}")
}
