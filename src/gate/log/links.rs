//! The keys of the log, and how one vouches for the next.
//!
//! Each key is derived from the master key by the epoch and a generation that counts up; the database only says which
//! is in use. INVARIANT: a node signs with a key other than the first only where a note signed with the key before
//! says so, which whoever has the database alone cannot write (`a_key_that_nobody_announced_is_not_used`).

use anyhow::Context as _;

use crate::store::Tx;
use crate::store::epochs::Link;
use crate::store::tree::{Epoch, Tree};
use crate::tlog::{Checkpoint, Hash, Note, SigningKey, check_inclusion, inclusion, leaf_hash};
use crate::wire::{LogEntry, Recovered};

use crate::gate::{Error, Gate, hex};

use super::FIRST;

/// Nobody changes the key of one epoch more often than this.
pub(super) const GENERATIONS_MAX: u32 = 32;

/// Which key of the log: its epoch, and its generation in there.
pub(in crate::gate) type KeyAt = (u32, u32);

/// A checkpoint, the note that it is in, and the key that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gate) struct Signed {
    pub by: KeyAt,
    pub checkpoint: Checkpoint,
    pub note: String,
}

/// A link as those need it who follow the log from one key to the next.
#[derive(Debug, Clone)]
pub struct SeenLink {
    pub link: Link,
    /// The key that it vouches for.
    pub key: String,
    /// The entry that says so: where it begins an epoch the first of that, otherwise the last of the note's log.
    pub entry: Option<Vec<u8>>,
    /// That it is in the log of the note, where that has more than this entry.
    pub inclusion: Option<Vec<Hash>>,
}

pub(in crate::gate) fn key_at(tree: &Tree) -> KeyAt {
    (tree.epoch.number, tree.generation)
}

impl Gate {
    /// What the name of every epoch of this log begins with.
    fn log_name(&self) -> String {
        let id = self.rules.key().derive("audit log name", &[]);
        format!(
            "portcullis/audit/{}/",
            hex(id.get(..16).unwrap_or_default())
        )
    }

    pub(in crate::gate) fn log_key(&self, (epoch, generation): KeyAt) -> Result<SigningKey, Error> {
        let name = format!("{}{epoch}", self.log_name());
        let turn = generation.to_string();
        let parts = [name.as_str(), turn.as_str()];
        // The first is derived as it was when there was no other.
        let parts = parts.get(..if generation == 1 { 1 } else { 2 });
        let seed = self
            .rules
            .key()
            .derive("audit log", parts.unwrap_or_default());
        Ok(SigningKey::from_seed(&name, &seed).context("making the key of the log")?)
    }

    /// A checkpoint, if this key of ours signed it.
    pub(in crate::gate) fn signed_with(
        &self,
        note: &str,
        by: KeyAt,
    ) -> Result<Option<Signed>, Error> {
        let key = self.log_key(by)?;
        let read = || {
            let read = Note::read(note).ok()?;
            let checkpoint: Checkpoint = read.verify(key.verifying()).ok()?.parse().ok()?;
            (checkpoint.origin == key.verifying().name()).then_some(checkpoint)
        };
        Ok(read().map(|checkpoint| Signed {
            by,
            checkpoint,
            note: note.to_owned(),
        }))
    }

    /// A checkpoint, if any key of ours signed it; the newest of those that did.
    pub(in crate::gate) fn signed_by_us(&self, note: &str) -> Result<Option<Signed>, Error> {
        let name = self.log_name();
        let epoch = Note::read(note).ok().and_then(|read| {
            let checkpoint: Checkpoint = read.unverified().parse().ok()?;
            checkpoint.origin.strip_prefix(&name)?.parse().ok()
        });
        let Some(epoch) = epoch else {
            return Ok(None);
        };
        for generation in (1..=GENERATIONS_MAX).rev() {
            if let Some(signed) = self.signed_with(note, (epoch, generation))? {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    /// What the first entry of an epoch says of the epoch before; nothing where it is none that its link has.
    pub(super) async fn recovered(
        &self,
        tx: &mut Tx,
        link: &Link,
    ) -> Result<Option<Recovered>, Error> {
        let Some(signed) = self.signed_with(&link.note, (link.epoch.number, link.generation))?
        else {
            return Ok(None);
        };
        let Some(entry) = tx.entries(0, 1, link.epoch).await?.pop() else {
            return Ok(None);
        };
        let fits = signed.checkpoint.size == 1 && signed.checkpoint.root == leaf_hash(&entry);
        let read = LogEntry::decode(&entry).ok();
        Ok(read
            .filter(|_| fits)
            .and_then(|entry| Recovered::read(&entry)))
    }

    /// Follows the links from the first key on; answers how many vouch for theirs, and the key that they lead to.
    pub(super) async fn follow(
        &self,
        tx: &mut Tx,
        links: &[Link],
    ) -> Result<(usize, KeyAt, Epoch), Error> {
        let mut trusted: KeyAt = (FIRST, 1);
        let mut epoch = Epoch {
            number: FIRST,
            begins: 0,
        };
        for (place, link) in links.iter().enumerate() {
            let at = (link.epoch.number, link.generation);
            let before = self.log_key(trusted)?;
            let vouched = Note::read(&link.note)
                .is_ok_and(|note| note.verify(before.verifying()).is_ok())
                && self.signed_with(&link.note, at)?.is_some();
            let told = if link.generation == 1 {
                self.recovered(tx, link).await?.is_some()
            } else {
                link.epoch == epoch
            };
            if !(vouched && told) {
                return Ok((place, trusted, epoch));
            }
            (trusted, epoch) = (at, link.epoch);
        }
        Ok((links.len(), trusted, epoch))
    }

    /// Whether the key that the database names is one that a key before vouched for; the error says why not.
    pub(super) async fn announced(
        &self,
        tx: &mut Tx,
        tree: &Tree,
        links: &[Link],
    ) -> Result<Result<(), String>, Error> {
        let (good, at, epoch) = self.follow(tx, links).await?;
        if good == links.len() && (at, epoch) == (key_at(tree), tree.epoch) {
            return Ok(Ok(()));
        }
        let (number, generation) = key_at(tree);
        Ok(Err(format!(
            "nobody announced that key {generation} of epoch {number} signs the log"
        )))
    }

    /// What vouches for each key but the first, the oldest first.
    pub async fn log_links(&self) -> Result<Vec<SeenLink>, Error> {
        let (mut tx, _) = self.look().await?;
        let mut seen = Vec::new();
        for link in tx.links().await? {
            let key = self.log_key((link.epoch.number, link.generation))?;
            let (entry, inclusion) = match link.generation {
                1 => (tx.entries(0, 1, link.epoch).await?.pop(), None),
                _ => rotated(&mut tx, &link).await?.unzip(),
            };
            seen.push(SeenLink {
                key: key.verifying().to_string(),
                entry,
                inclusion,
                link,
            });
        }
        Ok(seen)
    }

    /// The key with which others check what is signed here, as `name+hash+key`.
    pub async fn log_verifier(&self) -> Result<String, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        Ok(self.log_key(key_at(&tree))?.verifying().to_string())
    }
}

/// The entry with which a key was changed, and the proof that it is in the log of the link; nothing where it is gone.
async fn rotated(tx: &mut Tx, link: &Link) -> Result<Option<(Vec<u8>, Vec<Hash>)>, Error> {
    let checkpoint: Option<Checkpoint> = Note::read(&link.note)
        .ok()
        .and_then(|note| note.unverified().parse().ok());
    let place = checkpoint.and_then(|log| Some((log.size.checked_sub(1)?, log.size, log.root)));
    let Some((place, size, root)) = place else {
        return Ok(None);
    };
    let Some(rows) = inclusion(place, size) else {
        return Ok(None);
    };
    let entry = tx.entries(place, 1, link.epoch).await?.pop();
    let hashes = tx.prove(&rows, size, link.epoch).await?;
    // Where it was lost, another entry has its index by now.
    let whole = |(entry, hashes): &(Vec<u8>, Vec<Hash>)| {
        check_inclusion(leaf_hash(entry), place, (size, root), hashes).is_ok()
    };
    Ok(entry.zip(hashes).filter(whole))
}
