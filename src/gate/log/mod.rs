//! The tamper-evident log towards the outside: signed checkpoints, tiles, bundles of entries, and proofs.
//!
//! What is read is here; `sign` is what a node signs and when it refuses to, `links` is how one key of the log vouches
//! for the next, `prove` shows that an entry is in it, and `recover` is what an operator does about either;
//! `stuck` is what happens when the log does not keep up.

mod links;
mod prove;
mod recover;
mod sign;
mod stuck;

use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::domain::refusal::Refusal;
use crate::store::Tx;
use crate::store::tree::{Epoch, Tree};
use crate::tlog::{Bundle, Checkpoint, Hash, Node, Note, TileAt, WIDTH, consistency};
use crate::wire::export::SignedLog;

use super::{Caller, Error, Gate};

pub use links::SeenLink;
pub(in crate::gate) use links::{Signed, key_at};
pub use prove::{EntryProof, Step};
pub use sign::Signer;
pub(in crate::gate) use sign::{Lost, continues};

/// The epoch that every log begins with.
const FIRST: u32 = 1;

impl Gate {
    /// The newest checkpoint: a signed note.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<String, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, _) = self.look().await?;
        Ok(newest(&tx.tree().await?)?)
    }

    /// A checkpoint of everything that was committed before, for those who may read everybody's history.
    pub async fn fresh_checkpoint(&self, caller: &Caller) -> Result<String, Error> {
        permit(&caller.principal, Action::ReadAudit)?;
        self.store.sequence().await?;
        self.publish().await?;
        self.await_witnesses().await;
        self.checkpoint(caller).await
    }

    /// That the log of one size is the beginning of the one of another.
    pub async fn consistency(
        &self,
        caller: &Caller,
        (from, to): (u64, u64),
    ) -> Result<Vec<Hash>, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let rows = consistency(from, to).ok_or_else(|| missing("size", &from))?;
        self.proof(&rows, to).await
    }

    /// The hashes of a tile of the present epoch or of one before, for those who may read everybody's history.
    pub async fn tile(
        &self,
        caller: &Caller,
        epoch: Option<u32>,
        at: TileAt,
    ) -> Result<Vec<Hash>, Error> {
        permit(&caller.principal, Action::ReadAudit)?;
        let (mut tx, _) = self.look().await?;
        let (epoch, size) = part(&mut tx, epoch).await?;
        let reached = at.number.checked_mul(WIDTH).is_some_and(|first| {
            let last = first.saturating_add(u64::from(at.width));
            last <= size >> (u32::from(at.level) * 8)
        });
        let hashes = if reached {
            tx.tile(at, epoch).await?
        } else {
            None
        };
        Ok(hashes.ok_or_else(|| missing("tile", &at))?)
    }

    /// The entries below a tile of the lowest level, for those who may read everybody's history.
    pub async fn bundle(
        &self,
        caller: &Caller,
        epoch: Option<u32>,
        at: TileAt,
    ) -> Result<Vec<u8>, Error> {
        permit(&caller.principal, Action::ReadAudit)?;
        let (mut tx, _) = self.look().await?;
        let (epoch, size) = part(&mut tx, epoch).await?;
        let first = at.number.checked_mul(WIDTH);
        let first = first.filter(|first| first.saturating_add(u64::from(at.width)) <= size);
        let first = first.ok_or_else(|| missing("tile", &at))?;
        let entries = tx.entries(first, i64::from(at.width), epoch).await?;
        if entries.len() != usize::from(at.width) {
            return Err(missing("tile", &at).into());
        }
        let mut bundle = Bundle::default();
        if !entries.iter().all(|entry| bundle.push(entry)) {
            return Err(anyhow::anyhow!("an entry is too long for a bundle").into());
        }
        Ok(bundle.into_bytes())
    }

    async fn proof(&self, rows: &[Vec<Node>], size: u64) -> Result<Vec<Hash>, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let hashes = if size <= tree.frontier.size() {
            tx.prove(rows, size, tree.epoch).await?
        } else {
            None
        };
        Ok(hashes.ok_or_else(|| missing("size", &size))?)
    }
}

pub(in crate::gate) fn newest(tree: &Tree) -> Result<String, Refusal> {
    tree.checkpoint.clone().ok_or_else(|| Refusal::NotFound {
        what: "checkpoint of epoch",
        name: tree.epoch.number.to_string(),
    })
}

fn missing(what: &'static str, name: &impl ToString) -> Refusal {
    Refusal::NotFound {
        what,
        name: name.to_string(),
    }
}

/// A part of the record and how many events it has: the present epoch, or one that ended with a recovery.
async fn part(tx: &mut Tx, wanted: Option<u32>) -> Result<(Epoch, u64), Error> {
    let tree = tx.tree().await?;
    let Some(number) = wanted.filter(|number| *number != tree.epoch.number) else {
        return Ok((tree.epoch, tree.frontier.size()));
    };
    let links = tx.links().await?;
    let begun = links.iter().find(|link| link.epoch.number == number);
    // The first epoch has no link: it begins with the record.
    let first = (number == FIRST).then_some(Epoch { number, begins: 0 });
    let epoch = begun.map(|link| link.epoch).or(first);
    let end = links.iter().find(|link| link.epoch.number > number);
    let found = epoch.zip(end).and_then(|(epoch, end)| {
        let size = end.epoch.begins.checked_sub(epoch.begins)?;
        Some((epoch, size))
    });
    Ok(found.ok_or_else(|| missing("epoch", &number))?)
}

/// What a checkpoint of our own says, for those who check it themselves.
pub(in crate::gate) fn signed(note: &str) -> Option<SignedLog> {
    let checkpoint: Checkpoint = Note::read(note).ok()?.unverified().parse().ok()?;
    Some(SignedLog {
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: checkpoint.root.to_string(),
    })
}
