//! Taking access away on its target, with every step that the target acknowledges kept in the transaction that settles
//! the attempt.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::grant::{Acknowledged, Attempt, Grant, GrantState};
use crate::store::outbox::Due;
use crate::targets::{Access, Connector, Down, Failure, Step, Steps};

use super::grants::access;
use super::work::{FIRST_PAUSE, pause_after, timely};
use super::{Error, Gate, recall};

impl Gate {
    pub(super) async fn close(&self, due: &Due) -> Result<(), Error> {
        let (grant, _, now) = self.step(due, Grant::end).await?;
        if grant.state.is_final() {
            return self.kept(due).await;
        }
        if grant.state != GrantState::Closing {
            // The end moved later after this promise was taken.
            return self
                .later(due, (grant.expires_at - now).max(TimeDelta::zero()))
                .await;
        }
        let began = Instant::now();
        let heard = Steps::begin();
        let down = match self.connector(&grant.target) {
            Ok(connector) => {
                let told = Access {
                    heard: Some(&heard),
                    ..access(&grant, now)
                };
                let down = timely(connector.down(told)).await;
                self.recalled(connector.as_ref(), &grant, &heard, down, now)
                    .await?
            }
            Err(failure) => Err(failure),
        };
        match down {
            Ok(Down::Gone(receipt)) => {
                metrics::histogram!("portcullis_closing_seconds")
                    .record(began.elapsed().as_secs_f64());
                let proof = Attempt {
                    sessions_ended: receipt.sessions_ended,
                    unproved: receipt.unproved,
                    ..attempt(receipt.steps, now)
                };
                self.step(due, |grant, now| grant.closed(&proof, now))
                    .await?;
            }
            Ok(Down::Until(at, why)) => {
                let so_far = attempt(heard.noted(), now);
                self.step(due, |grant, now| {
                    grant.close_waits(at, &why, &so_far, at.max(now + FIRST_PAUSE))
                })
                .await?;
            }
            Err(failure) => {
                metrics::counter!("portcullis_closing_failures_total").increment(1);
                let so_far = attempt(heard.noted(), now);
                self.step(due, |grant, now| {
                    let pause = pause_after(grant.attempts, &failure);
                    grant.close_retried(&failure.message, &so_far, now + pause)
                })
                .await?;
            }
        }
        Ok(())
    }

    /// What cannot be taken back is over at once where the target can be told not to accept it.
    async fn recalled(
        &self,
        connector: &dyn Connector,
        grant: &Grant,
        heard: &Steps,
        down: Result<Down, Failure>,
        now: DateTime<Utc>,
    ) -> Result<Result<Down, Failure>, Error> {
        let Ok(Down::Until(at, why)) = down else {
            return Ok(down);
        };
        let (mut tx, since) = self.look().await?;
        let over = recall::outlived(&mut tx, &grant.target, since).await?;
        drop(tx);
        let over: Vec<Access<'_>> = over.iter().map(|grant| access(grant, since)).collect();
        let this = Access {
            heard: Some(heard),
            ..access(grant, since.max(now))
        };
        Ok(match timely(connector.recall(this, &over)).await {
            Ok(Some(receipt)) => Ok(Down::Gone(receipt)),
            Ok(None) => Ok(Down::Until(at, why)),
            Err(failure) => Err(failure),
        })
    }
}

fn attempt(steps: Vec<Step>, asked_at: DateTime<Utc>) -> Attempt {
    let steps = steps.into_iter().map(|step| Acknowledged {
        what: step.what,
        after: TimeDelta::from_std(step.after).unwrap_or_default(),
    });
    Attempt {
        asked_at,
        steps: steps.collect(),
        ..Attempt::default()
    }
}
