//! Opening a database: how each of them is set up, and when it is not trusted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Notify, watch};

use crate::config::Durability;

use super::Pools;
use super::migrate::{self, On};
use super::ring::{Host, Ring, hosts};
use super::sequence::Head;
use super::writer::Writer;

/// What SQLite's writer keeps in memory, in KiB: new events go all over the indexes of what they are about.
const WRITER_CACHE: &str = "-24576";
/// Pages of the write-ahead log after which they are put in their place: what many commits write is put there once.
const CHECKPOINT_PAGES: &str = "4000";
/// Readers of SQLite beside its one writer; each is a thread of its own.
const SQLITE_READERS: u32 = 4;
/// How long a caller waits for a connection before it is told that the server is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a start waits for a primary: longer than a failover takes.
const FIRST_PRIMARY: Duration = Duration::from_secs(10);

/// How the file at this path is opened.
pub(in crate::store) fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit that was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(ACQUIRE_TIMEOUT)
        .statement_cache_capacity(256)
}

/// Opens the file at this path, and makes it if need be.
pub(in crate::store) async fn sqlite(path: &Path) -> anyhow::Result<Pools> {
    let options = file(path).create_if_missing(true);
    let mut write = options
        .clone()
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .connect()
        .await
        .with_context(|| format!("opening {}", path.display()))?;
    migrate::bring(On::Sqlite(&mut write)).await?;
    // What SQLite noted about tables while they were small makes it walk through all of them once they are large.
    sqlx::query("drop table if exists sqlite_stat1")
        .execute(&mut write)
        .await
        .context("forgetting what tables were like")?;
    // One process at a time has this file, so whoever held these leases is gone and will not come back for them.
    sqlx::query("update outbox set lease_owner = null, lease_until = 0 where lease_until > 0")
        .execute(&mut write)
        .await
        .context("taking over unfinished work")?;
    sqlx::query("update siem_cursors set lease_owner = null, lease_until = 0")
        .execute(&mut write)
        .await
        .context("taking over deliveries")?;
    let read = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.read_only(true))
        .await
        .with_context(|| format!("opening {} to read", path.display()))?;
    Ok(Pools::Sqlite {
        read,
        write: Writer::new(write, ACQUIRE_TIMEOUT),
    })
}

async fn patiently(host: &Host) -> anyhow::Result<PgConnection> {
    let patient = host.options.clone().options([("statement_timeout", "0")]);
    let connection = tokio::time::timeout(ACQUIRE_TIMEOUT, patient.connect()).await;
    connection
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|error| host.not_connected(error))
}

/// One connection to the primary on which a statement takes the time that it needs.
pub(in crate::store) async fn patient(url: &str) -> anyhow::Result<PgConnection> {
    let (_, nothing) = watch::channel(Head::default());
    let ring = Ring::start(hosts(url)?, Durability::Available, nothing, Arc::default());
    let primary = ring.first_primary(FIRST_PRIMARY).await?;
    patiently(ring.host_of(&primary)?).await
}

/// Opens the database at this URL, as soon as one of its hosts is the primary.
pub(in crate::store) async fn postgres(
    url: &str,
    durability: Durability,
    head: watch::Receiver<Head>,
    appended: Arc<Notify>,
) -> anyhow::Result<Pools> {
    let ring = Ring::start(hosts(url)?, durability, head, appended);
    let primary = ring.first_primary(FIRST_PRIMARY).await?;
    // A large table is brought to another schema in its own time, unless its host is lost meanwhile.
    let migrated = primary.outlasts(async {
        let mut migrating = patiently(ring.host_of(&primary)?).await?;
        migrate::bring(On::Postgres(&mut migrating)).await?;
        migrating.close().await.context("closing a connection")
    });
    migrated.await?;
    Ok(Pools::Postgres(ring))
}
