//! A claim: somebody says that they are looking at a request, so that two people do not do the same work.
//!
//! It is soft: it lapses by itself, another reviewer may take it over, and it never stands in the way of a decision.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Change, Record, Step};
use super::event::{Actor, EventCode};
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::request::{Request, RequestState};

/// How long a claim lasts; enough to read, short enough that a forgotten one holds up nobody.
pub const CLAIM_LASTS: TimeDelta = TimeDelta::minutes(5);

/// Who is looking at a request, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub by: PrincipalRef,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

impl Request {
    /// The claim that holds at this moment.
    pub fn claim_at(&self, now: DateTime<Utc>) -> Option<&Claim> {
        self.claim
            .as_ref()
            .filter(|claim| self.state == RequestState::Pending && now < claim.until)
    }

    /// Claims the request for somebody who could review it. One's own claim is prolonged, another's is taken over.
    pub fn take_claim(
        &self,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        self.may_review(who, now)?;
        let present = self.claim_at(now);
        let own = present.filter(|claim| claim.by.id == who.id);
        let claim = Claim {
            by: who.as_ref(),
            since: own.map_or(now, |claim| claim.since),
            until: now + CLAIM_LASTS,
        };
        let mut event = self
            .event(EventCode::RequestClaimed, Actor::Principal(who.as_ref()))
            .moment("until", claim.until);
        if let Some(other) = present.filter(|_| own.is_none()) {
            event = event.detail("taken_from", other.by.name.as_str());
        }
        Ok(self.with_claim(Some(claim), event))
    }

    /// Takes one's own claim back.
    pub fn release_claim(
        &self,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> Result<(Self, Change), Refusal> {
        self.may_release(who, now)?;
        let event = self.event(EventCode::RequestReleased, Actor::Principal(who.as_ref()));
        Ok(self.with_claim(None, event))
    }

    /// Whether there is a claim that this person can take back.
    pub fn may_release(&self, who: &Principal, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.check_open(now)?;
        match self.claim_at(now) {
            Some(claim) if claim.by.id == who.id => Ok(()),
            other => Err(Refusal::NotClaimed {
                request: self.id.clone(),
                by: other.map(|claim| claim.by.name.to_string()),
            }),
        }
    }

    fn with_claim(&self, claim: Option<Claim>, event: super::event::Event) -> (Self, Change) {
        let next = Self {
            claim,
            ..self.clone()
        };
        let record = Record::Claim {
            request: next.clone(),
            before: self.claim.as_ref().map(|claim| claim.by.id.clone()),
        };
        (next, vec![Step::new(record, event)])
    }
}
