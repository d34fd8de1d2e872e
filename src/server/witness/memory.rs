//! What a witness remembers: a file for each log, with the last checkpoint and both signatures on it.
//!
//! It is on the disk before anybody is told, or a crash would let the witness sign two logs that differ.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ring::digest::{SHA256, digest};
use rustix::fs::{FlockOperation, flock};

use crate::tlog::{Checkpoint, Note, WitnessSigner};

use super::checkpoint_of;

/// No file of ours is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The folder of one witness, which this process holds.
pub(super) struct Memory {
    folder: PathBuf,
    _lock: File,
    /// By origin.
    seen: BTreeMap<String, Seen>,
}

struct Seen {
    checkpoint: Checkpoint,
    note: String,
}

/// The name under which others ask for a log: SHA-256 of its origin in hexadecimal digits.
pub(super) fn hash_of(origin: &str) -> String {
    let hash = digest(&SHA256, origin.as_bytes());
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    hash.as_ref().iter().fold(String::new(), digits)
}

impl Memory {
    /// Opens or makes the folder, and takes its lock.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        let mut make = fs::DirBuilder::new();
        make.recursive(true).mode(0o700);
        make.create(folder.join("logs"))
            .with_context(|| format!("making `{shown}`"))?;
        let about = fs::metadata(folder).with_context(|| format!("looking at `{shown}`"))?;
        if about.permissions().mode() & 0o077 != 0 {
            bail!("`{shown}` has a key in it and can be read by others: run `chmod 700 {shown}`");
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .with_context(|| format!("opening the lock in `{shown}`"))?;
        // Two that sign from one folder would forget what the other saw.
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("another witness already uses `{shown}`"))?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            seen: BTreeMap::new(),
        })
    }

    /// Reads what was seen before. A file that is not what we wrote is an error: taken for nothing it would let a log
    /// begin anew.
    pub(super) fn read(mut self, signer: &WitnessSigner) -> anyhow::Result<Self> {
        let folder = self.folder.join("logs");
        for entry in fs::read_dir(&folder).context("reading what was seen before")? {
            let path = entry.context("reading what was seen before")?.path();
            // Half written when the machine stopped; nobody was told.
            if path.extension().is_some() {
                continue;
            }
            let seen = read(&path, signer);
            let seen = seen.with_context(|| {
                let shown = path.display();
                format!("`{shown}` is not what this witness wrote: put back what it was")
            })?;
            self.seen.insert(seen.checkpoint.origin.clone(), seen);
        }
        Ok(self)
    }

    pub(super) fn seen(&self, origin: &str) -> Option<Checkpoint> {
        self.seen.get(origin).map(|seen| seen.checkpoint.clone())
    }

    pub(super) fn newest(&self, hash: &str) -> Option<String> {
        let mut all = self.seen.iter();
        let found = all.find(|(origin, _)| hash_of(origin) == hash);
        found.map(|(_, seen)| seen.note.clone())
    }

    /// Remembers what is seen. When it answers, it is on the disk.
    pub(super) fn keep(&mut self, checkpoint: Checkpoint, note: &str) -> anyhow::Result<()> {
        let folder = self.folder.join("logs");
        let path = folder.join(hash_of(&checkpoint.origin));
        let beside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&folder)?.sync_all()
        };
        write().with_context(|| format!("writing `{}`", path.display()))?;
        let origin = checkpoint.origin.clone();
        let note = note.to_owned();
        self.seen.insert(origin, Seen { checkpoint, note });
        Ok(())
    }

    /// Keeps the first checkpoint of a log that contradicts what was seen: both together are a proof for anybody.
    pub(super) fn keep_fork(&self, note: &Note) -> anyhow::Result<()> {
        let checkpoint = checkpoint_of(note)?;
        let path = self
            .folder
            .join(hash_of(&checkpoint.origin))
            .with_extension("forked");
        let before = self.seen.get(&checkpoint.origin);
        let before = before.map(|seen| seen.note.as_str()).unwrap_or_default();
        match File::create_new(&path) {
            Ok(mut file) => {
                let text = format!("{before}\n{note}");
                file.write_all(text.as_bytes())?;
                Ok(file.sync_all()?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).with_context(|| format!("writing `{}`", path.display())),
        }
    }
}

fn read(path: &Path, signer: &WitnessSigner) -> anyhow::Result<Seen> {
    if fs::metadata(path)?.len() > LONGEST {
        bail!("it is too large");
    }
    let text = fs::read_to_string(path)?;
    let note = Note::read(&text)?;
    signer.verifying().seen_at(&note)?;
    let checkpoint = checkpoint_of(&note)?;
    if path
        .file_name()
        .is_none_or(|name| name != hash_of(&checkpoint.origin).as_str())
    {
        bail!("it is about another log");
    }
    Ok(Seen {
        checkpoint,
        note: text,
    })
}
