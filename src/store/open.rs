//! Opening a database: how each of them is set up, and when it is not trusted.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::secret::distrust;

use super::Pools;
use super::migrate::{self, On};
use super::writer::Writer;

/// What SQLite's writer keeps in memory, in KiB: new events go all over the indexes of what they are about.
const WRITER_CACHE: &str = "-24576";
/// Pages of the write-ahead log after which they are put in their place: what many commits write is put there once.
const CHECKPOINT_PAGES: &str = "4000";
/// Readers of SQLite beside its one writer; each is a thread of its own.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL from one node.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a connection is kept that tells processes to stop.
const TELLS_IDLE: Duration = Duration::from_mins(1);
/// How long a caller waits for a connection before it is told that the server is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Says what is wrong where somebody may sit in between, and leaves the rest to the driver.
fn not_connected(error: sqlx::Error, place: &str) -> anyhow::Error {
    let text = error.to_string();
    if let Some(why) = distrust(&text) {
        return anyhow!(
            "the database at `{place}` cannot prove who it is: {why}; for an authority of your own add `sslrootcert=FILE`"
        );
    }
    match error {
        sqlx::Error::Tls(_) if text.contains("does not support TLS") => anyhow!(
            "the database at `{place}` offers no encrypted connection, and nothing is sent to another machine without one"
        ),
        error => anyhow::Error::from(error).context("connecting to PostgreSQL"),
    }
}

/// How the database at this URL is connected to, and where it is.
fn connecting(url: &str) -> anyhow::Result<(PgConnectOptions, String)> {
    let options = PgConnectOptions::from_str(url).context("reading the database URL")?;
    let here = options.get_socket().is_some()
        || options.get_host().starts_with('/')
        || options.get_host() == "localhost"
        || options
            .get_host()
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    // Over a network only the safe mode counts: the driver's own goes on in clear text when it is asked to, and
    // `PGSSLMODE` in the environment could say the same. On this machine what is not said is no encryption.
    let mode = match options.get_ssl_mode() {
        _ if !here => PgSslMode::VerifyFull,
        PgSslMode::Prefer => PgSslMode::Disable,
        said => said,
    };
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let options = options.ssl_mode(mode).options([
        ("statement_timeout", "5000"),
        ("lock_timeout", "2000"),
        ("idle_in_transaction_session_timeout", "10000"),
    ]);
    Ok((options, place))
}

/// One connection on which a statement takes the time that it needs.
pub(in crate::store) async fn patient(url: &str) -> anyhow::Result<PgConnection> {
    let (options, place) = connecting(url)?;
    let patient = options.options([("statement_timeout", "0")]);
    let connection = tokio::time::timeout(ACQUIRE_TIMEOUT, patient.connect()).await;
    connection
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|error| not_connected(error, &place))
}

/// Opens the database at this URL.
pub(in crate::store) async fn postgres(url: &str) -> anyhow::Result<Pools> {
    let mut migrating = patient(url).await?;
    migrate::bring(On::Postgres(&mut migrating)).await?;
    migrating.close().await.context("closing a connection")?;
    let (options, place) = connecting(url)?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await
        .map_err(|error| not_connected(error, &place))?;
    let tells = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(TELLS_IDLE)
        .connect_lazy_with(options);
    Ok(Pools::Postgres { pool, tells })
}
