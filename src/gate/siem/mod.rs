//! Delivery of the history to places outside: by a cursor in the database, at least once, in order.
//!
//! Every node may do it, and one at a time does: it holds a short lease. The cursor moves when the receiver has
//! confirmed, so that after a crash events are sent again and none is left out; each says its index. A place that cannot
//! be reached is tried again for ever, ever less often, and nobody else waits for it.
//!
//! To add a kind of place: a destination in `config::siem`, a file here, a line in [`Way::send`].

mod file;
mod http;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::siem::{Destination, Siem};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::store::siem::Cursor;
use crate::wire::EventView;
use crate::wire::export::{Format, SignedLog};

use super::{Caller, Error, Gate};

/// Events that are sent at once at most.
const BATCH: i64 = 500;
/// A delivery belongs to a node for so long; then another may go on.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Sending takes no longer, or the lease would not hold.
const SENDING: Duration = Duration::from_secs(15);
/// Where nothing happens a delivery is looked at so often.
const IDLE: Duration = Duration::from_secs(2);
/// What failed is tried again after so long, and then after twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Trouble that lasts as long is put on record, once.
const TROUBLE: TimeDelta = TimeDelta::minutes(1);

/// An event on its way out.
pub(super) struct Parcel {
    event: EventView,
    /// One line in the format of the place, without its end.
    line: String,
}

/// How the history gets to one place.
enum Way {
    Syslog(syslog::Syslog),
    Http(http::Http),
    File(file::File),
}

impl Way {
    fn new(siem: &Siem, host: &str) -> anyhow::Result<Self> {
        Ok(match &siem.to {
            Destination::Syslog {
                address,
                ca,
                enterprise,
            } => Self::Syslog(syslog::Syslog::new(address, ca, host, *enterprise)?),
            Destination::Http {
                url,
                token_file,
                ca,
                gzip,
            } => Self::Http(http::Http::new(
                url,
                token_file,
                ca.as_deref(),
                (host, siem.format),
                *gzip,
            )?),
            Destination::File { path } => Self::File(file::File::new(path)),
        })
    }

    /// Hands parcels over; when it answers, whoever is there has them.
    async fn send(&self, parcels: &[Parcel]) -> anyhow::Result<()> {
        match self {
            Self::Syslog(syslog) => syslog.send(parcels).await,
            Self::Http(http) => http.send(parcels).await,
            Self::File(file) => file.send(parcels).await,
        }
    }
}

/// What came of one look at a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// So many events; there may be more.
    Some(usize),
    /// Everything is there.
    All,
    /// Another node is at it.
    Elsewhere,
    /// It failed, and is tried again.
    Failed,
}

/// How a place stands, for whoever looks after it.
#[derive(Debug, Clone)]
pub struct SeenSiem {
    pub siem: Siem,
    pub cursor: Option<Cursor>,
    /// Events that are not there yet.
    pub lag: i64,
    /// The oldest of them.
    pub oldest: Option<DateTime<Utc>>,
}

impl Gate {
    /// Delivers to every place until told to stop.
    pub async fn run_siem(self: Arc<Self>, stop: CancellationToken) {
        let mut places = tokio::task::JoinSet::new();
        for siem in self.settings.audit.siem.clone() {
            places.spawn(Arc::clone(&self).run_one_siem(siem, stop.clone()));
        }
        while places.join_next().await.is_some() {}
    }

    async fn run_one_siem(self: Arc<Self>, siem: Siem, stop: CancellationToken) {
        let mut head = self.store.watch_head();
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            head.borrow_and_update();
            let delivered = tokio::select! {
                () = stop.cancelled() => break,
                delivered = self.deliver(&siem) => delivered,
            };
            let wait = match delivered {
                Ok(Delivered::Some(_)) => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Ok(Delivered::All | Delivered::Elsewhere) => IDLE,
                Ok(Delivered::Failed) => {
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    wait
                }
                Err(ref error) => {
                    tracing::error!(siem = siem.name, error = ?error, "a delivery could not be looked at; it is tried again");
                    LONGEST_PAUSE.min(pause * 2)
                }
            };
            let grown = async {
                if matches!(delivered, Ok(Delivered::All)) {
                    let _ = tokio::time::timeout(wait, head.changed()).await;
                } else {
                    tokio::time::sleep(wait).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = grown => {}
            }
        }
    }

    /// Delivers what is due to one place, as much as goes at once.
    pub async fn deliver(&self, siem: &Siem) -> Result<Delivered, Error> {
        let (mut tx, now) = self.look().await?;
        let size = tx.log_size().await?;
        let cursor = tx.siem_cursor(&siem.name).await?;
        drop(tx);
        if let Some(cursor) = &cursor {
            if cursor.next >= size {
                return Ok(Delivered::All);
            }
            let held = cursor.until.is_some_and(|until| until >= now);
            let theirs = cursor
                .owner
                .as_ref()
                .is_some_and(|owner| *owner != self.owner);
            if held && theirs {
                return Ok(Delivered::Elsewhere);
            }
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        if cursor.is_none() {
            let first = if siem.from_start {
                tx.minimum().await?
            } else {
                size
            };
            tx.begin_siem(&siem.name, first).await?;
        }
        if !tx
            .lease_siem(&siem.name, &self.owner, now + LEASE, now)
            .await?
        {
            return Ok(Delivered::Elsewhere);
        }
        // Another node may have moved it since.
        let cursor = tx.siem_cursor(&siem.name).await?;
        let cursor = cursor.context("the cursor of a delivery is gone")?;
        self.store.commit(tx).await?;
        let (parcels, next) = self.parcels(siem, cursor.next).await?;
        if parcels.is_empty() {
            return Ok(Delivered::All);
        }
        let sent = async {
            let way = Way::new(siem, &self.settings.host)?;
            tokio::time::timeout(SENDING, way.send(&parcels))
                .await
                .context("the receiver took too long")?
        };
        match sent.await {
            Ok(()) => self.moved(siem, &cursor, next, parcels.len()).await,
            Err(error) => self.not_delivered(siem, &cursor, &error).await,
        }
    }

    async fn parcels(&self, siem: &Siem, from: i64) -> Result<(Vec<Parcel>, i64), Error> {
        let (mut tx, _) = self.look().await?;
        let size = tx.log_size().await?;
        let entries = tx.events_from(from, BATCH.min(size - from)).await?;
        let tree = tx.tree().await?;
        drop(tx);
        let log: Option<SignedLog> = tree.checkpoint.as_deref().and_then(super::log::signed);
        let rules = self.rules.current();
        let next = entries.last().map_or(from, |last| last.index + 1);
        let parcels = entries.iter().map(|entry| {
            let target = entry.event.target.as_ref();
            let target = target.and_then(|target| rules.catalog.target(target));
            let event = entry.view(target.map(|target| target.tags.clone()).unwrap_or_default());
            let line = siem.format.render(&event, log.as_ref());
            Parcel {
                event,
                line: line.trim_end().to_owned(),
            }
        });
        Ok((parcels.collect(), next))
    }

    async fn moved(
        &self,
        siem: &Siem,
        cursor: &Cursor,
        next: i64,
        count: usize,
    ) -> Result<Delivered, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let range = (cursor.next, next);
        let mine = tx
            .delivered_siem(&siem.name, &self.owner, range, now)
            .await?;
        self.store.commit(tx).await?;
        if !mine {
            // It took so long that another node has begun: what was sent here comes twice.
            return Ok(Delivered::Elsewhere);
        }
        metrics::counter!("portcullis_siem_delivered_total", "siem" => siem.name.clone())
            .increment(count as u64);
        if cursor.failed_since.is_some() {
            tracing::info!(siem = siem.name, "the history is delivered again");
        }
        if cursor.told {
            let event = Event::new(EventCode::DeliveryResumed, Actor::System);
            self.record(event.detail("siem", siem.name.as_str()))
                .await?;
        }
        Ok(Delivered::Some(count))
    }

    async fn not_delivered(
        &self,
        siem: &Siem,
        cursor: &Cursor,
        error: &anyhow::Error,
    ) -> Result<Delivered, Error> {
        let why: String = format!("{error:#}").chars().take(500).collect();
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let lasts = cursor
            .failed_since
            .is_some_and(|since| now - since >= TROUBLE);
        let told = cursor.told || lasts;
        let noted = (why.as_str(), told);
        tx.failed_siem(&siem.name, &self.owner, noted, now).await?;
        self.store.commit(tx).await?;
        metrics::counter!("portcullis_siem_failures_total", "siem" => siem.name.clone())
            .increment(1);
        tracing::warn!(
            siem = siem.name,
            why,
            "the history could not be delivered; it is tried again"
        );
        // Once for each trouble that lasts: an event for each failure would be one more to deliver.
        if told && !cursor.told {
            let event = Event::new(EventCode::DeliveryFailed, Actor::System)
                .outcome(Outcome::Error)
                .reason(Some(why))
                .detail("siem", siem.name.as_str());
            self.record(event).await?;
        }
        Ok(Delivered::Failed)
    }

    /// How every place stands, for operators and for those who read the history.
    pub async fn siem(&self, caller: &Caller) -> Result<Vec<SeenSiem>, Error> {
        if permit(&caller.principal, Action::ReadMetrics).is_err() {
            permit_at(&caller.principal, Action::ReadAudit, Place::Everywhere)?;
        }
        self.seen_siem().await
    }

    async fn seen_siem(&self) -> Result<Vec<SeenSiem>, Error> {
        let mut all = Vec::new();
        for siem in &self.settings.audit.siem {
            let (mut tx, _) = self.look().await?;
            let size = tx.log_size().await?;
            let cursor = tx.siem_cursor(&siem.name).await?;
            let next = cursor.as_ref().map_or(0, |cursor| cursor.next);
            let lag = (size - next).max(0);
            let oldest = if lag > 0 {
                tx.events_from(next, 1).await?.pop().map(|entry| entry.at)
            } else {
                None
            };
            all.push(SeenSiem {
                siem: siem.clone(),
                cursor,
                lag,
                oldest,
            });
        }
        Ok(all)
    }

    /// Lag as figures for operators.
    pub(super) async fn measure_siem(&self) -> Result<(), Error> {
        if self.settings.audit.siem.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        for seen in self.seen_siem().await? {
            let name = seen.siem.name;
            let since = seen.oldest.map_or(TimeDelta::zero(), |oldest| now - oldest);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let (events, seconds) = (seen.lag as f64, since.num_milliseconds() as f64 / 1000.0);
            metrics::gauge!("portcullis_siem_lag_events", "siem" => name.clone()).set(events);
            metrics::gauge!("portcullis_siem_lag_seconds", "siem" => name).set(seconds);
        }
        Ok(())
    }
}

/// The word for a format where events go by themselves.
pub fn word(format: Format) -> &'static str {
    match format {
        Format::Ocsf => "ocsf",
        Format::Ndjson | Format::Csv => "json",
    }
}
