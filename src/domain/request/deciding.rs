//! Reviewing a request: who may, what an approval may make smaller, and what follows from a decision.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};

use crate::domain::change::{Change, Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, GroupName};
use crate::domain::lock::Locks;
use crate::domain::permit::Action;
use crate::domain::policy::{self, Way};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::review::{self, Decision, Narrowing, Review};
use crate::domain::span::Span;
use crate::domain::target::Target;

use super::text::check_comment;
use super::{LATEST_START, Request, RequestKind, RequestState};

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

impl Request {
    /// Whether this person could review now, and if not, why. The same rule answers lists and decisions.
    pub fn may_review(&self, reviewer: &Principal, now: DateTime<Utc>) -> Result<(), Refusal> {
        if reviewer.id == self.requester.id {
            return Err(Refusal::SelfReview {
                request: self.id.clone(),
            });
        }
        // Whoever answers for a machine, or has seen its token, asks with its voice.
        let behind = [&self.owner, &self.maker];
        if behind.into_iter().flatten().any(|who| *who == reviewer.id) {
            return Err(Refusal::OwnService {
                request: self.id.clone(),
            });
        }
        if reviewer.service.is_some() {
            return Err(Refusal::NotAllowed {
                action: Action::Review.phrase(),
                needs: "a person",
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
        policy::group_names(&self.snapshot.ways)
    }

    fn counted_groups(&self, reviewer: &Principal) -> BTreeSet<GroupName> {
        self.snapshot
            .ways
            .iter()
            .flat_map(Way::groups)
            .filter(|group| reviewer.groups.contains(*group))
            .cloned()
            .collect()
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
                    (RequestKind::Access | RequestKind::BreakGlass, _) => {
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

    pub(super) fn approve(
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
                .detail("review", self.review_is()),
        };
        let event = event
            .detail("policy", way.policy_id.clone())
            .detail("threshold", way.threshold);
        Ok(vec![
            Step::new(Record::Request(self.clone(), review), event),
            consequence,
        ])
    }

    /// What a request that nobody reviewed says of that.
    fn review_is(&self) -> &'static str {
        match self.kind {
            RequestKind::BreakGlass => "afterwards",
            RequestKind::Access | RequestKind::Extend => "none needed",
        }
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
            counted_groups: BTreeSet::new(),
            created_at: now,
        });
        next.reviews.extend(review.clone());
        let event = next
            .event(EventCode::RequestDenied, Actor::Principal(by.as_ref()))
            .reason(Some(reason))
            .detail(because.0, because.1);
        vec![Step::new(Record::Request(next, review), event)]
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
}
