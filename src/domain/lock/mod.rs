//! A lock, a block on a principal, a target, a role, a tag or everything, and its transitions: place and lift.
//!
//! A lock with an end is over by itself: whether it is in force is a function of the lock and the moment, so nobody
//! has to sweep it away in time.

mod bearing;
mod blocked;

use chrono::{DateTime, Utc};

pub use bearing::{Locks, Subject};
pub use blocked::Blocked;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::extent::{Extent, Place, Tag, Tags};
use crate::domain::ids::{IncidentId, LockId};
use crate::domain::permit::{Action, permit_at};
use crate::domain::principal::{Principal, PrincipalRef, ProductRole};
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::domain::span::Span;

/// Where a lock is in its life; derived, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockState {
    InForce,
    /// Somebody took it away.
    Lifted,
    /// Its time is over.
    Over,
}

impl LockState {
    /// Every state, for filters and help.
    pub const ALL: [Self; 3] = [Self::InForce, Self::Lifted, Self::Over];

    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Lifted => "lifted",
            Self::Over => "over",
        }
    }
}

/// One lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub id: LockId,
    pub on: Blocked,
    pub reason: String,
    pub placed_by: PrincipalRef,
    pub created_at: DateTime<Utc>,
    /// Without one it stays until somebody lifts it.
    pub ends_at: Option<DateTime<Utc>>,
    pub lifted_by: Option<PrincipalRef>,
    pub lifted_at: Option<DateTime<Utc>>,
    pub lift_reason: Option<String>,
    /// The incident that it was placed in.
    pub incident: Option<IncidentId>,
    /// How many open grants were taken away when it was placed.
    pub grants_closed: i64,
    pub version: i64,
}

impl Lock {
    /// Whether this person may place it. Nobody locks themselves out by mistake, and everything is locked by admins
    /// alone. `tags` are those of the target that it names.
    pub fn may_place(on: &Blocked, by: &Principal, tags: Option<&Tags>) -> Result<(), Refusal> {
        may_change(by, on, tags)?;
        if matches!(on, Blocked::Principal(who) if who.id == by.id) {
            return Err(Refusal::SelfLock);
        }
        Ok(())
    }

    /// Places a lock. `tags` are those of the target that it names.
    pub fn place(
        id: LockId,
        on: Blocked,
        length: Option<Span>,
        reason: &str,
        (by, tags): (&Principal, Option<&Tags>),
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        Self::may_place(&on, by, tags)?;
        Ok(Self {
            id,
            on,
            reason: check_reason(reason)?,
            placed_by: by.as_ref(),
            created_at: now,
            ends_at: length.map(|length| now + length.to_chrono()),
            lifted_by: None,
            lifted_at: None,
            lift_reason: None,
            incident: None,
            grants_closed: 0,
            version: 1,
        })
    }

    /// What placing it writes, once it is known what it takes away.
    pub fn placed(&self) -> Step {
        let mut event = self
            .event(EventCode::LockPlaced, &self.placed_by)
            .reason(Some(&self.reason))
            .detail("grants_closed", self.grants_closed);
        if let Some(end) = self.ends_at {
            event = event.moment("ends_at", end);
        }
        Step::new(Record::NewLock(self.clone()), event)
    }

    /// Whether this person could lift it now, and if not, why. The same rule answers lists and attempts. `locks` are
    /// those in force, for the target that it names.
    pub fn may_lift(
        &self,
        by: &Principal,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        may_change(by, &self.on, locks.tags())?;
        let state = self.state(now);
        if state != LockState::InForce {
            return Err(Refusal::LockOver {
                lock: self.id.clone(),
                state,
            });
        }
        // Lifting gives access back, and whoever is locked gives nobody access: least of all themselves.
        locks.check_person(&by.id, now)
    }

    /// Lifts it. What it took away does not come back.
    pub fn lift(
        &self,
        by: &Principal,
        reason: &str,
        locks: Locks<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Step), Refusal> {
        self.may_lift(by, locks, now)?;
        let reason = check_reason(reason)?;
        let next = Self {
            lifted_by: Some(by.as_ref()),
            lifted_at: Some(now),
            lift_reason: Some(reason.clone()),
            version: self.version + 1,
            ..self.clone()
        };
        let event = next
            .event(EventCode::LockLifted, &by.as_ref())
            .reason(Some(reason));
        Ok((next.clone(), Step::new(Record::Lock(next), event)))
    }

    /// Where it is in its life.
    pub fn state(&self, now: DateTime<Utc>) -> LockState {
        if self.lifted_at.is_some() {
            LockState::Lifted
        } else if self.ends_at.is_some_and(|end| end <= now) {
            LockState::Over
        } else {
            LockState::InForce
        }
    }

    /// Why a grant that it matches goes, as the grant's own record says it.
    pub fn closing_reason(&self) -> String {
        format!("lock {}: {}", self.id, self.reason)
    }

    fn matches(&self, subject: Subject<'_>, tags: Option<&Tags>) -> bool {
        match &self.on {
            Blocked::Principal(who) => who.id == *subject.principal,
            Blocked::Target(target) => target == subject.target,
            Blocked::Role(target, role) => target == subject.target && role == subject.role,
            Blocked::Tag { name, value } => tags.is_some_and(|tags| tags.get(name) == Some(value)),
            Blocked::Everything => true,
        }
    }

    fn refusal(&self) -> Refusal {
        Refusal::Locked {
            lock: self.id.clone(),
            on: self.on.to_string(),
            by: self.placed_by.name.clone(),
            lifted_by: lifters(&self.on),
        }
    }

    fn event(&self, code: EventCode, by: &PrincipalRef) -> Event {
        let mut event = Event::new(code, Actor::Principal(by.clone()))
            .detail("lock", self.id.as_str())
            .detail("on", self.on.to_string());
        match &self.on {
            Blocked::Principal(who) => event.principal = Some(who.name.clone()),
            Blocked::Target(target) => event.target = Some(target.clone()),
            Blocked::Role(target, role) => {
                event.target = Some(target.clone());
                event.role = Some(role.clone());
            }
            Blocked::Tag { .. } | Blocked::Everything => {}
        }
        if let Some(incident) = &self.incident {
            event = event.detail("incident", incident.as_str());
        }
        event
    }
}

fn may_change(who: &Principal, on: &Blocked, tags: Option<&Tags>) -> Result<(), Refusal> {
    let tag;
    let place = match on {
        Blocked::Target(_) | Blocked::Role(..) => Place::On(tags),
        // Whatever the targets with this tag are tomorrow, so the tag itself has to be in the scope.
        Blocked::Tag { name, value } => {
            tag = Tag {
                name: name.clone(),
                value: value.clone(),
            };
            Place::Tagged(&tag)
        }
        Blocked::Principal(_) | Blocked::Everything => Place::Everywhere,
    };
    permit_at(who, Action::Lock, place)?;
    if *on == Blocked::Everything && *who.roles.extent(ProductRole::Admin) != Extent::Everywhere {
        return Err(Refusal::NotAllowed {
            action: "lock everything or lift such a lock",
            needs: "the product role admin",
        });
    }
    Ok(())
}

fn lifters(on: &Blocked) -> &'static str {
    if *on == Blocked::Everything {
        "an admin"
    } else {
        "a reviewer or an admin"
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use crate::domain::ids::PrincipalId;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn person(name: &str, bits: u64, role: ProductRole) -> Principal {
        Principal {
            id: PrincipalId::from_bits(bits),
            name: name.parse().unwrap(),
            roles: [role].into(),
            groups: [].into(),
            service: None,
        }
    }

    fn rita() -> Principal {
        person("rita", 1, ProductRole::Reviewer)
    }

    fn place(on: Blocked, length: Option<Span>) -> Lock {
        let root = person("root", 9, ProductRole::Admin);
        let id = LockId::from_bits(7);
        Lock::place(id, on, length, "INC-1 leak", (&root, None), now()).unwrap()
    }

    fn blocks(
        lock: &Lock,
        who: &Principal,
        target: &str,
        role: &str,
        tags: &[(&str, &str)],
    ) -> bool {
        let (target, role) = (target.parse().unwrap(), role.parse().unwrap());
        let subject = Subject {
            principal: &who.id,
            target: &target,
            role: &role,
        };
        let tags = tags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let all = std::slice::from_ref(lock);
        Locks::new(all, Some(&tags)).check(subject, now()).is_err()
    }

    #[test]
    fn a_lock_blocks_what_it_names_and_nothing_else() {
        let (ada, ben) = (
            person("ada", 2, ProductRole::Requester),
            person("ben", 3, ProductRole::Requester),
        );
        let lock = place(Blocked::Principal(ada.as_ref()), None);
        assert!(blocks(&lock, &ada, "a", "r", &[]) && !blocks(&lock, &ben, "a", "r", &[]));
        let lock = place(Blocked::Target("a".parse().unwrap()), None);
        assert!(blocks(&lock, &ada, "a", "r", &[]) && !blocks(&lock, &ada, "b", "r", &[]));
        let role = Blocked::Role("a".parse().unwrap(), "r".parse().unwrap());
        let lock = place(role, None);
        assert!(blocks(&lock, &ada, "a", "r", &[]) && !blocks(&lock, &ada, "a", "s", &[]));
        assert!(!blocks(&lock, &ada, "b", "r", &[]));
        let tag = Blocked::Tag {
            name: "env".to_owned(),
            value: "prod".to_owned(),
        };
        let lock = place(tag, None);
        assert!(blocks(&lock, &ada, "a", "r", &[("env", "prod")]));
        assert!(!blocks(
            &lock,
            &ada,
            "a",
            "r",
            &[("env", "dev"), ("x", "prod")]
        ));
        assert!(blocks(
            &place(Blocked::Everything, None),
            &ben,
            "b",
            "s",
            &[]
        ));
    }

    #[test]
    fn a_lock_with_an_end_is_over_by_itself() {
        let lock = place(Blocked::Everything, Some(Span::HOUR));
        let end = now() + TimeDelta::hours(1);
        assert_eq!(
            lock.state(end - TimeDelta::milliseconds(1)),
            LockState::InForce
        );
        assert_eq!(lock.state(end), LockState::Over);
        let error = lock.lift(
            &person("root", 9, ProductRole::Admin),
            "calm again",
            Locks::NONE,
            end,
        );
        assert!(matches!(
            error,
            Err(Refusal::LockOver {
                state: LockState::Over,
                ..
            })
        ));
    }

    #[test]
    fn nobody_locks_themselves_and_only_admins_lock_everything() {
        let on = |on| {
            Lock::place(
                LockId::from_bits(1),
                on,
                None,
                "INC-1",
                (&rita(), None),
                now(),
            )
        };
        assert_eq!(
            on(Blocked::Principal(rita().as_ref())),
            Err(Refusal::SelfLock)
        );
        assert!(matches!(
            on(Blocked::Everything),
            Err(Refusal::NotAllowed { .. })
        ));
        assert!(on(Blocked::Target("a".parse().unwrap())).is_ok());
        let everything = place(Blocked::Everything, None);
        assert!(everything.may_lift(&rita(), Locks::NONE, now()).is_err());
    }

    #[test]
    fn whoever_is_locked_lifts_no_lock() {
        let on_rita = place(Blocked::Principal(rita().as_ref()), None);
        let locks = Locks::new(std::slice::from_ref(&on_rita), None);
        let error = on_rita
            .lift(&rita(), "it was nothing", locks, now())
            .unwrap_err();
        assert_eq!(error.code(), "locked");
        let (lifted, step) = on_rita
            .lift(
                &person("bob", 4, ProductRole::Reviewer),
                "it was nothing",
                locks,
                now(),
            )
            .unwrap();
        assert_eq!(
            (lifted.state(now()), lifted.version),
            (LockState::Lifted, 2)
        );
        assert_eq!(
            step.event.sentence(),
            "bob lifted the lock on `rita`: it was nothing"
        );
        assert!(lifted.lift(&rita(), "again", Locks::NONE, now()).is_err());
    }
}
