//! What the database allows: the writes of an approval and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _, query};

/// As long as a stored event.
const BODY: usize = 300;
/// Rows that are updated by turns.
const ROWS: i64 = 1_000;

const TABLES: &str =
    "create table request (id bigint primary key, state text not null, version bigint not null);
    create table review (id text primary key, request bigint not null, body text not null);
    create table event (id text primary key, at bigint not null, body text not null);
    create table promise (id text primary key, due bigint not null)";

/// A SQLite file as durable as ours.
pub(crate) struct Sqlite(SqliteConnection);

impl Sqlite {
    pub(crate) async fn create(path: &Path) -> anyhow::Result<Self> {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .connect()
            .await?;
        connection.execute(TABLES).await?;
        for id in 0..ROWS {
            query("insert into request values ($1, 'pending', 1)")
                .bind(id)
                .execute(&mut connection)
                .await?;
        }
        Ok(Self(connection))
    }

    /// One update and three inserts.
    pub(crate) async fn approve(&mut self, number: i64) -> anyhow::Result<Duration> {
        let (id, body) = (uuid::Uuid::now_v7().to_string(), "x".repeat(BODY));
        let c = &mut self.0;
        let began = Instant::now();
        query("begin immediate").execute(&mut *c).await?;
        query("update request set state = 'approved', version = version + 1 where id = $1")
            .bind(number % ROWS)
            .execute(&mut *c)
            .await?;
        query("insert into review values ($1, $2, $3)")
            .bind(&id)
            .bind(number)
            .bind("{}")
            .execute(&mut *c)
            .await?;
        query("insert into event values ($1, $2, $3)")
            .bind(&id)
            .bind(number)
            .bind(&body)
            .execute(&mut *c)
            .await?;
        query("insert into promise values ($1, $2)")
            .bind(&id)
            .bind(number)
            .execute(&mut *c)
            .await?;
        query("commit").execute(&mut *c).await?;
        Ok(began.elapsed())
    }

    /// One row, one commit.
    pub(crate) async fn row(&mut self, number: i64) -> anyhow::Result<Duration> {
        let (id, body) = (uuid::Uuid::now_v7().to_string(), "x".repeat(BODY));
        let began = Instant::now();
        query("insert into event values ($1, $2, $3)")
            .bind(&id)
            .bind(number)
            .bind(&body)
            .execute(&mut self.0)
            .await?;
        Ok(began.elapsed())
    }
}

/// A connection to a PostgreSQL server with the same tables.
pub(crate) struct Postgres(PgConnection);

impl Postgres {
    /// Connects; the first one makes the tables.
    pub(crate) async fn connect(options: &PgConnectOptions, first: bool) -> anyhow::Result<Self> {
        let mut connection = options.connect().await?;
        if first {
            connection.execute(TABLES).await?;
            query("insert into request select n, 'pending', 1 from generate_series(0, $1 - 1) n")
                .bind(ROWS)
                .execute(&mut connection)
                .await?;
        }
        Ok(Self(connection))
    }

    /// One update and three inserts.
    pub(crate) async fn approve(&mut self, number: i64) -> anyhow::Result<Duration> {
        let (id, body) = (uuid::Uuid::now_v7().to_string(), "x".repeat(BODY));
        let c = &mut self.0;
        let began = Instant::now();
        c.execute("begin").await?;
        query("update request set state = 'approved', version = version + 1 where id = $1")
            .bind(number % ROWS)
            .execute(&mut *c)
            .await?;
        query("insert into review values ($1, $2, $3)")
            .bind(&id)
            .bind(number)
            .bind("{}")
            .execute(&mut *c)
            .await?;
        query("insert into event values ($1, $2, $3)")
            .bind(&id)
            .bind(number)
            .bind(&body)
            .execute(&mut *c)
            .await?;
        query("insert into promise values ($1, $2)")
            .bind(&id)
            .bind(number)
            .execute(&mut *c)
            .await?;
        c.execute("commit").await?;
        Ok(began.elapsed())
    }
}

/// How many that is in a second.
pub(crate) fn per_second(count: i64, passed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of calls is small")]
    let count = count as f64;
    count / passed.as_secs_f64()
}
