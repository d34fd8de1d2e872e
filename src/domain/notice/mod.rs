//! Notices: whom an event concerns who was not there, and in which words they are told.
//!
//! It is decided here who is to be told of what, and nothing is sent. Nobody is told of what they did themselves, and
//! no notice holds anything that a person typed freely, nor a secret: ids, names and moments only.
//!
//! To add a notice: a [`Kind`] where people may want to choose it by itself, a [`Happened`], a line in [`caused_by`],
//! its sentence in `words`.

mod template;
mod wishes;
mod words;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Actor, Event, EventCode};
use super::grant::{CloseKind, Grant};
use super::ids::{GrantId, PrincipalId, PrincipalName, RequestId, RoleName, TargetName};
use super::nearest::list;
use super::request::RequestKind;

pub use template::{FIELDS, Fields, Template, TemplateError};
pub use wishes::{Quiet, Wanted, WishError, Wishes, check_address};

/// What notices are about, as people choose among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Review,
    Handled,
    Decided,
    Active,
    EndsSoon,
    Over,
    Overdue,
    BreakGlass,
}

impl Kind {
    /// Every kind, in the order of the life of a request.
    pub const ALL: [Self; 8] = [
        Self::Review,
        Self::Handled,
        Self::Decided,
        Self::Active,
        Self::EndsSoon,
        Self::Over,
        Self::Overdue,
        Self::BreakGlass,
    ];

    /// The word used in settings, in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Handled => "handled",
            Self::Decided => "decided",
            Self::Active => "active",
            Self::EndsSoon => "ends_soon",
            Self::Over => "over",
            Self::Overdue => "overdue",
            Self::BreakGlass => "break_glass",
        }
    }

    /// What it tells, for help and the reference.
    pub fn about(self) -> &'static str {
        match self {
            Self::Review => "a request waits for your review",
            Self::Handled => "a request that you were told of needs you no more",
            Self::Decided => "your request was decided, or nobody decided it in time",
            Self::Active => "your grant is usable",
            Self::EndsSoon => "your grant ends soon",
            Self::Over => "your grant has ended, was taken away, or could not be made",
            Self::Overdue => "the end of a grant is not confirmed",
            Self::BreakGlass => "somebody broke glass",
        }
    }

    /// Whether it waits for nobody's quiet hours and cannot be turned off: somebody has to act, or to know at once.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Overdue | Self::BreakGlass)
    }

    /// Whether a room hears of it where its channel says nothing about kinds: what concerns several people does.
    pub fn is_for_rooms(self) -> bool {
        matches!(
            self,
            Self::Review | Self::Handled | Self::Overdue | Self::BreakGlass
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("kinds of notices are {}", list(Self::ALL)))
    }
}

/// What happened, in the one word that a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    Waits,
    Approved,
    Denied,
    Withdrawn,
    Expired,
    Active,
    NotMade,
    EndsSoon,
    Ended,
    Revoked,
    Overdue,
    OverrideProposed,
    BrokeGlass,
}

/// Whom a notice is for, before anybody has looked who that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everybody who may review the request now, or afterwards.
    Reviewers,
    /// Whoever asked; for a service account its owner.
    Requester,
    /// Those who were told that the request waits.
    Told,
    /// Whoever has the access; for a service account its owner.
    Holder,
    /// Admins whose role is for the target.
    Admins,
}

/// What is said, to whomever. INVARIANT: it holds nothing that a person typed freely
/// (`a_notice_has_no_text_that_somebody_typed`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub kind: Kind,
    pub happened: Happened,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// Whose access it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PrincipalName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Who did it; none where Portcullis did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PrincipalName>,
    /// For how long it was asked, as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// It was about a later end.
    #[serde(default)]
    pub extends: bool,
    /// The end, or the moment by which somebody has to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// What happened, and when.
    pub at: DateTime<Utc>,
}

/// Which notices an event causes, and for whom.
pub fn caused_by(event: &Event) -> Vec<(Kind, Happened, To)> {
    let detail = |name: &str| event.details.get(name).and_then(serde_json::Value::as_str);
    let decided = |happened| {
        vec![
            (Kind::Decided, happened, To::Requester),
            (Kind::Handled, happened, To::Told),
        ]
    };
    match event.code {
        // Break-glass has an event of its own, which says more.
        EventCode::RequestSubmitted if detail("kind") != Some(RequestKind::BreakGlass.as_str()) => {
            vec![(Kind::Review, Happened::Waits, To::Reviewers)]
        }
        // Where nobody reviewed it, nobody waited.
        EventCode::RequestApproved if !matches!(event.actor, Actor::System) => {
            decided(Happened::Approved)
        }
        EventCode::RequestDenied => decided(Happened::Denied),
        EventCode::RequestExpired => decided(Happened::Expired),
        EventCode::RequestWithdrawn => vec![(Kind::Handled, Happened::Withdrawn, To::Told)],
        EventCode::GrantActivated => vec![(Kind::Active, Happened::Active, To::Holder)],
        EventCode::GrantActivationFailed => vec![(Kind::Over, Happened::NotMade, To::Holder)],
        // Access is over from here on, whenever the target confirms.
        EventCode::GrantClosing if detail("close_kind") == Some(CloseKind::Revoke.as_str()) => {
            vec![(Kind::Over, Happened::Revoked, To::Holder)]
        }
        EventCode::GrantEnded => vec![(Kind::Over, Happened::Ended, To::Holder)],
        // It takes another admin, who is to look before the proposal is over.
        EventCode::GrantOverrideProposed => {
            vec![(Kind::Overdue, Happened::OverrideProposed, To::Admins)]
        }
        EventCode::BreakGlassUsed => vec![
            (Kind::BreakGlass, Happened::BrokeGlass, To::Admins),
            (Kind::BreakGlass, Happened::BrokeGlass, To::Reviewers),
        ],
        _ => Vec::new(),
    }
}

/// Whether somebody is told who would be: nobody of what they did themselves.
pub fn is_told(event: &Event, who: &PrincipalId) -> bool {
    !matches!(&event.actor, Actor::Principal(actor) if actor.id == *who)
}

impl Notice {
    /// What is said of an event.
    pub fn of(event: &Event, kind: Kind, happened: Happened, at: DateTime<Utc>) -> Self {
        let detail = |name: &str| event.details.get(name).and_then(serde_json::Value::as_str);
        let until = detail("expires_at").or_else(|| detail("decide_by"));
        let by = match &event.actor {
            Actor::Principal(who) => Some(who.name.clone()),
            Actor::System | Actor::Anonymous => None,
        };
        Self {
            kind,
            happened,
            request: event.request.clone(),
            grant: event.grant.clone(),
            person: event.principal.clone(),
            target: event.target.clone(),
            role: event.role.clone(),
            by,
            duration: detail("duration").map(str::to_owned),
            extends: detail("kind") == Some(RequestKind::Extend.as_str()),
            until: until.and_then(|text| text.parse().ok()),
            at,
        }
    }

    /// What is said of a grant that ends soon, or whose end is not confirmed: no event says either.
    pub fn about(grant: &Grant, kind: Kind, happened: Happened, at: DateTime<Utc>) -> Self {
        Self {
            kind,
            happened,
            request: Some(grant.request.clone()),
            grant: Some(grant.id.clone()),
            person: Some(grant.holder.name.clone()),
            target: Some(grant.target.clone()),
            role: Some(grant.role.clone()),
            by: None,
            duration: None,
            extends: false,
            until: Some(grant.expires_at),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::PrincipalRef;

    fn rita() -> Actor {
        Actor::Principal(PrincipalRef {
            id: "P-0000000001".parse().unwrap(),
            name: "rita".parse().unwrap(),
        })
    }

    #[test]
    fn whoever_waited_hears_what_was_decided_and_who_was_asked_that_it_is_done() {
        let event = Event::new(EventCode::RequestApproved, rita());
        assert_eq!(
            caused_by(&event),
            [
                (Kind::Decided, Happened::Approved, To::Requester),
                (Kind::Handled, Happened::Approved, To::Told)
            ]
        );
        let nobody = Event::new(EventCode::RequestApproved, Actor::System);
        assert_eq!(caused_by(&nobody), [], "nobody waited for that");
    }

    #[test]
    fn break_glass_is_told_to_admins_and_not_as_a_request() {
        let submitted = Event::new(EventCode::RequestSubmitted, rita());
        assert_eq!(caused_by(&submitted).len(), 1);
        assert_eq!(caused_by(&submitted.detail("kind", "break_glass")), []);
        let used = Event::new(EventCode::BreakGlassUsed, rita());
        assert_eq!(
            caused_by(&used),
            [
                (Kind::BreakGlass, Happened::BrokeGlass, To::Admins),
                (Kind::BreakGlass, Happened::BrokeGlass, To::Reviewers)
            ],
            "some have to know, others to sign it off"
        );
    }

    #[test]
    fn giving_back_and_running_out_are_no_surprise_and_a_revocation_is_told_at_once() {
        let closing = |kind: &str| {
            let event = Event::new(EventCode::GrantClosing, rita());
            caused_by(&event.detail("close_kind", kind)).len()
        };
        assert_eq!(["end", "return", "revoke"].map(closing), [0, 0, 1]);
        assert_eq!(
            caused_by(&Event::new(EventCode::GrantRevoked, Actor::System)),
            [],
            "it was told when it began"
        );
    }

    #[test]
    fn nobody_is_told_of_what_they_did() {
        let event = Event::new(EventCode::RequestDenied, rita());
        assert!(!is_told(&event, &"P-0000000001".parse().unwrap()));
        assert!(is_told(&event, &"P-0000000002".parse().unwrap()));
    }

    #[test]
    fn a_notice_has_no_text_that_somebody_typed() {
        let event = Event::new(EventCode::RequestSubmitted, rita())
            .reason(Some("INC-1 <!channel>"))
            .detail("duration", "1h");
        let notice = Notice::of(&event, Kind::Review, Happened::Waits, DateTime::UNIX_EPOCH);
        let kept = serde_json::to_string(&notice).unwrap();
        assert!(!kept.contains("INC-1"), "{kept}");
        assert!(kept.contains("\"1h\""), "{kept}");
    }

    #[test]
    fn only_what_somebody_has_to_know_at_once_is_urgent() {
        let urgent = Kind::ALL.into_iter().filter(|kind| kind.is_urgent());
        assert!(urgent.eq([Kind::Overdue, Kind::BreakGlass]));
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
