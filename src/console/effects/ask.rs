//! Asks the server a question, and gives its answer as the application knows it.

use crate::client::watch::{WatchError, prove, watch};
use crate::client::{AuditQuery, BreakGlassQuery, Client, ClientError, GrantsQuery, RequestsQuery};
use crate::console::msg::{Answer, Query, Slice, These};
use crate::console::store::Subject;
use crate::domain::standing::StandingState;
use crate::wire::{Page, StandingView};

const PAGE: u32 = 200;
/// What is over is looked at less; older rows are in the record.
const PAST: u32 = 100;
/// More standing access than this nobody goes through by hand; the command lists all of it.
const STANDING: usize = 2_000;
/// Events read with the detail of a row; more are in the record.
const TRAIL: u32 = 50;
/// The states of a grant that is over.
const OVER: [&str; 4] = ["ended", "returned", "revoked", "activation_failed"];

/// The answer to a question.
pub(super) async fn ask(client: &Client, query: &Query) -> Result<Answer, ClientError> {
    Ok(match query {
        Query::Me => Answer::Me(client.me().await?),
        Query::Request(id) => Answer::Request(Box::new(client.request(id.as_str()).await?)),
        Query::Grant(id) => Answer::Grant(Box::new(client.grant(id.as_str()).await?)),
        Query::Requests { slice, after } => {
            let states = match slice {
                Slice::Open => vec!["pending"],
                Slice::Past => vec!["approved", "denied", "withdrawn", "expired"],
            };
            let query = RequestsQuery {
                states: owned(&states),
                after: after.clone(),
                limit: Some(limit(*slice)),
                ..RequestsQuery::default()
            };
            Answer::Requests(client.requests(&query).await?)
        }
        Query::Grants { slice, after } => {
            let states = match slice {
                Slice::Open => vec!["scheduled", "activating", "active", "closing"],
                Slice::Past => OVER.to_vec(),
            };
            let query = GrantsQuery {
                states: owned(&states),
                after: after.clone(),
                limit: Some(limit(*slice)),
                ..GrantsQuery::default()
            };
            Answer::Grants(client.grants(&query).await?)
        }
        Query::Facets {
            of,
            field,
            prefix,
            q,
            ..
        } => Answer::Facets(client.facets(of.as_str(), field, prefix, q).await?),
        Query::Past { after } => {
            let query = GrantsQuery {
                states: owned(&OVER),
                after: after.clone(),
                limit: Some(PAGE),
                ..GrantsQuery::default()
            };
            Answer::Past(client.grants(&query).await?)
        }
        Query::Sessions => Answer::Sessions(client.sessions().await?),
        Query::Locks => Answer::Locks(client.locks(true, None).await?),
        Query::Uses => {
            let query = BreakGlassQuery {
                limit: Some(PAGE),
                ..BreakGlassQuery::default()
            };
            Answer::Uses(client.break_glass_uses(&query).await?)
        }
        Query::Use(id) => Answer::Use(Box::new(client.break_glass_use(id.as_str()).await?)),
        Query::Lock(id) => Answer::Lock(Box::new(client.lock(id.as_str()).await?)),
        Query::SignIns => Answer::SignIns(client.sign_ins().await?),
        Query::Services => Answer::Services(client.services().await?),
        Query::Standing => Answer::Standing(standing(client).await?),
        Query::Factors => Answer::Factors(client.factors().await?),
        Query::These(subjects) => Answer::These(these(client, subjects).await?),
        Query::Targets => Answer::Targets(client.targets().await?),
        Query::Trail(subject) => {
            let id = Some(subject.as_str().to_owned());
            let (request, grant) = match subject {
                Subject::Grant(_) => (None, id),
                _ => (id, None),
            };
            let query = AuditQuery {
                request,
                grant,
                limit: Some(TRAIL),
                ..AuditQuery::default()
            };
            Answer::Trail(client.audit(&query).await?)
        }
        Query::TryOut(ask) => Answer::TriedOut(Box::new(client.preview_incident(ask).await?)),
        Query::Incident(id) => Answer::Incident(Box::new(client.incident(id).await?)),
        Query::Watch => Answer::Watched(said(watch(client, client.session().witness()).await)?),
        Query::Prove(event) => Answer::Proved(said(
            prove(client, client.session().witness(), event).await,
        )?),
        Query::OverTime { scope, .. } => Answer::OverTime(client.histogram(scope).await?),
        Query::Find { scope, .. } => Answer::Audit(client.audit(scope).await?),
        Query::Audit { scope, after, .. } => {
            let query = AuditQuery {
                after: after.clone(),
                limit: Some(PAGE),
                ..(**scope).clone()
            };
            Answer::Audit(client.audit(&query).await?)
        }
    })
}

/// What is on the targets now.
async fn standing(client: &Client) -> Result<Page<StandingView>, ClientError> {
    let there = [
        StandingState::Open,
        StandingState::Imported,
        StandingState::Ignored,
    ];
    let mut all = client.standing_access(&there, None, None).await?;
    while let Some(after) = all.next.take().filter(|_| all.items.len() < STANDING) {
        let page = client.standing_access(&there, None, Some(&after)).await?;
        all.items.extend(page.items);
        all.next = page.next;
    }
    Ok(all)
}

/// What is wrong with a log is an answer, too; that nobody knows is none.
fn said<T>(found: Result<T, WatchError>) -> Result<Result<Box<T>, String>, ClientError> {
    match found {
        Ok(found) => Ok(Ok(Box::new(found))),
        Err(WatchError::Client(error)) => Err(error),
        Err(wrong) => Ok(Err(wrong.to_string())),
    }
}

/// Rows by their ids. A list that none of them is of is not asked.
async fn these(client: &Client, subjects: &[Subject]) -> Result<These, ClientError> {
    let mut found = These::default();
    let like = |wanted: fn(&Subject) -> bool| {
        let ids = subjects.iter().filter(|subject| wanted(subject));
        let ids: Vec<&str> = ids.map(Subject::as_str).collect();
        (!ids.is_empty()).then(|| format!("id:{}", ids.join(",")))
    };
    let mut whole = true;
    if let Some(q) = like(|subject| matches!(subject, Subject::Request(_))) {
        let query = RequestsQuery {
            q: Some(q),
            limit: Some(PAGE),
            ..RequestsQuery::default()
        };
        let page = client.requests(&query).await?;
        whole &= page.next.is_none();
        found.requests = page.items;
    }
    if let Some(q) = like(|subject| matches!(subject, Subject::Grant(_))) {
        let query = GrantsQuery {
            q: Some(q),
            limit: Some(PAGE),
            ..GrantsQuery::default()
        };
        let page = client.grants(&query).await?;
        whole &= page.next.is_none();
        found.grants = page.items;
    }
    if let Some(q) = like(|subject| matches!(subject, Subject::Lock(_))) {
        let page = client.locks_like(true, Some(&q), None).await?;
        whole &= page.next.is_none();
        found.locks = page.items;
    }
    if let Some(q) = like(|subject| matches!(subject, Subject::Use(_))) {
        let query = BreakGlassQuery {
            q: Some(q),
            limit: Some(PAGE),
            ..BreakGlassQuery::default()
        };
        let page = client.break_glass_uses(&query).await?;
        whole &= page.next.is_none();
        found.uses = page.items;
    }
    // Of a list that is not whole nobody knows what is missing.
    if whole {
        let came = found.ids();
        let missing = subjects.iter().filter(|subject| !came.contains(subject));
        found.missing = missing.cloned().collect();
    }
    Ok(found)
}

fn limit(slice: Slice) -> u32 {
    match slice {
        Slice::Open => PAGE,
        Slice::Past => PAST,
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
