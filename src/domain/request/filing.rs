//! Filing a request: the first of its transitions.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::domain::break_glass::{CodeRef, Use};
use crate::domain::change::{Change, Record, Step};
use crate::domain::event::{Actor, EventCode};
use crate::domain::extent::Tags;
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, RequestId, RoleName, TargetName};
use crate::domain::lock::{Locks, Subject};
use crate::domain::permit::Action;
use crate::domain::policy::{Snapshot, Way};
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::Refusal;
use crate::domain::review;
use crate::domain::span::Span;

use super::text::{check_reason, check_ticket};
use super::{Ask, LATEST_START, Request, RequestKind, RequestState};

/// A client's clock may be this much behind before its "start now" counts as the past.
const START_LEEWAY: TimeDelta = TimeDelta::minutes(5);

fn check_start(
    not_before: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Refusal> {
    // The store and the wire have milliseconds; what is decided on is what is kept.
    match not_before.map(|start| start.trunc_subsecs(3)) {
        Some(start) if start < now - START_LEEWAY => Err(Refusal::StartInPast),
        Some(start) if start > now + LATEST_START => {
            Err(Refusal::StartTooFar { latest: Span::MAX })
        }
        Some(start) if start <= now => Ok(None),
        start => Ok(start),
    }
}

/// A service account asks for nothing outside its scopes, also where policy would let it.
fn check_scope(
    who: &Principal,
    target: &TargetName,
    role: &RoleName,
    tags: Option<&Tags>,
) -> Result<(), Refusal> {
    match &who.service {
        Some(service) if !service.may_ask(target, role, tags) => Err(Refusal::NotAllowed {
            action: Action::Submit.phrase(),
            needs: "a scope of the service account that names this target and role",
        }),
        _ => Ok(()),
    }
}

/// What a break-glass needs to know besides the ask.
#[derive(Debug, Clone)]
pub struct Glass {
    /// The ways of policy, with their caps.
    pub snapshot: Snapshot,
    /// The name for the grant.
    pub grant: GrantId,
    pub skipped: Vec<PrincipalRef>,
    pub code: Option<CodeRef>,
}

impl Request {
    /// Files a request for access. Where policy asks no review it is approved at once and schedules its grant.
    pub fn submit(
        id: RequestId,
        requester: &Principal,
        ask: Ask,
        snapshot: Snapshot,
        grant: GrantId,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        let subject = Subject {
            principal: &requester.id,
            target: &ask.target,
            role: &ask.role,
        };
        locks.check(subject, now)?;
        check_scope(requester, &ask.target, &ask.role, locks.tags())?;
        let reason = check_reason(&ask.reason)?;
        let ticket = check_ticket(ask.ticket.as_deref())?;
        let not_before = check_start(ask.not_before, now)?;
        let decide_within = snapshot.decide_within().unwrap_or(Span::DAY);
        let request = Self {
            id,
            kind: RequestKind::Access,
            requester: requester.as_ref(),
            owner: requester.owner().cloned(),
            maker: requester.maker().cloned(),
            target: ask.target,
            role: ask.role,
            duration: ask.duration,
            not_before,
            reason,
            ticket,
            snapshot,
            state: RequestState::Pending,
            created_at: now,
            decide_by: now + decide_within.to_chrono(),
            decided_at: None,
            grant: None,
            reviews: Vec::new(),
            claim: None,
            version: 1,
        };
        request.file(
            requester.as_ref(),
            |request, way| {
                let (granted, step) = Grant::schedule(grant, request, way, now);
                request.grant = Some(granted.id);
                Ok(step)
            },
            now,
        )
    }

    /// Files the wish for a later end of an active grant, under the policy that holds for its holder. Somebody else
    /// may file it; it counts as the holder's own request all the same.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing, and there is one caller"
    )]
    pub fn submit_extension(
        id: RequestId,
        grant: &Grant,
        holder: &Principal,
        filed_by: &Principal,
        by: Span,
        reason: &str,
        snapshot: Snapshot,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        grant.check_extension(by, locks, now)?;
        check_scope(holder, &grant.target, &grant.role, locks.tags())?;
        let reason = check_reason(reason)?;
        let decide_within = snapshot.decide_within().unwrap_or(Span::DAY);
        let request = Self {
            id,
            kind: RequestKind::Extend,
            requester: grant.holder.clone(),
            owner: holder.owner().cloned(),
            maker: holder.maker().cloned(),
            target: grant.target.clone(),
            role: grant.role.clone(),
            duration: by,
            not_before: None,
            reason,
            ticket: None,
            snapshot,
            state: RequestState::Pending,
            created_at: now,
            decide_by: grant.expires_at.min(now + decide_within.to_chrono()),
            decided_at: None,
            grant: Some(grant.id.clone()),
            reviews: Vec::new(),
            claim: None,
            version: 1,
        };
        request.file(
            filed_by.as_ref(),
            |request, _| Ok(grant.extend(request, locks, now)?.1),
            now,
        )
    }

    /// Takes access at once: the request with its grant, and the use that waits for its sign-off.
    pub fn break_glass(
        id: RequestId,
        requester: &Principal,
        ask: Ask,
        glass: Glass,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Use, Change), Refusal> {
        let Glass {
            snapshot,
            grant,
            skipped,
            code,
        } = glass;
        let subject = Subject {
            principal: &requester.id,
            target: &ask.target,
            role: &ask.role,
        };
        locks.check(subject, now)?;
        let reason = check_reason(&ask.reason)?;
        let ticket = check_ticket(ask.ticket.as_deref())?;
        let Some(way) = snapshot.ways.first().cloned() else {
            return Err(Refusal::NobodyCanReview {
                groups: "nobody".to_owned(),
            });
        };
        // INVARIANT: nothing prolongs such a grant, also where policy would have given a longer one
        // (`access_by_break_glass_is_as_long_as_was_asked_and_never_prolonged`).
        let way = Way {
            max_total: ask.duration,
            ..way
        };
        let mut request = Self {
            id,
            kind: RequestKind::BreakGlass,
            requester: requester.as_ref(),
            owner: None,
            maker: None,
            target: ask.target,
            role: ask.role,
            duration: ask.duration,
            not_before: None,
            reason,
            ticket,
            state: RequestState::Pending,
            created_at: now,
            decide_by: now + way.decide_within.to_chrono(),
            decided_at: None,
            grant: None,
            reviews: Vec::new(),
            claim: None,
            version: 1,
            snapshot,
        };
        let mut change = vec![request.submitted(requester.as_ref())];
        let approved = request.approve(
            &way,
            Actor::System,
            None,
            |request, way| {
                let (granted, step) = Grant::schedule(grant.clone(), request, way, now);
                request.grant = Some(granted.id);
                Ok(step)
            },
            now,
        )?;
        change.extend(approved);
        let used = Use {
            request: request.id.clone(),
            grant,
            person: request.requester.clone(),
            target: request.target.clone(),
            role: request.role.clone(),
            duration: request.duration,
            reason: request.reason.clone(),
            ticket: request.ticket.clone(),
            ways: request.snapshot.ways.clone(),
            skipped,
            code,
            created_at: now,
            sign_offs: Vec::new(),
            verdict: None,
            reviewed_at: None,
            version: 1,
        };
        change.push(used.clone().used());
        Ok((request, used, change))
    }

    fn submitted(&self, filed_by: PrincipalRef) -> Step {
        let event = self
            .event(EventCode::RequestSubmitted, Actor::Principal(filed_by))
            .reason(Some(&self.reason))
            .detail("duration", self.duration.to_string())
            .detail("kind", self.kind.as_str())
            .detail("policy_version", self.snapshot.policy_version.clone())
            .moment("decide_by", self.decide_by);
        Step::new(Record::NewRequest(self.clone()), event)
    }

    /// The submit event, and where policy asks no review the approval with its consequence.
    fn file(
        mut self,
        filed_by: PrincipalRef,
        consequence: impl FnOnce(&mut Self, &Way) -> Result<Step, Refusal>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        let mut change = vec![self.submitted(filed_by)];
        if let Some(way) = review::satisfied(&self.snapshot.ways, &[]).cloned() {
            let step = self.approve(&way, Actor::System, None, consequence, now)?;
            change.extend(step);
        }
        Ok((self, change))
    }
}
