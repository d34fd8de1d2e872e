//! Everything that the commit of an incident decides about, held until its transaction ends.

use std::collections::HashMap;

use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::incident::{ItemId, Shown};
use crate::domain::request::{Request, RequestState};
use crate::gate::Error;
use crate::store::Tx;

use super::reach::Reach;
use super::{Commit, Fits};

/// Everything that a commit decides about, as it is now. Nobody changes it until the transaction ends.
pub(super) struct Held {
    pub(super) grants: HashMap<GrantId, Grant>,
    pub(super) requests: HashMap<RequestId, Request>,
    shown: HashMap<ItemId, i64>,
}

impl Held {
    pub(super) async fn take(
        tx: &mut Tx,
        reach: &Reach<'_>,
        items: &[Shown],
    ) -> Result<Self, Error> {
        let mut requests = HashMap::new();
        let mut ids = Vec::new();
        let mut of_grants = Vec::new();
        for item in items {
            match &item.id {
                ItemId::Grant(id) => of_grants.push(id.clone()),
                ItemId::Request(id) => ids.push(id.clone()),
            }
        }
        // Requests before grants, as an approval of an extension takes them.
        tx.hold_requests(&ids).await?;
        for id in ids {
            if let Some(request) = tx.request(&id).await? {
                requests.insert(id, request);
            }
        }
        let mut grants = HashMap::new();
        for filter in reach.filters() {
            let held = tx.hold_grants(&filter).await?;
            grants.extend(held.into_iter().map(|grant| (grant.id.clone(), grant)));
        }
        // What is over by now is no longer among the open ones, and nobody can change it.
        of_grants.retain(|id| !grants.contains_key(id));
        grants.extend(tx.grants_by_id(&of_grants).await?);
        let mut held = Self {
            grants,
            requests,
            shown: items
                .iter()
                .map(|item| (item.id.clone(), item.version))
                .collect(),
        };
        held.pending_too(tx, reach).await?;
        Ok(held)
    }

    /// Requests that came since, for the report.
    async fn pending_too(&mut self, tx: &mut Tx, reach: &Reach<'_>) -> Result<(), Error> {
        if self.requests.is_empty() && reach.scope.filter.is_some() {
            return Ok(());
        }
        for request in reach.pending(tx).await? {
            self.requests.entry(request.id.clone()).or_insert(request);
        }
        Ok(())
    }

    /// Which of these are not as they were shown.
    pub(super) fn changed(&self, items: &[&Shown]) -> Vec<ItemId> {
        let version = |id: &ItemId| match id {
            ItemId::Grant(id) => self.grants.get(id).map(|grant| grant.version),
            ItemId::Request(id) => self.requests.get(id).map(|request| request.version),
        };
        let other = items
            .iter()
            .filter(|item| version(&item.id) != Some(item.version));
        other.map(|item| item.id.clone()).collect()
    }

    /// What matches the scope now and was not shown.
    pub(super) fn appeared(
        &self,
        reach: &Reach<'_>,
        commit: &Commit,
        fits: Fits<'_>,
    ) -> Vec<String> {
        let new = |id: ItemId| !self.shown.contains_key(&id);
        let grants = self.grants.values().filter(|grant| {
            !grant.state.is_final()
                && new(ItemId::Grant(grant.id.clone()))
                && reach.takes(&reach.seen((*grant).clone()), fits)
        });
        let requests = self.requests.values().filter(|request| {
            commit.ask.deny_pending
                && request.state == RequestState::Pending
                && new(ItemId::Request(request.id.clone()))
                && reach.asks(request)
        });
        let mut ids: Vec<String> = grants
            .map(|grant| grant.id.to_string())
            .chain(requests.map(|request| request.id.to_string()))
            .collect();
        ids.sort();
        ids
    }
}
