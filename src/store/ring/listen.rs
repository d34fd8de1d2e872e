//! The hint between nodes that the log has grown: `NOTIFY`, outside of every transaction. Whoever misses it looks a
//! second later anyway.
//!
//! The connection that hears is also the sign of life of this node: it has a lock that the database takes back as soon as
//! the node is gone. Nothing depends on that but how soon others take up what the node had in hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;

use super::Ring;
use super::member::Member;
use crate::store::outbox::SIGN;

const CHANNEL: &str = "portcullis_log";
/// Hints are at least this far apart.
const PACE: Duration = Duration::from_millis(20);
/// How long to wait before listening is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Hears and tells for as long as this primary is in use.
pub(super) fn spawn(ring: Weak<Ring>, member: Arc<Member>) {
    let (hearing, telling) = (ring.clone(), ring);
    let (hears, tells) = (Arc::clone(&member), member);
    tokio::spawn(async move {
        let gone = hears.gone().clone();
        gone.run_until_cancelled(hear(hearing, &hears)).await;
    });
    tokio::spawn(async move {
        let gone = tells.gone().clone();
        gone.run_until_cancelled(tell(telling, &tells)).await;
    });
}

async fn hear(ring: Weak<Ring>, member: &Member) {
    loop {
        if let Err(error) = heard(&ring, member).await {
            tracing::debug!(%error, "nobody can be heard about new events for a moment");
        }
        if ring.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn heard(ring: &Weak<Ring>, member: &Member) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(&member.tells).await?;
    listener.listen(CHANNEL).await?;
    let Some((name, signs)) = ring
        .upgrade()
        .map(|ring| (ring.name.clone(), Arc::clone(&ring.signs)))
    else {
        return Ok(());
    };
    let lock = sqlx::query_scalar("select pg_try_advisory_lock($1, hashtext($2))");
    let held: bool = lock.bind(SIGN).bind(&name).fetch_one(&mut listener).await?;
    let _sign = held.then(|| Sign::shown(signs));
    // Nothing means that the connection broke.
    while let Some(said) = listener.try_recv().await? {
        let Some(ring) = ring.upgrade() else {
            return Ok(());
        };
        if said.payload() != ring.name {
            ring.appended.notify_one();
        }
    }
    Ok(())
}

async fn tell(ring: Weak<Ring>, member: &Member) {
    loop {
        let Some((grown, name)) = ring
            .upgrade()
            .map(|ring| (Arc::clone(&ring.grown), ring.name.clone()))
        else {
            return;
        };
        grown.notified().await;
        let told = sqlx::query("select pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(&name)
            .execute(&member.tells)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "other nodes were not told about new events");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// One connection by which the database knows of this node, until this is dropped.
struct Sign(Arc<AtomicUsize>);

impl Sign {
    fn shown(signs: Arc<AtomicUsize>) -> Self {
        signs.fetch_add(1, Ordering::Relaxed);
        Self(signs)
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
