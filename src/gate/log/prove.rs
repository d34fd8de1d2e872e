//! That an entry is in the log. Where history was lost the log has several parts: what a recovery found of one is said by
//! the first entry of the next, so that a proof leads from part to part up to what is signed.

use anyhow::Context as _;

use crate::domain::permit::{Action, permit_at};
use crate::domain::refusal::Refusal;
use crate::store::Tx;
use crate::store::tree::{Epoch, Tree};
use crate::tlog::{Checkpoint, Hash, Note, inclusion};

use crate::domain::extent::Place;
use crate::gate::{Caller, Error, Gate};

use super::{missing, newest};

/// That an entry is in the log of a checkpoint.
#[derive(Debug, Clone)]
pub struct EntryProof {
    /// The bytes that are hashed.
    pub entry: Vec<u8>,
    /// What its hashed texts are salted with, while they are there.
    pub salt: Option<String>,
    /// The index of the first event of its part of the log.
    pub begins: u64,
    pub checkpoint: String,
    pub hashes: Vec<Hash>,
    /// From its part to the one of the checkpoint, where it is another.
    pub recoveries: Vec<Step>,
}

/// The first entry of a part of the log, which says what was found of the part before, and that it is there.
#[derive(Debug, Clone)]
pub struct Step {
    pub entry: Vec<u8>,
    pub hashes: Vec<Hash>,
}

/// The parts of the log in which entries can be proved.
pub(in crate::gate) struct Parts {
    /// Each with its size, the oldest first; the last is what was signed of the present epoch.
    parts: Vec<(Epoch, u64)>,
    pub(in crate::gate) checkpoint: String,
}

impl Gate {
    /// That an entry is in the log of the newest checkpoint, for those who may see the event.
    pub async fn entry_proof(&self, caller: &Caller, index: u64) -> Result<EntryProof, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let place = i64::try_from(index).map_err(|_| missing("event", &index))?;
        let (mut tx, _) = self.look().await?;
        let event = tx.events_from(place, 1).await?;
        let event = event.first().filter(|event| event.index == place);
        if !event.is_some_and(|event| self.may_see(caller, event)) {
            return Err(missing("event", &index).into());
        }
        let salt = tx.salt_of(place).await?;
        let tree = tx.tree().await?;
        let parts = self.parts(&mut tx, &tree).await?;
        let waits = || Refusal::NotFound {
            what: "checkpoint with event",
            name: index.to_string(),
        };
        let (part, entry, hashes) = parts.prove(&mut tx, index).await?.ok_or_else(waits)?;
        let steps = parts.steps(&mut tx, part).await?;
        Ok(EntryProof {
            entry,
            salt,
            begins: parts.begins(part),
            checkpoint: parts.checkpoint,
            hashes,
            recoveries: steps.ok_or_else(waits)?,
        })
    }

    /// The parts of the log up to its newest checkpoint.
    pub(in crate::gate) async fn parts(&self, tx: &mut Tx, tree: &Tree) -> Result<Parts, Error> {
        let checkpoint = newest(tree)?;
        let signed: Checkpoint = Note::read(&checkpoint)
            .ok()
            .and_then(|note| note.unverified().parse().ok())
            .context("the database has a checkpoint that cannot be read")?;
        let mut parts = Vec::new();
        for link in tx.links().await? {
            if link.generation != 1 {
                continue;
            }
            // What cannot be read leads nowhere, and neither does what is older.
            let Some(said) = self.recovered(tx, &link).await? else {
                parts.clear();
                continue;
            };
            let epoch = Epoch {
                number: said.found_epoch,
                begins: said.begins - said.found_size,
            };
            parts.push((epoch, said.found_size));
        }
        parts.push((tree.epoch, signed.size));
        Ok(Parts { parts, checkpoint })
    }
}

impl Parts {
    /// The index of the first event of a part.
    pub(in crate::gate) fn begins(&self, part: usize) -> u64 {
        self.parts.get(part).map_or(0, |(epoch, _)| epoch.begins)
    }

    /// The part that signed entries are in.
    pub(in crate::gate) fn last(&self) -> usize {
        self.parts.len().saturating_sub(1)
    }

    /// An entry and the proof that it is in its part; nothing where it cannot be proved, or not yet.
    pub(in crate::gate) async fn prove(
        &self,
        tx: &mut Tx,
        index: u64,
    ) -> Result<Option<(usize, Vec<u8>, Vec<Hash>)>, Error> {
        let part = self.parts.iter().enumerate().rev().find_map(|(part, it)| {
            let place = index.checked_sub(it.0.begins)?;
            Some((part, *it, place))
        });
        let Some((part, (epoch, size), place)) = part else {
            return Ok(None);
        };
        let Some(rows) = inclusion(place, size) else {
            return Ok(None);
        };
        let entry = tx.entries(place, 1, epoch).await?.pop();
        let hashes = tx.prove(&rows, size, epoch).await?;
        Ok(entry
            .zip(hashes)
            .map(|(entry, hashes)| (part, entry, hashes)))
    }

    /// What leads from a part to the last, one step from each to the next; nothing where one of them is gone.
    pub(in crate::gate) async fn steps(
        &self,
        tx: &mut Tx,
        from: usize,
    ) -> Result<Option<Vec<Step>>, Error> {
        let mut steps = Vec::new();
        for (epoch, _) in self.parts.iter().skip(from + 1) {
            match self.prove(tx, epoch.begins).await? {
                Some((_, entry, hashes)) => steps.push(Step { entry, hashes }),
                None => return Ok(None),
            }
        }
        Ok(Some(steps))
    }
}
