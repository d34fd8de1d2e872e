//! Extending, returning, revoking and using grants.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::change::{Change, Step};
use crate::domain::extent::Place;
use crate::domain::grant::{Grant, authorize};
use crate::domain::ids::{GrantId, PrincipalId, RequestId};
use crate::domain::lock::{Lock, Locks};
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Deed};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{About, Request, RequestKind, RequestState};
use crate::domain::review::Narrowing;
use crate::domain::second_factor::Guarded;
use crate::domain::span::Span;
use crate::store::Tx;
use crate::store::grants::Filter;
use crate::targets::{Access, Credential, CredentialAsk};

use super::deeds::{Reviewed, decide, may_extend, may_revoke, owners};
use super::locks::bearing;
use super::requests::{SeenRequest, few_enough};
use super::reviewers::somebody_reviews;
use super::sight::{place, sees, within};
use super::{Caller, Error, Gate, OnceKey, Opened, Writing, new_bits};

/// A grant at one moment.
#[derive(Debug, Clone)]
pub struct SeenGrant {
    pub grant: Grant,
    /// Its holder, with their groups, where policy has a say in what others do to it.
    pub owner: Option<Arc<Principal>>,
    /// It was taken before anybody had reviewed it.
    pub broke_glass: bool,
    /// Every lock in force.
    pub locks: Arc<Vec<Lock>>,
    pub now: DateTime<Utc>,
}

/// Which version of a grant a decision was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub i64);

impl Gate {
    /// Asks for a later end. From the holder it waits for its reviews; from a reviewer it is filed for the holder
    /// and carries the reviewer's approval.
    pub async fn extend(
        &self,
        caller: &Caller,
        id: &GrantId,
        version: Version,
        by: Span,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        caller.how.method.allows(Action::Submit)?;
        let rules = self.rules.current();
        let new = RequestId::from_bits(new_bits()?);
        self.confirmed(&caller.principal.id).await?;
        self.holder_confirmed(id).await?;
        let opened = self
            .open_somewhere(caller, once, new.as_str(), Action::ReadOwn)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => {
                let id: RequestId = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
                return self.request(caller, &id).await;
            }
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        let grant = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let own = grant.holder.id == writing.who.id;
        let action = if own {
            Action::Submit
        } else {
            Action::ExtendOthers
        };
        permit_at(&writing.who, action, place(&rules.catalog, &grant.target))?;
        if !own {
            writing.guard(Guarded::ExtendOthers);
        }
        same_version(&grant, version)?;
        let target = rules
            .catalog
            .target(&grant.target)
            .ok_or_else(|| Refusal::UnknownTarget {
                target: grant.target.clone(),
                nearest: None,
            })?;
        let in_force = Arc::clone(&writing.locks);
        let locks = bearing(&in_force, &rules.catalog, &target.name);
        grant.check_extension(by, locks, writing.now)?;
        if own {
            if let Some(request) = writing.tx.pending_extension(id).await? {
                return Err(Refusal::DuplicatePending { request }.into());
            }
            few_enough(&mut writing).await?;
        }
        let holder = holder(&mut writing, &grant).await?;
        let about = Reviewed {
            owner: &holder,
            target,
            role: &grant.role,
            kind: RequestKind::Extend,
            duration: by,
            ticket: None,
            now: writing.now,
        };
        if !own {
            may_extend(&rules.policy, &writing.who, about)?;
        }
        let lasted =
            Span::from_chrono(grant.expires_at - grant.starts_at.unwrap_or(grant.not_before))
                .unwrap_or(grant.duration);
        let snapshot = decide(
            &rules.policy,
            &policy::Ask {
                asker: &holder,
                target,
                role: &grant.role,
                kind: RequestKind::Extend,
                duration: by,
                total: lasted.checked_add(by).unwrap_or(Span::MAX),
                ticket: None,
                reason_length: reason.chars().count(),
                now: writing.now,
            },
        )?;
        somebody_reviews(&mut writing.tx, &rules.policy, &snapshot, about).await?;
        let kept = self.keep_policy(&mut writing, &rules.policy).await?;
        let (mut request, mut change) = Request::submit_extension(
            new,
            &grant,
            &holder,
            &writing.who,
            by,
            reason,
            snapshot,
            locks,
            writing.now,
        )?;
        if !own && request.state == RequestState::Pending {
            let about = About {
                target,
                parent: Some(&grant),
                grant: &grant.id,
                locks,
            };
            let (approved, more) =
                request.approve_by(&writing.who, None, Narrowing::default(), about, writing.now)?;
            request = approved;
            change.extend(more);
        }
        let seen = self.finish_request(writing, request, &change).await?;
        self.policy_kept(kept);
        Ok(seen)
    }

    /// Gives a grant back early.
    pub async fn give_back(
        &self,
        caller: &Caller,
        id: &GrantId,
        version: Version,
        once: &OnceKey,
    ) -> Result<SeenGrant, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::UseGrant)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.grant_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        let rules = self.rules.current();
        let grant = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let (next, step) = grant.give_back(&writing.who, writing.now)?;
        same_version(&grant, version)?;
        self.finish_grant(writing, next, vec![step]).await
    }

    /// Takes a grant away. The answer comes when the intent is durable: from then on authorisation says no, and the
    /// grant is `revoked` once the target was read back.
    pub async fn revoke(
        &self,
        caller: &Caller,
        id: &GrantId,
        version: Version,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenGrant, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Revoke)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.grant_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        let rules = self.rules.current();
        let grant = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let place = place(&rules.catalog, &grant.target);
        permit_at(&writing.who, Action::Revoke, place)?;
        may_revoke(&mut writing, &rules, &grant).await?;
        same_version(&grant, version)?;
        let (next, step) = grant.revoke(&writing.who, reason, writing.now)?;
        self.finish_grant(writing, next, vec![step]).await
    }

    /// Makes what the holder logs in with. Its end is on record before it leaves the server.
    pub async fn credential(
        &self,
        caller: &Caller,
        id: &GrantId,
        public_key: Option<&str>,
        once: &OnceKey,
    ) -> Result<Credential, Error> {
        let rules = self.rules.current();
        self.confirmed_for(caller).await?;
        let (grant, in_force, now) = {
            let (mut tx, now) = self.look().await?;
            let grant = seen_by(&mut tx, id, &caller.principal, &rules.catalog).await?;
            (grant, tx.locks_in_force(now).await?, now)
        };
        if grant.holder.id != caller.principal.id {
            return Err(Refusal::NotTheHolder { grant: grant.id }.into());
        }
        let on = place(&rules.catalog, &grant.target);
        let allowed = |who: &Principal| permit_at(who, Action::UseGrant, on);
        allowed(&caller.principal)?;
        authorize(
            &grant,
            bearing(&in_force, &rules.catalog, &grant.target),
            now,
        )?;
        let connector =
            rules
                .catalog
                .connector(&grant.target)
                .ok_or_else(|| Refusal::UnknownTarget {
                    target: grant.target.clone(),
                    nearest: None,
                })?;
        let ask = public_key.map_or(CredentialAsk::Password, CredentialAsk::PublicKey);
        let credential = connector
            .credential(access(&grant, now), ask)
            .await
            .map_err(|failure| {
                if failure.permanent {
                    Refusal::Unsupported {
                        why: failure.message,
                    }
                } else {
                    Refusal::TargetFailed {
                        target: grant.target.clone(),
                        why: failure.message,
                    }
                }
            })?;
        let opened = self.open_at(caller, once, id.as_str(), (Action::UseGrant, &allowed));
        match opened.await? {
            Opened::Before(_) => self.issued_again(caller, id, &credential).await?,
            Opened::Now(mut writing) => {
                let grant = load(&mut writing.tx, id).await?;
                let locks = bearing(&writing.locks, &rules.catalog, &grant.target);
                let step = issued(&grant, &writing.who, &credential, locks, writing.now)?;
                self.finish(writing, &vec![step]).await?;
            }
        }
        Ok(credential)
    }

    /// The same call again makes another certificate. INVARIANT: no credential leaves the server unless its end is
    /// on record and the grant is still active (`a_credential_that_is_asked_for_again_is_on_record_too`).
    async fn issued_again(
        &self,
        caller: &Caller,
        id: &GrantId,
        credential: &Credential,
    ) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        let grant = load(&mut tx, id).await?;
        let (in_force, rules) = (tx.locks_in_force(now).await?, self.rules.current());
        let place = place(&rules.catalog, &grant.target);
        permit_at(&who, Action::UseGrant, place)?;
        let locks = bearing(&in_force, &rules.catalog, &grant.target);
        let step = issued(&grant, &who, credential, locks, now)?;
        tx.apply(&vec![step], &caller.origin, now).await?;
        Ok(self.store.commit(tx).await?)
    }

    /// One grant that the caller may see.
    pub async fn grant(&self, caller: &Caller, id: &GrantId) -> Result<SeenGrant, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let grant = seen_by(&mut tx, id, who, &rules.catalog).await?;
        let locks = Arc::new(tx.locks_in_force(now).await?);
        self.seen(&mut tx, grant, locks, now).await
    }

    async fn seen(
        &self,
        tx: &mut Tx,
        grant: Grant,
        locks: Arc<Vec<Lock>>,
        now: DateTime<Utc>,
    ) -> Result<SeenGrant, Error> {
        let owners = self.holders(tx, std::slice::from_ref(&grant)).await?;
        Ok(SeenGrant {
            owner: owners.get(&grant.holder.id).cloned(),
            broke_glass: !tx.broke_glass(&[&grant.id]).await?.is_empty(),
            grant,
            locks,
            now,
        })
    }

    /// The holders of these grants, where policy has a say in what others do to them.
    pub(super) async fn holders(
        &self,
        tx: &mut Tx,
        grants: &[Grant],
    ) -> Result<HashMap<PrincipalId, Arc<Principal>>, Error> {
        let open = grants.iter().filter(|grant| !grant.state.is_final());
        let holders = open.map(|grant| &grant.holder.id);
        let rules = self.rules.current();
        owners(tx, &rules.policy, &[Deed::Extend, Deed::Revoke], holders).await
    }

    /// A page of grants that the caller may see, newest first.
    pub async fn grants(
        &self,
        caller: &Caller,
        mut filter: Filter,
        limit: i64,
    ) -> Result<Vec<SeenGrant>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        filter.within = within(who, Action::ReadAll, &self.rules.current().catalog);
        let (mut tx, now) = self.search().await?;
        let locks = Arc::new(tx.locks_in_force(now).await?);
        let page = tx.grants(&filter, limit).await?;
        let owners = self.holders(&mut tx, &page).await?;
        let ids: Vec<&GrantId> = page.iter().map(|grant| &grant.id).collect();
        let glass = tx.broke_glass(&ids).await?;
        tx.found();
        Ok(page
            .into_iter()
            .map(|grant| SeenGrant {
                owner: owners.get(&grant.holder.id).cloned(),
                broke_glass: glass.contains(&grant.id),
                grant,
                locks: Arc::clone(&locks),
                now,
            })
            .collect())
    }

    pub(super) async fn grant_before(&self, caller: &Caller, id: &str) -> Result<SeenGrant, Error> {
        let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
        self.grant(caller, &id).await
    }

    pub(super) async fn finish_grant(
        &self,
        mut writing: Box<Writing>,
        grant: Grant,
        change: Change,
    ) -> Result<SeenGrant, Error> {
        let (locks, now) = (Arc::clone(&writing.locks), writing.now);
        let seen = self.seen(&mut writing.tx, grant, locks, now).await?;
        self.finish(writing, &change).await?;
        Ok(seen)
    }
}

/// The grant as its connector sees it.
pub(super) fn access(grant: &Grant, now: DateTime<Utc>) -> Access<'_> {
    Access {
        grant: &grant.id,
        role: &grant.role,
        holder: &grant.holder.name,
        ends_at: grant.expires_at,
        epoch: grant.epoch,
        last_credential_ends_at: grant.credential_ends_at,
        now,
        heard: None,
    }
}

fn issued(
    grant: &Grant,
    who: &Principal,
    credential: &Credential,
    locks: Locks<'_>,
    now: DateTime<Utc>,
) -> Result<Step, Refusal> {
    let what = match credential {
        Credential::Postgres(_) => "password".to_owned(),
        Credential::Ssh(certified) => format!("ssh certificate, serial {}", certified.serial),
        Credential::OwnAccount(_) => "nothing: the holder uses their own account".to_owned(),
    };
    let (_, step) = grant.credential_issued(who, credential.ends_at(), &what, locks, now)?;
    Ok(step)
}

pub(super) async fn holder(writing: &mut Writing, grant: &Grant) -> Result<Principal, Error> {
    if grant.holder.id == writing.who.id {
        return Ok(writing.who.clone());
    }
    Ok(writing
        .tx
        .principal(&grant.holder.id)
        .await?
        .ok_or_else(|| anyhow::anyhow!("the holder of {} is gone", grant.id))?)
}

pub(super) async fn load(tx: &mut Tx, id: &GrantId) -> Result<Grant, Error> {
    Ok(tx.grant(id).await?.ok_or_else(|| Refusal::NotFound {
        what: "grant",
        name: id.to_string(),
    })?)
}

/// A grant that this person may see. What one may not see does not exist.
pub(super) async fn seen_by(
    tx: &mut Tx,
    id: &GrantId,
    who: &Principal,
    catalog: &Catalog,
) -> Result<Grant, Error> {
    let grant = load(tx, id).await?;
    if grant.holder.id == who.id || sees(who, &grant.target, catalog) {
        return Ok(grant);
    }
    Err(Refusal::NotFound {
        what: "grant",
        name: grant.id.to_string(),
    }
    .into())
}

pub(super) fn same_version(grant: &Grant, version: Version) -> Result<(), Refusal> {
    if grant.version == version.0 {
        Ok(())
    } else {
        Err(Refusal::Conflict {
            what: "grant",
            name: grant.id.to_string(),
        })
    }
}
