//! The sequencer: gives committed events their dense index, in the order (time, id), after the fact.
//!
//! Doing this inside the business transaction would serialise all writers; a plain counter would let a reader
//! that follows by cursor miss a slow transaction. Any node may run it: the head row is moved by compare-and-swap.

use std::time::Duration;

use anyhow::Context;

use crate::domain::event::EventCode;

use super::row::COLUMNS;
use super::{Inner, Store, Tx};

/// Events that one pass numbers at most.
const BATCH: i64 = 1_000;
/// Under load passes are this far apart, so that they cost little beside the changes themselves.
const PACE: Duration = Duration::from_millis(15);
/// Without a wake-up the sequencer looks this often: another node may have written.
const IDLE: Duration = Duration::from_secs(1);

/// How far the log goes. A later epoch is further, however short it is: an operator has declared that history was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    pub epoch: i64,
    /// How many events have their index.
    pub size: i64,
}

impl Tx {
    /// How far the log goes.
    pub async fn log_head(&mut self) -> anyhow::Result<Head> {
        let (epoch, size): (i64, i64) =
            on!(self, c => sqlx::query_as("select epoch, size from log_head where id = 1").fetch_one(c))
                .context("reading the head of the log")?;
        Ok(Head { epoch, size })
    }

    /// How many events have their index.
    pub async fn log_size(&mut self) -> anyhow::Result<i64> {
        let (size,): (i64,) =
            on!(self, c => sqlx::query_as("select size from log_head where id = 1").fetch_one(c))
                .context("reading the head of the log")?;
        Ok(size)
    }

    /// The epoch of the log: it changes only when an operator declares that history was lost.
    pub async fn log_epoch(&mut self) -> anyhow::Result<i64> {
        let (epoch,): (i64,) =
            on!(self, c => sqlx::query_as("select epoch from log_head where id = 1").fetch_one(c))
                .context("reading the head of the log")?;
        Ok(epoch)
    }

    /// How far the log goes, and whether any event waits for its index or for its place in the tree.
    async fn head_and_waiting(&mut self) -> anyhow::Result<(Head, bool)> {
        let (epoch, size, any): (i64, i64, i64) = on!(self, c => sqlx::query_as(
            "select epoch, size, case when begins + tree_size < size or exists (select 1 from audit_waiting) then cast(1 as bigint) else 0 end from log_head where id = 1").fetch_one(c))
        .context("reading the head of the log")?;
        Ok((Head { epoch, size }, any == 1))
    }

    /// The head, which no other node moves until this transaction ends.
    pub(in crate::store) async fn hold_head(&mut self) -> anyhow::Result<i64> {
        let sql = self.either(
            "select size from log_head where id = 1",
            "select size from log_head where id = 1 for update",
        );
        let (size,): (i64,) = on!(self, c => sqlx::query_as(sql).fetch_one(c))
            .context("reading the head of the log")?;
        Ok(size)
    }

    /// Numbers what waits from an index on, and answers how many events that were. INVARIANT: indexes are dense and
    /// never given twice: an event leaves those that wait and the head moves in the same transaction, and only if nobody
    /// else moved it (`two_sequencers_number_every_event_once_without_a_gap`).
    pub(in crate::store) async fn number(&mut self, from: i64) -> anyhow::Result<i64> {
        self.number_first(from, "", &format!("limit {BATCH}")).await
    }

    /// Numbers the first of those that wait which fulfil a condition.
    async fn number_first(
        &mut self,
        from: i64,
        condition: &str,
        limit: &str,
    ) -> anyhow::Result<i64> {
        let first = format!(
            "select at, event_id from audit_waiting {condition} order by at, event_id {limit}"
        );
        let insert = format!(
            "insert into audit (idx, {COLUMNS}) select $1 - 1 + row_number() over (order by at, event_id), {COLUMNS}"
        );
        let numbered = match &mut self.inner {
            // It has one writer: what comes first is the same for both statements.
            Inner::Sqlite(c) => {
                let insert = format!(
                    "{insert} from audit_waiting {condition} order by at, event_id {limit}"
                );
                let numbered = sqlx::query(sqlx::AssertSqlSafe(insert))
                    .bind(from)
                    .execute(&mut **c)
                    .await
                    .context("numbering events")?
                    .rows_affected();
                let delete = format!("delete from audit_waiting where (at, event_id) in ({first})");
                let left = sqlx::query(sqlx::AssertSqlSafe(delete))
                    .execute(&mut **c)
                    .await
                    .context("numbering events")?
                    .rows_affected();
                anyhow::ensure!(
                    left == numbered,
                    "{numbered} events were numbered, and {left} left those that wait"
                );
                numbered
            }
            Inner::Postgres(c) => {
                let member = c.member();
                let sql = format!(
                    "with first as ({first}), left_those as (delete from audit_waiting w using first where w.at = first.at and w.event_id = first.event_id returning w.*) {insert} from left_those order by at, event_id"
                );
                let numbering = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(from)
                    .execute(&mut **c);
                member
                    .answer(numbering)
                    .await
                    .context("numbering events")?
                    .rows_affected()
            }
        };
        if numbered == 0 {
            return Ok(0);
        }
        let numbered = i64::try_from(numbered)?;
        let moved = touch!(self, c => sqlx::query("update log_head set size = $1 where id = 1 and size = $2").bind(from + numbered).bind(from).execute(c))
            .context("moving the head of the log")?;
        anyhow::ensure!(moved == 1, "somebody else moved the head of the log");
        Ok(numbered)
    }

    /// Numbers some of what waits, in this transaction.
    pub async fn number_waiting(&mut self) -> anyhow::Result<()> {
        let from = self.hold_head().await?;
        self.number(from).await?;
        self.grow().await?;
        Ok(())
    }

    /// Gives the event of this kind that waits the next index, and nothing else; it was written in this transaction.
    pub(in crate::store) async fn number_own(&mut self, code: EventCode) -> anyhow::Result<i64> {
        let from = self.log_size().await?;
        let own = format!("where code = '{}'", code.as_str());
        let numbered = self.number_first(from, &own, "").await?;
        anyhow::ensure!(
            numbered == 1,
            "{numbered} events of `{}` wait",
            code.as_str()
        );
        Ok(from)
    }
}

impl Store {
    /// Numbers what is committed, and answers how many events now have an index.
    pub async fn sequence(&self) -> anyhow::Result<i64> {
        loop {
            let (head, any) = self.glance().await?.head_and_waiting().await?;
            self.saw(head);
            if !any {
                return Ok(head.size);
            }
            let mut tx = self.write().await?;
            let from = tx.hold_head().await?;
            let size = from + tx.number(from).await?;
            tx.grow().await?;
            self.commit(tx).await?;
            // Of another epoch only the next look knows.
            self.saw(Head { size, ..head });
            self.tell_others();
        }
    }

    /// INVARIANT: what this node has seen of the log never becomes less.
    fn saw(&self, head: Head) {
        self.head
            .send_if_modified(|seen| std::mem::replace(seen, head.max(*seen)) < head);
    }

    /// Numbers events for as long as it is polled: at once after a commit on this node, and once a second for others.
    pub async fn run_sequencer(&self) {
        loop {
            self.until_writable().await;
            if let Err(error) = self.sequence().await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the sequencer could not number audit events; it tries again"
                );
                tokio::time::sleep(IDLE).await;
                continue;
            }
            tokio::time::sleep(PACE).await;
            let _ = tokio::time::timeout(IDLE, self.appended.notified()).await;
        }
    }

    /// Tells how far the log goes, now and whenever that changes.
    pub fn watch_head(&self) -> tokio::sync::watch::Receiver<Head> {
        self.head.subscribe()
    }
}
