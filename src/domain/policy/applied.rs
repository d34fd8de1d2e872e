//! Which policy is in use, and how another takes its place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::PrincipalName;
use crate::domain::principal::PrincipalRef;
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;

use super::Policy;

/// The policy in use, since when, and whose word that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub version: String,
    pub at: DateTime<Utc>,
    /// Nobody: it was the first, or files hold as soon as they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PrincipalName>,
}

/// Which policies of a file are other than those of another, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
}

impl Differences {
    /// What makes the later one out of the earlier.
    pub fn between(before: &Policy, after: &Policy) -> Self {
        let named = |policy: &Policy| -> BTreeMap<String, String> {
            let rules = policy.rules();
            rules
                .map(|rule| (rule.id.clone(), rule.text.clone()))
                .collect()
        };
        let (before, after) = (named(before), named(after));
        let only = |these: &BTreeMap<String, String>, others: &BTreeMap<String, String>| {
            let lone = these.keys().filter(|name| !others.contains_key(*name));
            lone.cloned().collect()
        };
        let changed = after.iter().filter(|(name, text)| {
            let was = before.get(*name);
            was.is_some_and(|was| was != *text)
        });
        Self {
            added: only(&after, &before),
            removed: only(&before, &after),
            changed: changed.map(|(name, _)| name.clone()).collect(),
        }
    }

    fn told(self, event: Event) -> Event {
        event
            .detail("added", self.added)
            .detail("removed", self.removed)
            .detail("changed", self.changed)
    }
}

/// Puts `next` in the place of the policy in use, which the person saw as `seen`.
pub fn apply(
    in_use: &Applied,
    policies: (&Policy, &Policy),
    seen: &str,
    reason: &str,
    by: &PrincipalRef,
    now: DateTime<Utc>,
) -> Result<Step, Refusal> {
    let (before, next) = policies;
    if next.version() == in_use.version {
        return Err(Refusal::PolicyInUse {
            version: in_use.version.clone(),
        });
    }
    if seen != in_use.version {
        return Err(Refusal::Conflict {
            what: "policy",
            name: seen.to_owned(),
        });
    }
    let reason = check_reason(reason)?;
    let event = Event::new(EventCode::PolicyApplied, Actor::Principal(by.clone()))
        .reason(Some(reason))
        .detail("from", in_use.version.as_str())
        .detail("to", next.version());
    let event = Differences::between(before, next).told(event);
    let record = Record::Policy {
        before: Some(in_use.clone()),
        now: Applied {
            version: next.version().to_owned(),
            at: now,
            by: Some(by.name.clone()),
        },
    };
    Ok(Step::new(record, event))
}

/// Takes a file's policy into use without anybody's word.
pub fn take(in_use: Option<&Applied>, next: &Policy, now: DateTime<Utc>) -> Step {
    let mut event = Event::new(EventCode::PolicyApplied, Actor::System);
    if let Some(in_use) = in_use {
        event = event.detail("from", in_use.version.as_str());
    }
    let record = Record::Policy {
        before: in_use.cloned(),
        now: Applied {
            version: next.version().to_owned(),
            at: now,
            by: None,
        },
    };
    Step::new(record, event.detail("to", next.version()))
}

/// Says that a file has another policy than the one in use.
pub fn waits(in_use: &str, before: &Policy, next: &Policy) -> Event {
    let event = Event::new(EventCode::PolicyWaiting, Actor::System)
        .detail("in_use", in_use)
        .detail("waiting", next.version());
    Differences::between(before, next).told(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PrincipalId;

    fn policy(text: &str) -> Policy {
        Policy::parse(text).unwrap()
    }

    fn rule(id: &str, because: &str) -> String {
        format!("@id(\"{id}\") @because(\"{because}\") forbid (principal, action, resource);\n")
    }

    fn applied(policy: &Policy) -> Applied {
        Applied {
            version: policy.version().to_owned(),
            at: DateTime::UNIX_EPOCH,
            by: None,
        }
    }

    fn ada() -> PrincipalRef {
        PrincipalRef {
            id: PrincipalId::from_bits(1),
            name: "ada".parse().unwrap(),
        }
    }

    #[test]
    fn the_event_names_the_policies_that_are_other_than_before() {
        let before = policy(&[rule("a", "x"), rule("b", "x"), rule("c", "x")].concat());
        let after = policy(&[rule("b", "y"), rule("c", "x"), rule("d", "x")].concat());
        let (now, in_use) = (DateTime::UNIX_EPOCH, applied(&before));
        let seen = before.version();
        let step = apply(&in_use, (&before, &after), seen, "INC-1", &ada(), now).unwrap();
        let told = |name: &str| step.event.details[name].clone();
        assert_eq!(
            [told("added"), told("removed"), told("changed")],
            [["d"], ["a"], ["b"]].map(serde_json::Value::from)
        );
    }

    #[test]
    fn only_what_was_seen_is_replaced_and_never_by_itself() {
        let (before, after) = (policy(&rule("a", "x")), policy(&rule("a", "y")));
        let (now, in_use) = (DateTime::UNIX_EPOCH, applied(&before));
        let code = |policies, seen: &str, reason: &str| {
            let refused = apply(&in_use, policies, seen, reason, &ada(), now);
            refused.unwrap_err().code()
        };
        let seen = before.version();
        assert_eq!(
            code((&before, &after), after.version(), "INC-1"),
            "conflict"
        );
        assert_eq!(code((&before, &before), seen, "INC-1"), "policy-in-use");
        assert_eq!(code((&before, &after), seen, " "), "bad-reason");
    }

    #[test]
    fn another_zone_is_another_policy() {
        let utc = policy(&rule("a", "x"));
        let berlin = utc.clone().in_zone("Europe/Berlin".parse().unwrap());
        assert_ne!(utc.version(), berlin.version());
        assert_eq!(
            berlin.in_zone("UTC".parse().unwrap()).version(),
            utc.version()
        );
    }
}
