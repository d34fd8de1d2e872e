//! Nobody gets access by their own word: over random organisations no request is approved by whoever asked, whoever it
//! is for, or whoever owns the machine that asked, and nobody counts twice.
//!
//! An organisation has people and machines with owners, groups that overlap and change between reviews, product roles
//! for some targets only, the same person signed in under a second name, ways with several groups and thresholds, and
//! policies about who reviews. Everybody tries everything, again and again, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::extent::Place;
use portcullis::domain::grant::{Grant, GrantState};
use portcullis::domain::ids::{GrantId, GroupName, PrincipalId, RequestId};
use portcullis::domain::lock::Locks;
use portcullis::domain::permit::{Action, permit_at};
use portcullis::domain::policy::{Deed, Doing, Needed, Policy, Snapshot, Way};
use portcullis::domain::principal::{Principal, PrincipalRef};
use portcullis::domain::request::{About, Ask, Request, RequestKind, RequestState};
use portcullis::domain::review::{Decision, Narrowing};
use portcullis::domain::roles::GivenRole;
use portcullis::domain::service::Service;
use portcullis::domain::span::Span;
use portcullis::domain::target::Target;

use super::machine::target;
use crate::support::random::Random;

const GROUPS: [&str; 3] = ["dba", "security", "leads"];
const ROLES: [&str; 5] = [
    "requester",
    "reviewer",
    "admin",
    "reviewer@env:prod",
    "reviewer@env:staging",
];

/// Who reviews what, as far as policy has a say.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let texts = [
        "",
        "@id(\"own-team\") permit (principal in Group::\"dba\", action == Action::\"review\", resource);",
        "@id(\"not-asker\") forbid (principal, action == Action::\"review\", resource) when { principal == context.owner };",
        "@id(\"no-extend\") forbid (principal in Group::\"leads\", action == Action::\"extend\", resource);",
    ];
    texts.map(|text| Policy::parse(text).unwrap()).into()
});

struct Organisation {
    random: Random,
    everybody: Vec<Principal>,
    target: Target,
    ways: Vec<Way>,
    policy: &'static Policy,
    now: DateTime<Utc>,
    ids: u64,
}

fn groups(random: &mut Random) -> BTreeSet<GroupName> {
    let some = GROUPS.iter().filter(|_| random.chance(2));
    some.map(|name| name.parse().unwrap()).collect()
}

impl Organisation {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut everybody: Vec<Principal> = Vec::new();
        for nth in 0..2 + random.below(5) {
            let given = ROLES.iter().filter(|_| random.chance(2));
            everybody.push(Principal {
                id: PrincipalId::from_bits(nth as u64),
                name: format!("p{nth}").parse().unwrap(),
                roles: given
                    .map(|role| role.parse::<GivenRole>().unwrap())
                    .collect(),
                groups: groups(&mut random),
                service: None,
            });
        }
        let people = everybody.len();
        for nth in 0..random.below(3) {
            let owner = everybody[random.below(people)].as_ref();
            let maker = everybody[random.below(people)].id.clone();
            let scopes = ["request:*/*", "read"].map(|scope| scope.parse().unwrap());
            everybody.push(Principal {
                id: PrincipalId::from_bits(100 + nth as u64),
                name: format!("bot{nth}").parse().unwrap(),
                // Whatever the database says of it.
                roles: ROLES
                    .iter()
                    .map(|role| role.parse::<GivenRole>().unwrap())
                    .collect(),
                groups: groups(&mut random),
                service: Some(Service {
                    owner,
                    scopes: scopes.into(),
                    maker: Some(maker),
                }),
            });
        }
        // The same person by another name, on another device.
        let twin = random.below(people);
        let again = Principal {
            name: format!("{}-again", everybody[twin].name).parse().unwrap(),
            groups: groups(&mut random),
            ..everybody[twin].clone()
        };
        everybody.push(again);
        let ways = (0..=random.below(2))
            .map(|line| way(line, &mut random))
            .collect();
        let policy = &POLICIES[random.below(POLICIES.len())];
        Self {
            random,
            everybody,
            target: target(),
            ways,
            policy,
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
            ids: 0,
        }
    }

    fn somebody(&mut self) -> Principal {
        let who = self.random.below(self.everybody.len());
        self.everybody[who].clone()
    }

    fn bits(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// As the gate asks, one thing after the other.
    fn may(&self, who: &Principal, owner: &Principal, action: Action, deed: Deed) -> bool {
        let doing = Doing {
            deed,
            who,
            target: &self.target,
            owner: Some(owner),
            role: self.target.roles.keys().next(),
            kind: Some(RequestKind::Access),
            duration: Some(Span::HOUR),
            ticket: None,
            on: None,
            now: self.now,
        };
        permit_at(who, action, Place::On(Some(&self.target.tags))).is_ok()
            && self.policy.may(&doing).is_ok()
    }

    fn locks(&self) -> Locks<'_> {
        Locks::new(&[], Some(&self.target.tags))
    }

    fn submitted(&mut self, asker: &Principal) -> Option<Request> {
        let ask = Ask {
            target: self.target.name.clone(),
            role: "admin".parse().unwrap(),
            duration: Span::HOUR,
            not_before: None,
            reason: "INC-1 look".to_owned(),
            ticket: None,
        };
        let snapshot = Snapshot {
            policy_version: "v1".to_owned(),
            ways: self.ways.clone(),
        };
        let (id, grant) = (
            RequestId::from_bits(self.bits()),
            GrantId::from_bits(self.bits()),
        );
        let filed = Request::submit(id, asker, ask, snapshot, grant, self.locks(), self.now);
        Some(filed.ok()?.0)
    }

    /// The more time that somebody wants for a grant, their own or another's.
    fn extension(&mut self, grant: &Grant, holder: &Principal) -> Option<Request> {
        let filed_by = self.somebody();
        let own = filed_by.id == holder.id;
        if !own && !self.may(&filed_by, holder, Action::ExtendOthers, Deed::Extend) {
            return None;
        }
        let snapshot = Snapshot {
            policy_version: "v1".to_owned(),
            ways: self.ways.clone(),
        };
        let id = RequestId::from_bits(self.bits());
        let filed = Request::submit_extension(
            id,
            grant,
            holder,
            &filed_by,
            Span::MINUTE,
            "still at it",
            snapshot,
            self.locks(),
            self.now,
        );
        let (request, _) = filed.ok()?;
        // A reviewer's own extension carries their approval.
        if own || request.state != RequestState::Pending {
            return Some(request);
        }
        let next = self.approved(&request, &filed_by, Some(grant));
        Some(next.unwrap_or(request))
    }

    fn approved(
        &self,
        request: &Request,
        who: &Principal,
        parent: Option<&Grant>,
    ) -> Option<Request> {
        let grant = GrantId::from_bits(7);
        let about = About {
            target: &self.target,
            parent,
            grant: &grant,
            locks: self.locks(),
        };
        let decided = request.approve_by(who, None, Narrowing::default(), about, self.now);
        Some(decided.ok()?.0)
    }

    /// Everybody tries to decide, some twice, while groups change.
    fn decide(
        &mut self,
        mut request: Request,
        asker: &Principal,
        parent: Option<&Grant>,
    ) -> Request {
        for _ in 0..self.everybody.len() * 2 {
            let nth = self.random.below(self.everybody.len());
            if self.random.chance(4) {
                self.everybody[nth].groups = groups(&mut self.random);
            }
            let who = self.everybody[nth].clone();
            self.now += TimeDelta::seconds(1);
            if !self.may(&who, asker, Action::Review, Deed::Review) {
                continue;
            }
            let next = if self.random.chance(12) {
                let denied = request.deny_by(&who, "not today", self.now);
                denied.ok().map(|(next, _)| next)
            } else {
                self.approved(&request, &who, parent)
            };
            request = next.unwrap_or(request);
        }
        request
    }
}

fn way(line: usize, random: &mut Random) -> Way {
    let mut reviewers: Vec<Needed> = Vec::new();
    for name in GROUPS {
        if random.chance(2) {
            let count = 1 + u32::try_from(random.below(2)).unwrap();
            reviewers.push(Needed {
                group: name.parse().unwrap(),
                count,
            });
        }
    }
    if reviewers.is_empty() {
        reviewers.push(Needed {
            group: "dba".parse().unwrap(),
            count: 1,
        });
    }
    Way {
        policy_id: format!("w{line}"),
        line,
        threshold: reviewers.iter().map(|needed| needed.count).sum(),
        reviewers,
        max_duration: "4h".parse().unwrap(),
        max_total: "8h".parse().unwrap(),
        decide_within: Span::DAY,
    }
}

/// Tries every way to seat people, and knows nothing of how the product does it.
fn seats_filled(needed: &mut Vec<(GroupName, u32)>, people: &[&BTreeSet<GroupName>]) -> bool {
    if needed.iter().all(|(_, count)| *count == 0) {
        return true;
    }
    let Some((first, rest)) = people.split_first() else {
        return false;
    };
    for seat in 0..needed.len() {
        if needed[seat].1 > 0 && first.contains(&needed[seat].0) {
            needed[seat].1 -= 1;
            let filled = seats_filled(needed, rest);
            needed[seat].1 += 1;
            if filled {
                return true;
            }
        }
    }
    seats_filled(needed, rest)
}

/// The rule itself, over nothing but the record.
fn check(seed: u64, organisation: &Organisation, request: &Request, asker: &Principal) {
    if request.state != RequestState::Approved {
        return;
    }
    let approvals = request
        .reviews
        .iter()
        .filter(|review| review.decision == Decision::Approve);
    let approvals: Vec<_> = approvals.collect();
    let mut people: BTreeSet<&PrincipalId> = BTreeSet::new();
    for approval in &approvals {
        let PrincipalRef { id, name } = &approval.reviewer;
        assert_ne!(
            *id, asker.id,
            "seed {seed}: {name} approved their own request"
        );
        assert_ne!(
            *id, request.requester.id,
            "seed {seed}: {name} approved what is for them"
        );
        let owner = asker.service.as_ref().map(|service| &service.owner.id);
        assert_ne!(
            Some(id),
            owner,
            "seed {seed}: {name} approved what their machine asked for"
        );
        let maker = asker
            .service
            .as_ref()
            .and_then(|service| service.maker.as_ref());
        assert_ne!(
            Some(id),
            maker,
            "seed {seed}: {name} approved what was asked with a token that they made"
        );
        assert!(people.insert(id), "seed {seed}: {name} counted twice");
        let who = organisation
            .everybody
            .iter()
            .find(|who| who.id == *id)
            .unwrap();
        assert!(who.service.is_none(), "seed {seed}: {name} is a machine");
        let here = Place::On(Some(&organisation.target.tags));
        assert!(
            permit_at(who, Action::Review, here).is_ok(),
            "seed {seed}: {name} may not review here"
        );
    }
    let counted: Vec<&BTreeSet<GroupName>> = approvals
        .iter()
        .map(|review| &review.counted_groups)
        .collect();
    let enough = request.snapshot.ways.iter().any(|way| {
        let mut needed = way
            .reviewers
            .iter()
            .map(|one| (one.group.clone(), one.count))
            .collect();
        seats_filled(&mut needed, &counted)
    });
    assert!(
        enough,
        "seed {seed}: too few people approved: {:?}",
        request.reviews
    );
}

/// How often what happened, so that a property about nothing is noticed.
fn story(seed: u64, often: &mut BTreeMap<&'static str, u32>) {
    let mut organisation = Organisation::new(seed);
    let asker = organisation.somebody();
    let mut tell = |what| *often.entry(what).or_default() += 1;
    if permit_at(
        &asker,
        Action::Submit,
        Place::On(Some(&organisation.target.tags)),
    )
    .is_err()
    {
        return;
    }
    let Some(request) = organisation.submitted(&asker) else {
        return;
    };
    let request = organisation.decide(request, &asker, None);
    check(seed, &organisation, &request, &asker);
    if asker.service.is_some() {
        tell("machine asked");
    }
    if request.state != RequestState::Approved {
        return;
    }
    tell("approved");
    if request
        .snapshot
        .ways
        .iter()
        .any(|way| way.reviewers.len() > 1)
        && request.reviews.len() > 1
    {
        tell("several people approved");
    }
    let way = &request.snapshot.ways[0];
    let (grant, _) = Grant::schedule(GrantId::from_bits(1), &request, way, organisation.now);
    let (grant, _) = grant.activate(organisation.now).unwrap();
    let (grant, _) = grant.activated(grant.epoch, organisation.now).unwrap();
    assert_eq!(grant.state, GrantState::Active);
    let Some(extension) = organisation.extension(&grant, &asker) else {
        return;
    };
    let extension = organisation.decide(extension, &asker, Some(&grant));
    check(seed, &organisation, &extension, &asker);
    if extension.state == RequestState::Approved {
        tell("extended");
    }
}

/// 1,000 organisations are a few seconds; `PORTCULLIS_CASES=10000` is less than a minute.
#[test]
fn nobody_gets_access_by_their_own_word_whatever_the_organisation() {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    let cases = asked.and_then(|count| count.parse::<u64>().ok());
    let cases = cases.unwrap_or(1_000);
    let mut seen = BTreeMap::new();
    for seed in 0..cases {
        story(seed, &mut seen);
    }
    for what in [
        "approved",
        "several people approved",
        "machine asked",
        "extended",
    ] {
        let often = seen.get(what).copied().unwrap_or(0);
        assert!(
            u64::from(often) > cases / 200,
            "{what}: {often} times of {cases}: {seen:?}"
        );
    }
}
