//! Break-glass: access before review. Each use waits for a sign-off by somebody who was skipped, and until then its
//! person cannot break glass again.

mod code;
mod refusal;

pub use code::{CODES_MAX, Code, CodeRef, CodeState, Days, SEALED_SIGN_IN};
pub use refusal::BreakGlassRefusal;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Change, Record, Step};
use super::event::{Actor, Event, EventCode};
use super::ids::{GrantId, GroupName, RequestId, RoleName, TargetName};
use super::permit::Action;
use super::policy::{self, Way};
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::request::check_comment;
use super::review::{self, Decision, Narrowing, Review};
use super::span::Span;

/// What the server was told about break-glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest that any use gives access, whatever policy says.
    pub max: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max: Span::HOUR }
    }
}

impl Limits {
    /// The ways of policy, none of them longer than the ceiling, and none that could be prolonged. INVARIANT: access
    /// by break-glass never outlives the cap (`no_use_is_longer_than_the_ceiling_or_than_policy_says`).
    pub fn cap(self, ways: Vec<Way>) -> Vec<Way> {
        let capped = ways.into_iter().map(|way| {
            let max = way.max_duration.min(self.max);
            Way {
                max_duration: max,
                max_total: max,
                ..way
            }
        });
        // A way without reviewers would be one that nobody looks at afterwards.
        capped.filter(|way| !way.is_immediate()).collect()
    }
}

/// What a reviewer says of a use, or all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Justified,
    NotJustified,
}

impl Verdict {
    /// Every verdict, for help and checks.
    pub const ALL: [Self; 2] = [Self::Justified, Self::NotJustified];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not_justified",
        }
    }

    /// The verdict as it stands in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not justified",
        }
    }
}

impl std::str::FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
            .ok_or_else(|| "a use is justified or not_justified".to_owned())
    }
}

/// Where a use is in its life, for lists: it waits, or it has its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseState {
    /// It waits for its sign-off.
    Open,
    Reviewed(Verdict),
}

impl UseState {
    /// Every state, for filters.
    pub const ALL: [Self; 3] = [
        Self::Open,
        Self::Reviewed(Verdict::Justified),
        Self::Reviewed(Verdict::NotJustified),
    ];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Reviewed(verdict) => verdict.as_str(),
        }
    }
}

/// One reviewer's sign-off. A use has at most one from each person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOff {
    pub reviewer: PrincipalRef,
    pub verdict: Verdict,
    pub comment: String,
    /// The groups through which it counts, as the reviewer belonged to them.
    pub counted_groups: BTreeSet<GroupName>,
    pub created_at: DateTime<Utc>,
}

/// One use of break-glass. It has the name of the request that was filed with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    pub request: RequestId,
    pub grant: GrantId,
    pub person: PrincipalRef,
    pub target: TargetName,
    pub role: RoleName,
    pub duration: Span,
    /// What the person wrote: hostile text.
    pub reason: String,
    pub ticket: Option<String>,
    /// Who has to sign off, as policy said when it was used.
    pub ways: Vec<Way>,
    /// Everybody who would have reviewed a request like it.
    pub skipped: Vec<PrincipalRef>,
    /// The sealed code by which its person was signed in.
    pub code: Option<CodeRef>,
    pub created_at: DateTime<Utc>,
    pub sign_offs: Vec<SignOff>,
    pub verdict: Option<Verdict>,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub version: i64,
}

impl Use {
    /// Where it is in its life.
    pub fn state(&self) -> UseState {
        self.verdict.map_or(UseState::Open, UseState::Reviewed)
    }

    /// The sign-offs as reviews, which are counted in the same way.
    fn reviews(&self) -> Vec<Review> {
        let review = |sign_off: &SignOff| Review {
            reviewer: sign_off.reviewer.clone(),
            decision: match sign_off.verdict {
                Verdict::Justified => Decision::Approve,
                Verdict::NotJustified => Decision::Deny,
            },
            comment: Some(sign_off.comment.clone()),
            narrowed: Narrowing::default(),
            counted_groups: sign_off.counted_groups.clone(),
            created_at: sign_off.created_at,
        };
        self.sign_offs.iter().map(review).collect()
    }

    /// How far the nearest way is: (sign-offs so far, needed).
    pub fn progress(&self) -> (u32, u32) {
        let reviews = self.reviews();
        self.ways
            .iter()
            .map(|way| (review::approvals_for(way, &reviews), way.threshold))
            .min_by_key(|(have, need)| need.saturating_sub(*have))
            .unwrap_or((0, 1))
    }

    /// The groups whose members sign off, for people.
    pub fn reviewer_groups(&self) -> String {
        policy::group_names(&self.ways)
    }

    fn counted_groups(&self, reviewer: &Principal) -> BTreeSet<GroupName> {
        let groups = self.ways.iter().flat_map(Way::groups);
        groups
            .filter(|group| reviewer.groups.contains(*group))
            .cloned()
            .collect()
    }

    /// Whether this person could sign the use off, and if not, why. INVARIANT: nobody signs off what they did
    /// themselves, nor what was done with a code that they made (`nobody_signs_off_their_own_use`).
    pub fn may_sign_off(&self, reviewer: &Principal) -> Result<(), Refusal> {
        if reviewer.id == self.person.id {
            return Err(Refusal::SelfReview {
                request: self.request.clone(),
            });
        }
        // Whoever made the code could have used it in the other's name.
        if self
            .code
            .as_ref()
            .is_some_and(|code| code.made_by.id == reviewer.id)
        {
            return Err(BreakGlassRefusal::OwnCode {
                request: self.request.clone(),
            }
            .into());
        }
        if reviewer.service.is_some() {
            return Err(Refusal::NotAllowed {
                action: Action::Review.phrase(),
                needs: "a person",
            });
        }
        if let Some(verdict) = self.verdict {
            return Err(BreakGlassRefusal::Reviewed {
                request: self.request.clone(),
                verdict,
                by: self.sign_offs.last().map(|last| last.reviewer.name.clone()),
            }
            .into());
        }
        let before = |sign_off: &SignOff| sign_off.reviewer.id == reviewer.id;
        if self.sign_offs.iter().any(before) {
            return Err(Refusal::AlreadyReviewed {
                request: self.request.clone(),
            });
        }
        if self.counted_groups(reviewer).is_empty() {
            return Err(Refusal::NotAReviewer {
                groups: self.reviewer_groups(),
            });
        }
        Ok(())
    }

    /// Takes one sign-off. The use is reviewed once as many people have found it justified as policy asks, or as
    /// soon as one has not.
    pub fn sign_off(
        &self,
        reviewer: &Principal,
        verdict: Verdict,
        comment: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        self.may_sign_off(reviewer)?;
        let comment = check_comment(Some(comment))?
            .filter(|comment| comment.chars().count() >= 3)
            .ok_or(BreakGlassRefusal::CommentRequired)?;
        let sign_off = SignOff {
            reviewer: reviewer.as_ref(),
            verdict,
            comment,
            counted_groups: self.counted_groups(reviewer),
            created_at: now,
        };
        let mut next = self.clone();
        next.version += 1;
        next.sign_offs.push(sign_off.clone());
        let complete = verdict == Verdict::NotJustified
            || review::satisfied(&next.ways, &next.reviews()).is_some();
        let code = if complete {
            next.verdict = Some(verdict);
            next.reviewed_at = Some(now);
            EventCode::BreakGlassReviewed
        } else {
            EventCode::BreakGlassSignedOff
        };
        let (have, need) = next.progress();
        let event = next
            .event(code, Actor::Principal(reviewer.as_ref()))
            .reason(Some(sign_off.comment.clone()))
            .detail("verdict", verdict.as_str())
            .detail("sign_offs", have)
            .detail("threshold", need);
        let step = Step::new(Record::Use(next.clone(), sign_off), event);
        Ok((next, vec![step]))
    }

    /// The step that puts a new use on record. INVARIANT: it names everybody who was skipped
    /// (`the_event_names_everybody_who_was_skipped`).
    pub(in crate::domain) fn used(self) -> Step {
        let names: Vec<&str> = self.skipped.iter().map(|who| who.name.as_str()).collect();
        let mut event = self
            .event(
                EventCode::BreakGlassUsed,
                Actor::Principal(self.person.clone()),
            )
            .reason(Some(&self.reason))
            .detail("duration", self.duration.to_string())
            .detail("skipped", names);
        if let Some(code) = &self.code {
            event = event
                .detail("sealed_code", code.id.as_str())
                .detail("sealed_by", code.made_by.name.as_str());
        }
        Step::new(Record::NewUse(self), event)
    }

    fn event(&self, code: EventCode, actor: Actor) -> Event {
        Event {
            principal: Some(self.person.name.clone()),
            target: Some(self.target.clone()),
            role: Some(self.role.clone()),
            request: Some(self.request.clone()),
            grant: Some(self.grant.clone()),
            ..Event::new(code, actor)
        }
    }
}

/// What `who` may do with a use at this moment, which is on a target in this place.
pub fn allowed(
    who: &Principal,
    of: &Use,
    place: super::extent::Place<'_>,
) -> Vec<super::allowed::Allowed> {
    let reviewer = super::permit::permit_at(who, Action::Review, place);
    let sign_off = reviewer.and_then(|()| of.may_sign_off(who));
    vec![("sign_off", sign_off)]
}

#[cfg(test)]
mod tests;
