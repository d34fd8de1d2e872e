//! All SQL. One text serves SQLite and PostgreSQL; queries are methods on [`Tx`], grouped by noun, one file each.
//!
//! It never decides anything: rules are in `domain`, and what a rule returned is written by [`Tx::apply`], the
//! only function that changes a request or a grant. `gate` alone opens transactions for writing.
//!
//! To add a column: the next file in `migrations/` (never edit an old one; `migrate` says what it may do), the row
//! struct beside its queries, and sample rows in `tests/migrations/`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::sqlite::SqlitePool;

use crate::config::Durability;

use ring::{Footing, Ring, Service, Survives, Unproved};
use search::Search;
use sequence::Head;

/// Runs one query on whichever database the transaction is on. The query is type-checked once for each.
macro_rules! on {
    ($tx:expr, $c:ident => $query:expr) => {
        match &mut $tx.inner {
            $crate::store::Inner::Sqlite(tx) => {
                let $c = &mut **tx;
                $query.await
            }
            $crate::store::Inner::Postgres(tx) => {
                let member = tx.member();
                let $c = &mut **tx;
                member.answer($query).await
            }
        }
    };
}

/// Runs one statement and answers how many rows it touched.
macro_rules! touch {
    ($tx:expr, $c:ident => $query:expr) => {
        match &mut $tx.inner {
            $crate::store::Inner::Sqlite(tx) => {
                let $c = &mut **tx;
                $query.await.map(|done| done.rows_affected())
            }
            $crate::store::Inner::Postgres(tx) => {
                let member = tx.member();
                let $c = &mut **tx;
                member.answer($query).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// PostgreSQL's clock. `now()` is the moment when the transaction began, which can be long before it gets its locks.
macro_rules! postgres_clock {
    () => {
        "(extract(epoch from clock_timestamp()) * 1000)::bigint"
    };
}

pub mod among;
pub mod apply;
pub mod audit;
pub mod break_glass;
pub mod codes;
pub mod copy;
pub mod device_keys;
pub mod endings;
pub mod epochs;
pub mod erase;
pub mod fault;
pub mod grants;
pub mod history;
mod hold;
pub mod identities;
pub mod incidents;
pub mod index;
pub mod locks;
mod many;
pub mod migrate;
pub mod notices;
mod open;
pub mod outbox;
pub mod passwords;
pub mod people;
pub mod policies;
pub mod prune;
pub mod requests;
pub mod restore;
pub mod ring;
mod row;
pub mod sealed_codes;
mod search;
pub mod second_factors;
pub mod sequence;
pub mod settings;
pub mod siem;
pub mod sign_ins;
pub mod standing;
pub mod tokens;
pub mod tree;
pub mod within;
mod witnesses;
mod writer;

/// Which database holds the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// An embedded SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(String),
}

/// Where "now" comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The database's own clock, never below the last moment it gave.
    Database,
    /// Milliseconds that a test turns by hand.
    Manual(Arc<AtomicI64>),
}

enum Pools {
    Sqlite {
        read: SqlitePool,
        write: writer::Writer,
    },
    Postgres(Arc<Ring>),
}

/// The database, opened and brought to the present schema.
pub struct Store {
    pools: Pools,
    clock: Clock,
    /// INVARIANT: time never goes back on a node, whatever the machine's clock does.
    floor: AtomicI64,
    /// Wakes the sequencer after each commit that wrote an event.
    pub(in crate::store) appended: Arc<tokio::sync::Notify>,
    /// How far the log goes.
    pub(in crate::store) head: tokio::sync::watch::Sender<sequence::Head>,
}

pub(in crate::store) enum Inner {
    Sqlite(hold::Sqlite),
    Postgres(hold::Postgres),
}

/// One transaction. It is rolled back unless committed.
pub struct Tx {
    pub(in crate::store) inner: Inner,
    wrote_events: bool,
    /// Ask PostgreSQL for the time of events when they are written: rows are held by then.
    times_events: bool,
}

/// What the database's clock said when it gave a row; nothing where the clock is this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Stamp(Option<i64>);

/// A moment as it is stored.
pub(in crate::store) fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A stored moment; a number outside of what a calendar knows is a corrupt database.
pub(in crate::store) fn moment(millis: i64) -> anyhow::Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis)
        .with_context(|| format!("the database has the moment {millis}, which no calendar knows"))
}

pub(in crate::store) fn moments(millis: Option<i64>) -> anyhow::Result<Option<DateTime<Utc>>> {
    millis.map(moment).transpose()
}

/// Parses what was stored by us; failing to is a fault, never a refusal.
pub(in crate::store) fn stored<T: FromStr>(what: &str, text: &str) -> anyhow::Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| anyhow::anyhow!("the database has a {what} that cannot be read: {error}"))
}

/// The `values` of several rows: a place to bind for each column that is empty here or has a `{}`, and the others as
/// they are.
pub(in crate::store) fn rows(count: usize, columns: &[&str]) -> String {
    let mut place = 0;
    let mut row = || {
        let cells: Vec<String> = columns
            .iter()
            .map(|&column| {
                if column.is_empty() || column.contains("{}") {
                    place += 1;
                }
                match column {
                    "" => format!("${place}"),
                    column => column.replace("{}", &format!("${place}")),
                }
            })
            .collect();
        format!("({})", cells.join(", "))
    };
    let all: Vec<String> = (0..count).map(|_| row()).collect();
    all.join(", ")
}

/// Reads a stored word of a closed list through its serde names.
pub(in crate::store) fn word<T: serde::de::DeserializeOwned>(
    what: &str,
    text: &str,
) -> anyhow::Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .with_context(|| format!("the database has the {what} `{text}`"))
}

impl Store {
    /// Opens the database, creates it if need be, and applies outstanding migrations.
    pub async fn open(location: &Location, clock: Clock) -> anyhow::Result<Self> {
        Self::open_with(location, clock, Durability::default()).await
    }

    /// As `open`, with what has to be true before a change is acknowledged.
    pub async fn open_with(
        location: &Location,
        clock: Clock,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let appended = Arc::default();
        let head = tokio::sync::watch::Sender::new(Head::default());
        let pools = match location {
            Location::Sqlite(path) => open::sqlite(path).await?,
            Location::Postgres(url) => {
                open::postgres(url, durability, head.subscribe(), Arc::clone(&appended)).await?
            }
        };
        let store = Self {
            pools,
            clock,
            floor: AtomicI64::new(0),
            appended,
            head,
        };
        let head = store.read().await?.log_head().await?;
        store.head.send_replace(head);
        Ok(store)
    }

    /// Begins to read: one consistent view over several queries.
    pub async fn read(&self) -> anyhow::Result<Tx> {
        let begun = match &self.pools {
            Pools::Sqlite { read, .. } => read
                .begin()
                .await
                .map(|tx| Inner::Sqlite(hold::Sqlite::Read(tx))),
            // By default each statement would see what was committed until then, and a page could contradict itself.
            Pools::Postgres(ring) => {
                let member = ring.to_read().await?;
                let begun = member
                    .begin("begin isolation level repeatable read, read only")
                    .await;
                begun.map(|tx| {
                    Inner::Postgres(hold::Postgres::new(member, hold::Held::Transaction(tx)))
                })
            }
        };
        Ok(Tx::new(begun.context("opening the database to read")?))
    }

    /// Begins to look for something: as [`Self::read`], but when it is dropped before [`Tx::found`], the database stops
    /// what it runs for it.
    pub async fn search(&self) -> anyhow::Result<Tx> {
        let begun = match &self.pools {
            Pools::Sqlite { read, .. } => Search::on_sqlite(read)
                .await
                .map(|search| Inner::Sqlite(hold::Sqlite::Search(search))),
            Pools::Postgres(ring) => {
                let member = ring.to_read().await?;
                let begun = member
                    .answer(Search::on_postgres(&member.pool, &member.tells))
                    .await;
                begun.map(|search| {
                    Inner::Postgres(hold::Postgres::new(member, hold::Held::Search(search)))
                })
            }
        };
        Ok(Tx::new(begun.context("opening the database to search")?))
    }

    /// Whether other nodes may work on the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.pools, Pools::Postgres(_))
    }

    /// For exactly one query, which is consistent by itself: spares the transaction around it.
    pub async fn glance(&self) -> anyhow::Result<Tx> {
        let taken = match &self.pools {
            Pools::Sqlite { read, .. } => read
                .acquire()
                .await
                .map(|connection| Inner::Sqlite(hold::Sqlite::Bare(connection))),
            Pools::Postgres(ring) => {
                let member = ring.to_read().await?;
                let taken = member.answer(member.pool.acquire()).await;
                taken.map(|connection| {
                    Inner::Postgres(hold::Postgres::new(member, hold::Held::Bare(connection)))
                })
            }
        };
        Ok(Tx::new(taken.context("opening the database to read")?))
    }

    /// Begins to write. SQLite has one writer, and takes its lock at once: a transaction that upgrades later can fail.
    pub async fn write(&self) -> anyhow::Result<Tx> {
        let begun = match &self.pools {
            Pools::Sqlite { write, .. } => write
                .turn()
                .await
                .map(|turn| Inner::Sqlite(hold::Sqlite::Write(turn))),
            Pools::Postgres(ring) => {
                let member = ring.to_write().await?;
                let begun = member.begin("begin").await;
                begun.map(|tx| {
                    Inner::Postgres(hold::Postgres::new(member, hold::Held::Transaction(tx)))
                })
            }
        };
        let mut tx = Tx::new(begun.context("opening the database to write")?);
        tx.times_events = matches!(self.clock, Clock::Database) && tx.is_postgres();
        Ok(tx)
    }

    /// Makes a transaction's writes durable, and wakes whoever waits for events.
    pub async fn commit(&self, tx: Tx) -> anyhow::Result<()> {
        match tx.inner {
            Inner::Sqlite(inner) => inner.commit().await?,
            Inner::Postgres(inner) => inner.commit().await?,
        }
        if tx.wrote_events {
            self.appended.notify_one();
        }
        Ok(())
    }

    /// Ends a transaction that found what another one has written, as soon as that is as durable as any commit.
    pub async fn confirm(&self, mut tx: Tx) -> anyhow::Result<()> {
        if tx.is_postgres() {
            touch!(&mut tx, c => sqlx::query(ring::VOUCH).execute(c))
                .context("confirming what was written before")?;
        }
        self.commit(tx).await
    }

    /// Waits until what others have written before can be read. A refusal names it, so that comes first.
    pub async fn settled(&self) -> anyhow::Result<()> {
        match &self.pools {
            Pools::Sqlite { write, .. } => write.settled().await,
            Pools::Postgres(_) => Ok(()),
        }
    }

    /// The moment that decisions compare with: the database's clock, never earlier than a moment given before.
    pub async fn now(&self, tx: &mut Tx) -> anyhow::Result<DateTime<Utc>> {
        let stamp = match self.clock {
            Clock::Database if tx.is_postgres() => tx.clock().await?,
            _ => Stamp(None),
        };
        self.at(stamp)
    }

    /// The same for a moment that came with a row, which spares the question.
    pub fn at(&self, stamp: Stamp) -> anyhow::Result<DateTime<Utc>> {
        let millis = match &self.clock {
            Clock::Manual(millis) => return moment(millis.load(Ordering::SeqCst)),
            // SQLite runs in this process: its clock is this machine's.
            Clock::Database => match stamp.0 {
                Some(millis) => millis,
                None => this_machine()?,
            },
        };
        let floor = self.floor.fetch_max(millis, Ordering::SeqCst);
        moment(millis.max(floor))
    }

    /// What answers rest on that are begun now.
    pub fn footing(&self) -> Footing {
        match &self.pools {
            Pools::Sqlite { .. } => Footing::rock(),
            Pools::Postgres(ring) => ring.footing(),
        }
    }

    /// Proves an answer: in strict mode it knows everything that was acknowledged before this is asked. In `available` mode
    /// nobody promises that, and with SQLite nothing else is there.
    pub async fn prove(&self, footing: &Footing) -> Result<(), Unproved> {
        match &self.pools {
            Pools::Sqlite { .. } => Ok(()),
            Pools::Postgres(ring) => ring.prove(footing).await,
        }
    }

    /// What the database is good for at this moment.
    pub fn service(&self) -> Service {
        match &self.pools {
            Pools::Sqlite { .. } => Service::Full,
            Pools::Postgres(ring) => ring.service(),
        }
    }

    /// Waits until the service changes; for ever with a file, whose service never does.
    pub async fn until_service_changes(&self) {
        match &self.pools {
            Pools::Sqlite { .. } => std::future::pending().await,
            Pools::Postgres(ring) => ring.until_change().await,
        }
    }

    /// How far the clock of the database is ahead of this machine's; nothing where it is the same one.
    pub fn clock_ahead(&self) -> TimeDelta {
        match &self.pools {
            Pools::Sqlite { .. } => TimeDelta::zero(),
            Pools::Postgres(ring) => ring.clock_ahead(),
        }
    }

    /// The name of this node for as long as the database knows that it is there, and would tell others if it were not.
    pub fn seen_as(&self) -> Option<String> {
        match &self.pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres(ring) => ring.seen_as(),
        }
    }

    /// Waits until changes can be written.
    pub async fn until_writable(&self) {
        if let Pools::Postgres(ring) = &self.pools {
            ring.until_writable().await;
        }
    }

    /// What an acknowledged change survives, and where it is; nothing while nothing can be changed.
    pub fn survives(&self) -> Option<(Survives, String)> {
        match &self.pools {
            Pools::Sqlite { .. } => Some((Survives::Single, "sqlite".to_owned())),
            Pools::Postgres(ring) => ring.survives(),
        }
    }

    /// Tells other nodes that the log has grown.
    pub(in crate::store) fn tell_others(&self) {
        if let Pools::Postgres(ring) = &self.pools {
            ring.has_grown();
        }
    }

    /// Lets every connection finish and closes them.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(ring) => ring.close().await,
        }
    }
}

pub(in crate::store) fn this_machine() -> anyhow::Result<i64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of SQLite, which has no other, and what PostgreSQL's is compared with"
    )]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}

impl Tx {
    fn new(inner: Inner) -> Self {
        Self {
            inner,
            wrote_events: false,
            times_events: false,
        }
    }

    /// Ends a search that has found what it was to find, or anything else that was only read.
    pub fn found(self) {
        match self.inner {
            Inner::Sqlite(hold::Sqlite::Search(search)) => search.end(),
            Inner::Postgres(held) => held.found(),
            Inner::Sqlite(_) => {}
        }
    }

    pub(in crate::store) fn is_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }

    /// The text for the database at hand, where one text is not enough.
    pub(in crate::store) fn either(
        &self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> &'static str {
        if self.is_postgres() { postgres } else { sqlite }
    }

    async fn clock(&mut self) -> anyhow::Result<Stamp> {
        let ask = concat!("select ", postgres_clock!());
        let (millis,): (i64,) = on!(self, c => sqlx::query_as(ask).fetch_one(c))
            .context("reading the database's clock")?;
        Ok(Stamp(Some(millis)))
    }
}
