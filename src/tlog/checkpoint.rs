//! Checkpoints (c2sp.org/tlog-checkpoint): which log, how long it is, and its root.

use std::fmt;

use super::hash::Hash;

/// What a log says of itself at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is; a name that no other log has.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// The text of the note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}

impl std::str::FromStr for Checkpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "this is not a checkpoint: it has an origin, a size and a root".to_owned();
        let lines = text.strip_suffix('\n').ok_or_else(wrong)?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong());
        };
        let plain = size.bytes().all(|byte| byte.is_ascii_digit())
            && (size == "0" || !size.starts_with('0'));
        // Lines that follow are extensions, of which we know none; none of them is empty.
        if origin.is_empty() || !plain || lines.any(str::is_empty) {
            return Err(wrong());
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| wrong())?,
            root: root.parse()?,
        })
    }
}
