//! A whole segment of the index of events, some pieces, and events that are in neither: every answer is the one that looking
//! at each event gives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use chrono::TimeDelta;
use portcullis::query::{self, Context, List, Name, Saved, index};
use portcullis::store::audit::{Fact, Filter, Origin};
use portcullis::store::{Clock, Location, Store};
use portcullis::wire::EventView;
use tokio::time::Instant;

use super::index::event;

/// One segment, two pieces, and the rest.
const EVENTS: usize = 65_536 + 2 * 2_048 + 700;
/// Events of one call, which have their origin in common.
const TOGETHER: usize = 50;
/// Calls that become one transaction.
const CALLS: usize = 40;
const BEGAN: i64 = 1_800_000_000_000;

const FILTERS: [&str; 14] = [
    "",
    "actor:ada",
    "-actor:ada outcome:denied",
    "event:grant.* -is:failed",
    "is:human OR is:failed",
    "has:grant -has:reason",
    "target:orders* role:readonly",
    "request:R-0000000074",
    "actor:nobody",
    "INC-16 stuck",
    "ärger target:mail",
    "reason:=\"INC-396 stuck orders\"",
    "address:10.0.0.3 channel:cli",
    "reason:nowhere OR trace:t-1300",
];

async fn fill(store: &Store, clock: &AtomicI64) {
    let order = std::sync::atomic::Ordering::SeqCst;
    for first in (0..EVENTS).step_by(TOGETHER * CALLS) {
        let mut tx = store.write().await.unwrap();
        for call in (first..EVENTS.min(first + TOGETHER * CALLS)).step_by(TOGETHER) {
            let number = call / TOGETHER;
            let origin = Origin {
                trace: format!("t-{number}"),
                channel: ["cli", "api", "system"][number % 3].to_owned(),
                address: (number % 2 == 1).then(|| format!("10.0.0.{}", number % 7)),
            };
            let events: Vec<_> = (call..EVENTS.min(call + TOGETHER))
                .map(|nth| event(nth).0)
                .collect();
            let at = store.now(&mut tx).await.unwrap();
            let fact = |event| Fact {
                event,
                origin: &origin,
                at,
            };
            let facts: Vec<_> = events.iter().map(fact).collect();
            tx.append(&facts).await.unwrap();
            clock.fetch_add(20_000, order);
        }
        store.commit(tx).await.unwrap();
    }
    store.sequence().await.unwrap();
}

async fn everything(store: &Store) -> Vec<EventView> {
    let mut all = Vec::with_capacity(EVENTS);
    let mut tx = store.read().await.unwrap();
    while all.len() < EVENTS {
        let from = i64::try_from(all.len()).unwrap();
        let entries = tx.events_from(from, 5_000).await.unwrap();
        assert!(!entries.is_empty());
        all.extend(entries.iter().map(|entry| entry.view([].into())));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_segment_answers_as_its_events_do() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("portcullis.db"));
    let clock = Arc::new(AtomicI64::new(BEGAN));
    let store = Store::open(&location, Clock::Manual(Arc::clone(&clock)))
        .await
        .unwrap();
    fill(&store, &clock).await;
    store.index().await.unwrap();
    let all = everything(&store).await;
    assert_eq!(all.len(), EVENTS);
    let (now, deadline) = (
        all[EVENTS - 1].time + TimeDelta::milliseconds(1),
        Instant::now() + Duration::from_hours(1),
    );
    let context = Context { now, me: "ada" };
    for text in FILTERS {
        let expr = query::parse(text, List::Audit, &Saved::default())
            .whole()
            .unwrap();
        let passing: Vec<&EventView> = all
            .iter()
            .filter(|view| expr.lets(*view, context))
            .collect();
        let expected: Vec<i64> = passing.iter().map(|view| view.index).collect();
        let needed = index::needed(&expr, context, &|_, _| None);
        assert_eq!(
            expected.is_empty(),
            text.contains("nobody"),
            "{text} is worth looking for"
        );
        let filter = Filter {
            needed,
            ..Filter::default()
        };
        let mut tx = store.search().await.unwrap();
        // Both ways, in pages that end within a segment, within a piece, and between them.
        for oldest_first in [false, true] {
            let filter = Filter {
                oldest_first,
                ..filter.clone()
            };
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let slice = tx.find(&filter, after, 3_001, deadline).await.unwrap();
                let views = slice.entries.iter().map(|entry| entry.view([].into()));
                let views = views.filter(|view| expr.lets(view, context));
                found.extend(views.map(|view| view.index));
                after = slice.next;
                if after.is_none() {
                    break;
                }
            }
            if !oldest_first {
                found.reverse();
            }
            assert!(found == expected, "{text}: {oldest_first}");
        }
        let outside = |rest: &[(i64, i64)], view: &EventView| {
            !rest
                .iter()
                .any(|(from, until)| (*from..*until).contains(&view.index))
        };
        // Eleven moments from before the first event to after the last, most of them between two events.
        let step = (now - all[0].time) / 9;
        let moments: Vec<_> = (0..11)
            .map(|nth| all[0].time + step * nth - TimeDelta::milliseconds(7))
            .collect();
        if let Some(counted) = tx.count_between(&filter, &moments, deadline).await.unwrap() {
            let counts: Vec<u64> = moments
                .windows(2)
                .map(|two| {
                    let inside = passing.iter().filter(|view| {
                        two[0] <= view.time && view.time < two[1] && outside(&counted.rest, view)
                    });
                    inside.count() as u64
                })
                .collect();
            assert_eq!(counted.counts, counts, "{text}");
            assert!(
                !counted.partial && counted.rest.iter().map(|(a, b)| b - a).sum::<i64>() <= 700
            );
        } else {
            assert!(!filter.needed.exact, "{text}");
        }
        for name in [Name::Actor, Name::Target] {
            let counted = tx.count_values(&filter, name, deadline).await.unwrap();
            let Some(counted) = counted else {
                assert!(!filter.needed.exact, "{text}");
                continue;
            };
            let mut values: HashMap<String, u64> = HashMap::new();
            for view in passing.iter().filter(|view| outside(&counted.rest, view)) {
                let value = match name {
                    Name::Actor => Some(view.actor.name.clone()),
                    _ => view.target.clone(),
                };
                if let Some(value) = value {
                    *values.entry(value).or_default() += 1;
                }
            }
            assert_eq!(counted.counts, values, "{text}");
        }
        tx.found();
    }
    store.close().await;
}
