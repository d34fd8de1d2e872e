//! Reading requests: each with what its reader needs beside it, all of one moment.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalog::Catalog;
use crate::domain::extent::Place;
use crate::domain::grant::Grant;
use crate::domain::ids::RequestId;
use crate::domain::lock::Lock;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::Deed;
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestState};
use crate::domain::signal::{Signal, signals};
use crate::gate::deeds::owners;
use crate::gate::sight::{sees, within};
use crate::gate::{Caller, Error, Gate};
use crate::store::Tx;
use crate::store::grants::Filter;
use crate::store::history::History;

use super::parent_of;

/// How far back the history of a requester on a target goes.
const HISTORY: TimeDelta = TimeDelta::days(30);

/// A request with what its reader needs beside it, all of one moment.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    pub request: Request,
    pub history: History,
    pub signals: Vec<Signal>,
    /// The grant that an extension is about.
    pub parent: Option<Grant>,
    /// Who asked, with their groups, where policy has a say in who reviews what.
    pub owner: Option<Arc<Principal>>,
    /// Every lock in force.
    pub locks: Arc<Vec<Lock>>,
    pub now: DateTime<Utc>,
}

impl Gate {
    /// One request that the caller may see.
    pub async fn request(&self, caller: &Caller, id: &RequestId) -> Result<SeenRequest, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let request = seen_by(&mut tx, id, who, &rules.catalog).await?;
        self.beside(&mut tx, request, who, now).await
    }

    /// A page of requests that the caller may see, newest first.
    pub async fn requests(
        &self,
        caller: &Caller,
        mut filter: Filter,
        limit: i64,
    ) -> Result<Vec<SeenRequest>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        filter.within = within(who, Action::ReadAll, &self.rules.current().catalog);
        let (mut tx, now) = self.search().await?;
        let page = tx.requests(&filter, limit).await?;
        let page = self.all_beside(&mut tx, page, who, now).await?;
        tx.found();
        Ok(page)
    }

    pub(super) async fn request_before(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<SeenRequest, Error> {
        let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
        self.request(caller, &id).await
    }

    pub(super) async fn beside(
        &self,
        tx: &mut Tx,
        request: Request,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> Result<SeenRequest, Error> {
        let page = self.all_beside(tx, vec![request], who, now).await?;
        Ok(page
            .into_iter()
            .next()
            .ok_or_else(|| anyhow::anyhow!("a request was lost on its way"))?)
    }

    /// Puts what this reader needs beside requests, with one look at the past for all of them.
    pub(in crate::gate) async fn all_beside(
        &self,
        tx: &mut Tx,
        requests: Vec<Request>,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<SeenRequest>, Error> {
        let rules = self.rules.current();
        let seen = within(who, Action::ReadAll, &rules.catalog);
        let pending: Vec<&Request> = requests
            .iter()
            .filter(|request| request.state == RequestState::Pending)
            .collect();
        let mut pasts = tx.pasts(&pending, now - HISTORY, seen.as_ref()).await?;
        let asked = pending.iter().map(|request| &request.requester.id);
        let owners = owners(tx, &rules.policy, &[Deed::Review], asked).await?;
        let locks = Arc::new(tx.locks_in_force(now).await?);
        let mut page = Vec::with_capacity(requests.len());
        for request in requests {
            let parent = parent_of(tx, &request).await?;
            let past = pasts.remove(request.id.as_str()).unwrap_or_default();
            page.push(SeenRequest {
                signals: signals(&request, &past.facts, &self.settings.hours),
                history: past.history,
                owner: owners.get(&request.requester.id).cloned(),
                request,
                parent,
                locks: Arc::clone(&locks),
                now,
            });
        }
        Ok(page)
    }
}

/// A request that this person may see.
pub(in crate::gate) async fn seen_by(
    tx: &mut Tx,
    id: &RequestId,
    who: &Principal,
    catalog: &Catalog,
) -> Result<Request, Error> {
    Ok(visible(load(tx, id).await?, who, catalog)?)
}

async fn load(tx: &mut Tx, id: &RequestId) -> Result<Request, Error> {
    Ok(tx.request(id).await?.ok_or_else(|| Refusal::NotFound {
        what: "request",
        name: id.to_string(),
    })?)
}

/// What one may not see does not exist.
fn visible(request: Request, who: &Principal, catalog: &Catalog) -> Result<Request, Refusal> {
    if request.requester.id == who.id || sees(who, &request.target, catalog) {
        return Ok(request);
    }
    Err(Refusal::NotFound {
        what: "request",
        name: request.id.to_string(),
    })
}
