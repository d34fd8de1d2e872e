//! Standing access: what lets somebody into a target although no grant backs it, and what people said about it.
//!
//! Portcullis finds it and shows it, and never takes it away by itself: it may be what a service lives on. Somebody ends
//! it on the target, or answers for it until a date (import), or says why it is to stay (ignore). Whatever grows is shown
//! again: a yes was said to what was there then.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Record, Step};
use super::event::{Actor, Event, EventCode};
use super::extent::Place;
use super::ids::{PrincipalName, StandingId, TargetName};
use super::permit::{Action, permit_at};
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::request::check_reason;
use super::span::Span;

/// What kind of thing lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingKind {
    /// An account of the target itself that may log in.
    Account,
    /// Somebody who is a member of a group that grants make people members of.
    Member,
    /// A key that a host lets in.
    Key,
}

impl StandingKind {
    /// Every kind, for filters and help.
    pub const ALL: [Self; 3] = [Self::Account, Self::Member, Self::Key];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Member => "member",
            Self::Key => "key",
        }
    }
}

/// What a target shows of standing access. Names and rights are as the target has them: hostile text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub kind: StandingKind,
    /// Who gets in, as the target calls them.
    pub subject: String,
    /// What they may there, as short sentences, sorted.
    pub rights: Vec<String>,
    /// Since when at least, where the target says.
    pub since: Option<DateTime<Utc>>,
}

/// Where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StandingState {
    /// Nobody has said anything about it, or what was said is over.
    Open,
    /// Somebody answers for it until a date.
    Imported,
    /// Somebody said why it stays.
    Ignored,
    /// It is not on the target any more.
    Gone,
}

impl StandingState {
    /// Every state, for filters and help.
    pub const ALL: [Self; 4] = [Self::Open, Self::Imported, Self::Ignored, Self::Gone];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Imported => "imported",
            Self::Ignored => "ignored",
            Self::Gone => "gone",
        }
    }
}

/// What somebody said about standing access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub by: PrincipalRef,
    pub at: DateTime<Utc>,
    pub reason: String,
    /// Who answers for it until when; none where it is ignored.
    pub import: Option<(PrincipalName, DateTime<Utc>)>,
}

/// One piece of standing access on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub id: StandingId,
    pub target: TargetName,
    pub kind: StandingKind,
    pub subject: String,
    pub rights: Vec<String>,
    /// When it was seen for the first time, or again after it was gone: targets seldom say when they began.
    pub found_at: DateTime<Utc>,
    /// Since when at least it was there, where the target said so when it was seen.
    pub since: Option<DateTime<Utc>>,
    pub gone_at: Option<DateTime<Utc>>,
    pub said: Option<Said>,
    pub version: i64,
}

impl Standing {
    /// It is seen for the first time.
    pub fn found(
        id: StandingId,
        target: TargetName,
        found: Found,
        (by, now): (&Actor, DateTime<Utc>),
    ) -> (Self, Step) {
        let new = Self {
            id,
            target,
            kind: found.kind,
            subject: found.subject,
            rights: found.rights,
            found_at: now,
            since: found.since,
            gone_at: None,
            said: None,
            version: 1,
        };
        let event = new.event(EventCode::StandingFound, by.clone());
        (new.clone(), Step::new(Record::NewStanding(new), event))
    }

    /// It is seen again; `None` when nothing about it is new.
    pub fn seen(&self, found: &Found, (by, now): (&Actor, DateTime<Utc>)) -> Option<(Self, Step)> {
        let back = self.gone_at.is_some();
        if !back && self.rights == found.rights {
            return None;
        }
        let grew = !found.rights.iter().all(|right| self.rights.contains(right));
        let mut next = self.next();
        next.rights.clone_from(&found.rights);
        if back {
            next.gone_at = None;
            next.found_at = now;
            next.since = found.since;
        }
        // INVARIANT: nobody said anything about what was not there then
        // (`what_was_said_does_not_cover_what_came_later`).
        if back || grew {
            next.said = None;
        }
        let code = if back {
            EventCode::StandingFound
        } else {
            EventCode::StandingChanged
        };
        let event = next.event(code, by.clone());
        Some((next.clone(), Step::new(Record::Standing(next), event)))
    }

    /// It is not on the target any more.
    pub fn gone(&self, (by, now): (&Actor, DateTime<Utc>)) -> Option<(Self, Step)> {
        if self.gone_at.is_some() {
            return None;
        }
        let mut next = self.next();
        next.gone_at = Some(now);
        let event = next.event(EventCode::StandingGone, by.clone());
        Some((next.clone(), Step::new(Record::Standing(next), event)))
    }

    /// Whether this person could say something about it now, and if not, why.
    pub fn may_settle(&self, by: &Principal, place: Place<'_>) -> Result<(), Refusal> {
        permit_at(by, Action::SettleStanding, place)?;
        if self.gone_at.is_some() {
            return Err(Refusal::StandingGone {
                standing: self.id.clone(),
            });
        }
        Ok(())
    }

    /// Somebody says why it stays.
    pub fn ignore(
        &self,
        (by, place): (&Principal, Place<'_>),
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.settled(EventCode::StandingIgnored, (by, place), reason, None, now)
    }

    /// Somebody is named who answers for it until a date.
    pub fn import(
        &self,
        (by, place): (&Principal, Place<'_>),
        owner: PrincipalName,
        length: Span,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        let import = Some((owner, now + length.to_chrono()));
        self.settled(
            EventCode::StandingImported,
            (by, place),
            reason,
            import,
            now,
        )
    }

    /// Somebody takes back what was said.
    pub fn reopen(
        &self,
        (by, place): (&Principal, Place<'_>),
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.may_settle(by, place)?;
        if self.state(now) == StandingState::Open {
            return Err(Refusal::StandingOpen {
                standing: self.id.clone(),
            });
        }
        let reason = check_reason(reason)?;
        let mut next = self.next();
        next.said = None;
        let event = next
            .event(EventCode::StandingReopened, Actor::Principal(by.as_ref()))
            .reason(Some(reason));
        Ok((next.clone(), Step::new(Record::Standing(next), event)))
    }

    fn settled(
        &self,
        code: EventCode,
        (by, place): (&Principal, Place<'_>),
        reason: &str,
        import: Option<(PrincipalName, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.may_settle(by, place)?;
        let reason = check_reason(reason)?;
        let mut next = self.next();
        let mut event = next
            .event(code, Actor::Principal(by.as_ref()))
            .reason(Some(&reason));
        if let Some((owner, until)) = &import {
            event.principal = Some(owner.clone());
            event = event.moment("until", *until);
        }
        next.said = Some(Said {
            by: by.as_ref(),
            at: now,
            reason,
            import,
        });
        Ok((next.clone(), Step::new(Record::Standing(next), event)))
    }

    /// Where it is in its life.
    pub fn state(&self, now: DateTime<Utc>) -> StandingState {
        match &self.said {
            _ if self.gone_at.is_some() => StandingState::Gone,
            None => StandingState::Open,
            Some(said) => match said.import {
                None => StandingState::Ignored,
                Some((_, until)) if until > now => StandingState::Imported,
                Some(_) => StandingState::Open,
            },
        }
    }

    fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    fn event(&self, code: EventCode, by: Actor) -> Event {
        let mut event = Event::new(code, by)
            .detail("standing", self.id.as_str())
            .detail("kind", self.kind.as_str())
            .detail("subject", self.subject.as_str())
            .detail("rights", self.rights.clone());
        event.target = Some(self.target.clone());
        event
    }
}

/// What is different between what is known of a target and the whole of what it shows. New pieces get their identifiers
/// from `ids`; where those run out, the rest is seen with the next look.
pub fn differences(
    known: Vec<Standing>,
    (target, shown): (&TargetName, &[Found]),
    ids: Vec<StandingId>,
    (by, now): (&Actor, DateTime<Utc>),
) -> Vec<Step> {
    let key = |standing: Standing| ((standing.kind, standing.subject.clone()), standing);
    let mut known: HashMap<_, _> = known.into_iter().map(key).collect();
    let (mut ids, mut steps) = (ids.into_iter(), Vec::new());
    for found in shown {
        let changed = match known.remove(&(found.kind, found.subject.clone())) {
            Some(standing) => standing.seen(found, (by, now)),
            None => ids
                .next()
                .map(|id| Standing::found(id, target.clone(), found.clone(), (by, now))),
        };
        steps.extend(changed.map(|(_, step)| step));
    }
    let gone = known
        .into_values()
        .filter_map(|standing| standing.gone((by, now)));
    steps.extend(gone.map(|(_, step)| step));
    steps
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::ids::PrincipalId;
    use crate::domain::principal::ProductRole;

    fn now() -> DateTime<Utc> {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn person(role: ProductRole) -> Principal {
        Principal {
            id: PrincipalId::from_bits(7),
            name: "rita".parse().unwrap(),
            roles: [role].into(),
            groups: [].into(),
            service: None,
        }
    }

    fn mallory(rights: &[&str]) -> Found {
        Found {
            kind: StandingKind::Account,
            subject: "mallory".to_owned(),
            rights: rights.iter().map(|&right| right.to_owned()).collect(),
            since: None,
        }
    }

    fn found(rights: &[&str]) -> Standing {
        let (id, target) = (StandingId::from_bits(1), "orders-db".parse().unwrap());
        Standing::found(id, target, mallory(rights), (&Actor::System, now())).0
    }

    #[test]
    fn what_was_said_does_not_cover_what_came_later() {
        let (rita, place) = (person(ProductRole::Reviewer), Place::On(None));
        let reads = found(&["may log in"]);
        let (ignored, _) = reads
            .ignore((&rita, place), "nightly backup, CHG-77", now())
            .unwrap();
        assert_eq!(ignored.state(now()), StandingState::Ignored);
        assert!(
            ignored
                .seen(&mallory(&["may log in"]), (&Actor::System, now()))
                .is_none()
        );
        let (grown, step) = ignored
            .seen(
                &mallory(&["is superuser", "may log in"]),
                (&Actor::System, now()),
            )
            .unwrap();
        assert_eq!(grown.state(now()), StandingState::Open);
        assert_eq!(step.event.code, EventCode::StandingChanged);
    }

    #[test]
    fn less_than_was_seen_stays_as_it_was_settled() {
        let (rita, place) = (person(ProductRole::Reviewer), Place::On(None));
        let (ignored, _) = found(&["is superuser", "may log in"])
            .ignore((&rita, place), "nightly backup, CHG-77", now())
            .unwrap();
        let (less, _) = ignored
            .seen(&mallory(&["may log in"]), (&Actor::System, now()))
            .unwrap();
        assert_eq!(less.state(now()), StandingState::Ignored);
    }

    #[test]
    fn an_import_is_over_by_itself() {
        let (rita, place) = (person(ProductRole::Admin), Place::On(None));
        let owner = || "ada".parse().unwrap();
        let (imported, step) = found(&["may log in"])
            .import(
                (&rita, place),
                owner(),
                "30d".parse().unwrap(),
                "moves to grants, CHG-78",
                now(),
            )
            .unwrap();
        assert_eq!(imported.state(now()), StandingState::Imported);
        let later = now() + TimeDelta::days(30);
        assert_eq!(imported.state(later), StandingState::Open);
        assert_eq!(step.event.principal, Some(owner()));
    }

    #[test]
    fn what_is_gone_and_comes_back_is_found_again() {
        let (gone, _) = found(&["may log in"])
            .gone((&Actor::System, now()))
            .unwrap();
        assert!(gone.gone((&Actor::System, now())).is_none());
        let rita = person(ProductRole::Reviewer);
        let refused = gone.ignore((&rita, Place::On(None)), "nightly backup, CHG-77", now());
        assert_eq!(refused.unwrap_err().code(), "standing-gone");
        let later = now() + TimeDelta::hours(1);
        let (back, step) = gone
            .seen(&mallory(&["may log in"]), (&Actor::System, later))
            .unwrap();
        assert_eq!(
            (back.state(later), back.found_at),
            (StandingState::Open, later)
        );
        assert_eq!(step.event.code, EventCode::StandingFound);
    }

    #[test]
    fn who_only_asks_or_reads_settles_nothing() {
        for role in [
            ProductRole::Requester,
            ProductRole::Auditor,
            ProductRole::Operator,
        ] {
            let refused = found(&["may log in"]).ignore(
                (&person(role), Place::On(None)),
                "nightly backup, CHG-77",
                now(),
            );
            assert_eq!(refused.unwrap_err().code(), "not-allowed");
        }
    }
}
