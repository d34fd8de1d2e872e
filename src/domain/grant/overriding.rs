//! Overriding an end: two admins say, each with a reason, that a grant counts as ended although its target never
//! confirmed. It is for what cannot confirm any more, such as a host that was scrapped.
//!
//! The grant keeps the mark for ever. What was handed out may still work until it ends by itself, and what comparing the
//! target with its grants finds later is removed as ever.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::change::{Record, Step, WorkKind};
use crate::domain::event::{Actor, EventCode};
use crate::domain::extent::Place;
use crate::domain::ids::{GrantId, PrincipalName};
use crate::domain::permit::{Action, permit_at};
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;

use super::{CloseKind, Grant, GrantState};

/// A proposal is good for so long: whoever confirms it looks at what is so now.
pub const PROPOSED_FOR: TimeDelta = TimeDelta::hours(1);

/// Who says that a grant counts as ended. Why they do is in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overriding {
    pub proposed: Said,
    /// Somebody else, once it is so.
    pub confirmed: Option<Said>,
}

/// Who said it, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub by: PrincipalRef,
    pub at: DateTime<Utc>,
}

impl Overriding {
    /// Until when it can be confirmed; `None` once it is.
    pub fn open_until(&self) -> Option<DateTime<Utc>> {
        let open = self.confirmed.is_none();
        open.then(|| self.proposed.at + PROPOSED_FOR)
    }
}

/// Why an end was not overridden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideRefusal {
    /// Its target may confirm yet, or has.
    NotOverdue { grant: GrantId },
    /// Whoever has the access, or speaks for the service account that has it.
    OwnAccess { grant: GrantId },
    /// Somebody proposed it, and it waits for somebody else.
    Proposed { grant: GrantId, by: PrincipalName },
    /// Nobody proposed it lately who still may.
    NotProposed { grant: GrantId },
    /// One person is not two.
    OwnProposal { grant: GrantId },
}

impl OverrideRefusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOverdue { .. } => "not-overdue",
            Self::OwnAccess { .. } => "override-own-access",
            Self::Proposed { .. } => "override-proposed",
            Self::NotProposed { .. } => "override-not-proposed",
            Self::OwnProposal { .. } => "override-own-proposal",
        }
    }

    /// What is wrong, in the reader's words.
    pub fn text(&self) -> String {
        match self {
            Self::NotOverdue { grant } => format!("the end of `{grant}` is not overdue"),
            Self::OwnAccess { grant } => {
                format!("you cannot override the end of `{grant}`: the access is yours")
            }
            Self::Proposed { grant, by } => {
                format!("`{by}` has already proposed to override the end of `{grant}`")
            }
            Self::NotProposed { grant } => {
                format!("nobody has proposed within the last hour to override the end of `{grant}`")
            }
            Self::OwnProposal { grant } => {
                format!("you cannot confirm the override of `{grant}`: you proposed it")
            }
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotOverdue { grant } => {
                return Some(format!("see how far it is: `portcullis receipt {grant}`"));
            }
            Self::OwnAccess { .. } | Self::OwnProposal { .. } => {
                "ask another admin; it takes two who do not have the access"
            }
            Self::Proposed { grant, .. } => {
                return Some(format!(
                    "another admin confirms it: `portcullis override {grant} --confirm --reason TEXT`"
                ));
            }
            Self::NotProposed { grant } => {
                return Some(format!(
                    "propose it, and let another admin confirm: `portcullis override {grant} --reason TEXT`"
                ));
            }
        };
        Some(hint.to_owned())
    }

    /// Whether an auditor will want to know.
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::OwnAccess { .. } | Self::OwnProposal { .. })
    }
}

/// Who is about to override an end, and where.
#[derive(Clone, Copy)]
pub struct Overrider<'a> {
    pub who: &'a Principal,
    /// Whoever has the access, as the database knows them.
    pub holder: &'a Principal,
    pub place: Place<'a>,
}

impl Grant {
    /// Whether this person could have a part in overriding the end now.
    fn may_override(&self, by: Overrider<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
        let grant = || self.id.clone();
        permit_at(by.who, Action::OverrideEnd, by.place)?;
        let service = by.holder.service.as_ref();
        let behind = service.is_some_and(|service| {
            service.owner.id == by.who.id || service.maker.as_ref() == Some(&by.who.id)
        });
        if by.who.id == self.holder.id || behind {
            return Err(OverrideRefusal::OwnAccess { grant: grant() }.into());
        }
        if self.state != GrantState::Closing || !self.is_overdue(now) {
            return Err(OverrideRefusal::NotOverdue { grant: grant() }.into());
        }
        Ok(())
    }

    /// An admin proposes that the grant counts as ended. Nothing but that changes: the target is asked again as before.
    pub fn propose_override(
        &self,
        by: Overrider<'_>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.may_override(by, now)?;
        let reason = check_reason(reason)?;
        if let Some(open) = self.proposal(now) {
            return Err(OverrideRefusal::Proposed {
                grant: self.id.clone(),
                by: open.by.name.clone(),
            }
            .into());
        }
        let mut next = self.next();
        let until = now + PROPOSED_FOR;
        next.overriding = Some(Overriding {
            proposed: Said {
                by: by.who.as_ref(),
                at: now,
            },
            confirmed: None,
        });
        let actor = Actor::Principal(by.who.as_ref());
        let event = next
            .event(EventCode::GrantOverrideProposed, actor)
            .reason(Some(reason))
            .detail("attempts", self.attempts)
            .moment("until", until);
        Ok((next.clone(), Step::new(Record::Grant(next), event)))
    }

    /// Another admin confirms it: the grant is over, with the mark that its target never said so. `proposer` is whoever
    /// proposed it, as the database knows them now.
    ///
    /// INVARIANT: no single person ends a grant without its target
    /// (`an_end_without_proof_takes_two_who_do_not_have_the_access`).
    pub fn confirm_override(
        &self,
        by: Overrider<'_>,
        proposer: Option<&Principal>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.may_override(by, now)?;
        let reason = check_reason(reason)?;
        let missing = || OverrideRefusal::NotProposed {
            grant: self.id.clone(),
        };
        let open = self.proposal(now).ok_or_else(missing)?.clone();
        if open.by.id == by.who.id {
            let grant = self.id.clone();
            return Err(OverrideRefusal::OwnProposal { grant }.into());
        }
        let proposer = proposer.filter(|proposer| proposer.id == open.by.id);
        // Whoever lost the right since takes no part in it.
        let may = |who: &&Principal| permit_at(who, Action::OverrideEnd, by.place).is_ok();
        proposer.filter(may).ok_or_else(missing)?;
        let (state, _) = self.close_kind.unwrap_or(CloseKind::End).final_state();
        let mut next = self.next();
        next.state = state;
        next.ended_at = Some(now);
        let actor = Actor::Principal(by.who.as_ref());
        let event = next
            .event(EventCode::GrantOverridden, actor)
            .reason(Some(reason))
            .detail("state", state.as_str())
            .detail("proposed_by", open.by.name.as_str())
            .detail("attempts", self.attempts)
            .moment("ended_at", now);
        next.overriding = Some(Overriding {
            proposed: open,
            confirmed: Some(Said {
                by: by.who.as_ref(),
                at: now,
            }),
        });
        let step = Step::new(Record::Grant(next.clone()), event)
            .kept(&next.id, WorkKind::Close)
            .kept(&next.id, WorkKind::Activate);
        Ok((next, step))
    }

    /// What was proposed and can be confirmed now.
    fn proposal(&self, now: DateTime<Utc>) -> Option<&Said> {
        let overriding = self.overriding.as_ref()?;
        let open = overriding.open_until().is_some_and(|until| now < until);
        open.then_some(&overriding.proposed)
    }
}
