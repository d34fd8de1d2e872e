//! Names in the policy that are not in the catalogue: warnings, because a target may be added later.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::config::{Problem, Severity, paths};
use crate::domain::ids::{RoleName, TargetName};
use crate::domain::nearest::{list, nearest};
use crate::domain::policy::{Mention, Mentioned, Policy};

/// Compares every name that the policy mentions with the catalogue.
pub(super) fn check(catalog: &Catalog, policy: &Policy) -> Vec<Problem> {
    // With nothing in the catalogue every name would be unknown, which helps nobody.
    if catalog.targets.is_empty() {
        return Vec::new();
    }
    let targets: BTreeSet<&str> = catalog.targets.keys().map(TargetName::as_str).collect();
    let entries = || catalog.targets.values().map(|entry| &entry.target);
    let roles: BTreeSet<&str> = entries()
        .flat_map(|target| target.roles.keys())
        .map(RoleName::as_str)
        .collect();
    let tags: BTreeSet<&str> = entries()
        .flat_map(|target| target.tags.keys())
        .map(String::as_str)
        .collect();
    let mut problems = Vec::new();
    for mention in policy.mentions() {
        let (message, known) = match mention.what {
            Mentioned::Target => (format!("there is no target `{}`", mention.name), &targets),
            Mentioned::Role => (format!("no target has a role `{}`", mention.name), &roles),
            Mentioned::Tag => (
                format!("no target has a tag `{}`", mention.name.escape_debug()),
                &tags,
            ),
            // Who is in which group is not known before they sign in.
            Mentioned::Group | Mentioned::Principal => continue,
        };
        if !known.contains(mention.name.as_str()) {
            problems.push(warning(mention, message, known));
        }
    }
    problems
}

fn warning(mention: &Mention, message: String, known: &BTreeSet<&str>) -> Problem {
    let hint = match nearest(&mention.name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() || known.len() > 10 => None,
        None => Some(format!("known are {}", list(known))),
    };
    let problem = Problem::of(paths::POLICY_FILE, message, hint);
    Problem {
        severity: Severity::Warning,
        place: Some(mention.place),
        ..problem
    }
}
