//! From the key that a machine trusts to the key that signs the log by now: each vouches for the next, and where an
//! epoch began, its first entry says what was lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::client::verify::Broken;
use crate::client::witness::Seen;
use crate::tlog::{Checkpoint, Hash, Note, VerifyingKey, leaf_hash};
use crate::wire::{LogEntry, LogLinkView, Recovered};

/// Where the links led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The key that signs by now.
    pub key: VerifyingKey,
    /// How the log went on where history was lost, the oldest first.
    pub recoveries: Vec<Recovered>,
    /// Checkpoints of the present epoch with which its key was changed.
    pub turns: Vec<Checkpoint>,
}

/// A part of the record that ended with a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What was found of it: nobody signed that as its own checkpoint, but the first entry of the next epoch says it.
    pub found: Checkpoint,
    pub epoch: u32,
    /// The index of its first event.
    pub begins: u64,
}

/// What a machine is told of an epoch that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub epoch: u32,
    pub recovered_at: String,
    pub recovered_by: String,
    pub why: String,
    /// How many events were signed before, and how many were found of that epoch and checked.
    pub signed: u64,
    pub found: u64,
    /// Whether what is left begins as what was signed, as far as this machine has seen it; nothing where it has not.
    pub as_seen: Option<bool>,
}

/// The epoch that the name of a log ends with.
pub fn epoch_of(origin: &str) -> Option<u32> {
    origin.rsplit('/').next()?.parse().ok()
}

fn name_of(origin: &str) -> &str {
    origin.rsplit_once('/').map_or(origin, |(name, _)| name)
}

/// Follows the links from a key that is trusted. Links from before that key vouch for nothing more.
pub fn follow(trusted: &VerifyingKey, links: &[LogLinkView]) -> Result<Chain, Broken> {
    let mut key = trusted.clone();
    let (mut recoveries, mut turns) = (Vec::new(), Vec::new());
    for link in links {
        let next: VerifyingKey = link.key.parse().map_err(Broken::Note)?;
        let note = Note::read(&link.checkpoint).map_err(Broken::Note)?;
        let text = note.verify(&next).map_err(Broken::Note)?;
        let checkpoint: Checkpoint = text.parse().map_err(Broken::Checkpoint)?;
        let same_log = name_of(next.name()) == name_of(trusted.name());
        if checkpoint.origin != next.name() || !same_log {
            return Err(Broken::Origin {
                expected: trusted.name().to_owned(),
                found: checkpoint.origin,
            });
        }
        if link.generation == 1 {
            recoveries.push(recovered(link, &checkpoint)?);
            turns.clear();
        }
        let later = epoch_of(next.name()) >= epoch_of(key.name());
        if later && next != key {
            match note.verify(&key) {
                Ok(_) => key = next,
                // One of a generation before the key that is trusted.
                Err(crate::tlog::NoteError::Unsigned { .. }) => {}
                Err(error) => return Err(Broken::Note(error)),
            }
        }
        turns.push(checkpoint);
    }
    Ok(Chain {
        key,
        recoveries,
        turns,
    })
}

/// What the first entry of the epoch says that a link begins.
pub(in crate::client) fn recovered(
    link: &LogLinkView,
    checkpoint: &Checkpoint,
) -> Result<Recovered, Broken> {
    let wrong = || Broken::Recovery { epoch: link.epoch };
    let bytes = link.entry.as_ref().ok_or_else(wrong)?;
    let bytes = STANDARD.decode(bytes).map_err(|_| wrong())?;
    let entry = LogEntry::decode(&bytes).map_err(|_| wrong())?;
    let said = Recovered::read(&entry).ok_or_else(wrong)?;
    let fits = checkpoint.size == 1
        && checkpoint.root == leaf_hash(&bytes)
        && epoch_of(&checkpoint.origin) == Some(said.epoch);
    fits.then_some(said).ok_or_else(wrong)
}

impl Chain {
    /// The epoch that the key is of, and the index of its first event.
    pub fn present(&self) -> (Option<u32>, u64) {
        let begins = self.recoveries.last().map_or(0, |last| last.begins);
        (epoch_of(self.key.name()), begins)
    }

    /// Whether what a machine saw is what the record says of itself: in the present epoch it has to be compared with,
    /// of one before a recovery has to admit it.
    pub fn admits(&self, seen: &Seen) -> Result<(), Broken> {
        let of = epoch_of(&seen.checkpoint.origin);
        let (present, _) = self.present();
        let foreign = name_of(&seen.checkpoint.origin) != name_of(self.key.name());
        if foreign || of > present {
            return Err(Broken::Origin {
                expected: seen.checkpoint.origin.clone(),
                found: self.key.name().to_owned(),
            });
        }
        let (Some(epoch), size) = (of, seen.checkpoint.size) else {
            return Ok(());
        };
        let next = self.recoveries.iter().find(|one| one.epoch > epoch);
        let root = seen.checkpoint.root.to_string();
        match next {
            Some(next) if !next.covers(epoch, size, &root) => {
                Err(Broken::Unadmitted { epoch, size })
            }
            _ => Ok(()),
        }
    }

    /// The parts of the record that ended with a recovery, the oldest first.
    pub fn ended(&self) -> Result<Vec<(Ended, &Recovered)>, Broken> {
        let part = |said| ended(self.key.name(), said).map(|ended| (ended, said));
        self.recoveries.iter().map(part).collect()
    }
}

fn ended(origin: &str, said: &Recovered) -> Result<Ended, Broken> {
    let (epoch, size) = (said.found_epoch, said.found_size);
    let root: Result<Hash, String> = said.found_root.parse();
    Ok(Ended {
        found: Checkpoint {
            origin: format!("{}/{epoch}", name_of(origin)),
            size,
            root: root.map_err(|_| Broken::Recovery { epoch: said.epoch })?,
        },
        epoch,
        begins: said.begins - size,
    })
}
