//! The rows that somebody may see who may not see all: their own, and those on some targets.

use std::collections::BTreeSet;

use crate::domain::extent::Tag;
use crate::domain::ids::{PrincipalId, PrincipalName, TargetName};

use super::grants::{Bind, Binds};

/// What a reader may see who may not see all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    pub own: PrincipalId,
    /// The same person by name, which is what the audit log has.
    pub name: PrincipalName,
    pub targets: BTreeSet<TargetName>,
    /// Every tag that one of these targets has.
    pub tags: BTreeSet<Tag>,
}

impl Within {
    /// The condition for rows with a target and a person whose they are.
    pub(in crate::store) fn rows(&self, person: &str, binds: &mut Binds) -> String {
        let own = binds.push(Bind::Text(self.own.to_string()));
        self.or_on_targets(format!("{person} = ${own}"), binds)
    }

    /// The condition for uses of break-glass, which are joined with other rows that have a target.
    pub(in crate::store) fn uses(&self, binds: &mut Binds) -> String {
        let own = binds.push(Bind::Text(self.own.to_string()));
        let own = format!("u.person_id = ${own}");
        match self.places(binds) {
            None => own,
            Some(places) => format!("{own} or u.target in ({places})"),
        }
    }

    /// The condition for audit events: what they did, what was done about them, and what is about these targets.
    pub(in crate::store) fn events(&self, binds: &mut Binds) -> String {
        let own = binds.push(Bind::Text(self.name.to_string()));
        self.or_on_targets(format!("actor = ${own} or principal = ${own}"), binds)
    }

    /// The condition for locks: those that bear on one of these targets.
    pub(in crate::store) fn locks(&self, binds: &mut Binds) -> String {
        let mut any = self.or_on_targets("kind in ('principal', 'everything')".to_owned(), binds);
        for tag in &self.tags {
            let name = binds.push(Bind::Text(tag.name.clone()));
            let value = binds.push(Bind::Text(tag.value.clone()));
            any.push_str(&format!(
                " or (tag_name = ${name} and tag_value = ${value})"
            ));
        }
        any
    }

    /// The condition for rows that are nobody's own.
    pub(in crate::store) fn targets(&self, binds: &mut Binds) -> String {
        self.or_on_targets("1 = 0".to_owned(), binds)
    }

    /// The places of the targets in a statement; none if there are no targets.
    pub(in crate::store) fn places(&self, binds: &mut Binds) -> Option<String> {
        let places: Vec<String> = self
            .targets
            .iter()
            .map(|target| format!("${}", binds.push(Bind::Text(target.to_string()))))
            .collect();
        (!places.is_empty()).then(|| places.join(", "))
    }

    fn or_on_targets(&self, own: String, binds: &mut Binds) -> String {
        match self.places(binds) {
            None => own,
            Some(places) => format!("{own} or target in ({places})"),
        }
    }
}
