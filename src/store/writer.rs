//! SQLite's one writer, taken by turns. Callers that wait while somebody writes share one commit, and with it the
//! one wait for the disk.
//!
//! The first turn of a group opens a transaction, the others are savepoints in it. A turn that was given up is
//! rolled back alone. INVARIANT: a caller hears of success only after the transaction that holds its turn was
//! committed, so that what a later turn saw of an earlier one is durable when either is acknowledged
//! (`turns_that_share_a_commit_are_each_kept_or_given_up_alone`).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use sqlx::{Executor as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::timeout;

/// Turns that one commit makes durable at most, so that the first of them does not wait for ever.
const SHARE: usize = 64;

/// How a group ended; `None` while it is open.
type Ended = Option<Result<(), Arc<sqlx::Error>>>;

/// The writer. Whoever waits longest is next.
pub(in crate::store) struct Writer {
    desk: Arc<Mutex<Desk>>,
    waiting: Arc<AtomicUsize>,
    patience: Duration,
}

struct Desk {
    connection: SqliteConnection,
    group: Option<Group>,
    /// A turn is under way, or was given up and is not undone yet.
    taken: bool,
}

/// The open transaction.
struct Group {
    /// Turns that are kept in it.
    kept: usize,
    ended: watch::Sender<Ended>,
}

/// One caller's turn. Dropping it gives up what was written.
pub(in crate::store) struct Turn {
    desk: OwnedMutexGuard<Desk>,
    leaving: Leaving,
}

/// Sees to it that a turn that was given up does not keep its transaction open when nobody comes after it.
struct Leaving {
    desk: Arc<Mutex<Desk>>,
    waiting: Arc<AtomicUsize>,
    gave_up: bool,
}

/// Counts somebody who waits for a turn, until they stop waiting for whatever reason.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.gave_up, Handle::try_current()) {
            let desk = Arc::clone(&self.desk);
            runtime.spawn(async move { desk.lock_owned().await.clean().await });
        }
    }
}

impl Writer {
    pub(in crate::store) fn new(connection: SqliteConnection, patience: Duration) -> Self {
        Self {
            desk: Arc::new(Mutex::new(Desk {
                connection,
                group: None,
                taken: false,
            })),
            waiting: Arc::default(),
            patience,
        }
    }

    /// Waits for a turn and begins it.
    pub(in crate::store) async fn turn(&self) -> Result<Turn, sqlx::Error> {
        let waiting = Waiting::at(&self.waiting);
        let desk = timeout(self.patience, Arc::clone(&self.desk).lock_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        drop(waiting);
        let mut turn = Turn {
            desk,
            leaving: Leaving {
                desk: Arc::clone(&self.desk),
                waiting: Arc::clone(&self.waiting),
                gave_up: true,
            },
        };
        turn.desk.begin().await?;
        Ok(turn)
    }

    /// Waits until everything that was kept is durable: what a caller is refused for is then there to be read.
    pub(in crate::store) async fn settled(&self) -> anyhow::Result<()> {
        let desk = Arc::clone(&self.desk).lock_owned().await;
        // A commit that others wait for goes on even if this caller goes away.
        tokio::spawn(settle(desk))
            .await
            .context("a commit was interrupted")
    }

    /// Ends what is open, and leaves the file as one that needs no recovery.
    pub(in crate::store) async fn close(&self) {
        let desk = Arc::clone(&self.desk).lock_owned().await;
        settle(desk).await;
        let mut desk = self.desk.lock().await;
        let last = "pragma wal_checkpoint(truncate)";
        if let Err(error) = desk.connection.execute(last).await {
            tracing::debug!(%error, "closing the database");
        }
    }
}

impl Desk {
    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement)
            .execute(&mut self.connection)
            .await
            .map(|_| ())
    }

    /// Begins a turn. What it is about to do is noted first: a caller can go away at any moment.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.clean().await;
        self.taken = true;
        if self.group.is_some() {
            return self.run("savepoint turn").await;
        }
        self.group = Some(Group {
            kept: 0,
            ended: watch::channel(None).0,
        });
        self.run("begin immediate").await
    }

    /// Undoes a turn that was given up, and leaves those before it in the same transaction as they are.
    async fn clean(&mut self) {
        if !self.taken {
            return;
        }
        if self.group.as_ref().is_some_and(|group| group.kept > 0) {
            let undone = match self.run("rollback to turn").await {
                Ok(()) => self.run("release turn").await,
                Err(error) => Err(error),
            };
            match undone {
                Err(error) if !error.to_string().contains("no such savepoint") => {
                    self.fail(error).await;
                }
                // The turn had not begun, or SQLite has given up the whole transaction, as it may when the disk is full:
                // then another one can begin, and nothing of those before is kept.
                Err(_) if self.run("begin").await.is_ok() => {
                    self.fail(sqlx::Error::PoolClosed).await;
                }
                _ => {}
            }
        } else {
            // There may be none, when the caller went away before it had begun.
            let _ = self.run("rollback").await;
            self.group = None;
        }
        self.taken = false;
    }

    /// Keeps a turn for the commit of its group, and tells how to hear of it.
    async fn keep(&mut self) -> Result<watch::Receiver<Ended>, sqlx::Error> {
        if self.group.as_ref().is_some_and(|group| group.kept > 0) {
            self.run("release turn").await?;
        }
        let group = self.group.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        group.kept += 1;
        self.taken = false;
        Ok(group.ended.subscribe())
    }

    /// Commits, and tells everybody whose turn is in it.
    async fn end(&mut self) {
        match self.run("commit").await {
            Ok(()) => self.tell(Ok(())),
            Err(error) => self.fail(error).await,
        }
    }

    async fn fail(&mut self, error: sqlx::Error) {
        let _ = self.run("rollback").await;
        self.tell(Err(Arc::new(error)));
    }

    fn tell(&mut self, how: Result<(), Arc<sqlx::Error>>) {
        if let Some(group) = self.group.take() {
            group.ended.send_replace(Some(how));
        }
    }
}

impl Turn {
    /// Makes the turn durable: at once when nobody waits, else together with those who do.
    pub(in crate::store) async fn commit(self) -> anyhow::Result<()> {
        let Self {
            mut desk,
            mut leaving,
        } = self;
        let alone = desk.group.as_ref().is_some_and(|group| group.kept == 0);
        if alone && leaving.waiting.load(Ordering::SeqCst) == 0 {
            desk.run("commit").await.context("committing")?;
            desk.group = None;
            desk.taken = false;
            leaving.gave_up = false;
            return Ok(());
        }
        leaving.gave_up = false;
        // Others may depend on it, so it goes on even if this caller goes away.
        tokio::spawn(share(desk, leaving))
            .await
            .context("a commit was interrupted")?
    }
}

async fn settle(mut desk: OwnedMutexGuard<Desk>) {
    desk.clean().await;
    if desk.group.is_some() {
        desk.end().await;
    }
}

async fn share(mut desk: OwnedMutexGuard<Desk>, mut leaving: Leaving) -> anyhow::Result<()> {
    let mut ended = match desk.keep().await {
        Ok(ended) => ended,
        Err(error) => {
            leaving.gave_up = true;
            return Err(error).context("committing");
        }
    };
    let full = desk.group.as_ref().is_some_and(|group| group.kept >= SHARE);
    if full || leaving.waiting.load(Ordering::SeqCst) == 0 {
        desk.end().await;
    }
    drop(desk);
    // Those who wait come before us, because the lock is fair; if none of them commits, we do.
    let mine = Arc::clone(&leaving.desk);
    tokio::select! {
        biased;
        _ = ended.changed() => {}
        mut desk = mine.lock_owned() => {
            desk.clean().await;
            if ended.borrow().is_none() {
                desk.end().await;
            }
        }
    }
    let how = ended.borrow().clone();
    match how {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(anyhow::anyhow!(error)).context("committing"),
        None => Err(anyhow::anyhow!("a commit was not carried out")),
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.desk.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.desk.connection
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn write(turn: &mut Turn, number: i64) -> Result<(), sqlx::Error> {
        let write = sqlx::query("insert into numbers values ($1)").bind(number);
        write.execute(&mut **turn).await.map(|_| ())
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_gave_up_takes_all_its_turns_with_it_and_no_other() {
        let connecting = SqliteConnectOptions::new().in_memory(true);
        let mut connection = connecting.connect().await.unwrap();
        let table = "create table numbers (n integer primary key)";
        connection.execute(table).await.unwrap();
        let writer = Arc::new(Writer::new(connection, PATIENCE));
        let mut first = writer.turn().await.unwrap();
        write(&mut first, 1).await.unwrap();
        // Two wait, so that the first shares its commit with them.
        let second = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move {
                let mut turn = writer.turn().await.unwrap();
                // As SQLite does by itself when the disk is full.
                turn.execute("rollback").await.unwrap();
            }
        });
        let third = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move {
                let mut turn = writer.turn().await.unwrap();
                write(&mut turn, 3).await.unwrap();
                turn.commit().await
            }
        });
        while writer.waiting.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        let given_up = first.commit().await.unwrap_err();
        assert!(given_up.is::<Arc<sqlx::Error>>(), "{given_up:?}");
        second.await.unwrap();
        third.await.unwrap().unwrap();
        let mut turn = writer.turn().await.unwrap();
        let all = sqlx::query_scalar("select n from numbers");
        let all: Vec<i64> = all.fetch_all(&mut *turn).await.unwrap();
        assert_eq!(all, [3]);
    }
}
