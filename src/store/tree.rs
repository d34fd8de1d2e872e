//! The Merkle tree over the log: it grows after events have their index, and its tiles and bundles are read from here.
//!
//! Of the tree itself only the frontier and the roots of full subtrees of 256 leaves and more are kept. Leaves are
//! computed from the rows each time, so that a row that somebody changed no longer fits what was signed.

use anyhow::Context;

use crate::tlog::{Frontier, HEIGHT, Hash, Node, TileAt, Tiles, WIDTH, leaf_hash};

use super::Tx;
use super::row::{COLUMNS, Row};

/// Events that one pass takes into the tree at most.
const BATCH: i64 = 1_000;
/// Nodes that one statement writes at most.
const NODES_AT_ONCE: usize = 100;

/// A part of the record that is one log, with a tree and a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// It grows only when an operator declares that history was lost.
    pub number: u32,
    /// The index of its first event.
    pub begins: u64,
}

/// What the tree is at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub epoch: Epoch,
    /// Which of the keys of the epoch signs.
    pub generation: u32,
    pub frontier: Frontier,
    /// The newest signed note about it, if there is one.
    pub checkpoint: Option<String>,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    epoch: i64,
    begins: i64,
    generation: i64,
    tree_size: i64,
    frontier: String,
    checkpoint: Option<String>,
}

impl HeadRow {
    fn read(self) -> anyhow::Result<Tree> {
        let hashes: Result<Vec<Hash>, String> =
            self.frontier.split_whitespace().map(str::parse).collect();
        let hashes = hashes.map_err(anyhow::Error::msg);
        let size = u64::try_from(self.tree_size).context("the tree of the log has no size")?;
        let frontier = Frontier::new(size, hashes.context("reading the tree of the log")?);
        Ok(Tree {
            epoch: Epoch {
                number: u32::try_from(self.epoch).context("the log has no epoch")?,
                begins: u64::try_from(self.begins).context("the epoch of the log has no begin")?,
            },
            generation: u32::try_from(self.generation).context("the log has no key")?,
            frontier: frontier
                .with_context(|| format!("the tree of the log does not fit its size {size}"))?,
            checkpoint: self.checkpoint,
        })
    }
}

impl Tx {
    /// The tree as it is.
    pub async fn tree(&mut self) -> anyhow::Result<Tree> {
        let row: HeadRow = on!(self, c => sqlx::query_as("select epoch, begins, generation, tree_size, frontier, checkpoint from log_head where id = 1").fetch_one(c))
            .context("reading the tree of the log")?;
        row.read()
    }

    /// Entries of an epoch from a place in it on, as they are hashed.
    pub async fn entries(
        &mut self,
        from: u64,
        count: i64,
        epoch: Epoch,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let from = i64::try_from(epoch.begins + from)?;
        let sql =
            format!("select idx, {COLUMNS} from audit where idx >= $1 and idx < $2 order by idx");
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(from).bind(from + count).fetch_all(c))
            .context("reading entries of the log")?;
        rows.iter().map(|row| row.encode(epoch.number)).collect()
    }

    /// Takes numbered events into the tree; answers how many are in there now. INVARIANT: each is taken once, in the
    /// order of the indexes: the head moves in the same transaction, and only if nobody else moved it.
    pub(in crate::store) async fn grow(&mut self) -> anyhow::Result<u64> {
        let Tree {
            epoch,
            mut frontier,
            ..
        } = self.tree().await?;
        let from = frontier.size();
        let entries = self.entries(from, BATCH, epoch).await?;
        if entries.is_empty() {
            return Ok(from);
        }
        let mut full = Vec::new();
        for entry in &entries {
            frontier.push(leaf_hash(entry), |node, hash| {
                if node.level > 0 && node.level.is_multiple_of(HEIGHT) {
                    full.push((node, hash));
                }
            });
        }
        for some in full.chunks(NODES_AT_ONCE) {
            self.keep_nodes(some, epoch).await?;
        }
        let (size, root) = (frontier.size(), frontier.root().to_string());
        let row: Vec<String> = frontier.hashes().iter().map(Hash::to_string).collect();
        let row = row.join(" ");
        let moved = touch!(self, c => sqlx::query("update log_head set tree_size = $1, frontier = $2, root = $3 where id = 1 and tree_size = $4")
            .bind(i64::try_from(size)?).bind(&row).bind(&root).bind(i64::try_from(from)?).execute(c))
        .context("moving the head of the tree")?;
        anyhow::ensure!(moved == 1, "somebody else moved the head of the tree");
        Ok(size)
    }

    async fn keep_nodes(&mut self, nodes: &[(Node, Hash)], epoch: Epoch) -> anyhow::Result<()> {
        let places = super::rows(nodes.len(), &["", "", "", ""]);
        let sql = format!("insert into log_nodes (epoch, level, idx, hash) values {places}");
        let nodes: Vec<(i64, i64, String)> = nodes
            .iter()
            .map(|(node, hash)| {
                let index = i64::try_from(node.index)?;
                Ok((i64::from(node.level), index, hash.to_string()))
            })
            .collect::<anyhow::Result<_>>()?;
        touch!(self, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for (level, index, hash) in &nodes {
                query = query.bind(i64::from(epoch.number)).bind(level).bind(index).bind(hash);
            }
            query.execute(c)
        })
        .context("writing nodes of the tree")?;
        Ok(())
    }

    /// Keeps a signed note about the tree, unless there is one about a larger tree, or another key signs by now.
    pub async fn keep_checkpoint(
        &mut self,
        (epoch, generation): (Epoch, u32),
        size: u64,
        note: &str,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update log_head set checkpoint = $1, checkpoint_size = $2 where id = 1 and checkpoint_size < $2 and tree_size >= $2 and epoch = $3 and generation = $4")
            .bind(note).bind(i64::try_from(size)?).bind(i64::from(epoch.number)).bind(i64::from(generation)).execute(c))
        .context("writing a checkpoint")?;
        Ok(rows == 1)
    }

    /// The hashes of a tile; nothing when the log does not reach that far.
    pub async fn tile(&mut self, at: TileAt, epoch: Epoch) -> anyhow::Result<Option<Vec<Hash>>> {
        let count = i64::from(at.width);
        let first = at.number * WIDTH;
        let end = i64::try_from(epoch.begins + first)?.saturating_add(count);
        let hashes: Vec<Hash> = if at.level == 0 && end <= self.minimum().await? {
            self.pruned_leaves(epoch, i64::try_from(first)?, count)
                .await?
        } else if at.level == 0 {
            let entries = self.entries(first, count, epoch).await?;
            entries.iter().map(|entry| leaf_hash(entry)).collect()
        } else {
            let first = i64::try_from(first)?;
            let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select hash from log_nodes where epoch = $4 and level = $1 and idx >= $2 and idx < $3 order by idx")
                .bind(i64::from(at.level * HEIGHT)).bind(first).bind(first + count).bind(i64::from(epoch.number)).fetch_all(c))
            .context("reading nodes of the tree")?;
            let hashes: Result<Vec<Hash>, String> =
                rows.iter().map(|(hash,)| hash.parse()).collect();
            let hashes = hashes.map_err(anyhow::Error::msg);
            hashes.context("reading nodes of the tree")?
        };
        Ok((hashes.len() == usize::from(at.width)).then_some(hashes))
    }

    /// The hashes of a proof in the log of a size, from the rows of nodes that they are over; nothing when the log is
    /// shorter.
    pub async fn prove(
        &mut self,
        rows: &[Vec<Node>],
        size: u64,
        epoch: Epoch,
    ) -> anyhow::Result<Option<Vec<Hash>>> {
        let Some(needed) = Tiles::needed(rows, size) else {
            return Ok(None);
        };
        let mut tiles = Tiles::default();
        for at in needed {
            let Some(hashes) = self.tile(at, epoch).await? else {
                return Ok(None);
            };
            tiles.insert(at, hashes);
        }
        Ok(tiles.prove(rows))
    }
}
