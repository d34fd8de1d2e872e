//! The catalogue as one caller sees it: targets, roles, and what policy would say.

use chrono::{DateTime, Utc};

use crate::domain::extent::Place;
use crate::domain::ids::RoleName;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy;
use crate::domain::request::RequestKind;
use crate::domain::span::Span;
use crate::domain::target::{EnforcementClass, Target};

use super::{Caller, Error, Gate};

/// One target with the policy's answer for each of its roles.
#[derive(Debug, Clone)]
pub struct SeenTarget {
    pub target: Target,
    pub class: EnforcementClass,
    /// Where ssh finds it.
    pub host: Option<String>,
    /// For whoever may see standing access: whether it is the target itself that reports it, and when it last did.
    pub reports: Option<Option<DateTime<Utc>>>,
    pub verdicts: Vec<(RoleName, policy::Verdict)>,
}

impl Gate {
    /// Every target that the caller may see, each with what policy says to this caller about a short ask.
    pub async fn targets(&self, caller: &Caller) -> Result<Vec<SeenTarget>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadCatalog, Place::Somewhere)?;
        let rules = self.rules.current();
        let now = self.now().await?;
        let reported = self.reports_of_hosts().await?;
        let entries = rules.catalog.targets.values().filter(|entry| {
            let place = Place::On(Some(&entry.target.tags));
            permit_at(who, Action::ReadCatalog, place).is_ok()
        });
        let seen = entries.map(|entry| {
            let verdicts = entry.target.roles.keys().map(|role| {
                let verdict = rules.policy.decide(&policy::Ask {
                    asker: who,
                    target: &entry.target,
                    role,
                    kind: RequestKind::Access,
                    duration: Span::MINUTE,
                    total: Span::MINUTE,
                    ticket: None,
                    reason_length: 20,
                    now,
                });
                (role.clone(), verdict)
            });
            SeenTarget {
                verdicts: verdicts.collect(),
                target: entry.target.clone(),
                class: entry.connector.class(),
                host: entry.connector.host().map(str::to_owned),
                reports: entry
                    .connector
                    .authority()
                    .filter(|_| {
                        let place = Place::On(Some(&entry.target.tags));
                        permit_at(who, Action::ReadStanding, place).is_ok()
                    })
                    .map(|_| reported.get(&entry.target.name).copied()),
            }
        });
        Ok(seen.collect())
    }
}
