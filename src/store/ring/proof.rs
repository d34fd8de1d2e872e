//! Whether what was read from the primary still holds: an old one that knows of no other answers as before, only its
//! commits are not answered any more. In strict mode a commit therefore proves what was read before it began, as a leader
//! does in Raft before it answers a read (§6.4 of Ongaro's dissertation). Who comes while one is under way shares the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::Durability;

use super::member::Member;
use super::probe::VOUCH;
use super::{Ring, Standing};

/// How long an answer waits for its proof.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an answer rests on; taken before anything is read for it.
pub struct Footing(On);

enum On {
    /// What is read needs no proof.
    Rock,
    /// What is read from this primary does.
    Primary(Arc<Member>),
    /// There was no primary; what is there was true at this moment, at least.
    Sand(Instant),
}

/// Nobody can say that an answer still holds. It was true so long ago.
#[derive(Debug, Clone, Copy)]
pub struct Unproved(pub Duration);

impl Footing {
    /// Of a database in which nothing read is ever taken back.
    pub(in crate::store) fn rock() -> Self {
        Self(On::Rock)
    }
}

impl Ring {
    /// What answers rest on that are begun now.
    pub(in crate::store) fn footing(&self) -> Footing {
        if self.durability != Durability::Strict {
            return Footing::rock();
        }
        Footing(match &self.standing.borrow().0 {
            Standing::Primary(member) => On::Primary(Arc::clone(member)),
            Standing::ReadOnly { as_of, .. } => On::Sand(as_of.unwrap_or_else(Instant::now)),
            Standing::Nothing { .. } => On::Sand(Instant::now()),
        })
    }

    /// Proves an answer: whatever was acknowledged before this was asked is in what was read on this footing, or came
    /// after.
    pub(in crate::store) async fn prove(&self, footing: &Footing) -> Result<(), Unproved> {
        let member = match &footing.0 {
            On::Rock => return Ok(()),
            // While there is none, `service` says how old everything is.
            On::Sand(since) => {
                return match &self.standing.borrow().0 {
                    Standing::Primary(_) => Err(Unproved(since.elapsed())),
                    Standing::ReadOnly { .. } | Standing::Nothing { .. } => Ok(()),
                };
            }
            On::Primary(member) => member,
        };
        // A primary that was left does not come back as the same, so that all was read from this one.
        let is_in_use =
            matches!(&self.standing.borrow().0, Standing::Primary(now) if Arc::ptr_eq(now, member));
        if is_in_use {
            match timeout(PATIENCE, member.prove()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    tracing::debug!(host = member.place, %error, "an answer could not be proved");
                }
                Err(_) => member.doubt(),
            }
        }
        Err(Unproved(member.proofs.age()))
    }
}

/// The commits of one primary that prove what was read before they began.
pub(super) struct Proofs {
    since: Instant,
    /// Whoever has it commits.
    turn: Mutex<()>,
    begun: AtomicU64,
    done: AtomicU64,
    /// How many milliseconds after `since` the last one began that was answered.
    last: AtomicU64,
}

impl Proofs {
    /// Those of a primary that was tried just now.
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            turn: Mutex::default(),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(last)
    }
}

impl Member {
    async fn prove(&self) -> sqlx::Result<()> {
        let proofs = &self.proofs;
        let before = proofs.begun.load(Ordering::SeqCst);
        let _turn = proofs.turn.lock().await;
        if proofs.done.load(Ordering::SeqCst) > before {
            return Ok(());
        }
        let this = proofs.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let began = u64::try_from(proofs.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answer(sqlx::query(VOUCH).execute(&self.proves))
            .await?;
        proofs.done.store(this, Ordering::SeqCst);
        proofs.last.store(began, Ordering::Relaxed);
        Ok(())
    }
}
