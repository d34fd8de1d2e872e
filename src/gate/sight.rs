//! What a caller may see and touch: everything, or only what is on the targets that their product roles are for.

use crate::catalog::Catalog;
use crate::domain::extent::{Extent, Place, Tag};
use crate::domain::ids::TargetName;
use crate::domain::incident::Scope;
use crate::domain::lock::{Blocked, Lock};
use crate::domain::permit::{Action, extent, permit_at};
use crate::domain::principal::Principal;
use crate::store::within::Within;

/// A target as the permission table asks for it. Nobody knows the tags of one that has left the catalogue, so only
/// those see it then whose product roles are for every target.
pub fn place<'a>(catalog: &'a Catalog, target: &TargetName) -> Place<'a> {
    Place::On(catalog.target(target).map(|target| &target.tags))
}

/// What the database may show to somebody who reads with this action; none where that is everything.
pub(super) fn within(who: &Principal, action: Action, catalog: &Catalog) -> Option<Within> {
    let extent = extent(who, action);
    if extent == Extent::Everywhere {
        return None;
    }
    let targets = catalog.targets.values().map(|entry| &entry.target);
    let seen: Vec<_> = targets
        .filter(|target| extent.covers(Place::On(Some(&target.tags))))
        .collect();
    let tags = seen.iter().flat_map(|target| &target.tags);
    let tags = tags.map(|(name, value)| Tag {
        name: name.clone(),
        value: value.clone(),
    });
    Some(Within {
        own: who.id.clone(),
        name: who.name.clone(),
        tags: tags.collect(),
        targets: seen.iter().map(|target| target.name.clone()).collect(),
    })
}

/// Whether somebody sees rows of others on this target.
pub(super) fn sees(who: &Principal, target: &TargetName, catalog: &Catalog) -> bool {
    permit_at(who, Action::ReadAll, place(catalog, target)).is_ok()
}

/// Whether somebody sees this lock: it bears on a target that they see. Which ones they may place and lift is a
/// narrower question.
pub(super) fn sees_lock(who: &Principal, lock: &Lock, catalog: &Catalog) -> bool {
    let extent = extent(who, Action::ReadLocks);
    match &lock.on {
        Blocked::Target(target) | Blocked::Role(target, _) => extent.covers(place(catalog, target)),
        Blocked::Tag { name, value } => {
            let targets = catalog.targets.values().map(|entry| &entry.target);
            let mut tagged = targets.filter(|target| target.tags.get(name) == Some(value));
            extent == Extent::Everywhere
                || tagged.any(|target| extent.covers(Place::On(Some(&target.tags))))
        }
        Blocked::Principal(_) | Blocked::Everything => extent.covers(Place::Somewhere),
    }
}

/// Whether an incident stays within what somebody may do this to.
pub(super) fn stays_within(
    who: &Principal,
    action: Action,
    scope: &Scope,
    catalog: &Catalog,
) -> bool {
    let tags = |target: &TargetName| catalog.target(target).map(|target| &target.tags);
    scope.stays_within(&extent(who, action), tags)
}
