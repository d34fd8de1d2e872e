//! Doing what was promised: making access real on targets, and taking it away.
//!
//! Every node runs this loop; a promise is a row that one worker leases at a time. Targets do not wait for each
//! other: each has its own few slots, so a dead one holds up nobody else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::change::WorkKind;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::ids::{GrantId, TargetName};
use crate::domain::provider::IdentityRefusal;
use crate::domain::refusal::Refusal;
use crate::secret;
use crate::store::Tx;
use crate::store::outbox::Due;
use crate::targets::{Connector, Down, Failure};

use super::grants::access;
use super::locks::bearing;
use super::{Error, Gate, eligible};

/// Work on one target at the same time. More would not make one server faster, and could exhaust its connections.
const SLOTS: usize = 4;
/// Without a wake-up the workers look this often: another node may have promised something.
const POLL: Duration = Duration::from_secs(1);
/// With work that waits for a slot, due times in the past say nothing; others are still looked for this often.
const CROWDED: Duration = Duration::from_millis(50);
/// One call to a target takes no longer than this; the lease outlasts two.
const OPERATION: Duration = Duration::from_secs(10);
/// The first pause after a failure; each further one doubles.
pub(super) const FIRST_PAUSE: TimeDelta = TimeDelta::milliseconds(500);
/// The longest pause between attempts. Attempts never stop.
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// How soon to look again whether the identity provider confirms a holder's groups.
const UNCONFIRMED: TimeDelta = TimeDelta::seconds(5);
/// How soon to look again at a grant that another worker of this node has in hand.
const IN_HAND: TimeDelta = TimeDelta::milliseconds(50);

/// What the workers of this node have in hand.
#[derive(Default)]
pub(super) struct Desk {
    slots: Mutex<HashMap<String, Arc<Semaphore>>>,
    in_hand: Mutex<HashSet<GrantId>>,
}

impl Desk {
    fn slots(&self, target: &str) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            slots
                .entry(target.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(SLOTS))),
        )
    }
}

/// Holds one grant, so that its activation and its closing never touch the target at once from this node.
struct InHand<'a> {
    desk: &'a Desk,
    grant: GrantId,
}

impl<'a> InHand<'a> {
    fn take(desk: &'a Desk, grant: &GrantId) -> Option<Self> {
        let mut held = desk.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(grant.clone()).then(|| Self {
            desk,
            grant: grant.clone(),
        })
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.desk
            .in_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.grant);
    }
}

/// The pause after a failure: as long as the target wants to be left alone, but never so long that an end is forgotten.
pub(super) fn pause_after(attempts: i64, failure: &Failure) -> TimeDelta {
    let wanted = failure.not_before.unwrap_or_default();
    let wanted = TimeDelta::from_std(wanted).unwrap_or(LONGEST_PAUSE);
    pause(attempts).max(wanted.min(LONGEST_PAUSE))
}

/// The pause before the next attempt: doubling, capped, and spread by a quarter so that many do not come back at once.
fn pause(attempts: i64) -> TimeDelta {
    let doubled = FIRST_PAUSE * 2_i32.pow(u32::try_from(attempts.clamp(0, 7)).unwrap_or(7));
    let capped = doubled.min(LONGEST_PAUSE);
    let spread = secret::random::<1>().map_or(0, |[byte]| i32::from(byte));
    capped * 3 / 4 + capped * spread / 512
}

impl Gate {
    /// Does due work until told to stop, then finishes what is in hand.
    pub async fn run_workers(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        if let Err(error) = self.end_old_leases().await {
            tracing::warn!(error = ?error, "what the server before had in hand waits for its leases to run out");
        }
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            let crowded = match self.hand_out(&tasks, &stop).await {
                Ok(crowded) => crowded,
                Err(error) => {
                    tracing::error!(error = ?error, "due work could not be looked up; the workers try again");
                    tokio::time::sleep(POLL).await;
                    continue;
                }
            };
            let next = self.until_next().await.unwrap_or(POLL);
            let wait = if crowded { next.max(CROWDED) } else { next };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.promised.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn until_next(&self) -> Result<Duration, Error> {
        let (mut tx, now) = self.glance().await?;
        let next = tx.next_due(now).await?;
        Ok(next.map_or(POLL, |at| {
            (at - now)
                .to_std()
                .unwrap_or(Duration::from_millis(2))
                .clamp(Duration::from_millis(2), POLL)
        }))
    }

    /// Gives due work to free slots. Answers whether some has to wait for a slot, which wakes this loop when it is free.
    async fn hand_out(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let mut crowded = false;
        let (mut look, now) = self.glance().await?;
        let targets = look.due_targets(now).await?;
        drop(look);
        for target in targets {
            let slots = self.work.slots(&target);
            let mut permits: Vec<OwnedSemaphorePermit> = Vec::new();
            while let Ok(permit) = Arc::clone(&slots).try_acquire_owned() {
                permits.push(permit);
            }
            if permits.is_empty() {
                crowded = true;
                continue;
            }
            let due = self.take(&target, permits.len()).await?;
            // Where every slot got something there may be more, and a slot goes on by itself.
            let busy = due.len() == permits.len();
            for (due, permit) in due.into_iter().zip(permits) {
                let (gate, stop) = (Arc::clone(self), stop.clone());
                tasks.spawn(async move {
                    let mut next = Some(due);
                    while let Some(due) = next {
                        gate.work_on(&due).await;
                        next = if busy && !stop.is_cancelled() {
                            gate.next_on(&due.target).await
                        } else {
                            None
                        };
                    }
                    drop(permit);
                    gate.promised.notify_one();
                });
            }
        }
        Ok(crowded)
    }

    /// Leases up to so many due promises of one target.
    async fn take(&self, target: &str, many: usize) -> Result<Vec<Due>, Error> {
        let many = i64::try_from(many).unwrap_or(1);
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let due = tx.take_due(target, &self.worker(), now, many).await?;
        self.store.commit(tx).await?;
        Ok(due)
    }

    /// The next promise for a slot of a busy target. Whoever hands out work says what is wrong when there is none to be had.
    async fn next_on(&self, target: &TargetName) -> Option<Due> {
        self.take(target.as_str(), 1).await.ok()?.pop()
    }

    /// Does one promise. A fault leaves the lease to run out, and somebody tries again.
    async fn work_on(&self, due: &Due) {
        let done = match InHand::take(&self.work, &due.grant) {
            None => self.later(due, IN_HAND).await,
            Some(_held) => match due.kind {
                WorkKind::Activate => self.activate(due).await,
                WorkKind::Close => self.close(due).await,
            },
        };
        if let Err(error) = done {
            // A conflict is another worker or a person who was faster; the promise they left says what is next.
            tracing::warn!(grant.id = %due.grant, work = due.kind.as_str(), error = ?error, "work on a grant was interrupted; it is taken up again");
            if let Err(error) = self.later(due, FIRST_PAUSE).await {
                tracing::error!(grant.id = %due.grant, error = ?error, "work on a grant waits for its lease to run out");
            }
        }
    }

    pub(super) async fn later(&self, due: &Due, pause: TimeDelta) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let at = self.store.now(&mut tx).await? + pause;
        tx.put_back(due, at).await?;
        Ok(self.store.commit(tx).await?)
    }

    pub(super) async fn kept(&self, due: &Due) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        tx.keep(due).await?;
        Ok(self.store.commit(tx).await?)
    }

    /// Takes the next step of a grant that is due, in one transaction; `None` when there is nothing to do.
    pub(super) async fn step(
        &self,
        due: &Due,
        next: impl Fn(&Grant, DateTime<Utc>) -> Option<(Grant, crate::domain::change::Step)>,
    ) -> Result<(Grant, bool, DateTime<Utc>), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let grant = load(&mut tx, due).await?;
        let Some((grant, step)) = next(&grant, now) else {
            return Ok((grant, false, now));
        };
        self.apply_own(tx, &vec![step], &due.trace, now).await?;
        Ok((grant, true, now))
    }

    pub(super) fn connector(&self, target: &TargetName) -> Result<Arc<dyn Connector>, Failure> {
        self.rules
            .current()
            .catalog
            .connector(target)
            .cloned()
            .ok_or_else(|| {
                Failure::passing(format!("target `{target}` is no longer in the catalogue"))
            })
    }

    async fn activate(&self, due: &Due) -> Result<(), Error> {
        match self.holder_confirmed(&due.grant).await {
            // Whoever is gone is dealt with in the transaction that begins.
            Ok(()) | Err(Error::Refused(Refusal::Identity(IdentityRefusal::Gone))) => {}
            Err(Error::Refused(refusal)) => {
                tracing::warn!(grant.id = %due.grant, why = refusal.code(), "access waits for the identity provider");
                return self.later(due, UNCONFIRMED).await;
            }
            Err(fault) => return Err(fault),
        }
        let (grant, begun, now) = self.begin(due).await?;
        if !begun && grant.state != GrantState::Active {
            return self.kept(due).await;
        }
        let up = match self.connector(&grant.target) {
            Ok(connector) => timely(connector.up(access(&grant, now))).await.map(|_| ()),
            Err(failure) => Err(failure),
        };
        match up {
            Ok(()) if begun => self.activated(due, &grant).await,
            Ok(()) => self.extension_applied(due, &grant).await,
            Err(failure) if begun => self.not_activated(due, &grant, &failure, now).await,
            Err(failure) => {
                tracing::warn!(grant.id = %grant.id, error = %failure, "the later end has not reached the target yet");
                self.later(due, pause_after(grant.attempts, &failure)).await
            }
        }
    }

    /// Begins to make the access, unless a lock matches it, also one that was placed in the very moment of the approval,
    /// or its holder is no longer eligible at a scheduled start: then it goes. Answers whether it was begun.
    async fn begin(&self, due: &Due) -> Result<(Grant, bool, DateTime<Utc>), Error> {
        let rules = self.rules.current();
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let grant = load(&mut tx, due).await?;
        let in_force = tx.locks_in_force(now).await?;
        let lock = bearing(&in_force, &rules.catalog, &grant.target).on((&grant).into(), now);
        let next = match lock {
            Some(lock) => {
                let because = ("lock", lock.id.as_str());
                grant.cut(None, &lock.closing_reason(), because, now)
            }
            None if self.is_gone(&mut tx, &grant.holder.id).await? => {
                let why = "its holder is gone at the identity provider";
                grant.cut(None, why, ("identity", "gone"), now)
            }
            None => match eligible::lost(&mut tx, &grant, &rules, now).await? {
                Some(why) => grant.cut(None, &why, ("policy_version", &rules.version), now),
                None => grant.activate(now),
            },
        };
        let Some((grant, step)) = next else {
            return Ok((grant, false, now));
        };
        self.apply_own(tx, &vec![step], &due.trace, now).await?;
        let begun = grant.state == GrantState::Activating;
        Ok((grant, begun, now))
    }

    async fn activated(&self, due: &Due, begun: &Grant) -> Result<(), Error> {
        let (grant, done, now) = self
            .step(due, |grant, now| grant.activated(begun.epoch, now))
            .await?;
        if done {
            metrics::histogram!("portcullis_activation_seconds")
                .record(seconds(now - grant.created_at));
            return Ok(());
        }
        // The grant was taken away while the target was being told to make it. On targets that remember epochs the
        // late effect did nothing; everywhere else it has to be undone, and undoing twice is harmless.
        if grant.state.is_final() {
            // Outside of a transaction: a target that does not answer must not hold up everybody who writes.
            self.undo_late(&grant, now).await;
            return Ok(());
        }
        let kind = if grant.state == GrantState::Closing {
            WorkKind::Close
        } else {
            WorkKind::Activate
        };
        let mut tx = self.store.write().await?;
        tx.promise_again(due, kind, now).await?;
        Ok(self.store.commit(tx).await?)
    }

    async fn undo_late(&self, grant: &Grant, now: DateTime<Utc>) {
        let Ok(connector) = self.connector(&grant.target) else {
            return;
        };
        if let Err(failure) = timely(connector.down(access(grant, now))).await {
            tracing::error!(grant.id = %grant.id, error = %failure, "a late effect could not be undone at once; reconciling will remove it");
        }
    }

    async fn extension_applied(&self, due: &Due, told: &Grant) -> Result<(), Error> {
        let (mut tx, _) = self.glance().await?;
        let now_is = tx.grant(&due.grant).await?;
        drop(tx);
        // A newer end has its own promise, which replaced this one.
        if now_is.is_some_and(|grant| grant.is_applied(told.epoch)) {
            self.kept(due).await
        } else {
            Ok(())
        }
    }

    async fn not_activated(
        &self,
        due: &Due,
        begun: &Grant,
        failure: &Failure,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if failure.permanent {
            let gone = match self.connector(&begun.target) {
                Ok(connector) => timely(connector.down(access(begun, now))).await,
                Err(failure) => Err(failure),
            };
            if matches!(gone, Ok(Down::Gone(_))) {
                let (_, done, _) = self
                    .step(due, |grant, now| {
                        grant.activation_failed(begun.epoch, &failure.message, now)
                    })
                    .await?;
                return if done {
                    Ok(())
                } else {
                    self.later(due, FIRST_PAUSE).await
                };
            }
        }
        let (_, done, _) = self
            .step(due, |grant, now| {
                grant.activation_retried(
                    begun.epoch,
                    &failure.message,
                    now + pause_after(grant.attempts, failure),
                )
            })
            .await?;
        if done { Ok(()) } else { self.kept(due).await }
    }
}

async fn load(tx: &mut Tx, due: &Due) -> Result<Grant, Error> {
    let found = tx.grant(&due.grant).await?;
    Ok(found.ok_or_else(|| anyhow::anyhow!("grant {} has work but does not exist", due.grant))?)
}

pub(super) async fn timely<T>(
    operation: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(OPERATION, operation)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::passing(
                "the target did not answer within 10 seconds",
            ))
        })
}

fn seconds(delta: TimeDelta) -> f64 {
    delta.to_std().map_or(0.0, |delta| delta.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_wants_to_be_left_alone_is_but_never_for_longer_than_any_other() {
        let after = |seconds| {
            let wait = Some(Duration::from_secs(seconds));
            pause_after(0, &Failure::passing("busy").not_before(wait))
        };
        assert_eq!(after(7), TimeDelta::seconds(7));
        assert_eq!(after(3_600), LONGEST_PAUSE);
        assert_eq!(after(u64::MAX), LONGEST_PAUSE);
        assert!(after(0) >= FIRST_PAUSE * 3 / 4);
        assert!(pause_after(0, &Failure::passing("away")) <= FIRST_PAUSE * 5 / 4);
    }
}
