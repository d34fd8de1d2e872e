//! Incidents: a dry run that lists exactly what would go, a commit of exactly that, and what became of each item.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::event::{Event, EventCode};
use crate::domain::grant::{CloseKind, Grant, GrantState};
use crate::domain::ids::{GrantId, IncidentId, LockId, PrincipalId, RequestId};
use crate::domain::incident::{
    Act, Ask, Fate, GOOD_FOR, ITEMS_MAX, Incident, Item, ItemId, Scope, Shown,
};
use crate::domain::lock::{Blocked, Lock, Locks, Subject};
use crate::domain::permit::{Action, permit};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestState};
use crate::store::Tx;
use crate::store::grants::Filter;
use crate::store::incidents::Line;

use super::grants::SeenGrant;
use super::locks::{On, SeenLock, bearing, known, person, tag_known, take_away, target_known};
use super::requests::SeenRequest;
use super::ticket::Ticket;
use super::{Caller, Error, Gate, OnceKey, Opened, Writing, new_bits};

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

/// How far the end of one item has come.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub item: Item,
    /// As it is now; none for a request.
    pub grant: Option<Grant>,
    /// The state now.
    pub state: &'static str,
    /// When authorisation began to say no.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The event with which its target confirmed.
    pub ended: Option<Event>,
}

/// An incident at one moment.
#[derive(Debug, Clone)]
pub struct SeenIncident {
    pub incident: Incident,
    pub receipts: Vec<Receipt>,
    pub locks: Vec<SeenLock>,
}

/// A scope with its names resolved.
struct Reach<'a> {
    scope: &'a Scope,
    people: BTreeSet<PrincipalId>,
    catalog: &'a Catalog,
    /// The locks in force, for what is seen.
    locks: Arc<Vec<Lock>>,
    now: DateTime<Utc>,
}

impl<'a> Reach<'a> {
    /// Names that nobody has are refused: a list that is empty by mistake would be taken for safety.
    async fn of(
        tx: &mut Tx,
        scope: &'a Scope,
        catalog: &'a Catalog,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let mut people = BTreeSet::new();
        for name in &scope.principals {
            people.insert(person(tx, name.clone()).await?.id);
        }
        for target in &scope.targets {
            target_known(tx, catalog, target).await?;
        }
        for (name, value) in &scope.tags {
            tag_known(catalog, name, value)?;
        }
        Ok(Self {
            scope,
            people,
            catalog,
            locks: Arc::new(tx.locks_in_force(now).await?),
            now,
        })
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        let tags = self
            .catalog
            .target(subject.target)
            .map(|target| &target.tags);
        self.scope.covers(subject, tags, &self.people)
    }

    /// Where to look for grants; what is found may still be outside of the scope.
    fn filters(&self) -> Vec<Filter> {
        let open = || Filter {
            states: vec!["scheduled", "activating", "active", "closing"],
            ..Filter::default()
        };
        if !self.people.is_empty() {
            let people = self.people.iter().map(|who| Filter {
                person: Some(who.clone()),
                ..open()
            });
            return people.collect();
        }
        if self.scope.targets.is_empty() {
            return vec![open()];
        }
        let targets = self.scope.targets.iter().map(|target| Filter {
            target: Some(target.clone()),
            ..open()
        });
        targets.collect()
    }

    fn seen(&self, grant: Grant) -> SeenGrant {
        SeenGrant {
            grant,
            locks: Arc::clone(&self.locks),
            now: self.now,
        }
    }

    /// Whether a revoke of this grant would change anything, and it is in the scope.
    fn takes(&self, seen: &SeenGrant, fits: Fits<'_>) -> bool {
        let grant = &seen.grant;
        grant.close_kind != Some(CloseKind::Revoke)
            && self.covers(grant.into())
            && (self.scope.filter.is_none() || fits(seen))
    }

    fn asks(&self, request: &Request) -> bool {
        let subject = Subject {
            principal: &request.requester.id,
            target: &request.target,
            role: &request.role,
        };
        self.now < request.decide_by && self.covers(subject)
    }

    async fn pending(&self, tx: &mut Tx) -> Result<Vec<Request>, Error> {
        let filter = Filter {
            states: vec![RequestState::Pending.as_str()],
            ..Filter::default()
        };
        let all = tx.requests(&filter, i64::from(i32::MAX)).await?;
        Ok(all
            .into_iter()
            .filter(|request| self.asks(request))
            .collect())
    }

    /// What a lock of the whole scope consists of.
    fn locks(&self, ask: &Ask) -> Vec<On> {
        if !ask.lock {
            return Vec::new();
        }
        let scope = self.scope;
        if scope.everything {
            return vec![On::Everything];
        }
        if !scope.principals.is_empty() {
            return scope
                .principals
                .iter()
                .cloned()
                .map(On::Principal)
                .collect();
        }
        if scope.tags.is_empty() {
            return scope.targets.iter().cloned().map(On::Target).collect();
        }
        if let (1, true, Some((name, value))) = (
            scope.tags.len(),
            scope.targets.is_empty(),
            scope.tags.first_key_value(),
        ) {
            return vec![On::Tag {
                name: name.clone(),
                value: value.clone(),
            }];
        }
        // Several tags at once are no kind of lock: each target that has them all is.
        let has_all = |tags: &BTreeMap<String, String>| {
            scope
                .tags
                .iter()
                .all(|(name, value)| tags.get(name) == Some(value))
        };
        let targets = self.catalog.targets.values().map(|entry| &entry.target);
        targets
            .filter(|target| scope.targets.is_empty() || scope.targets.contains(&target.name))
            .filter(|target| has_all(&target.tags))
            .map(|target| On::Target(target.name.clone()))
            .collect()
    }

    /// The same, as `who` may place them; without those that are in force already.
    async fn lockable(
        &self,
        tx: &mut Tx,
        ask: &Ask,
        who: &Principal,
    ) -> Result<Vec<Blocked>, Error> {
        let mut all = Vec::new();
        for on in self.locks(ask) {
            let on = known(tx, self.catalog, on).await?;
            Lock::may_place(&on, who)?;
            let there = |lock: &Lock| lock.on == on && lock.ends_at.is_none();
            if !self.locks.iter().any(there) {
                all.push(on);
            }
        }
        Ok(all)
    }
}

impl Gate {
    /// Lists exactly what an incident would take away. Nothing is changed.
    pub async fn preview_incident(
        &self,
        caller: &Caller,
        ask: &Ask,
        fits: Fits<'_>,
    ) -> Result<Preview, Error> {
        permit(&caller.principal, Action::Revoke)?;
        ask.check()?;
        let rules = self.rules.current();
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
        let requests = self.all_beside(&mut tx, requests, now).await?;
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
            .open(caller, once, new.as_str(), Action::Revoke)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => {
                let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
                return self.incident(caller, &id).await;
            }
            Opened::Now(writing) => writing,
        };
        let ticket = Ticket::opened(
            &commit.token,
            self.rules.key(),
            &writing.who.id,
            &commit.ask,
            &commit.items,
            writing.now,
        )?;
        check_count(&commit)?;
        let done = carry_out(
            &mut writing,
            &rules.catalog,
            new.clone(),
            &commit,
            &ticket,
            fits,
        );
        let (first, more) = done.await?;
        self.finish(writing, &more).await?;
        self.counted(&first);
        self.enforce_soon().await;
        self.incident(caller, &new).await
    }

    /// One incident with its receipts as they are now.
    pub async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<SeenIncident, Error> {
        permit(&caller.principal, Action::ReadAll)?;
        let (mut tx, now) = self.look().await?;
        let incident = tx.incident(id).await?.ok_or_else(|| Refusal::NotFound {
            what: "incident",
            name: id.to_string(),
        })?;
        let in_force = Arc::new(tx.locks_in_force(now).await?);
        let locks = tx.locks_of(id).await?.into_iter().map(|lock| SeenLock {
            lock,
            in_force: Arc::clone(&in_force),
            now,
        });
        Ok(SeenIncident {
            locks: locks.collect(),
            receipts: receipts(&mut tx, &incident).await?,
            incident,
        })
    }

    /// A page of incidents, newest first.
    pub async fn incidents(
        &self,
        caller: &Caller,
        after: Option<&(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Line>, Error> {
        permit(&caller.principal, Action::ReadAll)?;
        let (mut tx, _) = self.glance().await?;
        Ok(tx.incidents(after, limit).await?)
    }
}

/// The number that a person types is worth something only if it is right.
fn check_count(commit: &Commit) -> Result<(), Refusal> {
    let shown: BTreeSet<&ItemId> = commit.items.iter().map(|item| &item.id).collect();
    if let Some(stranger) = commit.keep.iter().find(|id| !shown.contains(id)) {
        return Err(Refusal::BadInput {
            field: "keep".to_owned(),
            why: format!("`{}` was not shown", stranger.as_str()),
        });
    }
    if commit.ask.lock && commit.keep.iter().any(|id| matches!(id, ItemId::Grant(_))) {
        return Err(Refusal::BadInput {
            field: "keep".to_owned(),
            why: "a lock takes away every grant that it matches: keep none, or leave the lock out"
                .to_owned(),
        });
    }
    let left = shown.len() - commit.keep.len();
    if left != commit.count {
        return Err(Refusal::BadInput {
            field: "count".to_owned(),
            why: format!("{} was typed, and {left} would go", commit.count),
        });
    }
    Ok(())
}

/// Writes the incident and what it takes away; answers what was written, and what is left to write.
async fn carry_out(
    writing: &mut Writing,
    catalog: &Catalog,
    new: IncidentId,
    commit: &Commit,
    ticket: &Ticket,
    fits: Fits<'_>,
) -> Result<(Change, Change), Error> {
    let (who, now) = (writing.who.clone(), writing.now);
    let act = Act {
        incident: &new,
        by: &who,
        reason: &commit.reason,
        now,
    };
    let reason = act.check()?;
    let tx = &mut writing.tx;
    let reach = Reach::of(tx, &commit.ask.scope, catalog, now).await?;
    let mut locks = Vec::new();
    for on in reach.lockable(tx, &commit.ask, &who).await? {
        let id = LockId::from_bits(new_bits()?);
        let lock = Lock::place(id, on, None, &reason, &who, now)?;
        locks.push(Lock {
            incident: Some(new.clone()),
            ..lock
        });
    }
    let going = commit
        .items
        .iter()
        .filter(|item| !commit.keep.contains(&item.id));
    let going: Vec<&Shown> = going.collect();
    let held = Held::take(tx, &reach, &commit.items).await?;
    let shown_at = ticket.good_until - GOOD_FOR;
    let changed = held.changed(&going);
    let since = tx.events_about(&changed, EventCode::ALL, shown_at).await?;
    let told = |id: &ItemId| -> Vec<Event> {
        let events = since.get(id.as_str()).into_iter().flatten();
        events.map(|(_, event)| event.clone()).collect()
    };
    let (mut items, mut steps): (Vec<Item>, Change) = (Vec::new(), Change::new());
    for shown in going {
        match &shown.id {
            ItemId::Grant(id) => {
                let Some(grant) = held.grants.get(id) else {
                    continue;
                };
                let in_scope = bearing(&locks, catalog, &grant.target);
                let locked = in_scope.on(grant.into(), now).is_some();
                let (item, step) = act.on_grant(grant, shown.version, &told(&shown.id), locked);
                items.push(item);
                steps.extend(step);
            }
            ItemId::Request(id) => {
                let Some(request) = held.requests.get(id) else {
                    continue;
                };
                let (item, change) = act.on_request(request, shown.version, &told(&shown.id));
                items.push(item);
                steps.extend(change.into_iter().flatten());
            }
        }
    }
    count_closed(&mut locks, catalog, &held, &items, now);
    let incident = Incident {
        id: new.clone(),
        reason,
        ask: commit.ask.clone(),
        started_by: who.as_ref(),
        created_at: now,
        token: ticket.digest(),
        appeared: held.appeared(&reach, commit, fits),
        items,
    };
    let mut first = vec![incident.started(commit.keep.len(), locks.len())];
    first.extend(steps);
    tx.apply(&first, &writing.origin, now).await?;
    // What the locks match besides: it had not been shown, and a lock leaves nothing open.
    let by = who.as_ref();
    let cut = take_away(tx, catalog, &locks, Some(&by), now).await?;
    for (id, _) in &cut {
        if let Some(lock) = locks.iter_mut().find(|lock| lock.id == *id) {
            lock.grants_closed += 1;
        }
    }
    let mut more: Change = locks.iter().map(Lock::placed).collect();
    more.extend(cut.into_iter().map(|(_, step)| step));
    Ok((first, more))
}

/// Counts what the incident itself took away for the first lock that matches it.
fn count_closed(
    locks: &mut [Lock],
    catalog: &Catalog,
    held: &Held,
    items: &[Item],
    now: DateTime<Utc>,
) {
    let gone = items.iter().filter(|item| item.fate == Fate::Revoking);
    let grants = gone.filter_map(|item| match &item.id {
        ItemId::Grant(id) => held.grants.get(id),
        ItemId::Request(_) => None,
    });
    let matched: Vec<LockId> = grants
        .filter(|grant| grant.state != GrantState::Closing)
        .filter_map(|grant| {
            let locks: Locks<'_> = bearing(locks, catalog, &grant.target);
            locks.on(grant.into(), now).map(|lock| lock.id.clone())
        })
        .collect();
    for lock in locks {
        let closed = matched.iter().filter(|id| **id == lock.id).count();
        lock.grants_closed = i64::try_from(closed).unwrap_or(i64::MAX);
    }
}

/// Everything that a commit decides about, as it is now. Nobody changes it until the transaction ends.
struct Held {
    grants: HashMap<GrantId, Grant>,
    requests: HashMap<RequestId, Request>,
    shown: HashMap<ItemId, i64>,
}

impl Held {
    async fn take(tx: &mut Tx, reach: &Reach<'_>, items: &[Shown]) -> Result<Self, Error> {
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
    fn changed(&self, items: &[&Shown]) -> Vec<ItemId> {
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
    fn appeared(&self, reach: &Reach<'_>, commit: &Commit, fits: Fits<'_>) -> Vec<String> {
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

async fn receipts(tx: &mut Tx, incident: &Incident) -> Result<Vec<Receipt>, Error> {
    const CODES: [EventCode; 5] = [
        EventCode::GrantClosing,
        EventCode::GrantEnded,
        EventCode::GrantReturned,
        EventCode::GrantRevoked,
        EventCode::GrantActivationFailed,
    ];
    let (mut grants, mut requests, mut of_grants) = (Vec::new(), Vec::new(), Vec::new());
    for item in &incident.items {
        match &item.id {
            ItemId::Grant(id) => {
                grants.push(id.clone());
                of_grants.push(item.id.clone());
            }
            ItemId::Request(id) => requests.push(id.clone()),
        }
    }
    let mut grants = tx.grants_by_id(&grants).await?;
    let states = tx.request_states(&requests).await?;
    let mut events = tx
        .events_about(&of_grants, &CODES, DateTime::UNIX_EPOCH)
        .await?;
    let receipts = incident.items.iter().map(|item| {
        let grant = match &item.id {
            ItemId::Grant(id) => grants.remove(id),
            ItemId::Request(_) => None,
        };
        let state = match &grant {
            Some(grant) => grant.state.as_str(),
            None => states
                .get(item.id.as_str())
                .map_or("gone", |state| state.as_str()),
        };
        let events = events.remove(item.id.as_str()).unwrap_or_default();
        let closing = |(_, event): &&(DateTime<Utc>, Event)| event.code == EventCode::GrantClosing;
        let blocked_at = events.iter().find(closing).map(|(at, _)| *at);
        let last = events.into_iter().next_back().map(|(_, event)| event);
        Receipt {
            item: item.clone(),
            state,
            grant,
            blocked_at,
            ended: last.filter(|event| event.code != EventCode::GrantClosing),
        }
    });
    Ok(receipts.collect())
}

impl Receipt {
    /// Whether nothing is left to wait for.
    pub fn is_done(&self) -> bool {
        let over = |grant: &Grant| grant.state.is_final();
        self.item.fate != Fate::Revoking || self.grant.as_ref().is_none_or(over)
    }
}
