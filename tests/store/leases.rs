//! What a node had in hand is taken up when it is gone, and not while it is there.

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::client::Client;
use portcullis::store::outbox::Due;
use portcullis::store::{Clock, Store};
use portcullis::wire::{Approval, NewRequest};

use crate::support::world::{Backend, World, ask, key};

/// A grant that begins in an hour, and the moment when that has begun.
async fn scheduled(world: &World, engineer: &Client) -> DateTime<Utc> {
    let start = world.now().await + TimeDelta::hours(1);
    let later = NewRequest {
        not_before: Some(start),
        ..ask()
    };
    let request = engineer.submit(&later, &key()).await.unwrap();
    let approval = Approval::default();
    let admin = world.admin();
    admin
        .approve(&request.id, request.version, &approval, &key())
        .await
        .unwrap();
    start + TimeDelta::minutes(1)
}

async fn take(store: &Store, worker: &str, now: DateTime<Utc>) -> Vec<Due> {
    let mut tx = store.write().await.unwrap();
    let due = tx.take_due(&ask().target, worker, now, 10).await.unwrap();
    store.commit(tx).await.unwrap();
    due
}

async fn gone(store: &Store, now: DateTime<Utc>) -> Vec<String> {
    let mut tx = store.glance().await.unwrap();
    tx.gone_workers(now).await.unwrap()
}

#[tokio::test]
async fn what_a_dead_node_had_in_hand_is_free_and_what_a_live_one_has_is_not() {
    let world = World::start(Backend::Postgres).await;
    let ada = world.engineer("ada").await;
    let now = scheduled(&world, &ada).await;
    let other = Store::open(&world.location, Clock::Database).await.unwrap();
    let name = world
        .until("a sign of life", async || other.seen_as())
        .await;
    assert_eq!(take(&other, &name, now).await.len(), 1);
    let store = world.gate().store();
    assert_eq!(gone(store, now).await, [""; 0]);
    assert_eq!(take(store, "somebody", now).await, []);
    other.close().await;
    world
        .until("the end of the sign", async || {
            (gone(store, now).await == [name.clone()]).then_some(())
        })
        .await;
    let mut tx = store.write().await.unwrap();
    tx.end_leases(Some(&name)).await.unwrap();
    store.commit(tx).await.unwrap();
    assert_eq!(take(store, "somebody", now).await.len(), 1);
    // Of somebody who never showed a sign nobody knows whether they are gone.
    assert_eq!(gone(store, now).await, [""; 0]);
}

#[tokio::test]
async fn a_server_on_a_file_takes_up_at_once_what_the_one_before_had_in_hand() {
    let mut world = World::with_clock(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    world.stop().await;
    // As a server leaves it that is killed in the middle of the end.
    world
        .execute("update outbox set lease_owner = 'before', lease_until = 9000000000000")
        .await;
    world.pass(TimeDelta::hours(2));
    world.restart().await;
    let ended = format!(
        "select count(*) from grants where id = '{}' and state = 'ended'",
        grant.id
    );
    world
        .until("the end", async || {
            (world.number(&ended).await == 1).then_some(())
        })
        .await;
}
