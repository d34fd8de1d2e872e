//! What a scope takes in at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::grant::{CloseKind, Grant};
use crate::domain::ids::PrincipalId;
use crate::domain::incident::{Ask, Scope};
use crate::domain::lock::{Blocked, Lock, Subject};
use crate::domain::principal::Principal;
use crate::domain::request::{Request, RequestState};
use crate::gate::Error;
use crate::gate::grants::SeenGrant;
use crate::gate::locks::{On, known, person, tag_known, tags_named, target_known};
use crate::store::Tx;
use crate::store::grants::Filter;

use super::Fits;

/// A scope with its names resolved.
pub(super) struct Reach<'a> {
    pub(super) scope: &'a Scope,
    people: BTreeSet<PrincipalId>,
    catalog: &'a Catalog,
    /// The locks in force, for what is seen.
    locks: Arc<Vec<Lock>>,
    now: DateTime<Utc>,
}

impl<'a> Reach<'a> {
    /// Names that nobody has are refused: a list that is empty by mistake would be taken for safety.
    pub(super) async fn of(
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
    pub(super) fn filters(&self) -> Vec<Filter> {
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

    pub(super) fn seen(&self, grant: Grant) -> SeenGrant {
        SeenGrant {
            owner: None,
            // What is taken away is taken away however it was got.
            broke_glass: false,
            grant,
            locks: Arc::clone(&self.locks),
            now: self.now,
        }
    }

    /// Whether a revoke of this grant would change anything, and it is in the scope.
    pub(super) fn takes(&self, seen: &SeenGrant, fits: Fits<'_>) -> bool {
        let grant = &seen.grant;
        grant.close_kind != Some(CloseKind::Revoke)
            && self.covers(grant.into())
            && (self.scope.filter.is_none() || fits(seen))
    }

    pub(super) fn asks(&self, request: &Request) -> bool {
        let subject = Subject {
            principal: &request.requester.id,
            target: &request.target,
            role: &request.role,
        };
        self.now < request.decide_by && self.covers(subject)
    }

    pub(super) async fn pending(&self, tx: &mut Tx) -> Result<Vec<Request>, Error> {
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
    pub(super) async fn lockable(
        &self,
        tx: &mut Tx,
        ask: &Ask,
        who: &Principal,
    ) -> Result<Vec<Blocked>, Error> {
        let mut all = Vec::new();
        for on in self.locks(ask) {
            let on = known(tx, self.catalog, on).await?;
            Lock::may_place(&on, who, tags_named(&on, self.catalog).as_ref())?;
            let there = |lock: &Lock| lock.on == on && lock.ends_at.is_none();
            if !self.locks.iter().any(there) {
                all.push(on);
            }
        }
        Ok(all)
    }
}
