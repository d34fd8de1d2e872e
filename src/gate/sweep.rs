//! Deadlines: requests that nobody decided expire, what a lock matches goes, and what nobody can need any more is forgotten.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::domain::ids::RequestId;
use crate::domain::second_factor::{LONGEST_COUNT, QUESTION};

use super::requests::parent_of;
use super::{Error, Gate, new_trace};

/// How often deadlines are looked at.
const POLL: Duration = Duration::from_secs(1);
/// How often old tokens and idempotency keys are forgotten.
const TIDY: Duration = Duration::from_hours(1);
/// A client that repeats a call does so within a day; an hour more is for clocks that differ.
const REMEMBER: TimeDelta = TimeDelta::hours(25);
/// Who was told of what is remembered for so long: no request waits and no grant lasts longer.
const TOLD: TimeDelta = TimeDelta::days(60);
/// Requests that one look expires at most, so that it stays short.
const BATCH: i64 = 100;

impl Gate {
    /// Looks at deadlines until told to stop.
    pub async fn run_sweeper(self: Arc<Self>, stop: CancellationToken) {
        let mut tidied: Option<std::time::Instant> = None;
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            if let Err(error) = self.expire_due().await {
                tracing::error!(error = ?error, "deadlines could not be looked at; the sweeper tries again");
            }
            if let Err(error) = self.enforce_locks().await {
                tracing::error!(error = ?error, "locks could not be enforced; the sweeper tries again");
            }
            if let Err(error) = self.end_leases_of_the_dead().await {
                tracing::error!(error = ?error, "nobody could look for nodes that are gone; their leases run out by themselves");
            }
            if let Err(error) = self.watch_schema().await {
                tracing::error!(error = ?error, "nobody could look whether this node may go on with the database");
            }
            if let Err(error) = self.watch_log().await {
                tracing::error!(error = ?error, "nobody could look whether the audit log keeps up");
            }
            if let Err(error) = self.settle_reads(false).await {
                tracing::error!(error = ?error, "who read the history could not be recorded");
            }
            match self.prune_due().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(error = ?error, "the history could not be pruned; the sweeper tries again");
                }
            }
            if tidied.is_none_or(|at| at.elapsed() > TIDY) {
                tidied = Some(std::time::Instant::now());
                if let Err(error) = self.tidy().await {
                    tracing::error!(error = ?error, "old tokens and idempotency keys could not be forgotten");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Lets every request expire whose deadline has passed, or whose grant is going; answers how many did.
    pub async fn expire_due(&self) -> Result<usize, Error> {
        let (mut tx, now) = self.glance().await?;
        let mut due = tx.overdue_requests(now, BATCH).await?;
        drop(tx);
        let mut tx = self.store.glance().await?;
        due.extend(tx.outlived_extensions(BATCH).await?);
        drop(tx);
        for id in &due {
            self.expire(id).await?;
        }
        Ok(due.len())
    }

    async fn expire(&self, id: &RequestId) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let Some(request) = tx.request(id).await? else {
            return Ok(());
        };
        let parent = parent_of(&mut tx, &request).await?;
        let outlived = || request.outlived(parent.as_ref()?, now);
        match request.expire(now).or_else(outlived) {
            None => Ok(()),
            Some((_, change)) => match self.apply_own(tx, &change, &new_trace(), now).await {
                // Somebody decided it in the same moment; that is what counts.
                Err(Error::Refused(_)) => Ok(()),
                other => other,
            },
        }
    }

    /// Forgets what nobody can need any more.
    pub async fn tidy(&self) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        tx.forget_before(now - REMEMBER).await?;
        tx.forget_step_ups(now - REMEMBER).await?;
        tx.drop_tokens_before(now - REMEMBER).await?;
        tx.drop_proofs_before(now).await?;
        tx.forget_questions(now - QUESTION).await?;
        tx.forget_tries_before(now - LONGEST_COUNT).await?;
        tx.forget_notices(now - TOLD).await?;
        Ok(self.store.commit(tx).await?)
    }
}
