//! What a person of the provider is here: a name, groups and product roles, all by the operator's settings.

use std::collections::BTreeSet;

use crate::config::Identity as Settings;
use crate::domain::ids::{GroupName, PrincipalName};
use crate::domain::provider::ProviderFault as Fault;
use crate::domain::roles::Roles;

/// The longest name there is.
const NAME_MAX: usize = 63;

/// The groups and product roles of somebody whom the provider puts into these groups.
pub(super) fn mapped(settings: &Settings, told: &[String]) -> (BTreeSet<GroupName>, Roles) {
    let group = |name: &String| {
        if settings.groups.is_empty() {
            // A name that cannot be a group's here is no group in any policy.
            name.parse().ok()
        } else {
            settings.groups.get(name).cloned()
        }
    };
    let groups = told.iter().filter_map(group).collect();
    let roles = told.iter().filter_map(|name| settings.roles.get(name));
    (groups, roles.flatten().cloned().collect())
}

/// A name as names are here, from one that may be an address or have capitals, spaces and accents.
pub(super) fn canonical(claimed: Option<&str>) -> Result<PrincipalName, Fault> {
    let claimed = claimed.ok_or(Fault::NameMissing)?;
    let local = claimed.split('@').next().unwrap_or_default();
    let plain: String = local
        .trim()
        .chars()
        .map(|letter| match letter.to_ascii_lowercase() {
            fine @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => fine,
            _ => '-',
        })
        .collect();
    let edges = ['-', '.', '_'];
    let begun = plain.trim_start_matches(edges);
    let short: String = begun.chars().take(NAME_MAX).collect();
    short
        .trim_end_matches(edges)
        .parse()
        .map_err(|_| Fault::NameUnusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_becomes_one_that_a_name_can_be() {
        for (claimed, name) in [
            ("ada", "ada"),
            ("Ada.Lovelace@example.com", "ada.lovelace"),
            ("Ada Lovelace", "ada-lovelace"),
            (" -ada- ", "ada"),
            ("Zoë", "zo"),
            ("a\u{202e}b", "a-b"),
        ] {
            assert_eq!(
                canonical(Some(claimed)).unwrap().as_str(),
                name,
                "{claimed}"
            );
        }
        let long = "a".repeat(400);
        assert_eq!(canonical(Some(&long)).unwrap().as_str().len(), NAME_MAX);
        assert_eq!(canonical(None), Err(Fault::NameMissing));
        for unusable in ["", "@example.com", "---", "\u{202e}", "阿达"] {
            assert_eq!(
                canonical(Some(unusable)),
                Err(Fault::NameUnusable),
                "{unusable}"
            );
        }
    }
}
