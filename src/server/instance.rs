//! The data directory of one node: private, and used by one server at a time.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::secret::Key;

/// A data directory that this process holds. Nobody else can, until it is dropped.
#[derive(Debug)]
pub struct Instance {
    folder: PathBuf,
    _lock: File,
}

impl Instance {
    /// Opens or creates the directory, readable by its owner alone, and takes its lock.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        if !folder.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("making the data directory {shown}"))?;
        }
        let mode = fs::metadata(folder)
            .with_context(|| format!("looking at the data directory {shown}"))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            bail!(
                "the data directory {shown} has secrets in it and can be read by others: run `chmod 700 {shown}`"
            );
        }
        let path = folder.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => bail!(
                "another server already uses the data directory {shown}: stop it first, or give this one a directory of its own with `--data-dir`"
            ),
            Err(error) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    /// The master key, made at the first start.
    pub fn key(&self) -> anyhow::Result<Key> {
        Key::open_or_create(&self.folder.join("key"))
    }

    /// Where the last checkpoint of the audit log is kept that this node signed.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Where the embedded database is.
    pub fn database(&self) -> PathBuf {
        database_in(&self.folder)
    }
}

/// Where the embedded database of a data directory is.
pub fn database_in(folder: &Path) -> PathBuf {
    folder.join("portcullis.db")
}
