//! Placing, lifting and reading locks, and taking away what a lock in force matches.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::extent::{Place, Tag, Tags};
use crate::domain::grant::GrantState;
use crate::domain::ids::{LockId, PrincipalName, RoleName, TargetName};
use crate::domain::lock::{Blocked, Lock, Locks};
use crate::domain::nearest::nearest;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::Deed;
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::Guarded;
use crate::domain::span::Span;
use crate::store::Tx;
use crate::store::grants;
use crate::store::locks::Filter;

use super::deeds::{may_lock, owners};
use super::grants::Version;
use super::sight::{place, sees_lock, within};
use super::{Caller, Error, Gate, OnceKey, Opened, new_bits, new_trace};

/// The states in which a grant gives access, or is going to.
pub(super) const GIVING: [GrantState; 3] = [
    GrantState::Scheduled,
    GrantState::Activating,
    GrantState::Active,
];

/// What somebody wants to block, by the names that they typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    Principal(PrincipalName),
    Target(TargetName),
    Role(TargetName, RoleName),
    Tag { name: String, value: String },
    Everything,
}

/// A lock at one moment.
#[derive(Debug, Clone)]
pub struct SeenLock {
    pub lock: Lock,
    /// The tags of the target that it names, if it names one of the catalogue.
    pub tags: Option<Tags>,
    /// Whom it is on, where policy has a say in who lifts it.
    pub owner: Option<Arc<Principal>>,
    /// Every lock in force: one on the reader decides what the reader may do with this one.
    pub in_force: Arc<Vec<Lock>>,
    pub now: DateTime<Utc>,
}

/// The locks in force as they bear on this target.
pub fn bearing<'a>(locks: &'a [Lock], catalog: &'a Catalog, target: &TargetName) -> Locks<'a> {
    Locks::new(locks, catalog.target(target).map(|target| &target.tags))
}

impl Gate {
    /// Places a lock, and takes away every open grant that it matches, all or nothing.
    pub async fn place_lock(
        &self,
        caller: &Caller,
        on: On,
        length: Option<Span>,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenLock, Error> {
        let rules = self.rules.current();
        let new = LockId::from_bits(new_bits()?);
        let opened = self
            .open_somewhere(caller, once, new.as_str(), Action::Lock)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.lock_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        writing.guard(Guarded::PlaceLock);
        // Whoever locks some targets only is not told which others there are.
        check_scope(&writing.who, &on, &rules.catalog)?;
        let on = known(&mut writing.tx, &rules.catalog, on).await?;
        let tags = tags_named(&on, &rules.catalog);
        let by = (&writing.who, tags.as_ref());
        let mut lock = Lock::place(new, on, length, reason, by, writing.now)?;
        may_lock(&mut writing, &rules, &lock).await?;
        let locks = std::slice::from_ref(&lock);
        let (by, now) = (writing.who.as_ref(), writing.now);
        let cut = take_away(&mut writing.tx, &rules.catalog, locks, Some(&by), now).await?;
        lock.grants_closed = i64::try_from(cut.len()).unwrap_or(i64::MAX);
        let mut change = vec![lock.placed()];
        change.extend(cut.into_iter().map(|(_, step)| step));
        let mut in_force = writing.locks.to_vec();
        in_force.push(lock.clone());
        let seen = self.beside_lock(&mut writing.tx, lock, Arc::new(in_force), now);
        let seen = seen.await?;
        self.finish(writing, &change).await?;
        self.enforce_soon().await;
        Ok(seen)
    }

    /// Lifts a lock. What it took away does not come back.
    pub async fn lift(
        &self,
        caller: &Caller,
        id: &LockId,
        version: Version,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenLock, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Lock)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.lock_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        writing.guard(Guarded::LiftLock);
        let rules = self.rules.current();
        let lock = load(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        may_lock(&mut writing, &rules, &lock).await?;
        let (in_force, now) = (Arc::clone(&writing.locks), writing.now);
        let tags = tags_named(&lock.on, &rules.catalog);
        let locks = Locks::new(&in_force, tags.as_ref());
        let (next, step) = lock.lift(&writing.who, reason, locks, now)?;
        if lock.version != version.0 {
            return Err(Refusal::Conflict {
                what: "lock",
                name: id.to_string(),
            }
            .into());
        }
        let seen = self.beside_lock(&mut writing.tx, next, in_force, now);
        let seen = seen.await?;
        self.finish(writing, &vec![step]).await?;
        Ok(seen)
    }

    /// One lock.
    pub async fn lock(&self, caller: &Caller, id: &LockId) -> Result<SeenLock, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadLocks, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let lock = load(&mut tx, id, who, &rules.catalog).await?;
        let in_force = Arc::new(tx.locks_in_force(now).await?);
        self.beside_lock(&mut tx, lock, in_force, now).await
    }

    async fn beside_lock(
        &self,
        tx: &mut Tx,
        lock: Lock,
        in_force: Arc<Vec<Lock>>,
        now: DateTime<Utc>,
    ) -> Result<SeenLock, Error> {
        let page = self.beside_locks(tx, vec![lock], &in_force, now).await?;
        Ok(page
            .into_iter()
            .next()
            .ok_or_else(|| anyhow::anyhow!("a lock was lost on its way"))?)
    }

    /// Puts what their readers need beside locks.
    pub(super) async fn beside_locks(
        &self,
        tx: &mut Tx,
        locks: Vec<Lock>,
        in_force: &Arc<Vec<Lock>>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SeenLock>, Error> {
        let rules = self.rules.current();
        let locked = locks.iter().filter_map(|lock| match &lock.on {
            Blocked::Principal(who) => Some(&who.id),
            _ => None,
        });
        let owners = owners(tx, &rules.policy, &[Deed::Lock], locked).await?;
        let seen = locks.into_iter().map(|lock| SeenLock {
            tags: tags_named(&lock.on, &rules.catalog),
            owner: match &lock.on {
                Blocked::Principal(who) => owners.get(&who.id).cloned(),
                _ => None,
            },
            lock,
            in_force: Arc::clone(in_force),
            now,
        });
        Ok(seen.collect())
    }

    /// A page of locks, newest first.
    pub async fn locks(
        &self,
        caller: &Caller,
        filter: &Filter,
        limit: i64,
    ) -> Result<Vec<SeenLock>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadLocks, Place::Somewhere)?;
        let filter = Filter {
            within: within(who, Action::ReadLocks, &self.rules.current().catalog),
            ..filter.clone()
        };
        let (mut tx, now) = self.look().await?;
        let in_force = Arc::new(tx.locks_in_force(now).await?);
        let page = tx.locks(&filter, now, limit).await?;
        self.beside_locks(&mut tx, page, &in_force, now).await
    }

    async fn lock_before(&self, caller: &Caller, id: &str) -> Result<SeenLock, Error> {
        let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
        self.lock(caller, &id).await
    }

    /// Takes away what locks in force match but did not find when they were placed: a grant that was approved in the
    /// same moment, or a target that got its tag later. Until then authorisation says no all the same.
    pub async fn enforce_locks(&self) -> Result<usize, Error> {
        let (mut tx, now) = self.glance().await?;
        let locks = tx.locks_in_force(now).await?;
        drop(tx);
        if locks.is_empty() {
            return Ok(0);
        }
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let mut open = false;
        for filter in filters(&rules.catalog, &locks) {
            open |= tx
                .grants(&filter, i64::from(i32::MAX))
                .await?
                .iter()
                .any(|grant| {
                    bearing(&locks, &rules.catalog, &grant.target)
                        .on(grant.into(), now)
                        .is_some()
                });
        }
        drop(tx);
        if !open {
            return Ok(0);
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let locks = tx.locks_in_force(now).await?;
        let cut = take_away(&mut tx, &rules.catalog, &locks, None, now).await?;
        let change: Change = cut.into_iter().map(|(_, step)| step).collect();
        self.apply_own(tx, &change, &new_trace(), now).await?;
        Ok(change.len())
    }

    /// At once instead of with the next sweep. The lock stands whether or not this works.
    pub(super) async fn enforce_soon(&self) {
        if let Err(error) = self.enforce_locks().await {
            tracing::warn!(error = ?error, "what a new lock matches is looked for again by the sweeper");
        }
    }
}

/// What can be locked under this name. A lock that matches nothing by mistake would be taken for safety.
pub(super) async fn known(tx: &mut Tx, catalog: &Catalog, on: On) -> Result<Blocked, Error> {
    Ok(match on {
        On::Principal(name) => Blocked::Principal(person(tx, name).await?),
        On::Target(target) => {
            target_known(tx, catalog, &target).await?;
            Blocked::Target(target)
        }
        On::Role(target, role) => {
            target_known(tx, catalog, &target).await?;
            if let Some(found) = catalog.target(&target)
                && !found.roles.contains_key(&role)
            {
                let known: Vec<String> =
                    found.roles.keys().map(|role| format!("`{role}`")).collect();
                return Err(Refusal::UnknownRole {
                    target,
                    role,
                    known: known.join(", "),
                }
                .into());
            }
            Blocked::Role(target, role)
        }
        On::Tag { name, value } => {
            tag_known(catalog, &name, &value)?;
            Blocked::Tag { name, value }
        }
        On::Everything => Blocked::Everything,
    })
}

/// Somebody by name.
pub(super) async fn person(tx: &mut Tx, name: PrincipalName) -> Result<PrincipalRef, Error> {
    let found = tx.principal_named(&name).await?;
    let found = found.ok_or_else(|| Refusal::NotFound {
        what: "principal",
        name: name.to_string(),
    })?;
    Ok(found.as_ref())
}

/// A target of the catalogue, or one that has left it while somebody still has access.
pub(super) async fn target_known(
    tx: &mut Tx,
    catalog: &Catalog,
    target: &TargetName,
) -> Result<(), Error> {
    if catalog.target(target).is_some() || !tx.open_grants_on(target).await?.is_empty() {
        return Ok(());
    }
    let known = catalog.targets.keys().map(TargetName::as_str);
    Err(Refusal::UnknownTarget {
        target: target.clone(),
        nearest: nearest(target.as_str(), known).map(str::to_owned),
    }
    .into())
}

/// A tag that at least one target has.
pub(super) fn tag_known(catalog: &Catalog, name: &str, value: &str) -> Result<(), Refusal> {
    let mut targets = catalog.targets.values().map(|entry| &entry.target);
    if targets.any(|target| target.tags.get(name).is_some_and(|has| has == value)) {
        return Ok(());
    }
    Err(Refusal::NotFound {
        what: "target with the tag",
        name: format!("{name}={value}"),
    })
}

/// A lock that this person may see. What one may not see does not exist.
async fn load(tx: &mut Tx, id: &LockId, who: &Principal, catalog: &Catalog) -> Result<Lock, Error> {
    let found = tx.lock(id).await?;
    let found = found.filter(|lock| sees_lock(who, lock, catalog));
    Ok(found.ok_or_else(|| Refusal::NotFound {
        what: "lock",
        name: id.to_string(),
    })?)
}

/// The tags of the target that a lock names.
pub(super) fn tags_named(on: &Blocked, catalog: &Catalog) -> Option<Tags> {
    let target = catalog.target(on.target()?)?;
    Some(target.tags.clone())
}

/// Whether this person may lock that at all, before it is said whether it is there.
fn check_scope(who: &Principal, on: &On, catalog: &Catalog) -> Result<(), Refusal> {
    let tag;
    let wanted = match on {
        On::Target(target) | On::Role(target, _) => place(catalog, target),
        On::Tag { name, value } => {
            tag = Tag {
                name: name.clone(),
                value: value.clone(),
            };
            Place::Tagged(&tag)
        }
        On::Principal(_) | On::Everything => Place::Everywhere,
    };
    permit_at(who, Action::Lock, wanted)
}

/// Where to look for grants that these locks match; a grant that is found may still be of another target or person.
fn filters(catalog: &Catalog, locks: &[Lock]) -> Vec<grants::Filter> {
    let giving = || grants::Filter {
        states: GIVING.map(GrantState::as_str).to_vec(),
        ..grants::Filter::default()
    };
    if locks.iter().any(|lock| lock.on == Blocked::Everything) {
        return vec![giving()];
    }
    let mut people = std::collections::BTreeSet::new();
    let mut targets = std::collections::BTreeSet::new();
    for lock in locks {
        match &lock.on {
            Blocked::Principal(who) => {
                people.insert(&who.id);
            }
            Blocked::Target(target) | Blocked::Role(target, _) => {
                targets.insert(target);
            }
            Blocked::Tag { name, value } => {
                let tagged = catalog.targets.iter();
                let tagged = tagged.filter(|(_, entry)| entry.target.tags.get(name) == Some(value));
                targets.extend(tagged.map(|(target, _)| target));
            }
            Blocked::Everything => {}
        }
    }
    let people = people.into_iter().map(|who| grants::Filter {
        person: Some(who.clone()),
        ..giving()
    });
    let targets = targets.into_iter().map(|target| grants::Filter {
        target: Some(target.clone()),
        ..giving()
    });
    people.chain(targets).collect()
}

/// Every open grant that these locks match, as its closing. The locks are in force already, or will be with this
/// transaction.
pub(super) async fn take_away(
    tx: &mut Tx,
    catalog: &Catalog,
    locks: &[Lock],
    by: Option<&PrincipalRef>,
    now: DateTime<Utc>,
) -> Result<Vec<(LockId, crate::domain::change::Step)>, Error> {
    let mut open = HashMap::new();
    for filter in filters(catalog, locks) {
        let held = tx.hold_grants(&filter).await?;
        open.extend(held.into_iter().map(|grant| (grant.id.clone(), grant)));
    }
    let mut open: Vec<_> = open.into_values().collect();
    open.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let cut = open.iter().filter_map(|grant| {
        let lock = bearing(locks, catalog, &grant.target).on(grant.into(), now)?;
        let because = ("lock", lock.id.as_str());
        let (_, step) = grant.cut(by, &lock.closing_reason(), because, now)?;
        Some((lock.id.clone(), step))
    });
    Ok(cut.collect())
}
