//! The tree over a log: which nodes it has, how it grows, and of which ranges its proofs are made.
//!
//! A log of any size is a row of full subtrees, the largest first, one for each bit of the size. That row is all that
//! is needed to append and to say the root.

use super::hash::Hash;

/// A full subtree: the leaves from `index << level` up to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// The binary logarithm of how many leaves it has.
    pub level: u8,
    pub index: u64,
}

/// The full subtrees of a log of some size, from the left: what has to be kept to append to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// A frontier that was kept. `None` when there are not as many hashes as a log of that size has subtrees.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        let frontier = Self { size, hashes };
        (frontier.hashes.len() == size.count_ones() as usize).then_some(frontier)
    }

    /// How many leaves the log has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the full subtrees, from the left.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends a leaf, and tells of every subtree that is full with it, the smallest first; the leaf itself is one.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Node, Hash)) {
        let mut node = Node {
            level: 0,
            index: self.size,
        };
        let mut hash = leaf;
        full(node, hash);
        // As in adding one to a binary number: each one at the end carries.
        while node.index & 1 == 1 {
            let Some(left) = self.hashes.pop() else {
                break;
            };
            hash = Hash::above(&left, &hash);
            node = Node {
                level: node.level + 1,
                index: node.index >> 1,
            };
            full(node, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        root(&self.hashes)
    }
}

/// The hash over a row of subtrees that lie side by side, the largest first.
pub fn root(row: &[Hash]) -> Hash {
    let mut row = row.iter().rev();
    let Some(last) = row.next() else {
        return Hash::of_nothing();
    };
    row.fold(*last, |right, left| Hash::above(left, &right))
}

/// The full subtrees of the leaves from `from` up to `to`, from the left. `from` has to be a multiple of the largest
/// power of two that the range could have, as it is in every range of a proof.
fn row(from: u64, to: u64) -> Vec<Node> {
    let mut out = Vec::new();
    let mut at = from;
    while at < to {
        // The largest power of two that fits.
        let level = (to - at).ilog2();
        out.push(Node {
            level: u8::try_from(level).unwrap_or(u8::MAX),
            index: at >> level,
        });
        at += 1 << level;
    }
    out
}

/// What shows that entry `index` is in the log of a size: for each hash of the proof, the row of nodes that it is
/// over (RFC 9162 §2.1.3.1). Nothing when there is no such entry.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Vec<Node>>> {
    if index >= size {
        return None;
    }
    let (mut from, mut to) = (0, size);
    let mut out = Vec::new();
    while to - from > 1 {
        let middle = from + half(to - from);
        if index < middle {
            out.push(row(middle, to));
            to = middle;
        } else {
            out.push(row(from, middle));
            from = middle;
        }
    }
    out.reverse();
    Some(out)
}

/// What shows that a log of size `old` is the beginning of the one of size `new`: for each hash of the proof, the row
/// of nodes that it is over (RFC 9162 §2.1.4.1). Nothing when the old one is longer.
pub fn consistency(old: u64, new: u64) -> Option<Vec<Vec<Node>>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let (mut from, mut to) = (0, new);
    let mut out = Vec::new();
    // As long as the old log began on the left edge, its root is known to whoever asks.
    let mut known = true;
    while old != to {
        let middle = from + half(to - from);
        if old <= middle {
            out.push(row(middle, to));
            to = middle;
        } else {
            out.push(row(from, middle));
            from = middle;
            known = false;
        }
    }
    if !known {
        out.push(row(from, to));
    }
    out.reverse();
    Some(out)
}

/// The largest power of two below a number of leaves, of which there are two at least.
fn half(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}
