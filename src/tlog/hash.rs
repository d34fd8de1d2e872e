//! SHA-256 as RFC 6962 §2.1 uses it: leaves and inner nodes are hashed with different first bytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

/// The hash of a leaf, of a node or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The root of a log that has no entry.
    pub fn of_nothing() -> Self {
        Self::over(&[])
    }

    /// Thirty-two bytes that are a hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the node above two others.
    #[must_use]
    pub fn above(left: &Self, right: &Self) -> Self {
        Self::over(&[&[1], &left.0, &right.0])
    }

    fn over(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        let mut bytes = [0; 32];
        // A SHA-256 digest has 32 bytes.
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

/// The hash of an entry as a leaf of the tree.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::over(&[&[0], entry])
}

/// Standard base64, as checkpoints and proofs have it.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| "a hash is 32 bytes in base64".to_owned())
    }
}
