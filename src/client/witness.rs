//! What this machine has seen of a server's log. Whoever rewrites the record has to rewrite this, too, everywhere.

use std::io::Write as _;
use std::path::PathBuf;

use crate::client::verify::{Broken, read_checkpoint};
use crate::client::{ClientError, ServerUrl, StateDir};
use crate::tlog::{Checkpoint, VerifyingKey};

/// A file of ours is not longer than this, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The last checkpoint that was seen of one server, with its key, in a file of two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessFile(PathBuf);

/// What is in such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub key: VerifyingKey,
    pub checkpoint: Checkpoint,
}

impl Seen {
    /// Reads the key in the first line, and the note that follows.
    pub fn read(text: &str) -> Result<Self, Broken> {
        let (key, note) = text.split_once('\n').unwrap_or((text, ""));
        let key: VerifyingKey = key.parse().map_err(Broken::Note)?;
        let checkpoint = read_checkpoint(note, &key)?;
        Ok(Self { key, checkpoint })
    }
}

impl WitnessFile {
    /// The file for a server, among those of its sign-ins.
    pub fn of(state: &StateDir, server: &ServerUrl) -> Result<Self, ClientError> {
        let folder = state.private("witness")?;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = server.to_string().chars().map(plain).collect();
        Ok(Self(folder.join(name)))
    }

    /// What was seen last; nothing where nothing was.
    pub fn read(&self) -> Result<Option<Seen>, ClientError> {
        let local = |why: String| ClientError::Local {
            text: format!("what was seen of the audit log cannot be read: {why}"),
            hint: format!("the file is `{}`", self.0.display()),
        };
        match std::fs::metadata(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > LONGEST => return Err(local("it is too large".to_owned())),
            _ => {}
        }
        let text = std::fs::read_to_string(&self.0).map_err(|error| local(error.to_string()))?;
        let seen = Seen::read(&text);
        Ok(Some(seen.map_err(|error| local(error.to_string()))?))
    }

    /// Keeps what was seen and checked.
    pub fn keep(&self, key: &VerifyingKey, note: &str) -> Result<(), ClientError> {
        let folder = self.0.parent().unwrap_or(&self.0);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            write!(file, "{key}\n{note}")?;
            file.persist(&self.0)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| ClientError::Local {
            text: format!("what was seen of the audit log cannot be kept: {error}"),
            hint: format!("the file is `{}`", self.0.display()),
        })
    }
}
