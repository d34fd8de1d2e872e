//! The hint between nodes that the log has grown: `NOTIFY`, outside of every transaction. Whoever misses it looks a
//! second later anyway.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;

use super::Ring;
use super::member::Member;

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
