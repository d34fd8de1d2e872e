//! From what is signed of a log back to the epochs that ended: the first entry of each epoch says what a recovery found of
//! the one before, so that an event from before is proved in two steps or more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::epochs::epoch_of;
use crate::client::verify::Broken;
use crate::tlog::{Checkpoint, Hash, check_inclusion, leaf_hash};
use crate::wire::{LogEntry, Recovered, RecoveryProofView};

/// A part of a log of which is known what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub epoch: Option<u32>,
    /// The index of its first event.
    pub begins: u64,
    pub size: u64,
    pub root: Hash,
    /// How the log went on after it; nothing for the one that is signed.
    pub recovered: Option<Recovered>,
}

impl Part {
    /// Whether an entry is in it.
    pub fn has(&self, entry: &[u8], index: u64, proof: &[Hash]) -> bool {
        let of = LogEntry::place(entry).ok().map(|place| place.epoch);
        let place = index.checked_sub(self.begins);
        place.is_some_and(|place| {
            let log = (self.size, self.root);
            of == self.epoch && check_inclusion(leaf_hash(entry), place, log, proof).is_ok()
        })
    }

    /// What a proof in an epoch that ended shows; nothing where the epoch has not ended.
    pub fn shows(&self) -> Option<String> {
        let said = self.recovered.as_ref()?;
        Some(format!(
            "it is among the {} events that were found of epoch {} when `{}` went on with the log at {}: so says the first entry of epoch {}, and that is in the signed log. Whether they were all, and as they were signed before, only `portcullis audit verify` on a machine that saw them says",
            said.found_size, said.found_epoch, said.by, said.at, said.epoch
        ))
    }
}

/// The parts that these recoveries lead to, the newest first; the first is the log of the checkpoint, which begins where
/// its own first entry says if that is among them.
pub fn reached(
    signed: &Checkpoint,
    begins: u64,
    recoveries: &[RecoveryProofView],
) -> Result<Vec<Part>, Broken> {
    let mut part = Part {
        epoch: epoch_of(&signed.origin),
        begins,
        size: signed.size,
        root: signed.root,
        recovered: None,
    };
    let mut parts = Vec::new();
    for (nth, step) in recoveries.iter().rev().enumerate() {
        let epoch = part.epoch.unwrap_or_default();
        let (said, root) = found(step, &part, nth == 0).ok_or(Broken::Recovery { epoch })?;
        let before = Part {
            epoch: Some(said.found_epoch),
            begins: said.begins - said.found_size,
            size: said.found_size,
            root,
            recovered: Some(said.clone()),
        };
        part.begins = said.begins;
        parts.push(std::mem::replace(&mut part, before));
    }
    parts.push(part);
    Ok(parts)
}

/// What the first entry of a part says of the part before.
fn found(step: &RecoveryProofView, part: &Part, is_signed: bool) -> Option<(Recovered, Hash)> {
    let bytes = STANDARD.decode(&step.entry).ok()?;
    let said = Recovered::read(&LogEntry::decode(&bytes).ok()?)?;
    let proof = hashes(&step.inclusion)?;
    let begins = Part {
        begins: said.begins,
        ..part.clone()
    };
    let fits = is_signed || said.begins == part.begins;
    let root = said.found_root.parse().ok()?;
    (fits && begins.has(&bytes, said.begins, &proof)).then_some((said, root))
}

/// Hashes in base64.
pub fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}
