//! What a lock blocks: a principal, a target, a role, a tag or everything.

use std::fmt;

use crate::domain::extent::Tags;
use crate::domain::ids::{RoleName, TargetName};
use crate::domain::principal::PrincipalRef;

/// What a lock blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// One principal, on every target; it can still read.
    Principal(PrincipalRef),
    Target(TargetName),
    Role(TargetName, RoleName),
    /// Every target that has this tag at the moment when somebody asks.
    Tag {
        name: String,
        value: String,
    },
    Everything,
}

impl Blocked {
    /// The one target that it names, if it names one.
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Target(target) | Self::Role(target, _) => Some(target),
            Self::Principal(_) | Self::Tag { .. } | Self::Everything => None,
        }
    }

    /// What it is on, as a policy sees it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Principal(_) => "principal",
            Self::Target(_) => "target",
            Self::Role(..) => "role",
            Self::Tag { .. } => "tag",
            Self::Everything => "everything",
        }
    }

    /// Whether it bears on a target with this name and these tags.
    pub fn bears_on(&self, target: &TargetName, tags: &Tags) -> bool {
        match self {
            Self::Target(on) | Self::Role(on, _) => on == target,
            Self::Tag { name, value } => tags.get(name) == Some(value),
            Self::Principal(_) | Self::Everything => true,
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(who) => write!(f, "`{}`", who.name),
            Self::Target(target) => write!(f, "target `{target}`"),
            Self::Role(target, role) => write!(f, "role `{role}` on `{target}`"),
            Self::Tag { name, value } => write!(f, "every target with `{name}={value}`"),
            Self::Everything => f.write_str("everything"),
        }
    }
}
