//! The hosts of a PostgreSQL that stand in for each other, and which of them is the primary now.
//!
//! Everybody else asks [`Ring::to_write`] or [`Ring::to_read`]. One task, the keeper, looks after the primary in use, and
//! for another one when it is lost; `choose` says which fits, without I/O, and `listen` carries the hint between nodes
//! that the log has grown. `proof` shows in strict mode that what was read still holds.
//!
//! INVARIANT: a node never goes back: it takes no primary that has an older timeline or a shorter log than it has seen
//! (`an_old_primary_that_comes_back_is_not_taken`).

mod choose;
mod hosts;
mod keep;
mod listen;
mod member;
mod probe;
mod proof;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::TimeDelta;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Durability;

use super::outbox::ALIVE;
use super::sequence::Head;

pub(in crate::store) use hosts::{Host, hosts};
pub(in crate::store) use member::Member;
pub(in crate::store) use probe::VOUCH;
pub use proof::{Footing, Unproved};

/// How long a caller waits for another primary, counted from the loss of the one before: most failovers are over by
/// then.
const FAILOVER: Duration = Duration::from_secs(3);

/// No host takes writes at this moment.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct NoPrimary {
    pub why: String,
    /// Whether what is there can still be read.
    pub is_readable: bool,
}

/// What was sent with a commit may be there or not: nobody answered.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the database did not say whether it committed")]
pub struct OutcomeUnknown;

/// What the hosts are good for.
#[derive(Clone)]
pub(in crate::store) enum Standing {
    /// This one is the primary.
    Primary(Arc<Member>),
    /// Nothing can be changed; what is there can be read, and is as it was at this moment, or now if there is none.
    ReadOnly {
        member: Arc<Member>,
        as_of: Option<Instant>,
        why: Arc<str>,
    },
    /// No host can be used.
    Nothing { why: Arc<str>, is_hopeless: bool },
}

impl Standing {
    fn nothing(why: impl Into<Arc<str>>) -> Self {
        Self::Nothing {
            why: why.into(),
            is_hopeless: false,
        }
    }

    fn member(&self) -> Option<&Arc<Member>> {
        match self {
            Self::Primary(member) | Self::ReadOnly { member, .. } => Some(member),
            Self::Nothing { .. } => None,
        }
    }

    /// Why nothing can be changed; nothing to say of a primary.
    fn why(&self) -> &str {
        match self {
            Self::Primary(_) => "",
            Self::ReadOnly { why, .. } | Self::Nothing { why, .. } => why,
        }
    }
}

/// What a server tells about the state of its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Everything works.
    Full,
    /// It only reads, what may be this old.
    ReadOnly { age: Duration, why: String },
    /// It does nothing.
    None { why: String },
}

/// What an acknowledged change survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// There is one place for it.
    Single,
    /// The loss of the primary.
    Failover,
    /// Perhaps not the loss of the primary.
    Perhaps,
}

impl Survives {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Failover => "strict",
            Self::Perhaps => "available",
        }
    }
}

/// The hosts of one database.
pub(in crate::store) struct Ring {
    hosts: Vec<Host>,
    durability: Durability,
    standing: watch::Sender<(Standing, Instant)>,
    /// Somebody has reason to think that the primary is lost.
    doubts: Arc<Notify>,
    /// The log has grown, and other nodes do not know yet.
    grown: Arc<Notify>,
    /// Another node says that its log has grown.
    appended: Arc<Notify>,
    /// What this node has seen of the log.
    head: watch::Receiver<Head>,
    /// Tells the hints and the leases of this node from those of others.
    name: String,
    /// How many connections show the database that this node is there: two for a moment, when the primary changes.
    signs: Arc<AtomicUsize>,
    /// By how many milliseconds the clock of the primary is ahead of this machine's.
    ahead: AtomicI64,
    /// Ends the keeper.
    stop: CancellationToken,
}

impl Ring {
    /// Looks for the primary among the hosts, and goes on looking after it until the ring is dropped.
    pub(in crate::store) fn start(
        hosts: Vec<Host>,
        durability: Durability,
        head: watch::Receiver<Head>,
        appended: Arc<Notify>,
    ) -> Arc<Self> {
        let stop = CancellationToken::new();
        let nothing = Standing::nothing("the hosts of the database were not asked yet");
        let ring = Arc::new(Self {
            hosts,
            durability,
            standing: watch::Sender::new((nothing, Instant::now())),
            doubts: Arc::default(),
            grown: Arc::default(),
            appended,
            head,
            name: format!("{ALIVE}{}", uuid::Uuid::now_v7()),
            signs: Arc::default(),
            ahead: AtomicI64::new(0),
            stop: stop.clone(),
        });
        keep::spawn(&ring, stop);
        ring
    }

    /// The primary; waits a moment for the next one where one was just lost.
    pub(in crate::store) async fn to_write(&self) -> Result<Arc<Member>, NoPrimary> {
        self.find(|standing| match standing {
            Standing::Primary(member) => Some(member),
            Standing::ReadOnly { .. } | Standing::Nothing { .. } => None,
        })
        .await
    }

    /// Whichever host can be read: the primary if there is one.
    pub(in crate::store) async fn to_read(&self) -> Result<Arc<Member>, NoPrimary> {
        self.find(Standing::member).await
    }

    async fn find(
        &self,
        fit: impl Fn(&Standing) -> Option<&Arc<Member>> + Send,
    ) -> Result<Arc<Member>, NoPrimary> {
        let mut standing = self.standing.subscribe();
        loop {
            let (now, since) = standing.borrow_and_update().clone();
            if let Some(member) = fit(&now) {
                return Ok(Arc::clone(member));
            }
            let left = FAILOVER.saturating_sub(since.elapsed());
            let changed = tokio::time::timeout(left, standing.changed()).await;
            if left.is_zero() || !matches!(changed, Ok(Ok(()))) {
                return Err(NoPrimary {
                    why: now.why().to_owned(),
                    is_readable: now.member().is_some(),
                });
            }
        }
    }

    /// The first primary; says what is wrong with the hosts when there is none within this time.
    pub(in crate::store) async fn first_primary(
        &self,
        patience: Duration,
    ) -> anyhow::Result<Arc<Member>> {
        let mut standing = self.standing.subscribe();
        let known = standing.wait_for(|(now, _)| {
            matches!(
                now,
                Standing::Primary(_)
                    | Standing::Nothing {
                        is_hopeless: true,
                        ..
                    }
            )
        });
        drop(tokio::time::timeout(patience, known).await);
        match &self.standing.borrow().0 {
            Standing::Primary(member) => Ok(Arc::clone(member)),
            Standing::ReadOnly { why, .. } | Standing::Nothing { why, .. } => {
                anyhow::bail!("the database has no primary that can be used: {why}")
            }
        }
    }

    /// How a member is connected to.
    pub(in crate::store) fn host_of(&self, member: &Member) -> anyhow::Result<&Host> {
        self.hosts
            .get(member.host)
            .context("the primary is none of the hosts")
    }

    /// Waits for a primary, however long that takes.
    pub(in crate::store) async fn until_writable(&self) {
        let mut standing = self.standing.subscribe();
        // The sender lives as long as the ring does.
        drop(
            standing
                .wait_for(|(now, _)| matches!(now, Standing::Primary(_)))
                .await,
        );
    }

    /// What the database is good for at this moment.
    pub(in crate::store) fn service(&self) -> Service {
        match &self.standing.borrow().0 {
            Standing::Primary(_) => Service::Full,
            Standing::ReadOnly { as_of, why, .. } => Service::ReadOnly {
                age: as_of.map_or(Duration::ZERO, |as_of| as_of.elapsed()),
                why: why.to_string(),
            },
            Standing::Nothing { why, .. } => Service::None {
                why: why.to_string(),
            },
        }
    }

    /// What an acknowledged change survives, and on which host that is; nothing while there is no primary.
    pub(in crate::store) fn survives(&self) -> Option<(Survives, String)> {
        let standing = self.standing.borrow();
        let Standing::Primary(member) = &standing.0 else {
            return None;
        };
        let survives = match (member.is_synchronous, self.hosts.len()) {
            (true, _) => Survives::Failover,
            (false, 1) => Survives::Single,
            (false, _) => Survives::Perhaps,
        };
        Some((survives, member.place.clone()))
    }

    /// How far the clock of the primary is ahead of this machine's.
    pub(in crate::store) fn clock_ahead(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }

    /// Waits until the service changes.
    pub(in crate::store) async fn until_change(&self) {
        // The sender lives as long as the ring does.
        drop(self.standing.subscribe().changed().await);
    }

    /// Tells other nodes that the log has grown. It is a hint: nothing depends on it but how soon they look.
    pub(in crate::store) fn has_grown(&self) {
        self.grown.notify_one();
    }

    /// The name of this node for as long as the database knows that it is there.
    pub(in crate::store) fn seen_as(&self) -> Option<String> {
        (self.signs.load(Ordering::Relaxed) > 0).then(|| self.name.clone())
    }

    /// Closes every connection.
    pub(in crate::store) async fn close(&self) {
        self.stop.cancel();
        let nothing = Standing::nothing("the server stops");
        let (last, _) = self.standing.send_replace((nothing, Instant::now()));
        if let Some(member) = last.member() {
            member.close().await;
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(member) = self.standing.borrow().0.member() {
            member.leave();
        }
    }
}
