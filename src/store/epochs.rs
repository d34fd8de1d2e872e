//! Where the log begins anew and where it gets another key: both are written in one transaction with their event.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::event::EventCode;

use super::tree::{Epoch, Tree};
use super::{Tx, millis, moment};

/// What vouches for a key of the log: a note that was signed with it and with the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub epoch: Epoch,
    pub generation: u32,
    pub at: DateTime<Utc>,
    pub note: String,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    epoch: i64,
    generation: i64,
    begins: i64,
    at: i64,
    note: String,
}

impl LinkRow {
    fn read(self) -> anyhow::Result<Link> {
        Ok(Link {
            epoch: Epoch {
                number: u32::try_from(self.epoch).context("a link of the log has no epoch")?,
                begins: u64::try_from(self.begins).context("a link of the log has no begin")?,
            },
            generation: u32::try_from(self.generation).context("a link of the log has no key")?,
            at: moment(self.at)?,
            note: self.note,
        })
    }
}

impl Tx {
    /// Every link, the oldest first.
    pub async fn links(&mut self) -> anyhow::Result<Vec<Link>> {
        let rows: Vec<LinkRow> = on!(self, c => sqlx::query_as("select epoch, generation, begins, at, note from log_links order by epoch, generation").fetch_all(c))
            .context("reading the links of the log")?;
        rows.into_iter().map(LinkRow::read).collect()
    }

    /// Holds the head, and takes everything that waits into the tree: what is signed next has all of it.
    pub async fn settle_log(&mut self) -> anyhow::Result<Tree> {
        let mut from = self.hold_head().await?;
        loop {
            let numbered = self.number(from).await?;
            if numbered == 0 {
                break;
            }
            from += numbered;
        }
        self.grow_all().await
    }

    async fn grow_all(&mut self) -> anyhow::Result<Tree> {
        loop {
            let before = self.tree().await?;
            if self.grow().await? == before.frontier.size() {
                return Ok(before);
            }
        }
    }

    /// Makes the tree of this epoch anew from its events, after somebody wrote another epoch into the head.
    pub async fn grow_anew(&mut self, epoch: Epoch, generation: u32) -> anyhow::Result<Tree> {
        let gone = u64::try_from(self.minimum().await?)? > epoch.begins;
        anyhow::ensure!(!gone, "a log that was pruned cannot be made anew");
        touch!(self, c => sqlx::query("update log_head set epoch = $1, begins = $2, generation = $3, tree_size = 0, frontier = '', root = null where id = 1")
            .bind(i64::from(epoch.number)).bind(i64::try_from(epoch.begins)?).bind(i64::from(generation)).execute(c))
        .context("making the tree anew")?;
        self.forget_nodes(epoch.number).await?;
        self.grow_all().await
    }

    async fn forget_nodes(&mut self, epoch: u32) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from log_nodes where epoch = $1").bind(i64::from(epoch)).execute(c))
            .context("forgetting nodes of the tree")?;
        Ok(())
    }

    /// Begins an epoch with the event of this kind, which was written in this transaction, after [`Tx::settle_log`].
    pub async fn begin_epoch(&mut self, number: u32, code: EventCode) -> anyhow::Result<Tree> {
        let begins = self.number_own(code).await?;
        touch!(self, c => sqlx::query("update log_head set epoch = $1, begins = $2, generation = 1, tree_size = 0, frontier = '', root = null, checkpoint = null, checkpoint_size = 0 where id = 1")
            .bind(i64::from(number)).bind(begins).execute(c))
        .context("beginning an epoch of the log")?;
        // A database of before may be one that has seen this epoch.
        self.forget_nodes(number).await?;
        self.grow_all().await
    }

    /// Goes on with the next key after the event of this kind, which was written in this transaction.
    pub async fn begin_generation(
        &mut self,
        generation: u32,
        code: EventCode,
    ) -> anyhow::Result<Tree> {
        self.number_own(code).await?;
        self.grow_all().await?;
        touch!(self, c => sqlx::query("update log_head set generation = $1 where id = 1").bind(i64::from(generation)).execute(c))
            .context("changing the key of the log")?;
        self.tree().await
    }

    /// Forgets links that vouch for nothing: somebody else wrote them.
    pub async fn forget_links(&mut self, links: &[Link]) -> anyhow::Result<()> {
        for link in links {
            touch!(self, c => sqlx::query("delete from log_links where epoch = $1 and generation = $2")
                .bind(i64::from(link.epoch.number)).bind(i64::from(link.generation)).execute(c))
            .context("forgetting a link of the log")?;
        }
        Ok(())
    }

    /// Keeps what vouches for a key.
    pub async fn insert_link(&mut self, link: &Link) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into log_links (epoch, generation, begins, at, note) values ($1, $2, $3, $4, $5)")
            .bind(i64::from(link.epoch.number)).bind(i64::from(link.generation)).bind(i64::try_from(link.epoch.begins)?)
            .bind(millis(link.at)).bind(&link.note).execute(c))
        .context("writing a link of the log")?;
        Ok(())
    }
}
