//! A request, the ask, and its transitions: submit, review, withdraw, expire.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Change, Record, Step};
use super::claim::Claim;
use super::event::{Actor, Event, EventCode};
use super::grant::{Grant, GrantState};
use super::ids::{GrantId, RequestId, RoleName, TargetName};
use super::lock::{Locks, Subject};
use super::policy::{Snapshot, Way};
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::review::{self, Decision, Narrowing, Review};
use super::span::Span;
use super::target::Target;

/// How far ahead a start may lie: beyond this nobody can judge whether the access will still be right.
pub const LATEST_START: TimeDelta = TimeDelta::days(30);
/// A client's clock may be this much behind before its "start now" counts as the past.
const START_LEEWAY: TimeDelta = TimeDelta::minutes(5);
/// Longer reasons hide what matters and fill logs.
pub const REASON_MAX: usize = 2_000;
/// Pending requests of one principal; more than a person can need, few enough that a flood stays readable.
pub const PENDING_MAX: usize = 10;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A new grant.
    Access,
    /// A later end for a grant that is active.
    Extend,
}

impl RequestKind {
    /// Every kind, for checks and help.
    pub const ALL: [Self; 2] = [Self::Access, Self::Extend];

    /// The word used in URLs, tables and Cedar policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Extend => "extend",
        }
    }
}

/// Where a request is in its life. All but `Pending` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    Pending,
    Approved,
    Denied,
    Withdrawn,
    Expired,
}

impl RequestState {
    /// Every state, for tables and filters.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody asks for, before any rule has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
    pub reason: String,
    pub ticket: Option<String>,
}

/// What an approval would give: the ask, made smaller by each narrowing so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
}

/// One ask and everything that was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub id: RequestId,
    pub kind: RequestKind,
    pub requester: PrincipalRef,
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    pub not_before: Option<DateTime<Utc>>,
    pub reason: String,
    pub ticket: Option<String>,
    /// The policy as it was when the request was filed; later changes of policy do not touch it.
    pub snapshot: Snapshot,
    pub state: RequestState,
    pub created_at: DateTime<Utc>,
    pub decide_by: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
    /// The grant that resulted, or for `extend` the grant that it is about.
    pub grant: Option<GrantId>,
    pub reviews: Vec<Review>,
    /// Who is looking at it, or was until the claim lapsed.
    pub claim: Option<Claim>,
    pub version: i64,
}

/// Cleans and checks the reason: a sentence, not a keystroke and not a book.
pub fn check_reason(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    if reason.chars().count() < 3 {
        return Err(Refusal::BadReason {
            why: "the reason is missing",
        });
    }
    if reason.chars().count() > REASON_MAX {
        return Err(Refusal::BadReason {
            why: "the reason is longer than 2,000 characters",
        });
    }
    if reason
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Refusal::BadReason {
            why: "the reason has control characters in it",
        });
    }
    Ok(reason.to_owned())
}

/// Cleans and checks a reviewer's comment. A denial without one is refused elsewhere.
fn check_comment(comment: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(comment) = comment.map(str::trim).filter(|comment| !comment.is_empty()) else {
        return Ok(None);
    };
    if comment.chars().count() > REASON_MAX {
        return Err(Refusal::BadReason {
            why: "the comment is longer than 2,000 characters",
        });
    }
    if comment
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Refusal::BadReason {
            why: "the comment has control characters in it",
        });
    }
    Ok(Some(comment.to_owned()))
}

fn check_ticket(ticket: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(ticket) = ticket.map(str::trim).filter(|ticket| !ticket.is_empty()) else {
        return Ok(None);
    };
    let fits = ticket.len() <= 64
        && ticket
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_/#.:".contains(c));
    if fits {
        Ok(Some(ticket.to_owned()))
    } else {
        Err(Refusal::BadTicket)
    }
}

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
        let reason = check_reason(&ask.reason)?;
        let ticket = check_ticket(ask.ticket.as_deref())?;
        let not_before = check_start(ask.not_before, now)?;
        let decide_within = snapshot.decide_within().unwrap_or(Span::DAY);
        let request = Self {
            id,
            kind: RequestKind::Access,
            requester: requester.as_ref(),
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
        filed_by: &Principal,
        by: Span,
        reason: &str,
        snapshot: Snapshot,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        grant.check_extension(by, locks, now)?;
        let reason = check_reason(reason)?;
        let decide_within = snapshot.decide_within().unwrap_or(Span::DAY);
        let request = Self {
            id,
            kind: RequestKind::Extend,
            requester: grant.holder.clone(),
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

    /// The submit event, and where policy asks no review the approval with its consequence.
    fn file(
        mut self,
        filed_by: PrincipalRef,
        consequence: impl FnOnce(&mut Self, &Way) -> Result<Step, Refusal>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        let submitted = self
            .event(EventCode::RequestSubmitted, Actor::Principal(filed_by))
            .reason(Some(&self.reason))
            .detail("duration", self.duration.to_string())
            .detail("kind", self.kind.as_str())
            .detail("policy_version", self.snapshot.policy_version.clone())
            .moment("decide_by", self.decide_by);
        let mut change = vec![Step::new(Record::NewRequest(self.clone()), submitted)];
        if let Some(way) = review::satisfied(&self.snapshot.ways, &[]).cloned() {
            let step = self.approve(&way, Actor::System, None, consequence, now)?;
            change.extend(step);
        }
        Ok((self, change))
    }

    /// What an approval would give now.
    pub fn terms(&self) -> Terms {
        let mut terms = Terms {
            role: self.role.clone(),
            duration: self.duration,
            not_before: self.not_before,
        };
        for narrowed in self
            .reviews
            .iter()
            .filter(|review| review.decision == Decision::Approve)
            .map(|review| &review.narrowed)
        {
            terms.duration = narrowed
                .duration
                .map_or(terms.duration, |duration| duration.min(terms.duration));
            if let Some(role) = &narrowed.role {
                terms.role = role.clone();
            }
            terms.not_before = terms.not_before.max(narrowed.not_before);
        }
        terms
    }

    /// How many more people the nearest way needs: (approvals so far, threshold).
    pub fn progress(&self) -> (u32, u32) {
        self.snapshot
            .ways
            .iter()
            .map(|way| (review::approvals_for(way, &self.reviews), way.threshold))
            .min_by_key(|(have, need)| need.saturating_sub(*have))
            .unwrap_or((0, 1))
    }

    /// Whether this person could review now, and if not, why. The same rule answers lists and decisions.
    pub fn may_review(&self, reviewer: &Principal, now: DateTime<Utc>) -> Result<(), Refusal> {
        if reviewer.id == self.requester.id {
            return Err(Refusal::SelfReview {
                request: self.id.clone(),
            });
        }
        self.check_open(now)?;
        if self
            .reviews
            .iter()
            .any(|review| review.reviewer.id == reviewer.id)
        {
            return Err(Refusal::AlreadyReviewed {
                request: self.id.clone(),
            });
        }
        if self.counted_groups(reviewer).is_empty() {
            return Err(Refusal::NotAReviewer {
                groups: self.reviewer_groups(),
            });
        }
        Ok(())
    }

    /// The groups whose members can review this request, for people.
    pub fn reviewer_groups(&self) -> String {
        let mut groups: Vec<String> = self
            .snapshot
            .ways
            .iter()
            .filter_map(|way| way.reviewers.as_ref())
            .map(|group| format!("`{group}`"))
            .collect();
        groups.sort();
        groups.dedup();
        if groups.is_empty() {
            "nobody".to_owned()
        } else {
            groups.join(" or ")
        }
    }

    fn counted_groups(
        &self,
        reviewer: &Principal,
    ) -> std::collections::BTreeSet<super::ids::GroupName> {
        self.snapshot
            .ways
            .iter()
            .filter_map(|way| way.reviewers.as_ref())
            .filter(|group| reviewer.groups.contains(*group))
            .cloned()
            .collect()
    }

    pub(in crate::domain) fn check_open(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.state != RequestState::Pending {
            let by = self
                .reviews
                .last()
                .filter(|_| matches!(self.state, RequestState::Approved | RequestState::Denied));
            return Err(Refusal::RequestDecided {
                request: self.id.clone(),
                state: self.state,
                by: by.map(|review| review.reviewer.name.to_string()),
            });
        }
        if now >= self.decide_by {
            return Err(Refusal::DeadlinePassed {
                request: self.id.clone(),
            });
        }
        Ok(())
    }

    fn check_narrowing(
        &self,
        narrowing: &Narrowing,
        target: &Target,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let terms = self.terms();
        let refuse = |why: String| Err(Refusal::NotNarrower { why });
        if let Some(duration) = narrowing.duration
            && duration > terms.duration
        {
            return refuse(format!(
                "an approval can only shorten: {duration} is longer than {}",
                terms.duration
            ));
        }
        if let Some(role) = &narrowing.role
            && *role != terms.role
            && !target.is_lesser(role, &terms.role)
        {
            return refuse(format!(
                "an approval can only give a lesser role: `{role}` is not contained in `{}`",
                terms.role
            ));
        }
        if self.kind == RequestKind::Extend
            && (narrowing.role.is_some() || narrowing.not_before.is_some())
        {
            return refuse("of an extension only the duration can be narrowed".to_owned());
        }
        if let Some(start) = narrowing.not_before {
            if start < terms.not_before.unwrap_or(now) {
                return refuse("an approval can only start the access later".to_owned());
            }
            if start > now + LATEST_START {
                return Err(Refusal::StartTooFar { latest: Span::MAX });
            }
        }
        Ok(())
    }

    /// Takes one approval. INVARIANT: approvals count distinct people, and never the requester
    /// (`approvals_never_exceed_distinct_people_and_never_include_the_requester`).
    ///
    /// `parent` is the grant that an extension is about; `grant` names the grant that results from access.
    pub fn approve_by(
        &self,
        reviewer: &Principal,
        comment: Option<&str>,
        narrowed: Narrowing,
        about: About<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        self.may_review(reviewer, now)?;
        let narrowed = Narrowing {
            not_before: narrowed.not_before.map(|start| start.trunc_subsecs(3)),
            ..narrowed
        };
        self.check_narrowing(&narrowed, about.target, now)?;
        let comment = check_comment(comment)?;
        let review = Review {
            reviewer: reviewer.as_ref(),
            decision: Decision::Approve,
            comment,
            narrowed,
            counted_groups: self.counted_groups(reviewer),
            created_at: now,
        };
        let mut next = self.clone();
        next.reviews.push(review.clone());
        about.locks.check_approval(&next, &reviewer.id, now)?;
        let actor = Actor::Principal(reviewer.as_ref());
        if let Some(way) = review::satisfied(&next.snapshot.ways, &next.reviews).cloned() {
            let change = next.approve(
                &way,
                actor,
                Some(review),
                |request, way| match (request.kind, about.parent) {
                    (RequestKind::Extend, Some(parent)) => {
                        Ok(parent.extend(request, about.locks, now)?.1)
                    }
                    // An extension that has lost its grant must never turn into a grant of its own.
                    (RequestKind::Extend, None) => Err(Refusal::NotFound {
                        what: "grant",
                        name: request
                            .grant
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                    }),
                    (RequestKind::Access, _) => {
                        let (granted, step) =
                            Grant::schedule(about.grant.clone(), request, way, now);
                        request.grant = Some(granted.id);
                        Ok(step)
                    }
                },
                now,
            )?;
            return Ok((next, change));
        }
        next.version += 1;
        // Whoever has reviewed is done looking.
        next.claim = next.claim.filter(|claim| claim.by.id != reviewer.id);
        let (have, need) = next.progress();
        let event = next
            .reviewed(EventCode::ReviewRecorded, actor, &review)
            .detail("approvals", have)
            .detail("threshold", need);
        let step = Step::new(Record::Request(next.clone(), Some(review)), event);
        Ok((next, vec![step]))
    }

    fn approve(
        &mut self,
        way: &Way,
        actor: Actor,
        review: Option<Review>,
        consequence: impl FnOnce(&mut Self, &Way) -> Result<Step, Refusal>,
        now: DateTime<Utc>,
    ) -> Result<Change, Refusal> {
        self.state = RequestState::Approved;
        self.decided_at = Some(now);
        self.claim = None;
        self.version += 1;
        let consequence = consequence(self, way)?;
        let event = match &review {
            Some(review) => self.reviewed(EventCode::RequestApproved, actor, review),
            None => self
                .event(EventCode::RequestApproved, actor)
                .detail("review", "none needed"),
        };
        let event = event
            .detail("policy", way.policy_id.clone())
            .detail("threshold", way.threshold);
        Ok(vec![
            Step::new(Record::Request(self.clone(), review), event),
            consequence,
        ])
    }

    /// Takes one denial, which decides the request.
    pub fn deny_by(
        &self,
        reviewer: &Principal,
        comment: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        self.may_review(reviewer, now)?;
        if comment.trim().is_empty() {
            return Err(Refusal::CommentRequired);
        }
        let review = Review {
            reviewer: reviewer.as_ref(),
            decision: Decision::Deny,
            comment: check_comment(Some(comment))?,
            narrowed: Narrowing::default(),
            counted_groups: self.counted_groups(reviewer),
            created_at: now,
        };
        let mut next = self.decided(RequestState::Denied, now);
        next.reviews.push(review.clone());
        let event = next.reviewed(
            EventCode::RequestDenied,
            Actor::Principal(reviewer.as_ref()),
            &review,
        );
        Ok((
            next.clone(),
            vec![Step::new(Record::Request(next, Some(review)), event)],
        ))
    }

    /// Denies a pending request because of something bigger than it, which the event names. It takes nothing from
    /// anybody, so it is not a review: also somebody who asked or has reviewed can do it.
    pub fn overrule(
        &self,
        by: &Principal,
        reason: &str,
        because: (&str, &str),
        now: DateTime<Utc>,
    ) -> Change {
        let mut next = self.decided(RequestState::Denied, now);
        let decided = self
            .reviews
            .iter()
            .any(|review| review.reviewer.id == by.id);
        let review = (!decided && by.id != self.requester.id).then(|| Review {
            reviewer: by.as_ref(),
            decision: Decision::Deny,
            comment: Some(reason.to_owned()),
            narrowed: Narrowing::default(),
            counted_groups: std::collections::BTreeSet::new(),
            created_at: now,
        });
        next.reviews.extend(review.clone());
        let event = next
            .event(EventCode::RequestDenied, Actor::Principal(by.as_ref()))
            .reason(Some(reason))
            .detail(because.0, because.1);
        vec![Step::new(Record::Request(next, review), event)]
    }

    /// Takes the request back; only the requester can.
    pub fn withdraw(&self, who: &Principal, now: DateTime<Utc>) -> Result<(Self, Change), Refusal> {
        if who.id != self.requester.id {
            return Err(Refusal::NotTheRequester {
                request: self.id.clone(),
            });
        }
        self.check_open(now)?;
        let next = self.decided(RequestState::Withdrawn, now);
        let event = next.event(EventCode::RequestWithdrawn, Actor::Principal(who.as_ref()));
        Ok((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    /// Lets the request expire once its deadline has passed; `None` before, and when it is decided.
    pub fn expire(&self, now: DateTime<Utc>) -> Option<(Self, Change)> {
        if self.state != RequestState::Pending || now < self.decide_by {
            return None;
        }
        let next = self.decided(RequestState::Expired, now);
        let event = next
            .event(EventCode::RequestExpired, Actor::System)
            .moment("decide_by", self.decide_by);
        Some((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    /// Lets a pending extension expire whose grant can no longer be extended; `None` for anything else.
    pub fn outlived(&self, parent: &Grant, now: DateTime<Utc>) -> Option<(Self, Change)> {
        let open = matches!(
            parent.state,
            GrantState::Scheduled | GrantState::Activating | GrantState::Active
        );
        if self.state != RequestState::Pending || self.kind != RequestKind::Extend || open {
            return None;
        }
        let next = self.decided(RequestState::Expired, now);
        let event = next
            .event(EventCode::RequestExpired, Actor::System)
            .detail("grant_state", parent.state.as_str());
        Some((
            next.clone(),
            vec![Step::new(Record::Request(next, None), event)],
        ))
    }

    fn decided(&self, state: RequestState, now: DateTime<Utc>) -> Self {
        Self {
            state,
            decided_at: Some(now),
            claim: None,
            version: self.version + 1,
            ..self.clone()
        }
    }

    fn reviewed(&self, code: EventCode, actor: Actor, review: &Review) -> Event {
        let mut event = self.event(code, actor).reason(review.comment.as_deref());
        if let Some(duration) = review.narrowed.duration {
            event = event.detail("narrowed_duration", duration.to_string());
        }
        if let Some(role) = &review.narrowed.role {
            event = event.detail("narrowed_role", role.as_str());
        }
        if let Some(start) = review.narrowed.not_before {
            event = event.moment("narrowed_not_before", start);
        }
        event
    }

    pub(in crate::domain) fn event(&self, code: EventCode, actor: Actor) -> Event {
        Event {
            principal: Some(self.requester.name.clone()),
            target: Some(self.target.clone()),
            role: Some(self.role.clone()),
            request: Some(self.id.clone()),
            grant: self.grant.clone(),
            ..Event::new(code, actor)
        }
    }
}

/// What an approval needs to know besides the request.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub target: &'a Target,
    /// The grant that an extension is about, as it is now.
    pub parent: Option<&'a Grant>,
    /// The name for the grant that results from access.
    pub grant: &'a GrantId,
    pub locks: Locks<'a>,
}
