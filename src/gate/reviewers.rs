//! Who could review something: a request that nobody could ever decide is refused at once.

use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Deed, Policy, Snapshot};
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

use super::Error;
use super::deeds::Reviewed;

/// A request that nobody could ever decide is refused at once, with the groups that are too small. For each way,
/// people are counted as reviews are: nobody twice, the requester never, and only those whose product role is for the
/// target and whom policy lets review.
pub(super) async fn somebody_reviews(
    tx: &mut Tx,
    policy: &Policy,
    snapshot: &Snapshot,
    about: Reviewed<'_>,
) -> Result<(), Error> {
    let governed = policy.governs(Deed::Review);
    // Whoever owns the service account that asks, or made its token, does not count either.
    let behind = [about.owner.owner(), about.owner.maker()];
    for way in &snapshot.ways {
        if way.is_immediate() {
            return Ok(());
        }
        let mut people: Vec<Principal> = Vec::new();
        // Most reviewers are there for every target, so the others are looked for only where those are too few.
        for everywhere in [true, false] {
            for group in way.groups() {
                // As many of each group as there are places: then none of the others could fill one more.
                let all_count = !governed && behind == [None, None] && everywhere;
                let enough = Some(way.threshold).filter(|_| all_count);
                let found = tx.reviewers_in(group, &about.owner.id, everywhere, enough);
                for found in found.await? {
                    let counted = !behind.contains(&Some(&found.id));
                    if counted && people.iter().all(|known| known.id != found.id) {
                        people.push(found);
                    }
                }
            }
            let here = Place::On(Some(&about.target.tags));
            let able = people
                .iter()
                .filter(|who| permit_at(who, Action::Review, here).is_ok())
                .filter(|who| !governed || policy.may(&about.by(who, Deed::Review)).is_ok());
            if policy::filled(&way.reviewers, able.map(|who| &who.groups)) >= way.threshold {
                return Ok(());
            }
        }
    }
    let groups: Vec<String> = snapshot
        .ways
        .iter()
        .filter_map(policy::Way::reviewed_by)
        .collect();
    Err(Refusal::NobodyCanReview {
        groups: groups.join(" or "),
    }
    .into())
}

/// Everybody who could review this in one of the ways. Where they are too few for each of them, it is refused: nobody
/// could ever look at it.
pub(super) async fn reviewers(
    tx: &mut Tx,
    policy: &Policy,
    ways: &[policy::Way],
    about: Reviewed<'_>,
) -> Result<Vec<PrincipalRef>, Error> {
    let people = able(tx, policy, ways, about).await?;
    let groups = || people.iter().map(|who| &who.groups);
    let enough = |way: &policy::Way| policy::filled(&way.reviewers, groups()) >= way.threshold;
    if !ways.iter().any(enough) {
        return Err(Refusal::NobodyCanReview {
            groups: policy::group_names(ways),
        }
        .into());
    }
    Ok(people.iter().map(Principal::as_ref).collect())
}

/// Everybody who could review this in one of the ways, also where they are too few.
pub(super) async fn able(
    tx: &mut Tx,
    policy: &Policy,
    ways: &[policy::Way],
    about: Reviewed<'_>,
) -> Result<Vec<Principal>, Error> {
    let mut people: Vec<Principal> = Vec::new();
    let here = Place::On(Some(&about.target.tags));
    for group in ways.iter().flat_map(policy::Way::groups) {
        for everywhere in [true, false] {
            let found = tx.reviewers_in(group, &about.owner.id, everywhere, None);
            for found in found.await? {
                let known = people.iter().any(|known| known.id == found.id);
                let able = permit_at(&found, Action::Review, here).is_ok()
                    && (!policy.governs(Deed::Review)
                        || policy.may(&about.by(&found, Deed::Review)).is_ok());
                if able && !known {
                    people.push(found);
                }
            }
        }
    }
    Ok(people)
}
