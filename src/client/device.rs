//! The key of this device: it signs every call, and never leaves the machine.
//!
//! It lies in a private file apart from the tokens, so that whoever copies those has nothing. Commands that make a
//! client of their own, as tests do, keep it in memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::client::ClientError;
use crate::secret::{self, DeviceKey};

/// Where the key is kept.
#[derive(Debug, Clone)]
enum Keeper {
    Memory,
    File(PathBuf),
}

/// The key of this device for one server, and how wrong its clock is. Copies share both.
#[derive(Clone)]
pub(super) struct Device {
    keeper: Keeper,
    key: Arc<OnceLock<DeviceKey>>,
    /// Seconds by which the clock of this machine is ahead of the server's, as far as that matters.
    ahead: Arc<AtomicI64>,
}

impl Device {
    /// A key that is forgotten with the process.
    pub(super) fn in_memory() -> Self {
        Self::with(Keeper::Memory)
    }

    /// The key in a file, which is made when it is needed first.
    pub(super) fn in_file(path: PathBuf) -> Self {
        Self::with(Keeper::File(path))
    }

    fn with(keeper: Keeper) -> Self {
        Self {
            keeper,
            key: Arc::default(),
            ahead: Arc::default(),
        }
    }

    fn key(&self) -> Result<&DeviceKey, ClientError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = match &self.keeper {
            Keeper::Memory => DeviceKey::generate().and_then(|text| DeviceKey::read(text.expose())),
            Keeper::File(path) => in_file(path),
        };
        let key = key.map_err(|error| ClientError::Local {
            text: format!("the key of this device cannot be used: {error:#}"),
            hint: match &self.keeper {
                Keeper::Memory => "try again".to_owned(),
                Keeper::File(path) => {
                    format!("remove `{}` and run `portcullis login`", path.display())
                }
            },
        })?;
        Ok(self.key.get_or_init(|| key))
    }

    /// What the key is known by (RFC 7638).
    pub(super) fn thumbprint(&self) -> Result<String, ClientError> {
        Ok(self.key()?.thumbprint().to_owned())
    }

    /// Signs one call that is about to be sent.
    pub(super) fn prove(
        &self,
        method: &str,
        address: &str,
        access: Option<&str>,
    ) -> Result<String, ClientError> {
        let at = clock().saturating_sub(self.ahead.load(Ordering::Relaxed));
        self.key()?
            .prove(method, address, at, access)
            .map_err(|error| ClientError::Local {
                text: format!("{error:#}"),
                hint: "try again".to_owned(),
            })
    }

    /// Takes note that proofs were made this much too late, or, below zero, too early.
    pub(super) fn is_ahead(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// Seconds by the clock of this machine. It decides nothing: the server says how wrong it is.
#[expect(
    clippy::disallowed_methods,
    reason = "a proof tells when it was made, and the server compares that with its own clock"
)]
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn in_file(path: &std::path::Path) -> anyhow::Result<DeviceKey> {
    if !path.try_exists()? {
        secret::create_private(path, &DeviceKey::generate()?)?;
    }
    // Read back even when just made: of two processes that start together only one has made the file.
    DeviceKey::read(secret::read_private(path)?.expose())
}
