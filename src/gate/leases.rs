//! What a node had in hand when it died: others take it up as soon as the database has missed the node for a moment, and
//! do not wait until its leases run out.
//!
//! A lease only spares work: two workers on one grant leave the target as one does, because whatever they do is repeatable
//! and in the order of epochs. So nothing is lost when a lease ends too early.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Error, Gate};

/// A node that lost its connection for a moment, as when another primary takes over, is back within this time.
const MISSED: Duration = Duration::from_secs(3);

/// Since when each worker is missed that holds leases.
#[derive(Default)]
pub(super) struct Missing(Mutex<HashMap<String, Instant>>);

impl Gate {
    /// The name under which this node takes leases at this moment.
    pub(super) fn worker(&self) -> String {
        self.store.seen_as().unwrap_or_else(|| self.owner.clone())
    }

    /// Ends the leases of the server that ran before: on a file there is one server at a time.
    pub(super) async fn end_old_leases(&self) -> Result<(), Error> {
        if self.store.is_shared() {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        tx.end_leases(None).await?;
        Ok(self.store.commit(tx).await?)
    }

    /// Ends the leases of workers that have been missed for a moment.
    pub(super) async fn end_leases_of_the_dead(&self) -> Result<(), Error> {
        let (mut tx, now) = self.glance().await?;
        let gone = tx.gone_workers(now).await?;
        drop(tx);
        for worker in self.missing.since(gone) {
            let mut tx = self.store.write().await?;
            tx.end_leases(Some(&worker)).await?;
            self.store.commit(tx).await?;
            tracing::warn!(
                worker,
                "another node is gone, and what it had in hand is taken up"
            );
            self.promised.notify_one();
        }
        Ok(())
    }
}

impl Missing {
    /// Takes down who is missed now, and answers who has been for long enough.
    fn since(&self, gone: Vec<String>) -> Vec<String> {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|worker, _| gone.contains(worker));
        let now = Instant::now();
        gone.into_iter()
            .filter(|worker| *missing.entry(worker.clone()).or_insert(now) + MISSED <= now)
            .collect()
    }
}
