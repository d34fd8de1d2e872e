//! The server is killed at random moments while many write: every event that was acknowledged is in the log, once,
//! without a gap, and the tree is the one over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::client::{Channel, Client, IdempotencyKey, Session, StateDir};
use portcullis::store::{Clock, Location, Store};
use portcullis::tlog::{Frontier, leaf_hash};
use portcullis::wire::Invitation;
use tokio::sync::watch;

use crate::support::node::Node;
use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};
use crate::support::random::Random;
use crate::support::world::{Backend, CATALOGUE, POLICY, ring};

/// Those who write at the same time.
const WRITERS: u64 = 6;

#[derive(Default)]
struct Told {
    /// Names whose invitation was acknowledged.
    names: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
    done: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_doubled_or_left_out_when_the_server_is_killed_on_sqlite() {
    killed(Backend::Sqlite, 4, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_doubled_or_left_out_when_the_server_is_killed_on_postgres() {
    killed(Backend::Postgres, 4, 2).await;
}

/// The long form: `cargo test --test main with_a_hundred_and_twenty_kills -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes; run by hand before a release"]
async fn the_same_with_a_hundred_and_twenty_kills() {
    killed(Backend::Sqlite, 60, 3).await;
    killed(Backend::Postgres, 60, 4).await;
}

async fn killed(backend: Backend, kills: u32, seed: u64) {
    ring();
    let mut node = Node::prepare(CATALOGUE, POLICY);
    let location = match backend {
        Backend::Sqlite => Location::Sqlite(node.folder().join("data/portcullis.db")),
        Backend::Postgres => {
            let cluster = cluster();
            let name = cluster.database().await.name;
            let password = PASSWORD.replace(' ', "%20");
            let url = format!(
                "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
                cluster.host, cluster.port
            );
            node.use_database(&url);
            Location::Postgres(url)
        }
    };
    node.start();
    node.sign_in_root();
    let told = Arc::new(Told::default());
    let writers: Vec<_> = (0..WRITERS)
        .map(|nth| tokio::spawn(write(client(&node), nth, Arc::clone(&told))))
        .collect();
    let (mut random, mut count) = (Random::new(seed), told.count.subscribe());
    for _ in 0..kills {
        // So many more are acknowledged, and then it dies, wherever the sequencer is.
        let enough = *count.borrow() + 1 + random.below(120);
        count.wait_for(|count| *count >= enough).await.unwrap();
        node.kill();
        node.start();
    }
    told.done.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    node.kill();
    let names = std::mem::take(&mut *told.names.lock().unwrap());
    let events = whole(&location, &names).await;
    eprintln!(
        "{backend:?}: {kills} kills, {} acknowledged, {events} events: none lost, none twice, no gap, the root is right",
        names.len()
    );
}

fn client(node: &Node) -> Client {
    let server = node.url().parse().unwrap();
    let session = Session::open(&server, &StateDir::at(node.home("root"))).unwrap();
    Client::new(session, Channel::Cli).unwrap()
}

/// Invites one after the other; what was not acknowledged is sent again with its key.
async fn write(root: Client, nth: u64, told: Arc<Told>) {
    for turn in 0_u64.. {
        let (name, key) = (format!("w{nth}-{turn}"), IdempotencyKey::new().unwrap());
        let invitation = Invitation {
            name: name.clone(),
            roles: vec!["requester".to_owned()],
            groups: Vec::new(),
        };
        loop {
            match root.invite(&invitation, &key).await {
                Ok(_) => break,
                // It was carried out before the server died, and its answer, which has a code, is told only once.
                Err(error) if error.code() == Some("idempotency-key-reused") => break,
                Err(error)
                    if error
                        .code()
                        .is_some_and(|code| code != "busy" && code != "fault") =>
                {
                    panic!("{error}")
                }
                Err(_) if told.done.load(Ordering::SeqCst) => return,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
        told.names.lock().unwrap().push(name);
        told.count.send_modify(|count| *count += 1);
        if told.done.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Looks at every event of the log, once what waits has its place; answers how many there are.
async fn whole(location: &Location, names: &[String]) -> u64 {
    let store = Store::open(location, Clock::Database).await.unwrap();
    let size = u64::try_from(store.sequence().await.unwrap()).unwrap();
    let mut tx = store.read().await.unwrap();
    let tree = tx.tree().await.unwrap();
    let (mut again, mut invited, mut ids) = (Frontier::default(), BTreeMap::new(), 0);
    while again.size() < size {
        let from = again.size();
        let entries = tx.entries(from, 1_000, tree.epoch).await.unwrap();
        let events = tx
            .events_from(i64::try_from(from).unwrap(), 1_000)
            .await
            .unwrap();
        assert_eq!(entries.len(), events.len());
        for (entry, event) in entries.iter().zip(&events) {
            assert_eq!(
                u64::try_from(event.index).unwrap(),
                again.size(),
                "there is a gap"
            );
            again.push(leaf_hash(entry), |_, _| {});
            ids += 1;
            assert_ne!(event.event.code.as_str(), "audit.rewritten");
            if event.event.code.as_str() == "principal.invited" {
                let who = event.event.principal.as_ref().unwrap().to_string();
                *invited.entry(who).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(ids, size);
    assert_eq!(
        (tree.frontier.size(), tree.frontier.root()),
        (size, again.root())
    );
    for name in names {
        assert_eq!(invited.get(name), Some(&1), "`{name}` was acknowledged");
    }
    assert!(invited.values().all(|count| *count == 1));
    drop(tx);
    store.close().await;
    size
}
