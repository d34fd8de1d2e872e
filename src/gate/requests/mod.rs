//! Filing, deciding and reading requests.

mod read;

use chrono::{DateTime, Utc};

pub use read::SeenRequest;
pub(super) use read::seen_by;

use crate::catalog::Rulebook;
use crate::domain::change::Change;
use crate::domain::extent::Place;
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::lock::Subject;
use crate::domain::nearest::nearest;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self};
use crate::domain::principal::Principal;
use crate::domain::refusal::{Cause, Refusal};
use crate::domain::request::{About, Ask, PENDING_MAX, Request, RequestKind, check_reason};
use crate::domain::review::{Decision, Narrowing};
use crate::domain::second_factor::Guarded;
use crate::domain::target::Target;
use crate::store::Tx;

use crate::gate::deeds::{Reviewed, decide, may_review};
use crate::gate::eligible;
use crate::gate::locks::bearing;
use crate::gate::reviewers::somebody_reviews;
use crate::gate::second_factor::told;
use crate::gate::sight::place;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, Writing, new_bits};

/// One decision of a reviewer.
#[derive(Debug, Clone)]
pub struct Verdicted {
    pub decision: Decision,
    pub comment: Option<String>,
    pub narrowed: Narrowing,
}

impl Gate {
    /// Files a request for access, under the policy as it is now.
    pub async fn submit(
        &self,
        caller: &Caller,
        ask: Ask,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        let rules = self.rules.current();
        let new = RequestId::from_bits(new_bits()?);
        self.confirmed(&caller.principal.id).await?;
        let opened = self
            .open_somewhere(caller, once, new.as_str(), Action::Submit)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.request_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        let target = asked(&rules, &ask, (&writing.who, Action::Submit))?;
        check_reason(&ask.reason)?;
        // A lock is the same answer to everybody, so it comes before what depends on the person.
        let locks = bearing(&writing.locks, &rules.catalog, &ask.target);
        let subject = Subject {
            principal: &writing.who.id,
            target: &ask.target,
            role: &ask.role,
        };
        locks.check(subject, writing.now)?;
        if let Some(request) = writing
            .tx
            .pending_like(&writing.who.id, &ask.target, &ask.role)
            .await?
        {
            return Err(Refusal::DuplicatePending { request }.into());
        }
        few_enough(&mut writing).await?;
        let snapshot = decide(
            &rules.policy,
            &policy::Ask {
                asker: &writing.who,
                target,
                role: &ask.role,
                kind: RequestKind::Access,
                duration: ask.duration,
                total: ask.duration,
                ticket: ask.ticket.as_deref(),
                reason_length: ask.reason.chars().count(),
                now: writing.now,
            },
        )?;
        let asker = writing.who.clone();
        let about = Reviewed {
            owner: &asker,
            target,
            role: &ask.role,
            kind: RequestKind::Access,
            duration: ask.duration,
            ticket: ask.ticket.as_deref(),
            now: writing.now,
        };
        somebody_reviews(&mut writing.tx, &rules.policy, &snapshot, about).await?;
        let kept = self.keep_policy(&mut writing, &rules.policy).await?;
        let (request, change) = Request::submit(
            new,
            &writing.who,
            ask,
            snapshot,
            GrantId::from_bits(new_bits()?),
            bearing(&writing.locks, &rules.catalog, &target.name),
            writing.now,
        )?;
        let seen = self.finish_request(writing, request, &change).await?;
        self.policy_kept(kept);
        Ok(seen)
    }

    /// Takes a reviewer's decision on the version that the reviewer saw.
    pub async fn review(
        &self,
        caller: &Caller,
        id: &RequestId,
        version: i64,
        verdict: Verdicted,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        let rules = self.rules.current();
        if verdict.decision == Decision::Approve {
            self.confirmed(&caller.principal.id).await?;
            self.requester_confirmed(id).await?;
        }
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Review)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.request_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        let request = self.reviewable(&mut writing, id).await?;
        // The rules that name people come first: their answer does not depend on the version.
        request.may_review(&writing.who, writing.now)?;
        may_review(&mut writing, &rules, &request, &verdict.narrowed).await?;
        same_version(&request, version)?;
        let (request, change) = match verdict.decision {
            Decision::Deny => {
                writing.guard(Guarded::Deny);
                request.deny_by(
                    &writing.who,
                    verdict.comment.as_deref().unwrap_or_default(),
                    writing.now,
                )?
            }
            Decision::Approve => {
                writing.guard(Guarded::Approve);
                self.still_permitted(&mut writing, &request, &rules).await?;
                let target = rules.catalog.target(&request.target).ok_or_else(|| {
                    Refusal::UnknownTarget {
                        target: request.target.clone(),
                        nearest: None,
                    }
                })?;
                if verdict.narrowed.role.is_some() {
                    self.lesser_role_is_permitted(
                        &mut writing,
                        &rules.policy,
                        &request,
                        target,
                        &verdict.narrowed,
                    )
                    .await?;
                }
                let parent = parent_of(&mut writing.tx, &request).await?;
                let grant = GrantId::from_bits(new_bits()?);
                let about = About {
                    target,
                    parent: parent.as_ref(),
                    grant: &grant,
                    locks: bearing(&writing.locks, &rules.catalog, &target.name),
                };
                request.approve_by(
                    &writing.who,
                    verdict.comment.as_deref(),
                    verdict.narrowed,
                    about,
                    writing.now,
                )?
            }
        };
        self.finish_request(writing, request, &change).await
    }

    /// Whoever comes from a provider may have lost, since they asked, what let them ask.
    async fn still_permitted(
        &self,
        writing: &mut Writing,
        request: &Request,
        rules: &Rulebook,
    ) -> Result<(), Error> {
        let asker = &request.requester.id;
        // A longer time is judged by the access that it is for.
        let longer = request.kind == RequestKind::Extend;
        if longer || writing.tx.identity_of(asker).await?.is_none() {
            return Ok(());
        }
        let asker = writing.tx.principal(asker).await?;
        let asker =
            asker.ok_or_else(|| anyhow::anyhow!("the requester of {} is gone", request.id))?;
        match eligible::no_more(&mut writing.tx, request, &asker, rules).await? {
            Some(why) => Err(Refusal::PolicyDenied {
                why,
                cause: Box::new(Cause {
                    version: request.snapshot.policy_version.clone(),
                    policies: Vec::new(),
                    errors: Vec::new(),
                }),
            }
            .into()),
            None => Ok(()),
        }
    }

    /// A lesser role is a different ask: policy must permit it too.
    async fn lesser_role_is_permitted(
        &self,
        writing: &mut Writing,
        policy: &policy::Policy,
        request: &Request,
        target: &Target,
        narrowed: &Narrowing,
    ) -> Result<(), Error> {
        let terms = request.terms();
        let role = narrowed.role.as_ref().unwrap_or(&terms.role);
        if !target.roles.contains_key(role) {
            let known: Vec<String> = target
                .roles
                .keys()
                .map(|role| format!("`{role}`"))
                .collect();
            return Err(Refusal::UnknownRole {
                target: target.name.clone(),
                role: role.clone(),
                known: known.join(", "),
            }
            .into());
        }
        let requester = writing
            .tx
            .principal(&request.requester.id)
            .await?
            .ok_or_else(|| anyhow::anyhow!("the requester of {} is gone", request.id))?;
        let duration = narrowed.duration.unwrap_or(terms.duration);
        decide(
            policy,
            &policy::Ask {
                asker: &requester,
                target,
                role,
                kind: RequestKind::Access,
                duration,
                total: duration,
                ticket: request.ticket.as_deref(),
                reason_length: request.reason.chars().count(),
                now: writing.now,
            },
        )?;
        Ok(())
    }

    /// Takes a request back.
    pub async fn withdraw(
        &self,
        caller: &Caller,
        id: &RequestId,
        version: i64,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Submit)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.request_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        let rules = self.rules.current();
        let request = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let (next, change) = request.withdraw(&writing.who, writing.now)?;
        same_version(&request, version)?;
        self.finish_request(writing, next, &change).await
    }

    /// Tells other reviewers that the caller looks at a request.
    pub async fn claim(
        &self,
        caller: &Caller,
        id: &RequestId,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        self.change_claim(caller, id, once, Request::take_claim)
            .await
    }

    /// Takes the caller's claim back.
    pub async fn release(
        &self,
        caller: &Caller,
        id: &RequestId,
        once: &OnceKey,
    ) -> Result<SeenRequest, Error> {
        self.change_claim(caller, id, once, Request::release_claim)
            .await
    }

    async fn change_claim(
        &self,
        caller: &Caller,
        id: &RequestId,
        once: &OnceKey,
        rule: impl Fn(&Request, &Principal, DateTime<Utc>) -> Result<(Request, Change), Refusal>,
    ) -> Result<SeenRequest, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Review)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.request_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        let request = self.reviewable(&mut writing, id).await?;
        let (next, change) = rule(&request, &writing.who, writing.now)?;
        self.finish_request(writing, next, &change).await
    }

    /// A request on a target for which the caller is a reviewer.
    async fn reviewable(&self, writing: &mut Writing, id: &RequestId) -> Result<Request, Error> {
        let rules = self.rules.current();
        let request = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let place = place(&rules.catalog, &request.target);
        permit_at(&writing.who, Action::Review, place)?;
        Ok(request)
    }

    /// As `finish`; the answer is of the same transaction.
    pub(super) async fn finish_request(
        &self,
        mut writing: Box<Writing>,
        request: Request,
        change: &Change,
    ) -> Result<SeenRequest, Error> {
        let now = writing.now;
        let way = self.prove(&mut writing).await?;
        let change = told(change, way);
        writing.tx.apply(&change, &writing.origin, now).await?;
        let who = writing.who.clone();
        let seen = self.beside(&mut writing.tx, request, &who, now).await?;
        self.finish(writing, &Change::new()).await?;
        self.counted(&change);
        Ok(seen)
    }
}

/// The target that is asked for, if it has the role.
pub(super) fn asked<'a>(
    rules: &'a Rulebook,
    ask: &Ask,
    (who, action): (&Principal, Action),
) -> Result<&'a Target, Refusal> {
    let listed = |target: &&Target| {
        let place = Place::On(Some(&target.tags));
        permit_at(who, Action::ReadCatalog, place).is_ok()
    };
    let Some(target) = rules.catalog.target(&ask.target).filter(listed) else {
        let targets = rules.catalog.targets.values().map(|entry| &entry.target);
        let names = targets.filter(listed).map(|target| target.name.as_str());
        return Err(Refusal::UnknownTarget {
            nearest: nearest(ask.target.as_str(), names).map(str::to_owned),
            target: ask.target.clone(),
        });
    };
    permit_at(who, action, Place::On(Some(&target.tags)))?;
    if !target.roles.contains_key(&ask.role) {
        let known: Vec<String> = target
            .roles
            .keys()
            .map(|role| format!("`{role}`"))
            .collect();
        return Err(Refusal::UnknownRole {
            target: ask.target.clone(),
            role: ask.role.clone(),
            known: known.join(", "),
        });
    }
    Ok(target)
}

/// A flood of requests hides the one that matters.
pub(super) async fn few_enough(writing: &mut Writing) -> Result<(), Error> {
    let pending = writing.tx.pending_count(&writing.who.id).await?;
    if usize::try_from(pending).unwrap_or(usize::MAX) >= PENDING_MAX {
        return Err(Refusal::TooManyPending { limit: PENDING_MAX }.into());
    }
    Ok(())
}

fn same_version(request: &Request, version: i64) -> Result<(), Refusal> {
    if request.version == version {
        Ok(())
    } else {
        Err(Refusal::Conflict {
            what: "request",
            name: request.id.to_string(),
        })
    }
}

pub(super) async fn parent_of(tx: &mut Tx, request: &Request) -> Result<Option<Grant>, Error> {
    match (request.kind, &request.grant) {
        (RequestKind::Extend, Some(grant)) => Ok(tx.grant(grant).await?),
        _ => Ok(None),
    }
}
