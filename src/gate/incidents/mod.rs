//! Incidents: a dry run that lists exactly what would go, a commit of exactly that, and what became of each item.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::extent::{Extent, Place};
use crate::domain::ids::IncidentId;
use crate::domain::incident::{Ask, GOOD_FOR, ITEMS_MAX, Incident, Item, ItemId, Shown};
use crate::domain::permit::{Action, extent, permit_at};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::Guarded;
use crate::store::incidents::Line;

use super::grants::SeenGrant;
use super::locks::SeenLock;
use super::requests::SeenRequest;
use super::second_factor::told;
use super::sight::{sees, stays_within, within};
use super::ticket::Ticket;
use super::{Caller, Error, Gate, OnceKey, Opened, new_bits};

mod commit;
mod held;
mod reach;
mod receipts;

pub use receipts::Receipt;

use commit::{carry_out, check_count};
use reach::Reach;
use receipts::receipts;

/// Whether a grant passes the filter of a scope. Where there is none, every grant does.
pub type Fits<'a> = &'a (dyn Fn(&SeenGrant) -> bool + Send + Sync);

/// What an incident would take away.
#[derive(Debug, Clone)]
pub struct Preview {
    pub token: String,
    pub as_of: DateTime<Utc>,
    pub good_until: DateTime<Utc>,
    pub grants: Vec<SeenGrant>,
    pub requests: Vec<SeenRequest>,
    pub items: Vec<Shown>,
    /// What would be locked, as sentences.
    pub locks: Vec<String>,
}

/// A dry run that came back to be carried out.
#[derive(Debug, Clone)]
pub struct Commit {
    pub token: String,
    pub ask: Ask,
    pub items: Vec<Shown>,
    pub keep: BTreeSet<ItemId>,
    /// What the person typed.
    pub count: usize,
    pub reason: String,
}

/// An incident at one moment.
#[derive(Debug, Clone)]
pub struct SeenIncident {
    pub incident: Incident,
    pub receipts: Vec<Receipt>,
    pub locks: Vec<SeenLock>,
}

impl Gate {
    /// Lists exactly what an incident would take away. Nothing is changed.
    pub async fn preview_incident(
        &self,
        caller: &Caller,
        ask: &Ask,
        fits: Fits<'_>,
    ) -> Result<Preview, Error> {
        permit_at(&caller.principal, Action::Revoke, Place::Somewhere)?;
        ask.check()?;
        let rules = self.rules.current();
        check_scope(&caller.principal, ask, &rules.catalog)?;
        let (mut tx, now) = self.look().await?;
        let reach = Reach::of(&mut tx, &ask.scope, &rules.catalog, now).await?;
        let mut grants = Vec::new();
        for filter in reach.filters() {
            let found = tx.grants(&filter, i64::from(i32::MAX)).await?;
            grants.extend(
                found
                    .into_iter()
                    .map(|grant| reach.seen(grant))
                    .filter(|seen| reach.takes(seen, fits)),
            );
        }
        grants.sort_by(|a, b| {
            let key = |seen: &SeenGrant| (seen.grant.expires_at, seen.grant.id.clone());
            key(a).cmp(&key(b))
        });
        let requests = if ask.deny_pending {
            reach.pending(&mut tx).await?
        } else {
            Vec::new()
        };
        let shown = grants.iter().map(|seen| Shown {
            id: ItemId::Grant(seen.grant.id.clone()),
            version: seen.grant.version,
        });
        let asked = requests.iter().map(|request| Shown {
            id: ItemId::Request(request.id.clone()),
            version: request.version,
        });
        let items: Vec<Shown> = shown.chain(asked).collect();
        if items.len() > ITEMS_MAX {
            return Err(Refusal::TooManyItems {
                count: items.len(),
                most: ITEMS_MAX,
            }
            .into());
        }
        let locks = reach.lockable(&mut tx, ask, &caller.principal).await?;
        let who = &caller.principal;
        let requests = self.all_beside(&mut tx, requests, who, now).await?;
        let ticket = Ticket::until(now + GOOD_FOR)?;
        Ok(Preview {
            token: ticket.sealed(self.rules.key(), &caller.principal.id, ask, &items),
            as_of: now,
            good_until: ticket.good_until,
            grants,
            requests,
            items,
            locks: locks.iter().map(ToString::to_string).collect(),
        })
    }

    /// Takes away exactly what a dry run has shown, without what the person kept, all in one transaction.
    pub async fn commit_incident(
        &self,
        caller: &Caller,
        commit: Commit,
        fits: Fits<'_>,
        once: &OnceKey,
    ) -> Result<SeenIncident, Error> {
        commit.ask.check()?;
        let rules = self.rules.current();
        let new = IncidentId::from_bits(new_bits()?);
        let opened = self
            .open_somewhere(caller, once, new.as_str(), Action::Revoke)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => {
                let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
                return self.incident(caller, &id).await;
            }
            Opened::Now(writing) => writing,
        };
        check_scope(&writing.who, &commit.ask, &rules.catalog)?;
        let ticket = Ticket::opened(
            &commit.token,
            self.rules.key(),
            &writing.who.id,
            &commit.ask,
            &commit.items,
            writing.now,
        )?;
        check_count(&commit)?;
        // Before the work: thousands of grants are not to be taken away twice because of a code.
        writing.guard(Guarded::Incident);
        let way = self.prove(&mut writing).await?;
        let done = carry_out(&mut writing, &rules, new.clone(), &commit, &ticket, fits);
        let (first, more) = done.await?;
        self.finish(writing, &told(&more, way)).await?;
        self.counted(&first);
        self.enforce_soon().await;
        self.incident(caller, &new).await
    }

    /// One incident with its receipts as they are now.
    pub async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<SeenIncident, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadAll, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let incident = tx.incident(id).await?;
        let incident = incident.filter(|incident| {
            let elsewhere = |item: &Item| !sees(who, &item.target, &rules.catalog);
            is_seen(who, incident, &rules.catalog)
                && (extent(who, Action::ReadAll) == Extent::Everywhere
                    || !incident.items.iter().any(elsewhere))
        });
        let incident = incident.ok_or_else(|| Refusal::NotFound {
            what: "incident",
            name: id.to_string(),
        })?;
        let in_force = Arc::new(tx.locks_in_force(now).await?);
        let locks = tx.locks_of(id).await?;
        Ok(SeenIncident {
            locks: self.beside_locks(&mut tx, locks, &in_force, now).await?,
            receipts: receipts(&mut tx, &incident).await?,
            incident,
        })
    }

    /// A page of incidents, newest first. Whoever sees some targets only sees the incidents that stayed within them.
    pub async fn incidents(
        &self,
        caller: &Caller,
        after: Option<&(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Line>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadAll, Place::Somewhere)?;
        let rules = self.rules.current();
        let within = within(who, Action::ReadAll, &rules.catalog);
        let (mut tx, _) = self.look().await?;
        let mut after = after.cloned();
        let mut found = Vec::new();
        loop {
            let page = tx.incidents(within.as_ref(), after.as_ref(), limit).await?;
            let last = page.last().map(|last| &last.incident);
            after = last.map(|last| (last.created_at.timestamp_millis(), last.id.to_string()));
            let over = i64::try_from(page.len()).unwrap_or(i64::MAX) < limit;
            let seen = page
                .into_iter()
                .filter(|line| is_seen(who, &line.incident, &rules.catalog));
            found.extend(seen);
            let most = usize::try_from(limit).unwrap_or(usize::MAX);
            if over || found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
    }
}

/// Refuses an incident that would reach further than its starter's product roles.
fn check_scope(who: &Principal, ask: &Ask, catalog: &Catalog) -> Result<(), Refusal> {
    if stays_within(who, Action::Revoke, &ask.scope, catalog) {
        return Ok(());
    }
    permit_at(who, Action::Revoke, Place::Everywhere)
}

/// Whether an incident is one that this reader may know of, as far as its scope tells.
fn is_seen(who: &Principal, incident: &Incident, catalog: &Catalog) -> bool {
    stays_within(who, Action::ReadAll, &incident.ask.scope, catalog)
}
