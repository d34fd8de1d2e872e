//! What a log and a witness say to each other (c2sp.org/tlog-witness), and the rule by which a witness signs.

use std::fmt;

use thiserror::Error;

use super::checkpoint::Checkpoint;
use super::hash::Hash;
use super::note::{Note, NoteError, VerifyingKey};
use super::proof::check_consistency;

/// A proof is not longer, or the log would have more than 2^63 entries.
const PROOF_MAX: usize = 63;

/// A checkpoint for a witness, and that it continues what the witness saw last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size of the log that the witness saw last.
    pub old: u64,
    pub proof: Vec<Hash>,
    pub note: Note,
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotCosigned {
    #[error("this cannot be read: {why}")]
    Form { why: &'static str },
    #[error("the log `{origin}` is not known here")]
    UnknownLog { origin: String },
    #[error("the checkpoint is not signed with a key of `{origin}` that is known here")]
    Unsigned { origin: String },
    #[error("the log had {size} entries when it was seen last")]
    Conflict { size: u64 },
    /// The same size was seen with another root: the two notes together show what the log did.
    #[error("the log was seen at the same size with another root")]
    Forked,
    #[error("the proof does not show that the log continues what was seen of it")]
    Inconsistent,
}

/// As it is sent: the old size, the hashes of the proof, an empty line, and the note.
impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl std::str::FromStr for Submission {
    type Err = NotCosigned;

    fn from_str(text: &str) -> Result<Self, NotCosigned> {
        let wrong = |why| NotCosigned::Form { why };
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(wrong("there is no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let plain = |old: &&str| {
            old.bytes().all(|byte| byte.is_ascii_digit()) && (*old == "0" || !old.starts_with('0'))
        };
        let old = old.filter(plain).and_then(|old| old.parse().ok());
        let old = old.ok_or(wrong("the first line is not `old` and a size"))?;
        let proof: Result<Vec<Hash>, String> = lines.map(str::parse).collect();
        let proof = proof.map_err(|_| wrong("a line of the proof is no hash"))?;
        if proof.len() > PROOF_MAX {
            return Err(wrong("the proof has more than 63 lines"));
        }
        let note = Note::read(note).map_err(|_| wrong("the checkpoint is no signed note"))?;
        Ok(Self { old, proof, note })
    }
}

/// Whether a witness that knows these keys, and saw this of the log last, signs what it is sent; answers what it then
/// has seen. The checks are in the order in which the specification has them.
pub fn judge(
    submission: &Submission,
    keys: &[VerifyingKey],
    last: impl FnOnce(&str) -> Option<Checkpoint>,
) -> Result<Checkpoint, NotCosigned> {
    let new: Checkpoint = submission
        .note
        .unverified()
        .parse()
        .map_err(|_| NotCosigned::Form {
            why: "the note is no checkpoint",
        })?;
    let origin = || new.origin.clone();
    let mut keys = keys
        .iter()
        .filter(|key| key.name() == new.origin)
        .peekable();
    if keys.peek().is_none() {
        return Err(NotCosigned::UnknownLog { origin: origin() });
    }
    let mut signed = false;
    for key in keys {
        match submission.note.verify(key) {
            Ok(_) => signed = true,
            // One of another key of the same log.
            Err(NoteError::Unsigned { .. }) => {}
            Err(_) => return Err(NotCosigned::Unsigned { origin: origin() }),
        }
    }
    if !signed {
        return Err(NotCosigned::Unsigned { origin: origin() });
    }
    if submission.old > new.size {
        let why = "the old size is larger than the one of the checkpoint";
        return Err(NotCosigned::Form { why });
    }
    let last = last(&new.origin);
    let size = last.as_ref().map_or(0, |last| last.size);
    if submission.old != size {
        return Err(NotCosigned::Conflict { size });
    }
    let root = last.map_or_else(Hash::of_nothing, |last| last.root);
    if new.size == size && new.root != root {
        return Err(NotCosigned::Forked);
    }
    let checked = check_consistency((size, root), (new.size, new.root), &submission.proof);
    checked.map_err(|_| NotCosigned::Inconsistent)?;
    Ok(new)
}
