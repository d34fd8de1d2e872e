//! The invariants of break-glass over arbitrary stories: never prolonged, one that waits, and signed off by
//! others.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use portcullis::domain::break_glass::{Limits, Verdict};
use portcullis::domain::event::EventCode;
use portcullis::domain::ids::PrincipalId;
use proptest::prelude::*;

use super::machine::{Machine, Used, Witnessed};
use super::properties::{Judged, at_the_end_of_the_same_stories, in_every_story};

fn each_use(judge: impl Fn(&Machine, &Used) -> Judged) {
    in_every_story(|machine| {
        machine
            .uses
            .iter()
            .try_for_each(|used| judge(machine, used))
    });
}

#[test]
fn access_by_break_glass_is_as_long_as_was_asked_and_never_prolonged() {
    each_use(|machine, used| {
        let mut grants = machine.grants.iter().map(|held| &held.now);
        let grant = grants.find(|grant| grant.id == used.now.grant).unwrap();
        let caps = used.now.ways.iter().map(|way| way.max_duration);
        let cap = caps.chain([Limits::default().max]).max().unwrap();
        prop_assert!(cap <= Limits::default().max && used.now.duration <= cap);
        prop_assert_eq!(grant.extensions, 0);
        prop_assert_eq!(grant.max_total, used.now.duration);
        let longest = grant.starts_at.map(|start| grant.max_expires_at - start);
        prop_assert!(longest.unwrap_or(TimeDelta::zero()) <= used.now.duration.to_chrono());
        Ok(())
    });
}

#[test]
fn nobody_has_two_uses_that_wait_for_their_sign_off() {
    in_every_story(|machine| {
        let waits = machine
            .uses
            .iter()
            .filter(|used| used.now.verdict.is_none());
        let mut people: BTreeSet<&PrincipalId> = BTreeSet::new();
        for used in waits {
            prop_assert!(people.insert(&used.now.person.id), "{:?}", used.now.person);
        }
        Ok(())
    });
}

/// Whether these people, as they belonged to groups then, are enough for one of the ways.
fn enough(used: &Used, seen: &[Witnessed]) -> bool {
    used.now.ways.iter().any(|way| {
        let counted = seen
            .iter()
            .filter(|one| way.groups().any(|group| one.groups.contains(group)));
        let people: BTreeSet<&PrincipalId> = counted.map(|one| &one.who).collect();
        people.len() >= way.threshold as usize
    })
}

#[test]
fn a_use_is_signed_off_by_enough_distinct_others_or_found_wrong_by_one() {
    each_use(|_, used| {
        let all = used.found_justified.iter().chain(&used.found_wrong);
        let people: BTreeSet<&PrincipalId> = all.clone().map(|one| &one.who).collect();
        prop_assert!(!people.contains(&used.now.person.id), "by themselves");
        prop_assert_eq!(
            people.len(),
            used.now.sign_offs.len(),
            "one person counts once"
        );
        prop_assert!(all.clone().all(|one| one.at >= used.now.created_at));
        let verdict = match used.found_wrong.as_slice() {
            [] if enough(used, &used.found_justified) => Some(Verdict::Justified),
            [] => None,
            [_] => Some(Verdict::NotJustified),
            more => {
                prop_assert!(false, "reviewed again: {more:?}");
                None
            }
        };
        prop_assert_eq!(used.now.verdict, verdict);
        prop_assert_eq!(used.now.reviewed_at.is_some(), verdict.is_some());
        if let Some(reviewed) = &used.reviewed {
            prop_assert_eq!(&**reviewed, &used.now, "a verdict stays");
        }
        Ok(())
    });
}

/// That nobody breaks glass while the last time waits, and everybody can after the sign-off, happens often enough to
/// mean something.
#[test]
fn stories_come_to_every_end_of_break_glass() {
    let seen: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    at_the_end_of_the_same_stories(|machine| {
        let mut what: BTreeSet<&str> = BTreeSet::new();
        if machine.kept_waiting > 0 {
            what.insert("kept waiting");
        }
        for (nth, used) in machine.uses.iter().enumerate() {
            what.insert(used.now.verdict.map_or("open", Verdict::as_str));
            if used.now.sign_offs.len() > 1 {
                what.insert("signed off by two");
            }
            let again = |later: &Used| later.now.person.id == used.now.person.id;
            if machine.uses.iter().skip(nth + 1).any(again) {
                what.insert("freed by the sign-off");
                prop_assert!(used.now.verdict.is_some());
            }
        }
        let cut = |code| machine.events.iter().any(|event| event.code == code);
        if !machine.uses.is_empty() && cut(EventCode::GrantActivated) {
            what.insert("usable");
        }
        for word in what {
            *seen.borrow_mut().entry(word).or_default() += 1;
        }
        Ok(())
    });
    let seen = seen.into_inner();
    for what in [
        "open",
        "justified",
        "not_justified",
        "signed off by two",
        "kept waiting",
        "freed by the sign-off",
        "usable",
    ] {
        let often = seen.get(what).copied().unwrap_or(0);
        assert!(often > 20, "{what} in too few stories: {seen:#?}");
    }
}
