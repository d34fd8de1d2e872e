//! Service accounts: what a machine may be allowed at all.
//!
//! A service account has an owner, who answers for it, and scopes. Whatever its product roles, it never decides:
//! no scope lets it review, extend for others, revoke, lock or invite.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::extent::{Tag, Tags};
use super::ids::{PrincipalId, RoleName, TargetName};
use super::permit::Action;
use super::principal::{PrincipalRef, ProductRole};
use super::roles::GivenRole;

/// The word for "any target" or "any role" in a scope.
const ANY: &str = "*";

/// One thing that a service account may do; with a tag, on targets that have it alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Ask for a role on a target, use the grant and give it back; none stands for any.
    Request {
        target: Option<TargetName>,
        role: Option<RoleName>,
        tag: Option<Tag>,
    },
    /// Read everything that an auditor reads.
    Read { tag: Option<Tag> },
    /// Report what lets people into exactly this host beside grants.
    Report { target: TargetName },
    /// Read the metrics of the server.
    Metrics,
}

impl Scope {
    /// The product role without which the scope is worth nothing.
    pub fn role(&self) -> GivenRole {
        let (role, tag) = match self {
            Self::Request { tag, .. } => (ProductRole::Requester, tag.clone()),
            Self::Read { tag } => (ProductRole::Auditor, tag.clone()),
            Self::Report { .. } | Self::Metrics => (ProductRole::Operator, None),
        };
        GivenRole { role, tag }
    }

    fn allows(&self, action: Action) -> bool {
        match self {
            Self::Request { .. } => {
                matches!(
                    action,
                    Action::Submit | Action::UseGrant | Action::ReadCatalog | Action::ReadOwn
                )
            }
            Self::Read { .. } => matches!(
                action,
                Action::ReadCatalog
                    | Action::ReadOwn
                    | Action::ReadAll
                    | Action::ReadLocks
                    | Action::ReadAudit
            ),
            Self::Report { .. } => action == Action::ReportStanding,
            Self::Metrics => action == Action::ReadMetrics,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = match self {
            Self::Request { target, role, tag } => {
                write!(
                    f,
                    "request:{}/{}",
                    target.as_ref().map_or(ANY, TargetName::as_str),
                    role.as_ref().map_or(ANY, RoleName::as_str)
                )?;
                tag
            }
            Self::Read { tag } => {
                f.write_str("read")?;
                tag
            }
            Self::Report { target } => return write!(f, "report:{target}"),
            Self::Metrics => return f.write_str("metrics"),
        };
        tag.as_ref().map_or(Ok(()), |tag| write!(f, "@{tag}"))
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            "scopes are `request:TARGET/ROLE` (each may be `*`), `read`, `report:TARGET` and `metrics`; the first two may end in a tag like `@env:staging`".to_owned()
        };
        if text == "metrics" {
            return Ok(Self::Metrics);
        }
        if let Some(target) = text.strip_prefix("report:") {
            let target = target.parse().map_err(|_| unknown())?;
            return Ok(Self::Report { target });
        }
        let (text, tag) = match text.split_once('@') {
            Some((text, tag)) => (text, Some(tag.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        if text == "read" {
            return Ok(Self::Read { tag });
        }
        let (target, role) = text
            .strip_prefix("request:")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(unknown)?;
        let target = match target {
            ANY => None,
            name => Some(name.parse().map_err(|_| unknown())?),
        };
        let role = match role {
            ANY => None,
            name => Some(name.parse().map_err(|_| unknown())?),
        };
        Ok(Self::Request { target, role, tag })
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What makes a principal a service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Who answers for it, and may review nothing that it asks for.
    pub owner: PrincipalRef,
    pub scopes: BTreeSet<Scope>,
    /// Who made its token: whoever has seen it may review nothing that is asked with it either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<PrincipalId>,
}

impl Service {
    /// Whether one of the scopes covers the action.
    pub fn allows(&self, action: Action) -> bool {
        self.scopes.iter().any(|scope| scope.allows(action))
    }

    /// Whether one of the scopes covers asking for exactly this, on a target with these tags.
    pub fn may_ask(&self, target: &TargetName, role: &RoleName, tags: Option<&Tags>) -> bool {
        self.scopes.iter().any(|scope| match scope {
            Scope::Request {
                target: on,
                role: of,
                tag,
            } => {
                on.as_ref().is_none_or(|on| on == target)
                    && of.as_ref().is_none_or(|of| of == role)
                    && tag
                        .as_ref()
                        .is_none_or(|tag| tags.is_some_and(|tags| tag.is_on(tags)))
            }
            Scope::Read { .. } | Scope::Report { .. } | Scope::Metrics => false,
        })
    }

    /// Whether one of the scopes is for reports of exactly this target.
    pub fn may_report(&self, target: &TargetName) -> bool {
        let is_it = |scope: &Scope| matches!(scope, Scope::Report { target: of } if of == target);
        self.scopes.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for text in [
            "read",
            "metrics",
            "request:orders-db/readonly",
            "request:*/readonly",
            "request:*/*",
            "request:*/readonly@env:staging",
            "read@team:payments",
            "report:web-1",
        ] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "write",
            "request",
            "request:",
            "request:a",
            "request:A/b",
            "request:a/b/c",
            "*",
            "read@",
            "read@staging",
            "metrics@env:staging",
            "report",
            "report:*",
            "report:web-1@env:staging",
        ] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_scope_lets_a_machine_decide() {
        let scopes = ["read", "metrics", "request:*/*", "report:web-1"];
        let scopes = scopes.map(|text| text.parse::<Scope>().unwrap());
        for action in [
            Action::BreakGlass,
            Action::Review,
            Action::ExtendOthers,
            Action::Revoke,
            Action::Lock,
            Action::EndSessions,
            Action::Invite,
            Action::ReadPeople,
        ] {
            assert!(
                scopes.iter().all(|scope| !scope.allows(action)),
                "{action:?}"
            );
        }
    }
}
