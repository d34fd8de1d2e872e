//! The index of events: it decides how fast an answer is, and never what it is.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use portcullis::client::{AuditQuery, Client, HistogramQuery};
use portcullis::domain::event::{Actor, Event, EventCode, Outcome};
use portcullis::domain::principal::PrincipalRef;
use portcullis::query::{self, Context, List, Saved};
use portcullis::store::audit::{Fact, Origin};
use portcullis::wire::EventView;

use crate::support::world::{Backend, World, on_both};

/// More than two pieces of the index, and some events that are in none.
const EVENTS: usize = 4_500;
const AT_ONCE: usize = 500;

const FILTERS: [&str; 30] = [
    "",
    "actor:ada",
    "actor:ada,ben outcome:denied",
    "-actor:ada",
    "event:grant.*",
    "event:grant.* -is:failed",
    "is:human OR is:failed",
    "is:mine",
    "is:system",
    "has:grant -has:reason",
    "has:address",
    "target:bastion",
    "target:orders*",
    "target:*-db",
    "role:readonly",
    "env:prod",
    "-env:prod target:bastion",
    "has:env",
    "INC-17",
    "inc-17 stuck",
    "\"stuck orders\"",
    "ä",
    "ärger",
    "ÄRGER",
    "nowhere",
    "reason:queue OR target:bastion outcome:error",
    "reason:=\"INC-17 stuck orders\"",
    "reason:~^INC-[0-9]+7",
    "channel:cli address:10.0.0.3",
    "trace:t-40,t-41 (made OR approved)",
];

pub(super) fn event(nth: usize) -> (Event, Origin) {
    let codes = [
        EventCode::RequestSubmitted,
        EventCode::RequestApproved,
        EventCode::GrantActivated,
        EventCode::GrantEnded,
        EventCode::GrantCloseFailed,
    ];
    let who = ["ada", "ben", "carl"][nth / 2 % 3];
    let actor = if nth % 5 < 2 {
        Actor::Principal(PrincipalRef {
            id: portcullis::domain::ids::PrincipalId::from_bits(nth as u64 % 3),
            name: who.parse().unwrap(),
        })
    } else {
        Actor::System
    };
    let mut event = Event::new(codes[nth % 5], actor);
    event.principal = Some(who.parse().unwrap());
    event.target = Some(
        ["bastion", "orders-db", "mail"][nth / 7 % 3]
            .parse()
            .unwrap(),
    );
    event.role = Some(["readonly", "admin"][nth / 3 % 2].parse().unwrap());
    event.request = Some(portcullis::domain::ids::RequestId::from_bits(
        nth as u64 / 5,
    ));
    if nth % 5 > 1 {
        event.grant = Some(portcullis::domain::ids::GrantId::from_bits(nth as u64 / 5));
    }
    if nth % 5 == 4 {
        event.outcome = [Outcome::Error, Outcome::Denied][nth / 5 % 2];
    }
    event.reason = match nth % 4 {
        0 => Some(format!("INC-{} stuck orders", nth % 400)),
        1 => Some("Ärger mit der queue".to_owned()),
        _ => None,
    };
    let origin = Origin {
        trace: format!("t-{}", nth / 10),
        channel: ["cli", "api", "system"][nth % 3].to_owned(),
        address: (nth % 2 == 1).then(|| format!("10.0.0.{}", nth % 7)),
    };
    (event, origin)
}

/// Appends events, half a second apart.
async fn fill(world: &World) {
    let store = world.gate().store();
    for first in (0..EVENTS).step_by(AT_ONCE) {
        let mut tx = store.write().await.unwrap();
        for nth in first..first + AT_ONCE {
            let (event, origin) = event(nth);
            let now = store.now(&mut tx).await.unwrap();
            let fact = Fact {
                event: &event,
                origin: &origin,
                at: now,
            };
            tx.append(&[fact]).await.unwrap();
            world.pass(TimeDelta::milliseconds(500));
        }
        store.commit(tx).await.unwrap();
        store.sequence().await.unwrap();
    }
}

async fn pages(who: &Client, mut query: AuditQuery) -> Vec<EventView> {
    let mut found = Vec::new();
    query.limit = Some(150);
    loop {
        let page = who.audit(&query).await.unwrap();
        // That somebody reads is on record, too.
        let read = page.items.into_iter();
        found.extend(read.filter(|view| view.event != "audit.read"));
        let Some(next) = page.next else { return found };
        query.after = Some(next);
    }
}

on_both! {
    async fn an_index_finds_what_a_filter_lets_through(world: World, clock by hand) {
        let reader = world.engineer("ada").await;
        fill(&world).await;
        let (store, root) = (world.gate().store(), world.admin());
        store.index().await.unwrap();
        assert_eq!(world.number("select count(*) from log_segments").await, 2);
        for (who, me) in [(root, "root"), (&reader, "ada")] {
            let all = pages(who, AuditQuery::default()).await;
            assert!(all.windows(2).all(|two| two[0].index > two[1].index));
            let (since, until) = (all[all.len() - 1].time, all[0].time + TimeDelta::milliseconds(1));
            let context = Context { now: until, me };
            // To read the history of others is itself an event.
            let last = all[0].index;
            for text in FILTERS {
                let expr = query::parse(text, List::Audit, &Saved::default()).whole().unwrap();
                let passing: Vec<&EventView> = all.iter().filter(|view| expr.lets(*view, context)).collect();
                let expected: Vec<i64> = passing.iter().map(|view| view.index).collect();
                let q = Some(text.to_owned());
                let newest = pages(who, AuditQuery { q: q.clone(), ..AuditQuery::default() }).await;
                assert_eq!(newest.iter().map(|view| view.index).filter(|index| *index <= last).collect::<Vec<_>>(), expected, "{me}: {text}");
                let oldest = pages(who, AuditQuery { q: q.clone(), oldest_first: true, ..AuditQuery::default() }).await;
                assert_eq!(oldest.iter().rev().map(|view| view.index).filter(|index| *index <= last).collect::<Vec<_>>(), expected, "{me}: {text}");

                let counted = who.histogram(&HistogramQuery { q, since: Some(since), until: Some(until), buckets: Some(7) }).await.unwrap();
                let counts: Vec<u64> = counted.buckets.iter().map(|bucket| bucket.count).collect();
                let begins: Vec<_> = counted.buckets.iter().map(|bucket| bucket.since).chain([until]).collect();
                let expected: Vec<u64> = begins.windows(2).map(|two| {
                    passing.iter().filter(|view| two[0] <= view.time && view.time < two[1]).count() as u64
                }).collect();
                // A busy machine has not always the time to look at each event with a text.
                if counted.partial {
                    assert!(counts.iter().zip(&expected).all(|(count, most)| count <= most), "{me}: {text}");
                } else {
                    assert_eq!(counts, expected, "{me}: {text}");
                }

                let facets = who.facets("audit", "target", "", text).await.unwrap();
                if !facets.approximate {
                    let mut values = BTreeMap::new();
                    for target in passing.iter().filter_map(|view| view.target.clone()) {
                        *values.entry(target).or_insert(0) += 1;
                    }
                    let found: BTreeMap<String, u64> = facets.items.into_iter().map(|facet| (facet.value, facet.count)).collect();
                    assert_eq!(found, values, "{me}: {text}");
                }
            }
        }
    }
}

on_both! {
    async fn counts_say_nothing_of_what_one_may_not_see(world: World, clock by hand) {
        let reader = world.engineer("ada").await;
        fill(&world).await;
        world.gate().store().index().await.unwrap();
        for text in ["actor:ben", "principal:carl -actor:ada", "target:mail -is:mine", "outcome:denied -principal:ada", "carl -reason:queue -is:mine"] {
            let hidden = world.admin().histogram(&HistogramQuery { q: Some(text.to_owned()), ..HistogramQuery::default() }).await.unwrap();
            assert!(hidden.total > 0);
            // A machine that is busy with something else has no time for all of it.
            let seen = world.until("a count of everything", async || {
                let seen = reader.histogram(&HistogramQuery { q: Some(text.to_owned()), ..HistogramQuery::default() }).await.unwrap();
                assert_eq!(seen.total, 0, "{text}");
                (!seen.partial).then_some(seen)
            }).await;
            assert!(seen.buckets.iter().all(|bucket| bucket.count == 0), "{text}");
            for field in ["actor", "principal", "target", "event", "channel"] {
                assert!(reader.facets("audit", field, "", text).await.unwrap().items.is_empty(), "{text}");
            }
        }
        let names: BTreeSet<String> = reader.facets("audit", "principal", "", "").await.unwrap().items.into_iter().map(|facet| facet.value).collect();
        assert_eq!(names, BTreeSet::from(["ada".to_owned()]));
    }
}

on_both! {
    async fn a_text_that_was_erased_leaves_the_index(world: World, clock by hand) {
        fill(&world).await;
        let store = world.gate().store();
        store.index().await.unwrap();
        let before = world.number("select cast(sum(length(terms)) as bigint) from log_index").await;
        let mut tx = store.write().await.unwrap();
        tx.texts_were_erased(10, 20).await.unwrap();
        store.commit(tx).await.unwrap();
        world.execute("update audit set reason = null where idx < 2048").await;
        assert_eq!(pages(world.admin(), AuditQuery { q: Some("time:<2200-01-01 reason:stuck".to_owned()), ..AuditQuery::default() }).await.iter().filter(|view| view.index < 2_048).count(), 0);
        world.until("the index to be written again", async || {
            store.index().await.unwrap();
            (world.number("select cast(sum(erased - seen) as bigint) from log_segments").await == 0).then_some(())
        }).await;
        assert!(world.number("select cast(sum(length(terms)) as bigint) from log_index").await < before);
    }
}
