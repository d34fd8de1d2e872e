//! What this machine has seen of a server's log. Whoever rewrites the record has to rewrite this, too, everywhere.

use std::io::Write as _;
use std::path::PathBuf;

use crate::client::epochs::{Chain, follow};
use crate::client::verify::{Broken, read_checkpoint};
use crate::client::{Client, ClientError, ServerUrl, StateDir};
use crate::tlog::{Checkpoint, Hash, VerifyingKey, check_consistency};
use crate::wire::CheckpointView;

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

/// Looks whether the log of a server continues what this machine saw of it, and keeps what it sees. It reads no
/// events, so that it costs next to nothing: whether they are what was signed only `audit verify` says.
pub async fn look(client: &Client, file: &WitnessFile) -> Result<Result<(), Broken>, ClientError> {
    let view = client.checkpoint().await?;
    let Some(seen) = file.read()? else {
        // The first time there is nothing to hold it against.
        if let Ok(key) = view.key.parse::<VerifyingKey>()
            && read_checkpoint(&view.checkpoint, &key).is_ok()
        {
            file.keep(&key, &view.checkpoint)?;
        }
        return Ok(Ok(()));
    };
    let checked = continued(&seen, &view);
    let (chain, signed) = match checked {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let before = &seen.checkpoint;
    if signed.origin == before.origin && signed.size > before.size && before.size > 0 {
        let later = client.checkpoint_from(before.size).await?;
        let hashes: Result<Vec<Hash>, String> = later
            .consistency
            .iter()
            .flatten()
            .map(|hash| hash.parse())
            .collect();
        let now = read_checkpoint(&later.checkpoint, &chain.key);
        let (Ok(hashes), Ok(now)) = (hashes, now) else {
            return Ok(Err(Broken::Root));
        };
        let (old, new) = ((before.size, before.root), (now.size, now.root));
        if check_consistency(old, new, &hashes).is_err() {
            let size = before.size;
            return Ok(Err(Broken::Rewritten { size }));
        }
    }
    file.keep(&chain.key, &view.checkpoint)?;
    Ok(Ok(()))
}

fn continued(seen: &Seen, view: &CheckpointView) -> Result<(Chain, Checkpoint), Broken> {
    let chain = follow(&seen.key, &view.links)?;
    let signed = read_checkpoint(&view.checkpoint, &chain.key)?;
    chain.admits(seen)?;
    let before = &seen.checkpoint;
    if signed.origin == before.origin {
        let (size, same) = (signed.size, signed.root == before.root);
        if size < before.size {
            let before = before.size;
            return Err(Broken::Shorter { before, size });
        }
        if size == before.size && !same {
            return Err(Broken::Rewritten { size });
        }
    }
    Ok((chain, signed))
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
