//! Who may have a password here: everybody, or only those who are there for the day the provider is down.

use std::collections::BTreeSet;

use crate::domain::ids::PrincipalName;

/// Which local accounts there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAccounts {
    /// Everybody may have one.
    pub enabled: bool,
    /// These may even where everybody else signs in at a provider.
    pub break_glass: BTreeSet<PrincipalName>,
}

impl Default for LocalAccounts {
    fn default() -> Self {
        Self {
            enabled: true,
            break_glass: BTreeSet::new(),
        }
    }
}

impl LocalAccounts {
    /// Whether anybody may have one.
    pub fn are_there(&self) -> bool {
        self.enabled || !self.break_glass.is_empty()
    }

    /// Whether this person may.
    pub fn are_open_to(&self, name: &PrincipalName) -> bool {
        self.enabled || self.break_glass.contains(name)
    }
}
