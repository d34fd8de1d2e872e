//! Reads that somebody waits for. When nobody does any more, the database stops what it runs for them: dropping a future
//! alone would stop the answer, and leave the statement running until its end or its timeout.
//!
//! INVARIANT: a connection goes back to its pool only after its statement has ended, so that stopping one search never
//! stops the next one on the same connection (`what_nobody_waits_for_is_run_no_more_on_postgres`).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{
    Connection as _, Database, Executor as _, PgConnection, PgPool, Postgres, Row as _, Sqlite,
    SqliteConnection, SqlitePool,
};
use tokio::runtime::Handle;

/// Steps of SQLite's machine between two looks whether somebody still waits: well below a millisecond.
const STEPS: i32 = 10_000;

/// A transaction that only reads. Dropping it stops what it runs.
pub(in crate::store) struct Search<DB: Stopped> {
    /// Nothing once it is dropped.
    connection: Option<PoolConnection<DB>>,
    brake: DB::Brake,
    is_over: bool,
}

/// A database that can be told to stop.
pub(in crate::store) trait Stopped: Database {
    /// What it is told with.
    type Brake: Clone + Send + 'static;

    /// Stops what a connection runs, unless that `is_over`, and ends its transaction.
    fn stop(
        connection: &mut Self::Connection,
        brake: Self::Brake,
        is_over: bool,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// Whether a process of PostgreSQL is known, and who tells it to stop.
#[derive(Clone)]
pub(in crate::store) struct Process {
    id: Option<i32>,
    tells: PgPool,
}

impl Stopped for Sqlite {
    /// Whoever waited is gone. SQLite looks at it while it runs.
    type Brake = Arc<AtomicBool>;

    async fn stop(
        connection: &mut SqliteConnection,
        gone: Arc<AtomicBool>,
        _: bool,
    ) -> sqlx::Result<()> {
        gone.store(true, Ordering::Relaxed);
        connection.lock_handle().await?.remove_progress_handler();
        connection.execute("rollback").await.map(drop)
    }
}

impl Stopped for Postgres {
    type Brake = Process;

    async fn stop(
        connection: &mut PgConnection,
        process: Process,
        is_over: bool,
    ) -> sqlx::Result<()> {
        if let (Some(id), false) = (process.id, is_over) {
            let told = sqlx::query("select pg_cancel_backend($1)").bind(id);
            if let Err(error) = told.execute(&process.tells).await {
                // It ends by its own timeout, and its connection with it.
                tracing::debug!(%error, "PostgreSQL could not be told to stop a search");
            }
            // What it says about having been stopped is read here, and is no fault.
            drop(connection.ping().await);
        }
        connection.execute("rollback").await.map(drop)
    }
}

impl Search<Sqlite> {
    pub(in crate::store) async fn on_sqlite(pool: &SqlitePool) -> sqlx::Result<Self> {
        let mut search = Self::new(pool.acquire().await?, Arc::default());
        let gone = Arc::clone(&search.brake);
        search
            .lock_handle()
            .await?
            .set_progress_handler(STEPS, move || !gone.load(Ordering::Relaxed));
        search.execute("begin").await?;
        Ok(search)
    }
}

impl Search<Postgres> {
    /// Begins on a connection of `pool`; connections of the other pool are for telling processes to stop.
    pub(in crate::store) async fn on_postgres(pool: &PgPool, tells: &PgPool) -> sqlx::Result<Self> {
        let tells = tells.clone();
        let mut search = Self::new(pool.acquire().await?, Process { id: None, tells });
        // Both in one message, so that a search costs no more round trips than any other transaction.
        let begin = "begin isolation level repeatable read, read only; select pg_backend_pid()";
        let said = sqlx::raw_sql(begin).fetch_all(&mut *search).await?;
        search.brake.id = said.first().and_then(|row| row.try_get(0).ok());
        Ok(search)
    }
}

impl<DB: Stopped> Search<DB> {
    fn new(connection: PoolConnection<DB>, brake: DB::Brake) -> Self {
        Self {
            connection: Some(connection),
            brake,
            is_over: false,
        }
    }

    /// Ends it after its last statement: there is nothing to stop.
    pub(in crate::store) fn end(mut self) {
        self.is_over = true;
    }
}

impl<DB: Stopped> Drop for Search<DB> {
    fn drop(&mut self) {
        let (Some(mut connection), Ok(runtime)) = (self.connection.take(), Handle::try_current())
        else {
            return;
        };
        let (brake, is_over) = (self.brake.clone(), self.is_over);
        runtime.spawn(async move {
            if let Err(error) = DB::stop(&mut connection, brake, is_over).await {
                tracing::debug!(%error, "a connection is closed after a search that was given up");
                connection.close_on_drop();
            }
        });
    }
}

impl<DB: Stopped> Deref for Search<DB> {
    type Target = DB::Connection;

    #[expect(clippy::expect_used, reason = "only `drop` takes it")]
    fn deref(&self) -> &Self::Target {
        self.connection.as_ref().expect("a search has a connection")
    }
}

impl<DB: Stopped> DerefMut for Search<DB> {
    #[expect(clippy::expect_used, reason = "only `drop` takes it")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.connection.as_mut().expect("a search has a connection")
    }
}
