//! One host that is in use: its connections, and what is known of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgPoolOptions, PgSeverity};
use sqlx::{PgPool, Postgres, SqlSafeStr as _, Transaction};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Durability;

use super::Host;
use super::OutcomeUnknown;
use super::probe::VOUCH;
use super::proof::Proofs;

/// Connections to PostgreSQL from one node.
const CONNECTIONS: u32 = 16;
/// Connections that tell processes to stop and nodes to look, and one that listens.
const TELLING: u32 = 3;
/// How long a connection is kept that tells processes to stop.
const TELLS_IDLE: Duration = Duration::from_mins(1);
/// How long a caller waits for a connection before it is told that the server is busy.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long an answer may take. Statements have their own shorter time, and waiting for a standby is bounded by nothing
/// else (`reliability.md` §0.7).
const ANSWER: Duration = Duration::from_secs(8);
/// A commit that took longer than this waited for a standby, and somebody may have told PostgreSQL not to wait: it then
/// says that all is well (`reliability.md` §0.7). Another one that is answered proves that the standby has both.
const WAITED: Duration = Duration::from_secs(1);

/// A host that is in use.
pub(in crate::store) struct Member {
    /// Its place among the hosts.
    pub(super) host: usize,
    pub(in crate::store) place: String,
    pub(in crate::store) pool: PgPool,
    /// Tells processes to stop what nobody waits for. It is a pool of its own: the other may be all in use by these.
    pub(in crate::store) tells: PgPool,
    /// One connection that proves answers. It waits for a standby as long as that takes, so that nobody else has it.
    pub(super) proves: PgPool,
    pub(super) proofs: Proofs,
    pub(super) timeline: i64,
    /// Whether its commits wait for a standby.
    pub(super) is_synchronous: bool,
    durability: Durability,
    /// It is in use no more: whoever waits for its answer waits for nothing.
    gone: CancellationToken,
    doubts: Arc<Notify>,
    /// A commit was not answered in time.
    hangs: AtomicBool,
}

impl Member {
    pub(super) fn new(
        (place, host): (usize, &Host),
        (timeline, is_synchronous): (i64, bool),
        durability: Durability,
        doubts: Arc<Notify>,
    ) -> Self {
        let mut options = host.options.clone();
        if durability == Durability::Strict {
            // Whatever the database or the role is set to.
            options = options.options([("synchronous_commit", "on")]);
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false);
        let tells = PgPoolOptions::new()
            .max_connections(TELLING)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(TELLS_IDLE);
        let proves = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(TELLS_IDLE)
            .test_before_acquire(false);
        Self {
            host: place,
            place: host.place.clone(),
            pool: pool.connect_lazy_with(options.clone()),
            tells: tells.connect_lazy_with(options.clone()),
            proves: proves.connect_lazy_with(options.options([("statement_timeout", "0")])),
            proofs: Proofs::new(),
            timeline,
            is_synchronous,
            durability,
            gone: CancellationToken::new(),
            doubts,
            hangs: AtomicBool::new(false),
        }
    }

    /// Begins a transaction. Once asked for, it is begun also when the caller goes away meanwhile: its connection would go
    /// back to the others with a transaction open of which nobody knows
    /// (`a_caller_who_goes_away_while_a_transaction_begins_leaves_none_behind`).
    pub(in crate::store) async fn begin(
        &self,
        how: &'static str,
    ) -> sqlx::Result<Transaction<'static, Postgres>> {
        self.answer(async {
            let connection = self.pool.acquire().await?;
            let begun = tokio::spawn(Transaction::begin(connection, Some(how.into_sql_str())));
            begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
        })
        .await
    }

    /// Waits for an answer of this host as long as it is in use, and has the keeper look when the answer is bad.
    pub(in crate::store) fn answer<'a, T: 'a>(
        &'a self,
        asked: impl Future<Output = sqlx::Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, sqlx::Result<T>> {
        // Every statement is asked through here; in a box it makes nobody's future larger.
        Box::pin(self.answered(asked))
    }

    async fn answered<T>(&self, asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        tokio::select! {
            biased;
            answer = asked => {
                if let Err(error) = &answer && is_lost(error) {
                    self.doubts.notify_one();
                }
                answer
            }
            () = self.gone.cancelled() => Err(lost(&self.place)),
            () = tokio::time::sleep(ANSWER) => {
                self.doubt();
                Err(silent(&self.place))
            }
        }
    }

    /// As `answer`, for something that takes the time that it needs.
    pub(in crate::store) async fn outlasts<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let done = self.gone.run_until_cancelled(work).await;
        done.unwrap_or_else(|| Err(lost(&self.place).into()))
    }

    /// As `answer`, for a commit: where nobody says what became of it, it may be there or not.
    pub(in crate::store) async fn committed(
        &self,
        asked: impl Future<Output = sqlx::Result<()>> + Send,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let error = match self.answer(asked).await {
            Ok(()) if self.durability != Durability::Strict || began.elapsed() <= WAITED => {
                return Ok(());
            }
            // It was committed. Whatever goes wrong with the proof says nothing against that.
            Ok(()) => match self.answer(sqlx::query(VOUCH).execute(&self.tells)).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            },
            // The server itself says that it did not. A shutdown may come while it waits for a standby, after it did, and
            // what it wrote before a panic may be found when it recovers.
            Err(sqlx::Error::Database(error))
                if !panics(error.as_ref())
                    && !error.code().is_some_and(|code| code.starts_with("57P")) =>
            {
                return Err(anyhow::Error::from(sqlx::Error::Database(error)).context("committing"));
            }
            Err(error) => error,
        };
        tracing::warn!(host = self.place, %error, "the outcome of a commit is not known");
        Err(OutcomeUnknown.into())
    }

    /// Has the keeper look whether commits are answered.
    pub(super) fn doubt(&self) {
        self.hangs.store(true, Ordering::Relaxed);
        self.doubts.notify_one();
    }

    /// Whether a commit was not answered in time since this was asked last.
    pub(super) fn hangs(&self) -> bool {
        self.hangs.swap(false, Ordering::Relaxed)
    }

    /// Ends its use. What waits for its answers is told at once.
    pub(super) fn leave(self: &Arc<Self>) {
        self.gone.cancel();
        if let Ok(runtime) = Handle::try_current() {
            let member = Arc::clone(self);
            runtime.spawn(async move { member.close().await });
        }
    }

    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Lets every connection finish and closes them.
    pub(super) async fn close(&self) {
        self.pool.close().await;
        // Who hears and tells does so until then.
        self.gone.cancel();
        self.tells.close().await;
        self.proves.close().await;
    }
}

fn silent(place: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("{place} did not answer within {} s", ANSWER.as_secs()),
    ))
}

fn lost(place: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::ConnectionAborted,
        format!("{place} is not the primary any more"),
    ))
}

/// Whether an error says something about the host, and not about the statement.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // Read-only; too many connections are none of its faults.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| {
                code == "25006" || code.starts_with("57P") || code.starts_with("08")
            }) || panics(error.as_ref())
        }
        _ => false,
    }
}

/// Whether a server goes down with this error, as one does that cannot write its log.
fn panics(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Panic))
}
