//! Which policies are evaluated for a question: all but those whose scope names another target.
//!
//! Cedar evaluates a scope before anything else of a policy, and a scope cannot fail. So a policy with
//! `resource == Target::"x"` neither decides nor errs about another target, and leaving it out changes no answer
//! (`leaving_policies_out_changes_no_answer`).

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityId, Policy, PolicySet, ResourceConstraint};

/// The policies about one deed, laid out by target when they are loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Those that name no target.
    general: PolicySet,
    /// For each target that some policy names: its own and the general ones.
    by_target: BTreeMap<String, PolicySet>,
}

impl Index {
    pub(super) fn of(policies: &[&Policy]) -> Result<Self, String> {
        let named: BTreeSet<String> = policies
            .iter()
            .filter_map(|policy| target(policy))
            .collect();
        let only = |wanted: Option<&String>| {
            let mut set = PolicySet::new();
            for policy in policies {
                let target = target(policy);
                if target.is_none() || target.as_ref() == wanted {
                    set.add((*policy).clone())
                        .map_err(|error| error.to_string())?;
                }
            }
            Ok::<_, String>(set)
        };
        let mut by_target = BTreeMap::new();
        for name in &named {
            by_target.insert(name.clone(), only(Some(name))?);
        }
        Ok(Self {
            general: only(None)?,
            by_target,
        })
    }

    /// The policies that can have a say about this target.
    pub(super) fn about(&self, target: &str) -> &PolicySet {
        self.by_target.get(target).unwrap_or(&self.general)
    }
}

/// The target that a policy's scope names, if it is about one alone.
fn target(policy: &Policy) -> Option<String> {
    match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => Some(<EntityId as AsRef<str>>::as_ref(uid.id()).to_owned()),
        _ => None,
    }
}
