//! How many people of which groups have to approve, and how people are counted towards it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::ids::GroupName;

/// So many people of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    pub group: GroupName,
    pub count: u32,
}

/// For each of `needed`, which of `people` fill its places. `people` are the groups through which each counts.
///
/// INVARIANT: nobody fills two places, however many of the groups they belong to: the result is a largest matching
/// of people to places (`one_person_never_counts_twice`).
pub fn places<'a>(
    needed: &[Needed],
    people: impl IntoIterator<Item = &'a BTreeSet<GroupName>>,
) -> Vec<Vec<usize>> {
    let people: Vec<&BTreeSet<GroupName>> = people.into_iter().collect();
    let seats: Vec<usize> = needed
        .iter()
        .enumerate()
        .flat_map(|(nth, one)| std::iter::repeat_n(nth, one.count as usize))
        .collect();
    let mut seating = Seating {
        needed,
        people: &people,
        seats: &seats,
        taken: vec![None; seats.len()],
    };
    for person in 0..people.len() {
        let mut tried = vec![false; seats.len()];
        seating.seat(person, &mut tried);
    }
    let mut filled = vec![Vec::new(); needed.len()];
    for (seat, person) in seating.taken.iter().enumerate() {
        if let (Some(person), Some(nth)) = (person, seats.get(seat))
            && let Some(list) = filled.get_mut(*nth)
        {
            list.push(*person);
        }
    }
    filled
}

/// How many of the places that are needed these people fill.
pub fn filled<'a>(
    needed: &[Needed],
    people: impl IntoIterator<Item = &'a BTreeSet<GroupName>>,
) -> u32 {
    let count: usize = places(needed, people).iter().map(Vec::len).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Kuhn's algorithm: a newcomer may send whoever sits to another seat.
struct Seating<'a> {
    needed: &'a [Needed],
    people: &'a [&'a BTreeSet<GroupName>],
    seats: &'a [usize],
    taken: Vec<Option<usize>>,
}

impl Seating<'_> {
    fn fits(&self, person: usize, seat: usize) -> bool {
        let group = self
            .seats
            .get(seat)
            .and_then(|nth| self.needed.get(*nth))
            .map(|needed| &needed.group);
        let groups = self.people.get(person);
        matches!((group, groups), (Some(group), Some(groups)) if groups.contains(group))
    }

    fn seat(&mut self, person: usize, tried: &mut [bool]) -> bool {
        for seat in 0..self.seats.len() {
            let Some(before) = tried.get_mut(seat) else {
                continue;
            };
            if *before {
                continue;
            }
            if !self.fits(person, seat) {
                continue;
            }
            if let Some(before) = tried.get_mut(seat) {
                *before = true;
            }
            let free = match self.taken.get(seat).copied().flatten() {
                None => true,
                Some(sitting) => self.seat(sitting, tried),
            };
            if free {
                if let Some(place) = self.taken.get_mut(seat) {
                    *place = Some(person);
                }
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needed(of: &[(&str, u32)]) -> Vec<Needed> {
        of.iter()
            .map(|(group, count)| Needed {
                group: group.parse().unwrap(),
                count: *count,
            })
            .collect()
    }

    fn groups(of: &[&str]) -> BTreeSet<GroupName> {
        of.iter().map(|group| group.parse().unwrap()).collect()
    }

    #[test]
    fn whoever_is_in_both_groups_is_still_one_person() {
        let both = needed(&[("dba", 1), ("security", 1)]);
        assert_eq!(filled(&both, &[groups(&["dba", "security"])]), 1);
        // The first to approve makes room for the second, whatever the order.
        let people = [groups(&["dba", "security"]), groups(&["dba"])];
        assert_eq!(filled(&both, &people), 2);
        assert_eq!(places(&both, &people), [vec![1], vec![0]]);
        assert_eq!(filled(&both, &[groups(&["dba"]), groups(&["dba"])]), 1);
    }

    /// Tries every way to seat people.
    fn by_force(needed: &[u32], people: &[Vec<bool>]) -> u32 {
        let Some((first, rest)) = people.split_first() else {
            return 0;
        };
        let mut best = by_force(needed, rest);
        for (nth, fits) in first.iter().enumerate() {
            if *fits && needed[nth] > 0 {
                let mut left = needed.to_vec();
                left[nth] -= 1;
                best = best.max(1 + by_force(&left, rest));
            }
        }
        best
    }

    proptest! {
        #[test]
        fn one_person_never_counts_twice(
            counts in prop::collection::vec(0_u32..3, 1..4),
            people in prop::collection::vec(prop::collection::vec(any::<bool>(), 3), 0..6),
        ) {
            let names = ["a", "b", "c"];
            let wanted: Vec<(&str, u32)> = names.iter().copied().zip(counts.iter().copied()).collect();
            let fits: Vec<Vec<bool>> = people.iter().map(|fits| fits[..counts.len()].to_vec()).collect();
            let crowd: Vec<BTreeSet<GroupName>> = fits.iter()
                .map(|fits| groups(&names.iter().zip(fits).filter(|(_, fits)| **fits).map(|(name, _)| *name).collect::<Vec<_>>()))
                .collect();
            let placed = places(&needed(&wanted), &crowd);
            let mut seated: Vec<usize> = placed.iter().flatten().copied().collect();
            let all = seated.len();
            seated.sort_unstable();
            seated.dedup();
            prop_assert_eq!(all, seated.len());
            prop_assert_eq!(u32::try_from(all).unwrap(), by_force(&counts, &fits));
        }
    }
}
