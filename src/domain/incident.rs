//! An incident: one deliberate act on many grants, exactly as a dry run has shown them.
//!
//! What was shown and is still so is taken away; what has changed since is reported and stays, so that nobody takes
//! away what nobody has looked at.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::change::{Change, Record, Step};
use super::event::{Actor, Event, EventCode};
use super::extent::{Extent, Place, Tag, Tags};
use super::grant::{CloseKind, Grant, GrantState};
use super::ids::{
    GrantId, IncidentId, PrincipalId, PrincipalName, RequestId, RoleName, TargetName,
};
use super::lock::Subject;
use super::nearest::list;
use super::principal::{Principal, PrincipalRef};
use super::refusal::Refusal;
use super::request::{Request, RequestState, check_reason};

/// What one incident takes away at most; more than this is several lists for several people.
pub const ITEMS_MAX: usize = 5_000;
/// How long what a dry run has shown may be committed.
pub const GOOD_FOR: TimeDelta = TimeDelta::minutes(5);

/// What an incident is about. Parts that are there must all match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub targets: BTreeSet<TargetName>,
    pub tags: BTreeMap<String, String>,
    pub principals: BTreeSet<PrincipalName>,
    /// In the filter language; whoever asks brings its answer for each grant.
    pub filter: Option<String>,
    pub everything: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub scope: Scope,
    pub lock: bool,
    pub deny_pending: bool,
}

impl Ask {
    /// All of it as one text, the same for the same ask; for seals.
    pub fn whole(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Refuses what nobody can have meant.
    pub fn check(&self) -> Result<(), Refusal> {
        let refuse = |field: &str, why: &str| {
            Err(Refusal::BadInput {
                field: field.to_owned(),
                why: why.to_owned(),
            })
        };
        let scope = &self.scope;
        let narrowed = !(scope.targets.is_empty()
            && scope.tags.is_empty()
            && scope.principals.is_empty()
            && scope.filter.is_none());
        if !narrowed && !scope.everything {
            return refuse("scope", "say what it is about, or `everything`");
        }
        if narrowed && scope.everything {
            return refuse("scope", "either `everything` or a part of it");
        }
        if scope.filter.is_some() && self.lock {
            return refuse(
                "lock",
                "a filter cannot be locked, only people, targets and tags",
            );
        }
        if scope.filter.is_some() && self.deny_pending {
            return refuse(
                "deny_pending",
                "a filter over grants says nothing about requests",
            );
        }
        let mixed = !(scope.targets.is_empty() && scope.tags.is_empty());
        if self.lock && mixed && !scope.principals.is_empty() {
            return refuse(
                "lock",
                "a lock blocks people or targets, not people on some targets: lock one of them",
            );
        }
        Ok(())
    }
}

impl Scope {
    /// Whether this is in it, the filter not counted. `people` are the principals by id, as they are now.
    pub fn covers(
        &self,
        subject: Subject<'_>,
        tags: Option<&BTreeMap<String, String>>,
        people: &BTreeSet<PrincipalId>,
    ) -> bool {
        let tagged = |(name, value): (&String, &String)| {
            tags.is_some_and(|tags| tags.get(name) == Some(value))
        };
        (self.targets.is_empty() || self.targets.contains(subject.target))
            && (self.principals.is_empty() || people.contains(subject.principal))
            && self.tags.iter().all(tagged)
    }

    /// Whether it stays within an extent, whatever is there. `tags` knows those of a target. A scope by tags stays
    /// there only with a tag of the extent: another one may be given to any target tomorrow.
    pub fn stays_within<'t>(
        &self,
        extent: &Extent,
        tags: impl Fn(&TargetName) -> Option<&'t Tags>,
    ) -> bool {
        let tagged = self.tags.iter().any(|(name, value)| {
            let tag = Tag {
                name: name.clone(),
                value: value.clone(),
            };
            extent.covers(Place::Tagged(&tag))
        });
        let named = |target| extent.covers(Place::On(tags(target)));
        tagged
            || (!self.targets.is_empty() && self.targets.iter().all(named))
            || extent.covers(Place::Everywhere)
    }

    /// The scope for people.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if !self.targets.is_empty() {
            parts.push(list(&self.targets));
        }
        if !self.tags.is_empty() {
            let tags = self
                .tags
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            parts.push(format!("targets with {}", list(tags)));
        }
        if !self.principals.is_empty() {
            parts.push(format!("grants of {}", list(&self.principals)));
        }
        if let Some(filter) = &self.filter {
            parts.push(format!("grants that `{filter}` lets through"));
        }
        if parts.is_empty() {
            "everything".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// A grant or a request, by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    Grant(GrantId),
    Request(RequestId),
}

impl ItemId {
    /// The id as people read it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Grant(id) => id.as_str(),
            Self::Request(id) => id.as_str(),
        }
    }
}

impl std::str::FromStr for ItemId {
    type Err = super::ids::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Request(id)),
            Err(_) => text.parse().map(Self::Grant),
        }
    }
}

/// One thing as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: ItemId,
    pub version: i64,
}

/// What became of one item in the transaction of the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The grant is going; its target says when it is gone.
    Revoking,
    Denied,
    /// There was nothing left to take away.
    AlreadyOver,
    /// It is not as it was shown, and stays as it is.
    Changed,
}

impl Fate {
    /// The word used in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoking => "revoking",
            Self::Denied => "denied",
            Self::AlreadyOver => "already_over",
            Self::Changed => "changed",
        }
    }
}

/// One item of an incident and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: ItemId,
    pub holder: PrincipalName,
    pub target: TargetName,
    pub role: RoleName,
    pub fate: Fate,
    /// What was different from what was shown, as a sentence.
    pub changed: Option<String>,
}

/// One incident, as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub id: IncidentId,
    pub reason: String,
    pub ask: Ask,
    pub started_by: PrincipalRef,
    pub created_at: DateTime<Utc>,
    /// A hash of the dry run's token: each is committed once.
    pub token: String,
    pub items: Vec<Item>,
    /// What matched the scope at the commit and had not been shown.
    pub appeared: Vec<String>,
}

/// Who commits what for which reason, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    pub incident: &'a IncidentId,
    pub by: &'a Principal,
    pub reason: &'a str,
    pub now: DateTime<Utc>,
}

impl Incident {
    /// What starting it writes besides what it takes away.
    pub fn started(&self, kept: usize, locks: usize) -> Step {
        let count = |fate: Fate| self.items.iter().filter(|item| item.fate == fate).count();
        let scope = serde_json::to_value(&self.ask.scope).unwrap_or_default();
        let event = Event::new(
            EventCode::IncidentStarted,
            Actor::Principal(self.started_by.clone()),
        )
        .reason(Some(&self.reason))
        .detail("incident", self.id.as_str())
        .detail("on", self.ask.scope.sentence())
        .detail("scope", scope)
        .detail("revoked", count(Fate::Revoking))
        .detail("denied", count(Fate::Denied))
        .detail("changed", count(Fate::Changed))
        .detail("already_over", count(Fate::AlreadyOver))
        .detail("kept", kept)
        .detail("appeared", self.appeared.len())
        .detail("locks", locks);
        Step::new(Record::NewIncident(self.clone()), event)
    }
}

impl Act<'_> {
    /// Checks what the person typed before anything is looked at.
    pub fn check(&self) -> Result<String, Refusal> {
        check_reason(self.reason)
    }

    /// Takes a grant away that was shown at this version. `since` are its events since it was shown; `locked` says
    /// that a lock of the incident matches it, so that it goes whatever has changed.
    pub fn on_grant(
        &self,
        grant: &Grant,
        version: i64,
        since: &[Event],
        locked: bool,
    ) -> (Item, Option<Step>) {
        let changed = (grant.version != version).then(|| what_changed(since));
        let open = matches!(
            grant.state,
            GrantState::Scheduled | GrantState::Activating | GrantState::Active
        );
        let fate = if grant.state.is_final() {
            Fate::AlreadyOver
        } else if open && changed.is_some() && !locked {
            Fate::Changed
        } else {
            Fate::Revoking
        };
        let because = ("incident", self.incident.as_str());
        let step = (fate == Fate::Revoking)
            .then(|| grant.cut(Some(&self.by.as_ref()), self.reason, because, self.now))
            .flatten();
        let item = Item {
            id: ItemId::Grant(grant.id.clone()),
            holder: grant.holder.name.clone(),
            target: grant.target.clone(),
            role: grant.role.clone(),
            fate,
            changed,
        };
        (item, step.map(|(_, step)| step))
    }

    /// Denies a request that was shown at this version.
    pub fn on_request(
        &self,
        request: &Request,
        version: i64,
        since: &[Event],
    ) -> (Item, Option<Change>) {
        let changed = (request.version != version).then(|| what_changed(since));
        let fate = if request.state != RequestState::Pending || self.now >= request.decide_by {
            Fate::AlreadyOver
        } else if changed.is_some() {
            Fate::Changed
        } else {
            Fate::Denied
        };
        let because = ("incident", self.incident.as_str());
        let change = (fate == Fate::Denied)
            .then(|| request.overrule(self.by, self.reason, because, self.now));
        let item = Item {
            id: ItemId::Request(request.id.clone()),
            holder: request.requester.name.clone(),
            target: request.target.clone(),
            role: request.role.clone(),
            fate,
            changed,
        };
        (item, change)
    }
}

/// What happened to one thing since it was shown, as a sentence without its end.
fn what_changed(since: &[Event]) -> String {
    // Credentials and ignored closings change nothing that was shown.
    let told = since.iter().rev().find_map(|event| {
        let text = |name: &str| event.details.get(name).and_then(|value| value.as_str());
        let by = event.actor.name();
        Some(match event.code {
            EventCode::GrantExtended => format!(
                "it was extended to {}",
                text("expires_at").unwrap_or("a later end")
            ),
            EventCode::GrantActivating | EventCode::GrantActivationRetried => {
                "it is being made".to_owned()
            }
            EventCode::GrantActivated => "it became active".to_owned(),
            EventCode::GrantActivationFailed => "it could not be made".to_owned(),
            EventCode::GrantClosing | EventCode::GrantCloseFailed => {
                match text("close_kind").unwrap_or_default() {
                    kind if kind == CloseKind::Revoke.as_str() => format!("{by} revoked it"),
                    kind if kind == CloseKind::Return.as_str() => format!("{by} returned it"),
                    _ => "it is closing".to_owned(),
                }
            }
            EventCode::GrantEnded => "it ended".to_owned(),
            EventCode::GrantReturned => "it was returned".to_owned(),
            EventCode::GrantRevoked => "it was revoked".to_owned(),
            EventCode::GrantOverridden => format!("{by} let it count as ended"),
            EventCode::ReviewRecorded => format!("{by} approved it, one of several"),
            EventCode::RequestApproved => format!("{by} approved it"),
            EventCode::RequestDenied => format!("{by} denied it"),
            EventCode::RequestWithdrawn => format!("{by} withdrew it"),
            EventCode::RequestExpired => "it expired".to_owned(),
            _ => return None,
        })
    });
    told.unwrap_or_else(|| "it is not as it was shown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(change: impl FnOnce(&mut Ask)) -> Ask {
        let mut ask = Ask::default();
        change(&mut ask);
        ask
    }

    #[test]
    fn a_scope_says_what_it_is_about() {
        let target = || "orders-db".parse().unwrap();
        assert!(ask(|_| {}).check().is_err());
        assert!(ask(|ask| ask.scope.everything = true).check().is_ok());
        let both = ask(|ask| {
            ask.scope.everything = true;
            ask.scope.targets.insert(target());
        });
        assert!(both.check().is_err());
        let filtered = ask(|ask| ask.scope.filter = Some("role:admin".to_owned()));
        assert!(filtered.check().is_ok());
        let locked = Ask {
            lock: true,
            ..filtered.clone()
        };
        assert!(locked.check().is_err());
        let denied = Ask {
            deny_pending: true,
            ..filtered
        };
        assert!(denied.check().is_err());
        let people_on_targets = ask(|ask| {
            ask.lock = true;
            ask.scope.targets.insert(target());
            ask.scope.principals.insert("ada".parse().unwrap());
        });
        assert!(people_on_targets.check().is_err());
    }

    #[test]
    fn parts_of_a_scope_must_all_match() {
        let (target, role): (TargetName, RoleName) = ("a".parse().unwrap(), "r".parse().unwrap());
        let ada = PrincipalId::from_bits(1);
        let subject = Subject {
            principal: &ada,
            target: &target,
            role: &role,
        };
        let tags = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let mut scope = Scope::default();
        let none = BTreeSet::new();
        assert!(scope.covers(subject, None, &none), "everything");
        scope.tags = tags.clone();
        assert!(scope.covers(subject, Some(&tags), &none));
        assert!(
            !scope.covers(subject, None, &none),
            "a target that is gone has no tags"
        );
        scope.targets.insert("b".parse().unwrap());
        assert!(!scope.covers(subject, Some(&tags), &none));
        scope.targets.insert(target.clone());
        assert!(scope.covers(subject, Some(&tags), &none));
        scope.principals.insert("ada".parse().unwrap());
        assert!(!scope.covers(subject, Some(&tags), &none));
        assert!(scope.covers(subject, Some(&tags), &BTreeSet::from([ada.clone()])));
        assert_eq!(
            scope.sentence(),
            "`a` and `b`, targets with `env=prod`, grants of `ada`"
        );
    }

    #[test]
    fn the_last_event_that_matters_says_what_changed() {
        let event = |code| Event::new(code, Actor::System);
        let since = [
            event(EventCode::GrantActivated),
            event(EventCode::GrantExtended).detail("expires_at", "2026-11-22T13:00:00.000Z"),
            event(EventCode::CredentialIssued),
        ];
        assert_eq!(
            what_changed(&since),
            "it was extended to 2026-11-22T13:00:00.000Z"
        );
        assert_eq!(what_changed(&[]), "it is not as it was shown");
    }
}
