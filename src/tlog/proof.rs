//! Checking proofs as RFC 9162 says (§2.1.3.2 and §2.1.4.2), with nothing but the hashes that they bring.

use thiserror::Error;

use super::hash::Hash;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    #[error("the sizes do not fit: the log is shorter than what it has to contain")]
    Sizes,
    #[error("the proof has too few or too many hashes")]
    Length,
    /// The new log does not begin as the old one.
    #[error("the log does not begin as it did before")]
    Rewritten,
    /// The hashes do not lead to the root.
    #[error("the hashes of the proof do not lead to the root")]
    Root,
}

/// Checks that a leaf is entry `index` of the log with this size and root.
pub fn check_inclusion(
    leaf: Hash,
    index: u64,
    (size, root): (u64, Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Sizes);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::above(step, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = Hash::above(&hash, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match (last, hash == root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Checks that the old log is the beginning of the new one, each with its size and root.
pub fn check_consistency(
    (old, old_root): (u64, Hash),
    (new, new_root): (u64, Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Sizes);
    }
    if old == new || old == 0 {
        let same = old == 0 || old_root == new_root;
        return match (proof.is_empty(), same) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Rewritten),
            (true, true) => Ok(()),
        };
    }
    // The old root is a node of the new tree where the old size is a power of two; then the proof leaves it out.
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() {
        old_root
    } else {
        *steps.next().ok_or(ProofError::Length)?
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut before, mut after) = (first, first);
    for step in steps {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            before = Hash::above(step, &before);
            after = Hash::above(step, &after);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            after = Hash::above(&after, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if before != old_root {
        return Err(ProofError::Rewritten);
    }
    if after != new_root {
        return Err(ProofError::Root);
    }
    Ok(())
}
