//! The tamper-evident log as mathematics and formats: a Merkle tree (RFC 6962, RFC 9162 §2.1), its tiles
//! (c2sp.org/tlog-tiles), signed notes (c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint), and what witnesses
//! say of them (c2sp.org/tlog-cosignature, c2sp.org/tlog-witness).
//!
//! Both halves use it: the service builds the tree, everybody else checks it. It does no I/O and knows no event:
//! hashes that a proof needs are named by [`Node`] and handed in. To add a proof, say which ranges of the log it is
//! made of ([`tree`]); where their hashes lie follows from that.

mod checkpoint;
mod cosignature;
mod hash;
mod note;
mod proof;
mod tile;
mod tree;
mod witness;

pub use checkpoint::Checkpoint;
pub use cosignature::{WitnessKey, WitnessSigner};
pub use hash::{Hash, leaf_hash};
pub use note::{Note, NoteError, SigningKey, VerifyingKey};
pub use proof::{ProofError, check_consistency, check_inclusion};
pub use tile::{Bundle, HEIGHT, TileAt, Tiles, WIDTH};
pub use tree::{Frontier, Node, consistency, inclusion, root};
pub use witness::{NotCosigned, Submission, judge};
