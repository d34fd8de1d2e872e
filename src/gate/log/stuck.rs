//! When events wait for their place in the log for too long: nothing more is decided, what ends access goes on, and
//! whoever runs the server is told.

use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::refusal::Refusal;

use crate::gate::{Error, Gate, Writing};

/// A load balancer hears of it after this.
const UNREADY: TimeDelta = TimeDelta::seconds(10);
/// Nothing more is decided after this.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

impl Gate {
    /// Says no to what gives access while the log does not keep up. INVARIANT: only what gives access asks this; what
    /// ends it does not wait for the log (`nothing_is_decided_while_the_log_is_stuck_and_everything_ends`).
    pub(in crate::gate) async fn log_keeps_up(&self, writing: &mut Writing) -> Result<(), Error> {
        let Some(waits) = stuck_for(writing).await? else {
            return Ok(());
        };
        // A clock that was set makes the youngest event look old. So whoever decides numbers what waits, and only
        // where that cannot be done the log is stuck.
        let numbered = writing.tx.number_waiting().await;
        if numbered.is_ok() && stuck_for(writing).await?.is_none() {
            return Ok(());
        }
        let minutes = waits.num_minutes();
        Err(Refusal::LogStuck { minutes }.into())
    }

    /// Since when events wait for their place in the log, where that is too long for a node that does its work.
    pub async fn log_waits(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let (mut tx, now) = self.glance().await?;
        let oldest = tx.oldest_waiting().await?;
        Ok(oldest.filter(|oldest| now - *oldest > UNREADY))
    }

    /// Sounds the alarm once, and says once that it is over.
    pub async fn watch_log(&self) -> Result<(), Error> {
        let (mut tx, now) = self.glance().await?;
        let oldest = tx.oldest_waiting().await?;
        let waits = oldest.map_or(TimeDelta::zero(), |oldest| now - oldest);
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^52 seconds")]
        metrics::gauge!("portcullis_audit_waiting_seconds").set(waits.num_seconds().max(0) as f64);
        let stuck = waits > PATIENCE;
        match (self.signer.stuck.swap(stuck, Ordering::Relaxed), stuck) {
            (false, true) => tracing::error!(
                minutes = waits.num_minutes(),
                "events wait for their place in the audit log: nothing more is decided until they have it; what ends access goes on"
            ),
            (true, false) => tracing::warn!("the audit log keeps up again, and decisions go on"),
            _ => {}
        }
        Ok(())
    }
}

/// How long the oldest event has waited for its place, where that is too long.
async fn stuck_for(writing: &mut Writing) -> Result<Option<TimeDelta>, Error> {
    let oldest = writing.tx.oldest_waiting().await?;
    let waits = oldest.map(|oldest| writing.now - oldest);
    Ok(waits.filter(|waits| *waits > PATIENCE))
}
