//! Taking away what is old: whole bundles of entries from the beginning, whose hashes stay.
//!
//! The tree stands: of a pruned event its leaf is kept, so that proofs about what came after it, and consistency with
//! every checkpoint of before, hold as they did.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::tlog::{Hash, WIDTH, leaf_hash};

use super::tree::Epoch;
use super::{Tx, millis};

/// Bundles that one pass prunes.
const BUNDLES: i64 = 8;

impl Tx {
    /// The first event that is still there.
    pub async fn minimum(&mut self) -> anyhow::Result<i64> {
        Ok(self.pruning().await?.0)
    }

    /// The first event that is still there, and the first that stays.
    pub async fn pruning(&mut self) -> anyhow::Result<(i64, i64)> {
        on!(self, c => sqlx::query_as("select minimum, prune_to from log_head where id = 1").fetch_one(c))
            .context("reading how far the log is pruned")
    }

    /// Says that what is before an index goes. It never goes back.
    pub async fn prune_to(&mut self, index: i64) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update log_head set prune_to = $1 where id = 1 and prune_to < $1").bind(index).execute(c))
            .context("saying what is pruned")?;
        Ok(())
    }

    /// The first event that happened at some moment or after it; the end of the log where there is none.
    pub async fn first_since(&mut self, moment: DateTime<Utc>) -> anyhow::Result<i64> {
        let (first,): (Option<i64>,) = on!(self, c => sqlx::query_as("select min(idx) from audit where at >= $1").bind(millis(moment)).fetch_one(c))
            .context("looking for the first event of a time")?;
        match first {
            Some(first) => Ok(first),
            None => self.log_size().await,
        }
    }

    /// Whether what says that the log is pruned is in a log that was signed: before that, whoever checks it would miss
    /// what goes.
    pub async fn pruning_is_signed(&mut self) -> anyhow::Result<bool> {
        let waits = "select (select count(*) from audit_waiting where code = 'audit.pruned') + (select count(*) from audit where idx >= (select checkpoint_size from log_head where id = 1) and code = 'audit.pruned')";
        let (waits,): (i64,) = on!(self, c => sqlx::query_as(waits).fetch_one(c))
            .context("looking whether the pruning is signed")?;
        Ok(waits == 0)
    }

    /// Takes away some of what goes, and keeps its leaves; answers how many events went. INVARIANT: a leaf is kept in
    /// the transaction that takes its event away, so that at no moment one of them is missing.
    pub async fn prune_some(&mut self, epoch: Epoch) -> anyhow::Result<i64> {
        if epoch.begins > 0 {
            // What an epoch has that ended stays as it was found.
            return Ok(0);
        }
        let (minimum, to) = self.pruning().await?;
        let width = i64::try_from(WIDTH)?;
        let end = to.min(minimum + BUNDLES * width);
        if end <= minimum {
            return Ok(0);
        }
        let from = u64::try_from(minimum)?;
        let entries = self.entries(from, end - minimum, epoch).await?;
        anyhow::ensure!(
            entries.len() == usize::try_from(end - minimum)?,
            "events that should be pruned are not all there"
        );
        let leaves: Vec<(i64, String)> = (minimum..end)
            .zip(entries.iter().map(|entry| leaf_hash(entry).to_string()))
            .collect();
        for some in leaves.chunks(100) {
            self.keep_leaves(some, epoch).await?;
        }
        touch!(self, c => sqlx::query("delete from audit where idx >= $1 and idx < $2").bind(minimum).bind(end).execute(c))
            .context("pruning events")?;
        let moved = touch!(self, c => sqlx::query("update log_head set minimum = $1 where id = 1 and minimum = $2").bind(end).bind(minimum).execute(c))
            .context("saying how far the log is pruned")?;
        anyhow::ensure!(moved == 1, "somebody else pruned");
        Ok(end - minimum)
    }

    async fn keep_leaves(&mut self, leaves: &[(i64, String)], epoch: Epoch) -> anyhow::Result<()> {
        let places = super::rows(leaves.len(), &["", "0", "", ""]);
        let sql = format!("insert into log_nodes (epoch, level, idx, hash) values {places}");
        touch!(self, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for (index, hash) in leaves {
                query = query.bind(i64::from(epoch.number)).bind(index).bind(hash);
            }
            query.execute(c)
        })
        .context("keeping the leaves of pruned events")?;
        Ok(())
    }

    /// The leaves of pruned events.
    pub(in crate::store) async fn pruned_leaves(
        &mut self,
        epoch: Epoch,
        first: i64,
        count: i64,
    ) -> anyhow::Result<Vec<Hash>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select hash from log_nodes where epoch = $3 and level = 0 and idx >= $1 and idx < $2 order by idx").bind(first).bind(first + count).bind(i64::from(epoch.number)).fetch_all(c))
            .context("reading the leaves of pruned events")?;
        let hashes: Result<Vec<Hash>, String> = rows.iter().map(|(hash,)| hash.parse()).collect();
        hashes
            .map_err(anyhow::Error::msg)
            .context("reading the leaves of pruned events")
    }
}
