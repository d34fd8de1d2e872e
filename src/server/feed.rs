//! The newest events in memory, written out once, for all streams of this node.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::Watcher;
use crate::store::Store;
use crate::store::audit::Entry;
use crate::store::fault::no_primary;
use crate::store::sequence::Head;
use crate::wire::EventView;

use super::views;

/// Events kept; a stream that is further behind reads from the database until it has caught up.
const KEPT: usize = 8_192;
/// Events read at once.
const BATCH: i64 = 500;

/// One event, ready to be sent.
pub struct Ready {
    pub entry: Entry,
    /// As everybody sees it.
    pub view: EventView,
    /// The whole server-sent event, with its `id`.
    pub frame: Box<str>,
}

/// The newest events, dense and in order.
pub struct Feed {
    store: Arc<Store>,
    rules: Arc<Watcher>,
    ring: RwLock<VecDeque<Arc<Ready>>>,
    tail: watch::Sender<Head>,
}

impl Feed {
    /// Starts at the present end of the log.
    pub async fn new(store: Arc<Store>, rules: Arc<Watcher>) -> anyhow::Result<Self> {
        let mut tx = store.read().await?;
        let (tail, _) = watch::channel(tx.log_head().await?);
        drop(tx);
        Ok(Self {
            store,
            rules,
            ring: RwLock::new(VecDeque::new()),
            tail,
        })
    }

    /// How far the log goes, now and whenever that changes. In another epoch it is another log.
    pub fn tail(&self) -> watch::Receiver<Head> {
        self.tail.subscribe()
    }

    /// Follows the log until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut head = self.store.watch_head();
        while !stop.is_cancelled() {
            self.begin_anew(*head.borrow_and_update());
            if let Err(error) = self.catch_up().await
                && no_primary(&error).is_none()
            {
                tracing::error!(
                    error = format!("{error:#}"),
                    "new events could not be read for the live streams"
                );
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = head.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
            }
        }
    }

    /// Forgets the log of an epoch that is over.
    fn begin_anew(&self, head: Head) {
        if head.epoch != self.tail.borrow().epoch {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.clear();
            self.tail.send_replace(head);
        }
    }

    async fn catch_up(&self) -> anyhow::Result<()> {
        loop {
            let from = *self.tail.borrow();
            let read = self.read(from.size).await?;
            if read.is_empty() {
                return Ok(());
            }
            let to = from.size + i64::try_from(read.len())?;
            {
                let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
                ring.extend(read);
                let surplus = ring.len().saturating_sub(KEPT);
                ring.drain(..surplus);
            }
            self.tail.send_replace(Head { size: to, ..from });
        }
    }

    async fn read(&self, from: i64) -> anyhow::Result<Vec<Arc<Ready>>> {
        let mut tx = self.store.glance().await?;
        let entries = tx.events_from(from, BATCH).await?;
        entries
            .into_iter()
            .map(|entry| {
                let view = views::event(&self.rules.current().catalog, &entry);
                Ok(Arc::new(Ready {
                    frame: self.frame(&view)?,
                    entry,
                    view,
                }))
            })
            .collect()
    }

    fn frame(&self, view: &EventView) -> anyhow::Result<Box<str>> {
        let data = serde_json::to_string(view)?;
        Ok(format!(
            "event: audit\nid: {}.{}\ndata: {data}\n\n",
            self.tail.borrow().epoch,
            view.index
        )
        .into())
    }

    /// Up to a few hundred events from an index on: from memory, or from the database for who is far behind.
    pub async fn from(&self, index: i64) -> anyhow::Result<Vec<Arc<Ready>>> {
        {
            let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            let first = ring
                .front()
                .map_or(self.tail.borrow().size, |ready| ready.entry.index);
            if index >= first {
                let skip = usize::try_from(index - first).unwrap_or(usize::MAX);
                return Ok(ring
                    .iter()
                    .skip(skip)
                    .take(usize::try_from(BATCH).unwrap_or(500))
                    .cloned()
                    .collect());
            }
        }
        self.read(index).await
    }
}
