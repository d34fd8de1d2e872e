//! Who acts: a principal, the product roles that it plays, and the groups that it belongs to.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{GroupName, PrincipalId, PrincipalName};
use super::roles::Roles;
use super::service::Service;

/// What a principal may do in Portcullis itself; what it may do on targets is decided by policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductRole {
    /// Asks for access and uses it.
    Requester,
    /// Decides on requests of others and takes access away.
    Reviewer,
    /// Invites people, and sees and ends everything.
    Admin,
    /// Reads everything and changes nothing.
    Auditor,
    /// Runs the service: health and metrics.
    Operator,
}

impl ProductRole {
    /// Every product role, in the order of help and tables.
    pub const ALL: [Self; 5] = [
        Self::Requester,
        Self::Reviewer,
        Self::Admin,
        Self::Auditor,
        Self::Operator,
    ];

    /// The word used in URLs, tables and Cedar policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Reviewer => "reviewer",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for ProductRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for ProductRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                "product roles are requester, reviewer, admin, auditor and operator".to_owned()
            })
    }
}

/// A principal as other records point at it: the id decides, the name is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PrincipalRef {
    pub id: PrincipalId,
    pub name: PrincipalName,
}

/// Any authenticated identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    pub id: PrincipalId,
    pub name: PrincipalName,
    pub roles: Roles,
    pub groups: BTreeSet<GroupName>,
    /// What a service account may do; none for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

impl Principal {
    /// The owner of a service account; none for a person.
    pub fn owner(&self) -> Option<&PrincipalId> {
        self.service.as_ref().map(|service| &service.owner.id)
    }

    /// Whoever made the token of a service account, as far as that is known; none for a person.
    pub fn maker(&self) -> Option<&PrincipalId> {
        self.service.as_ref()?.maker.as_ref()
    }

    /// The pointer that requests, reviews and grants keep.
    pub fn as_ref(&self) -> PrincipalRef {
        PrincipalRef {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }
}
