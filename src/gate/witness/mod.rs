//! Witnesses outside (c2sp.org/tlog-witness): each signed checkpoint is shown to them with the proof that it continues
//! what they saw before, and what they sign is kept with it.
//!
//! They hold nothing up: while one cannot be reached checkpoints go on without its signature, and how long that lasts is
//! said. Where one saw something else than what is here, the same alarm sounds as for a node's own memory.
//! Every node asks; of two that ask at once both get an answer, and the note takes each signature once.

mod alarm;
mod call;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::config::witness::Witness;
use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::tlog::{Hash, Note, Submission, consistency};

use super::log::{Signed, key_at};
use super::{Caller, Error, Gate};

use call::{Answer, Call};

/// What failed is tried again after so long, and then after twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often a witness may say that it saw something else, within one submission.
const TRIES: usize = 3;
/// Whoever waits for signatures waits no longer.
const AWAITED: Duration = Duration::from_secs(5);

/// What came of showing the newest checkpoint to a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cosigned {
    /// The checkpoint has its signature.
    Done,
    /// There is nothing to show.
    Nothing,
    /// The log has gone on meanwhile.
    Again,
    /// It failed, and is tried again.
    Failed,
    /// It saw something else than what is here.
    Disagrees,
}

/// How a witness stands, as far as this node knows.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The log, and how long it was, when the witness signed last.
    pub signed: Option<(String, u64)>,
    pub signed_at: Option<DateTime<Utc>>,
    /// Since when a checkpoint is without its signature.
    pub waits_since: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    pub attempts: i64,
    pub error: Option<String>,
    /// Whether it saw something else than what is here.
    pub disagrees: bool,
}

/// A witness and how it stands.
#[derive(Debug, Clone)]
pub struct SeenWitness {
    pub witness: Witness,
    pub standing: Standing,
    /// The first event that it has not signed, and how many there are.
    pub next: i64,
    pub lag: i64,
}

/// How all of them stand.
#[derive(Default)]
pub(super) struct Desk(Mutex<HashMap<String, Standing>>);

impl Desk {
    fn of(&self, name: &str) -> Standing {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().unwrap_or_default()
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Standing) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(name.to_owned()).or_default())
    }
}

impl Gate {
    /// Who is shown every checkpoint.
    pub fn known_witnesses(&self) -> &[Witness] {
        &self.settings.audit.witnesses
    }

    /// Shows each checkpoint to every witness until told to stop.
    pub async fn run_witnesses(self: Arc<Self>, stop: CancellationToken) {
        let mut all = tokio::task::JoinSet::new();
        for witness in self.known_witnesses().to_vec() {
            all.spawn(Arc::clone(&self).run_one_witness(witness, stop.clone()));
        }
        while all.join_next().await.is_some() {}
    }

    async fn run_one_witness(self: Arc<Self>, witness: Witness, stop: CancellationToken) {
        let mut published = self.signer.published.subscribe();
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            published.borrow_and_update();
            let cosigned = tokio::select! {
                () = stop.cancelled() => break,
                cosigned = self.cosign(&witness) => cosigned,
            };
            if let Err(error) = &cosigned {
                tracing::error!(witness = witness.name, error = ?error, "a checkpoint could not be shown to a witness; it is tried again");
            }
            let done = matches!(cosigned, Ok(Cosigned::Done | Cosigned::Nothing));
            let wait = pause;
            pause = if done {
                FIRST_PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
            let next = async {
                if done {
                    // The sender lives as long as the gate, which this task holds.
                    let _ = published.changed().await;
                } else {
                    tokio::time::sleep(wait).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = next => {}
            }
        }
    }

    /// Waits a little for the signatures of those witnesses that are there.
    pub(super) async fn await_witnesses(&self) {
        let all = self.known_witnesses().iter();
        let there = all.filter(|one| self.witnesses.of(&one.name).failing_since.is_none());
        let asked = join_all(there.map(|witness| self.cosign(witness)));
        // Without them the checkpoint is as good as its own signature, and their task goes on.
        let _ = tokio::time::timeout(AWAITED, asked).await;
    }

    /// Shows the newest checkpoint to a witness, and keeps what it signs.
    pub async fn cosign(&self, witness: &Witness) -> Result<Cosigned, Error> {
        let Some((signed, now)) = self.to_be_seen().await? else {
            return Ok(Cosigned::Nothing);
        };
        let (origin, size) = (&signed.checkpoint.origin, signed.checkpoint.size);
        let note = Note::read(&signed.note).map_err(anyhow::Error::from)?;
        if witness.key.seen_at(&note).is_ok() {
            self.stands(witness, &signed, now);
            return Ok(Cosigned::Done);
        }
        let known = self.witnesses.change(&witness.name, |standing| {
            standing.waits_since.get_or_insert(now);
            let of_log = standing.signed.as_ref().filter(|(log, _)| log == origin);
            of_log.map(|(_, size)| *size).filter(|known| *known <= size)
        });
        let call = match Call::new(witness) {
            Ok(call) => call,
            Err(error) => return Ok(self.not_cosigned(witness, &error, now)),
        };
        let mut old = known.unwrap_or_default();
        for _ in 0..TRIES {
            let Some(proof) = self.shown_proof(&signed, old).await? else {
                return Ok(Cosigned::Again);
            };
            let note = note.clone();
            match call.add(&Submission { old, proof, note }).await {
                Ok(Answer::Signed(lines)) => {
                    return self.keep_cosignature(witness, &signed, &lines, now).await;
                }
                Ok(Answer::Conflict(theirs)) if theirs <= size && theirs != old => old = theirs,
                Ok(Answer::Conflict(theirs)) if theirs > size => {
                    return self.beyond(witness, &call, &signed, theirs, now).await;
                }
                Ok(Answer::Inconsistent) => {
                    let why = format!(
                        "witness `{}` says that {size} events do not continue the {old} that it saw",
                        witness.name
                    );
                    return self.disagreed(witness, &call, &signed, why, now).await;
                }
                Ok(Answer::Conflict(_)) => {
                    let error = anyhow::anyhow!("it says that it saw what it was told that it saw");
                    return Ok(self.not_cosigned(witness, &error, now));
                }
                Err(error) => return Ok(self.not_cosigned(witness, &error, now)),
            }
        }
        let error = anyhow::anyhow!("it says something else each time about what it saw");
        Ok(self.not_cosigned(witness, &error, now))
    }

    /// The newest checkpoint that this node stands by.
    async fn to_be_seen(&self) -> Result<Option<(Signed, DateTime<Utc>)>, Error> {
        let (mut tx, now) = self.look().await?;
        let tree = tx.tree().await?;
        drop(tx);
        let at = key_at(&tree);
        if self.signer.state.lock().await.broken == Some(at) {
            return Ok(None);
        }
        let Some(note) = &tree.checkpoint else {
            return Ok(None);
        };
        let signed = self.signed_with(note, at)?;
        Ok(signed.map(|signed| (signed, now)))
    }

    /// That a checkpoint continues the log of a size; nothing when another log has begun meanwhile.
    async fn shown_proof(&self, signed: &Signed, old: u64) -> Result<Option<Vec<Hash>>, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let size = signed.checkpoint.size;
        let Some(rows) = consistency(old, size).filter(|_| key_at(&tree) == signed.by) else {
            return Ok(None);
        };
        Ok(tx.prove(&rows, size, tree.epoch).await?)
    }

    /// Adds what a witness signed to the newest checkpoint, if that is still the one that it was shown.
    async fn keep_cosignature(
        &self,
        witness: &Witness,
        signed: &Signed,
        lines: &str,
        now: DateTime<Utc>,
    ) -> Result<Cosigned, Error> {
        for _ in 0..TRIES {
            let (mut tx, _) = self.look().await?;
            let newest = tx.tree().await?.checkpoint;
            drop(tx);
            let newest = newest.unwrap_or_default();
            let current = self.signed_with(&newest, signed.by)?;
            let current = current.filter(|current| current.checkpoint == signed.checkpoint);
            let note = current.as_ref().unwrap_or(signed);
            let note = Note::read(&note.note).map_err(anyhow::Error::from)?;
            let (note, _) = match witness.key.add(&note, lines) {
                Ok(added) => added,
                Err(error) => {
                    let error = anyhow::Error::new(error).context("what it answered is not good");
                    return Ok(self.not_cosigned(witness, &error, now));
                }
            };
            let cosigned = Signed {
                note: note.to_string(),
                ..signed.clone()
            };
            let kept = if current.is_some() {
                let mut tx = self.store.write().await?;
                let kept = tx.replace_checkpoint(&newest, &cosigned.note).await?;
                self.store.commit(tx).await?;
                kept
            } else {
                true
            };
            if kept {
                self.add_cosigned(&cosigned, &witness.name);
                self.stands(witness, signed, now);
                return Ok(Cosigned::Done);
            }
        }
        Ok(Cosigned::Again)
    }

    /// Takes note that a witness has signed a checkpoint.
    fn stands(&self, witness: &Witness, signed: &Signed, now: DateTime<Utc>) {
        let (origin, size) = (signed.checkpoint.origin.clone(), signed.checkpoint.size);
        let before = self.witnesses.change(&witness.name, |standing| {
            let fresh = Standing {
                signed: Some((origin, size)),
                signed_at: Some(now),
                ..Standing::default()
            };
            std::mem::replace(standing, fresh)
        });
        if before.failing_since.is_some() {
            tracing::info!(witness = witness.name, "the witness signs again");
        }
    }

    /// Takes note that a witness has not signed, and says so once.
    fn not_cosigned(
        &self,
        witness: &Witness,
        error: &anyhow::Error,
        now: DateTime<Utc>,
    ) -> Cosigned {
        let why: String = format!("{error:#}").chars().take(500).collect();
        let begins = self.witnesses.change(&witness.name, |standing| {
            standing.attempts += 1;
            standing.error = Some(why.clone());
            let begins = standing.failing_since.is_none();
            standing.failing_since.get_or_insert(now);
            begins
        });
        metrics::counter!("portcullis_witness_failures_total", "witness" => witness.name.clone())
            .increment(1);
        if begins {
            tracing::warn!(
                witness = witness.name,
                why,
                "the witness does not sign; checkpoints go on without it, and it is tried again"
            );
        }
        Cosigned::Failed
    }

    /// How every witness stands, for operators and for those who read the history.
    pub async fn witnesses(&self, caller: &Caller) -> Result<Vec<SeenWitness>, Error> {
        if permit(&caller.principal, Action::ReadMetrics).is_err() {
            permit_at(&caller.principal, Action::ReadAudit, Place::Everywhere)?;
        }
        self.seen_witnesses().await
    }

    async fn seen_witnesses(&self) -> Result<Vec<SeenWitness>, Error> {
        let all = self.known_witnesses();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let (mut tx, _) = self.look().await?;
        let (tree, size) = (tx.tree().await?, tx.log_size().await?);
        let origin = self.log_key(key_at(&tree))?.verifying().name().to_owned();
        let seen = all.iter().map(|witness| {
            let standing = self.witnesses.of(&witness.name);
            let signed = standing.signed.as_ref();
            let signed = signed.filter(|(log, _)| *log == origin);
            let next = tree.epoch.begins + signed.map_or(0, |(_, size)| *size);
            let next = i64::try_from(next).unwrap_or(i64::MAX);
            SeenWitness {
                witness: witness.clone(),
                standing,
                next,
                lag: (size - next).max(0),
            }
        });
        Ok(seen.collect())
    }

    /// How far witnesses are behind, as figures for operators.
    pub(super) async fn measure_witnesses(&self) -> Result<(), Error> {
        let all = self.seen_witnesses().await?;
        if all.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        for seen in all {
            let name = seen.witness.name;
            let waits = seen.standing.waits_since;
            let waits = waits.map_or(0, |since| (now - since).num_milliseconds().max(0));
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let (events, seconds) = (seen.lag as f64, waits as f64 / 1000.0);
            let disagrees = if seen.standing.disagrees { 1.0 } else { 0.0 };
            metrics::gauge!("portcullis_witness_lag_events", "witness" => name.clone()).set(events);
            metrics::gauge!("portcullis_witness_lag_seconds", "witness" => name.clone())
                .set(seconds);
            metrics::gauge!("portcullis_witness_disagrees", "witness" => name).set(disagrees);
        }
        Ok(())
    }
}
