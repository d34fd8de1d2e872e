//! SQLite's writer, which is taken by turns that share a commit.

use std::path::Path;
use std::sync::Arc;

use portcullis::store::{Clock, Location, Store};
use tokio::task::{JoinSet, yield_now};

async fn open(folder: &Path) -> Arc<Store> {
    let location = Location::Sqlite(folder.join("portcullis.db"));
    Arc::new(Store::open(&location, Clock::Database).await.unwrap())
}

async fn is_there(store: &Store, name: &str) -> bool {
    let mut tx = store.read().await.unwrap();
    tx.setting(name).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn turns_that_share_a_commit_are_each_kept_or_given_up_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut callers = JoinSet::new();
    for caller in 0..200 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let mut tx = store.write().await.unwrap();
            tx.set_once(&format!("a-{caller}"), "x").await.unwrap();
            if caller % 7 == 0 {
                yield_now().await;
            }
            tx.set_once(&format!("b-{caller}"), "x").await.unwrap();
            if caller % 3 != 0 {
                store.commit(tx).await.unwrap();
                // Whoever is told of success finds it committed, also from another connection.
                assert!(is_there(&store, &format!("b-{caller}")).await);
            }
        });
    }
    callers.join_all().await;
    for caller in 0..200 {
        for part in ["a", "b"] {
            let there = is_there(&store, &format!("{part}-{caller}")).await;
            assert_eq!(there, caller % 3 != 0, "{part}-{caller}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_who_go_away_at_any_moment_leave_the_writer_usable_and_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for round in 0..60_u32 {
        let mut callers = JoinSet::new();
        for caller in 0..12_u32 {
            let store = Arc::clone(&store);
            let writes = async move {
                let mut tx = store.write().await.unwrap();
                tx.set_once(&format!("a-{round}-{caller}"), "x")
                    .await
                    .unwrap();
                tx.set_once(&format!("b-{round}-{caller}"), "x")
                    .await
                    .unwrap();
                store.commit(tx).await.unwrap();
            };
            let patience = (round * 7 + caller * 13) % 40;
            callers.spawn(async move {
                let leaves = async {
                    for _ in 0..patience {
                        yield_now().await;
                    }
                };
                tokio::select! {
                    biased;
                    () = writes => {}
                    () = leaves => {}
                }
            });
        }
        callers.join_all().await;
    }
    let mut tx = store.write().await.unwrap();
    tx.set_once("last", "x").await.unwrap();
    store.commit(tx).await.unwrap();
    for round in 0..60 {
        for caller in 0..12 {
            let (a, b) = (
                is_there(&store, &format!("a-{round}-{caller}")).await,
                is_there(&store, &format!("b-{round}-{caller}")).await,
            );
            assert_eq!(a, b, "{round}-{caller}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_was_given_up_does_not_keep_the_file_locked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut tx = store.write().await.unwrap();
    tx.set_once("given up", "x").await.unwrap();
    drop(tx);
    // Another program that has the file, such as a backup, gets the lock although nobody here writes again.
    let location = Location::Sqlite(folder.path().join("portcullis.db"));
    let other = Store::open(&location, Clock::Database).await.unwrap();
    let mut tx = other.write().await.unwrap();
    tx.set_once("other", "x").await.unwrap();
    other.commit(tx).await.unwrap();
    assert!(!is_there(&store, "given up").await);
}
