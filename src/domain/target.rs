//! A target: the thing that is accessed, its tags, and the roles that one may have on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{RoleName, TargetName};

/// The kinds of targets that access can be made on. Each has one connector in `targets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A PostgreSQL server: one login role per grant.
    Postgres,
    /// A host that trusts our certificate authority: short SSH certificates.
    Ssh,
    /// A directory: membership in a group, under the holder's own account.
    Ldap,
    /// Whatever a program of one's own makes and ends access on.
    Command,
    /// Whatever a service of one's own makes and ends access on when it is told to.
    Webhook,
    /// A Kubernetes cluster: a binding of a role, for the holder's own account.
    Kubernetes,
}

impl TargetKind {
    /// Every kind, for tables and help.
    pub const ALL: [Self; 6] = [
        Self::Postgres,
        Self::Ssh,
        Self::Ldap,
        Self::Command,
        Self::Webhook,
        Self::Kubernetes,
    ];

    /// The word used in the catalogue and in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Ssh => "ssh",
            Self::Ldap => "ldap",
            Self::Command => "command",
            Self::Webhook => "webhook",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Who makes sure that access ends (`reliability.md` calls these enforcement classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EnforcementClass {
    /// The target refuses new use after the end, even when every Portcullis node is down.
    A,
    /// As `A`, and the target also cuts live sessions by itself.
    #[serde(rename = "A+")]
    APlus,
    /// Only Portcullis ends it.
    C,
}

impl EnforcementClass {
    /// Every class, for tables and help.
    pub const ALL: [Self; 3] = [Self::A, Self::APlus, Self::C];

    /// The word used in policies, filters and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::APlus => "A+",
            Self::C => "C",
        }
    }
}

/// One role on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRole {
    /// What the role is for, in the catalogue owner's words.
    pub description: String,
    /// Roles that this one contains and a reviewer may therefore narrow it to.
    pub includes: BTreeSet<RoleName>,
}

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub name: TargetName,
    pub kind: TargetKind,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub roles: BTreeMap<RoleName, TargetRole>,
    /// Who makes sure that access on it ends.
    pub enforcement: EnforcementClass,
}

impl Target {
    /// Whether `lesser` is contained in `role`, directly or through another role. A role is not lesser than itself.
    pub fn is_lesser(&self, lesser: &RoleName, role: &RoleName) -> bool {
        let mut open: Vec<&RoleName> = vec![role];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            let Some(found) = self.roles.get(next) else {
                continue;
            };
            for included in &found.includes {
                if included == lesser && lesser != role {
                    return true;
                }
                if seen.insert(included) {
                    open.push(included);
                }
            }
        }
        false
    }
}
