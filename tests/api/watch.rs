//! A machine that watches the log of a server, and proves single events against what it has seen.

use portcullis::client::watch::{WatchError, prove, watch};
use portcullis::client::witness::WitnessFile;
use portcullis::client::{AuditQuery, StateDir};
use portcullis::wire::{Erasure, EventView};

use crate::support::world::{Backend, World, key, on_both, submit};

/// Where a machine keeps what it has seen.
fn machine(world: &World) -> (tempfile::TempDir, WitnessFile) {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::at(home.path().join("state"));
    let file = WitnessFile::of(&state, &world.url().parse().unwrap()).unwrap();
    (home, file)
}

async fn signed(world: &World) -> u64 {
    world.gate().store().sequence().await.unwrap();
    world.gate().publish().await.unwrap()
}

/// The event of the request, as the server says it now.
async fn asked(world: &World) -> EventView {
    let query = AuditQuery {
        events: vec!["request.submitted".to_owned()],
        ..AuditQuery::default()
    };
    let page = world.admin().audit(&query).await.unwrap();
    page.items.into_iter().next().unwrap()
}

on_both! {
    async fn an_event_is_proved_with_its_words_and_again_when_the_log_has_grown(world: World) {
        let (_home, file) = machine(&world);
        submit(&world.engineer("ada").await).await;
        let first = signed(&world).await;
        let event = asked(&world).await;
        assert!(event.reason.is_some() && event.address.is_some());
        let proved = prove(world.admin(), Some(&file), &event).await.unwrap();
        assert_eq!((proved.watched.checkpoint.size, proved.watched.before), (first, None));
        assert!(proved.hashes > 0);
        submit(&world.engineer("ben").await).await;
        let later = signed(&world).await;
        let proved = prove(world.admin(), Some(&file), &event).await.unwrap();
        assert_eq!((proved.watched.checkpoint.size, proved.watched.before), (later, Some(first)));
        // What is shown is not what was recorded, in any field.
        let others = [
            EventView { reason: Some("another".to_owned()), ..event.clone() },
            EventView { reason: None, address: Some("192.0.2.1".to_owned()), ..event.clone() },
            EventView { target: Some("other".to_owned()), ..event.clone() },
            EventView { outcome: "denied".to_owned(), ..event.clone() },
            EventView { time: event.time + chrono::TimeDelta::milliseconds(1), ..event.clone() },
        ];
        for other in others {
            let refused = prove(world.admin(), Some(&file), &other).await.unwrap_err();
            assert!(matches!(refused, WatchError::Differs { .. }), "{refused:?}");
        }
    }
}

on_both! {
    async fn words_that_somebody_changes_in_the_database_are_not_proved(world: World) {
        let (_home, file) = machine(&world);
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        world.execute("update audit set reason = 'for the auditor' where code = 'request.submitted'").await;
        let event = asked(&world).await;
        assert_eq!(event.reason.as_deref(), Some("for the auditor"));
        let refused = prove(world.admin(), Some(&file), &event).await.unwrap_err();
        assert!(matches!(refused, WatchError::Absent { .. }), "{refused:?}");
        // Nor is what they merely take away.
        world.execute("update audit set reason = null where code = 'request.submitted'").await;
        let event = asked(&world).await;
        let refused = prove(world.admin(), Some(&file), &event).await.unwrap_err();
        assert!(matches!(refused, WatchError::Absent { .. }), "{refused:?}");
    }
}

on_both! {
    async fn what_was_erased_is_not_claimed_and_the_rest_is_proved(world: World) {
        let (_home, file) = machine(&world);
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        let index = asked(&world).await.index;
        let erasure = Erasure { person: None, event: Some(index), reason: "it names a customer".to_owned() };
        world.admin().erase(&erasure, &key()).await.unwrap();
        let event = asked(&world).await;
        assert_eq!((&event.reason, &event.address), (&None, &None));
        prove(world.admin(), Some(&file), &event).await.unwrap();
        // The event itself is in the tree.
        for column in ["target = 'another'", "actor = 'eve'", "grant_id = 'G-0000000000'", "at = at + 1"] {
            world.execute(&format!("update audit set {column} where code = 'request.submitted'")).await;
            let event = asked(&world).await;
            let refused = prove(world.admin(), Some(&file), &event).await.unwrap_err();
            assert!(matches!(refused, WatchError::Absent { .. }), "{column}: {refused:?}");
        }
    }
}

on_both! {
    async fn a_log_that_is_not_the_one_that_was_seen_is_refused(world: World) {
        let (_home, file) = machine(&world);
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        let seen = watch(world.admin(), Some(&file)).await.unwrap();
        assert_eq!(seen.before, None);
        let again = watch(world.admin(), Some(&file)).await.unwrap();
        assert_eq!((again.before, again.recoveries.len()), (Some(seen.checkpoint.size), 0));
        // Another server at the same address, with a log of its own.
        let other = World::start(Backend::Sqlite).await;
        signed(&other).await;
        let broken = watch(other.admin(), Some(&file)).await.unwrap_err();
        assert!(matches!(broken, WatchError::Broken(_)), "{broken:?}");
        // Without a memory there is nothing to hold it against.
        assert_eq!(watch(other.admin(), None).await.unwrap().before, None);
    }
}
