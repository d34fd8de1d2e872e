//! Checks a log from its first entry to its last: what is in it, in which order, and that it is what was signed.
//!
//! It trusts nothing but the key that it is given. Each way in which a log can be wrong is a [`Broken`] of its own, with
//! the place.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::client::epochs::epoch_of;
use crate::client::replay::Told;
use crate::tlog::leaf_hash;
use crate::tlog::{
    Bundle, Checkpoint, Frontier, Hash, Node, Note, NoteError, VerifyingKey, WIDTH, WitnessKey,
};
use crate::wire::{EntryError, LogEntry};

/// Nodes whose clocks are this far apart still write one log.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    #[error("the checkpoint is not signed as it has to be: {0}")]
    Note(NoteError),
    #[error("the checkpoint is not signed by the witness `{name}`")]
    Unwitnessed { name: String },
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(String),
    #[error("the checkpoint is one of `{found}`, not of `{expected}`")]
    Origin { expected: String, found: String },
    #[error("entry {index} is missing, and with it {missing} up to the end")]
    Missing { index: u64, missing: u64 },
    #[error("bundle {number} is cut off or has too much")]
    Bundle { number: u64 },
    #[error("entry {index} cannot be read: {why}")]
    Entry { index: u64, why: EntryError },
    #[error("where entry {index} has to be is one that says it is entry {found}")]
    Index { index: u64, found: u64 },
    #[error("entry {index} says that it is of epoch {found} of the log")]
    Epoch { index: u64, found: u32 },
    #[error("entry {index} says no moment that can be read")]
    Moment { index: u64 },
    #[error("entry {index} is not the one whose hash is in its tile")]
    Leaf { index: u64 },
    #[error("the first {size} entries are not those that were seen before")]
    Rewritten { size: u64 },
    #[error("{before} entries were seen before, and now there are {size}")]
    Shorter { before: u64, size: u64 },
    #[error(
        "the {minimum} entries before the first are gone, and no event says that they were pruned"
    )]
    Pruned { minimum: u64 },
    #[error("the entries do not lead to the root that was signed: at least one was changed")]
    Root,
    #[error(
        "entry {index} is about grant `{grant}` and does not follow from what the log says of it before"
    )]
    GrantStory { grant: String, index: u64 },
    #[error(
        "the {what} of grant `{grant}` in the database is not what the log says, last in entry {index}"
    )]
    GrantDiffers {
        grant: String,
        what: &'static str,
        index: u64,
    },
    #[error("grant `{grant}` is in the database, and no entry of the log made it")]
    GrantUnknown { grant: String },
    #[error("grant `{grant}` is not in the database, and the log has it, last in entry {index}")]
    GrantGone { grant: String, index: u64 },
    #[error("epoch {epoch} of the log does not begin with an entry that says what was lost")]
    Recovery { epoch: u32 },
    #[error(
        "{size} entries of epoch {epoch} were seen before, and the recovery since says nothing of so many"
    )]
    Unadmitted { epoch: u32, size: u64 },
}

impl Broken {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(_) => "log-signature",
            Self::Unwitnessed { .. } => "log-unwitnessed",
            Self::Checkpoint(_) => "log-checkpoint",
            Self::Origin { .. } => "log-origin",
            Self::Missing { .. } => "log-missing",
            Self::Bundle { .. } => "log-bundle",
            Self::Entry { .. } => "log-entry",
            Self::Index { .. } => "log-index",
            Self::Epoch { .. } => "log-epoch",
            Self::Moment { .. } => "log-moment",
            Self::Leaf { .. } => "log-leaf",
            Self::Rewritten { .. } => "log-rewritten",
            Self::Shorter { .. } => "log-shorter",
            Self::Pruned { .. } => "log-pruned",
            Self::Root => "log-root",
            Self::GrantStory { .. } => "grant-story",
            Self::GrantDiffers { .. } => "grant-differs",
            Self::GrantUnknown { .. } => "grant-unknown",
            Self::GrantGone { .. } => "grant-gone",
            Self::Recovery { .. } => "log-recovery",
            Self::Unadmitted { .. } => "log-unadmitted",
        }
    }
}

/// Reads a checkpoint, once it is known that this key signed it and that it is about the log of the key.
pub fn read_checkpoint(note: &str, key: &VerifyingKey) -> Result<Checkpoint, Broken> {
    let note = Note::read(note).map_err(Broken::Note)?;
    let text = note.verify(key).map_err(Broken::Note)?;
    let checkpoint: Checkpoint = text.parse().map_err(Broken::Checkpoint)?;
    if checkpoint.origin != key.name() {
        return Err(Broken::Origin {
            expected: key.name().to_owned(),
            found: checkpoint.origin,
        });
    }
    Ok(checkpoint)
}

/// That a witness outside saw a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    pub witness: String,
    /// How many events the log had.
    pub size: u64,
    pub at: DateTime<Utc>,
}

/// Demands that each of these witnesses has signed a checkpoint; answers what each saw, and when.
pub fn check_witnesses(
    note: &str,
    size: u64,
    keys: &[WitnessKey],
) -> Result<Vec<Witnessed>, Broken> {
    let note = Note::read(note).map_err(Broken::Note)?;
    let seen = |key: &WitnessKey| {
        let at = key.seen_at(&note).map_err(|error| match error {
            NoteError::Unsigned { name } => Broken::Unwitnessed { name },
            error => Broken::Note(error),
        })?;
        let moment = i64::try_from(at).ok();
        let moment = moment.and_then(|at| DateTime::from_timestamp(at, 0));
        let name = || key.name().to_owned();
        Ok(Witnessed {
            witness: name(),
            size,
            at: moment.ok_or_else(|| Broken::Note(NoteError::Signature { name: name() }))?,
        })
    };
    keys.iter().map(seen).collect()
}

/// One leaf of a log, when its event happened, and what it says of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub hash: Hash,
    pub at: DateTime<Utc>,
    pub told: Option<Box<Told>>,
}

/// The leaves of one bundle of a log whose first event has the index `begins`. Bundles can be read side by side:
/// nothing in here depends on the ones before.
pub fn leaves(
    number: u64,
    bytes: &[u8],
    log: &Checkpoint,
    begins: u64,
) -> Result<Vec<Leaf>, Broken> {
    let first = number * WIDTH;
    let expected = log.size.saturating_sub(first).min(WIDTH);
    let entries = Bundle::read(bytes).ok_or(Broken::Bundle { number })?;
    let count = entries.len() as u64;
    if count < expected {
        return Err(Broken::Missing {
            index: begins + first + count,
            missing: log.size - first - count,
        });
    }
    if count > expected {
        return Err(Broken::Bundle { number });
    }
    let epoch = epoch_of(&log.origin);
    let leaf = |(index, bytes): (u64, &[u8])| {
        let entry = LogEntry::place(bytes).map_err(|why| Broken::Entry { index, why })?;
        if entry.index != index {
            let found = entry.index;
            return Err(Broken::Index { index, found });
        }
        if Some(entry.epoch) != epoch {
            let found = entry.epoch;
            return Err(Broken::Epoch { index, found });
        }
        let at = entry.at.parse().ok();
        Ok(Leaf {
            hash: leaf_hash(bytes),
            at: at.ok_or(Broken::Moment { index })?,
            told: Told::read(index, bytes).map(Box::new),
        })
    };
    (begins + first..).zip(entries).map(leaf).collect()
}

/// Up to where an entry says that the log was pruned, if it is about that.
pub fn pruned_to(entry: &[u8]) -> Option<u64> {
    let word = b"audit.pruned";
    entry.windows(word.len()).find(|bytes| bytes == word)?;
    let entry = LogEntry::decode(entry).ok()?;
    if entry.text("code") != Some("audit.pruned") {
        return None;
    }
    entry.body.get("details")?.get("to")?.as_u64()
}

/// A log that is being read from its beginning.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    tree: Frontier,
    /// What was seen of the log before, smallest first.
    before: Vec<Checkpoint>,
    latest: Option<DateTime<Utc>>,
    late: u64,
    /// Of a log that ended with a recovery it is only asked whether it is what was seen.
    asks_only: bool,
    as_seen: Option<bool>,
}

impl Walk {
    /// A walk that also looks whether the log continues what was seen of it before.
    pub fn new(mut before: Vec<Checkpoint>) -> Self {
        before.sort_by_key(|one| std::cmp::Reverse(one.size));
        Self {
            before,
            ..Self::default()
        }
    }

    /// A walk over what a recovery found: it may well be something else than what was seen, for that is why it is over.
    pub fn over_ended(before: Vec<Checkpoint>) -> Self {
        Self {
            asks_only: true,
            ..Self::new(before)
        }
    }

    /// Takes the leaves of the next bundle; `full` is told of every subtree that is full with them.
    pub fn take(
        &mut self,
        leaves: &[Leaf],
        mut full: impl FnMut(Node, Hash),
    ) -> Result<(), Broken> {
        for leaf in leaves {
            self.compare()?;
            self.tree.push(leaf.hash, &mut full);
            let latest = *self.latest.get_or_insert(leaf.at);
            self.late += u64::from(leaf.at + SKEW < latest);
            self.latest = Some(latest.max(leaf.at));
        }
        Ok(())
    }

    /// Takes the hashes of pruned entries, of which nothing else is left.
    pub fn take_pruned(
        &mut self,
        hashes: &[Hash],
        mut full: impl FnMut(Node, Hash),
    ) -> Result<(), Broken> {
        for hash in hashes {
            self.compare()?;
            self.tree.push(*hash, &mut full);
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Broken> {
        let size = self.tree.size();
        while let Some(before) = self.before.pop_if(|before| before.size == size) {
            let same = before.size == 0 || before.root == self.tree.root();
            if !same && !self.asks_only {
                return Err(Broken::Rewritten { size });
            }
            self.as_seen = Some(same && self.as_seen.unwrap_or(true));
        }
        Ok(())
    }

    /// How many entries were read.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// How many events are in the log more than five seconds after one that happened later.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Whether everything that was read is what was signed; answers whether it is what was seen, where anything was.
    pub fn finish(mut self, signed: &Checkpoint) -> Result<Option<bool>, Broken> {
        self.compare()?;
        let size = self.tree.size();
        if let Some(before) = self.before.pop() {
            if !self.asks_only {
                let before = before.size;
                return Err(Broken::Shorter { before, size });
            }
            self.as_seen = Some(false);
        }
        if size < signed.size {
            let missing = signed.size - size;
            return Err(Broken::Missing {
                index: size,
                missing,
            });
        }
        if self.tree.root() != signed.root {
            return Err(Broken::Root);
        }
        Ok(self.as_seen)
    }
}
