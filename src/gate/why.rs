//! Why a request or a grant is as it is, what policy would say to a question, and what another policy would have said.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::extent::Place;
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, PrincipalName, RequestId, RoleName, TargetName};
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Deed, Explained, Policy, Verdict};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKind};
use crate::domain::span::Span;
use crate::store::Tx;
use crate::store::grants::Filter;
use crate::store::policies::Kept;

use super::sight::{place, within};
use super::{Caller, Error, Gate, requests};

/// How many recorded requests one call of a replay looks at.
const REPLAYED: i64 = 200;

/// What a *why* is answered from.
#[derive(Debug, Clone)]
pub struct SeenWhy {
    pub request: Request,
    pub grant: Option<Grant>,
    /// The policy under which it was asked, if its text was kept.
    pub kept: Option<Kept>,
    /// Whether that is still the policy in use.
    pub in_use: bool,
}

/// One question to the policy, by names.
#[derive(Debug, Clone)]
pub struct Question {
    pub principal: Option<PrincipalName>,
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    pub at: Option<DateTime<Utc>>,
    pub ticket: Option<String>,
}

/// The policy's answer, with every policy about asking.
#[derive(Debug, Clone)]
pub struct Answered {
    pub who: Principal,
    pub verdict: Verdict,
    pub explained: Vec<Explained>,
    pub version: String,
    pub at: DateTime<Utc>,
}

/// What a replay found on one page.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    pub looked_at: u32,
    /// Each with the verdict of the other policy.
    pub different: Vec<(Request, Verdict)>,
    pub next: Option<(i64, String)>,
}

impl Gate {
    /// Why a request is as it is.
    pub async fn why_request(&self, caller: &Caller, id: &RequestId) -> Result<SeenWhy, Error> {
        let (who, rules) = (&caller.principal, self.rules.current());
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, _) = self.look().await?;
        let request = requests::seen_by(&mut tx, id, who, &rules.catalog).await?;
        self.why(&mut tx, request, None).await
    }

    /// Why a grant is as it is: the request that it came of, and what became of it since.
    pub async fn why_grant(&self, caller: &Caller, id: &GrantId) -> Result<SeenWhy, Error> {
        let (who, rules) = (&caller.principal, self.rules.current());
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, _) = self.look().await?;
        let grant = super::grants::seen_by(&mut tx, id, who, &rules.catalog).await?;
        let request = requests::seen_by(&mut tx, &grant.request, who, &rules.catalog).await?;
        self.why(&mut tx, request, Some(grant)).await
    }

    async fn why(
        &self,
        tx: &mut Tx,
        request: Request,
        grant: Option<Grant>,
    ) -> Result<SeenWhy, Error> {
        let version = &request.snapshot.policy_version;
        let rules = self.rules.current();
        let in_use = rules.policy.version() == version;
        let kept = if in_use {
            Some(Kept {
                text: rules.policy.text().to_owned(),
                time_zone: rules.policy.zone().to_string(),
            })
        } else {
            tx.policy_kept(version).await?
        };
        Ok(SeenWhy {
            request,
            grant,
            kept,
            in_use,
        })
    }

    /// What the policy in use says to a question, and why.
    pub async fn explain(&self, caller: &Caller, question: Question) -> Result<Answered, Error> {
        permit_at(&caller.principal, Action::ReadCatalog, Place::Somewhere)?;
        let own = question
            .principal
            .as_ref()
            .is_none_or(|name| *name == caller.principal.name);
        let rules = self.rules.current();
        let here = place(&rules.catalog, &question.target);
        if !own {
            permit_at(&caller.principal, Action::ReadPolicy, here)?;
        }
        let (mut tx, now) = self.look().await?;
        let who = match question.principal {
            Some(name) if !own => {
                tx.principal_named(&name)
                    .await?
                    .ok_or_else(|| Refusal::NotFound {
                        what: "principal",
                        name: name.to_string(),
                    })?
            }
            _ => caller.principal.clone(),
        };
        let target = rules
            .catalog
            .target(&question.target)
            .filter(|_| permit_at(&caller.principal, Action::ReadCatalog, here).is_ok())
            .ok_or_else(|| Refusal::UnknownTarget {
                target: question.target.clone(),
                nearest: None,
            })?;
        let at = question.at.unwrap_or(now);
        let ask = policy::Ask {
            asker: &who,
            target,
            role: &question.role,
            kind: RequestKind::Access,
            duration: question.duration,
            total: question.duration,
            ticket: question.ticket.as_deref(),
            // As long as a reason that says something.
            reason_length: 40,
            now: at,
        };
        let (verdict, explained) = rules.policy.explain(Deed::Request, &ask);
        Ok(Answered {
            version: rules.policy.version().to_owned(),
            verdict,
            explained,
            at,
            who,
        })
    }

    /// Recorded requests, newest first, that another policy would decide differently. People are taken with the
    /// groups that they have now, for no others are on record.
    pub async fn replay(
        &self,
        caller: &Caller,
        other: &Policy,
        days: u32,
        after: Option<(i64, String)>,
    ) -> Result<Replayed, Error> {
        permit_at(&caller.principal, Action::ReadPolicy, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let filter = Filter {
            after,
            within: within(&caller.principal, Action::ReadPolicy, &rules.catalog),
            made: (Some(now - TimeDelta::days(i64::from(days))), None),
            ..Filter::default()
        };
        let page = tx.requests(&filter, REPLAYED).await?;
        let mut replayed = Replayed::default();
        if i64::try_from(page.len()).unwrap_or_default() == REPLAYED {
            replayed.next = page
                .last()
                .map(|last| (last.created_at.timestamp_millis(), last.id.to_string()));
        }
        for request in page {
            replayed.looked_at += 1;
            let Some(target) = rules.catalog.target(&request.target) else {
                continue;
            };
            let Some(asker) = tx.principal(&request.requester.id).await? else {
                continue;
            };
            let total = match requests::parent_of(&mut tx, &request).await? {
                Some(grant) => {
                    let from = grant.starts_at.unwrap_or(grant.not_before);
                    Span::from_chrono(request.created_at.max(from) - from)
                        .ok()
                        .and_then(|lasted| lasted.checked_add(request.duration))
                        .unwrap_or(request.duration)
                }
                None => request.duration,
            };
            let deed = match request.kind {
                RequestKind::BreakGlass => Deed::BreakGlass,
                RequestKind::Access | RequestKind::Extend => Deed::Request,
            };
            let ask = policy::Ask {
                asker: &asker,
                target,
                role: &request.role,
                kind: request.kind,
                duration: request.duration,
                total,
                ticket: request.ticket.as_deref(),
                reason_length: request.reason.chars().count(),
                now: request.created_at,
            };
            let verdict = other.decide_as(deed, &ask);
            let same = match &verdict {
                Verdict::Permitted { ways } => alike(ways, &request.snapshot.ways),
                Verdict::Denied(_) => false,
            };
            if !same {
                replayed.different.push((request, verdict));
            }
        }
        Ok(replayed)
    }
}

/// Whether two policies ask for the same reviews, whatever the policies are called and wherever they stand.
fn alike(one: &[policy::Way], other: &[policy::Way]) -> bool {
    let needs = |ways: &[policy::Way]| {
        let mut needs: Vec<String> = ways.iter().map(policy::Way::needs).collect();
        needs.sort();
        needs.dedup();
        needs
    };
    needs(one) == needs(other)
}
