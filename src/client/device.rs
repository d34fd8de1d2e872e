//! The key of this device: it signs every call, and never leaves the machine.
//!
//! It lies apart from the tokens, so that whoever copies those has nothing. Commands that make a client of their own,
//! as tests do, keep it in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;

use crate::client::ClientError;
use crate::client::keeping::{Keeping, KeptIn};
use crate::secret::DeviceKey;

/// The key of this device for one server, and how wrong its clock is. Copies share both.
#[derive(Clone)]
pub(super) struct Device {
    /// Where the key is kept; none for one that is forgotten with the process.
    keeping: Option<Keeping>,
    key: Arc<Mutex<Option<Held>>>,
    /// Seconds by which the clock of this machine is ahead of the server's, as far as that matters.
    ahead: Arc<AtomicI64>,
}

/// The key as it was loaded, and from where.
type Held = Arc<(DeviceKey, KeptIn)>;

impl Device {
    /// A key that is forgotten with the process.
    pub(super) fn in_memory() -> Self {
        Self::with(None)
    }

    /// A key that is made, where it is to be kept, when it is needed first.
    pub(super) fn kept(keeping: Keeping) -> Self {
        Self::with(Some(keeping))
    }

    fn with(keeping: Option<Keeping>) -> Self {
        Self {
            keeping,
            key: Arc::default(),
            ahead: Arc::default(),
        }
    }

    async fn key(&self) -> Result<Held, ClientError> {
        let mut held = self.key.lock().await;
        if let Some(key) = &*held {
            return Ok(Arc::clone(key));
        }
        let key = match &self.keeping {
            // Boxed, because whatever calls the server carries this along.
            Some(keeping) => Box::pin(keeping.load()).await?,
            None => (in_memory()?, KeptIn::Memory),
        };
        Ok(Arc::clone(held.insert(Arc::new(key))))
    }

    /// Takes the key out of the keyring; the next one that is needed is another.
    pub(super) async fn forget(&self) {
        let mut held = self.key.lock().await;
        if let Some(keeping) = &self.keeping {
            Box::pin(keeping.remove()).await;
        }
        *held = None;
    }

    /// Where the key is kept.
    pub(super) async fn kept_in(&self) -> Result<KeptIn, ClientError> {
        Ok(self.key().await?.1)
    }

    /// What the key is known by (RFC 7638).
    pub(super) async fn thumbprint(&self) -> Result<String, ClientError> {
        Ok(self.key().await?.0.thumbprint().to_owned())
    }

    /// Signs one call that is about to be sent.
    pub(super) async fn prove(
        &self,
        method: &str,
        address: &str,
        access: Option<&str>,
    ) -> Result<String, ClientError> {
        let key = self.key().await?;
        let at = clock().saturating_sub(self.ahead.load(Ordering::Relaxed));
        key.0
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

fn in_memory() -> Result<DeviceKey, ClientError> {
    let made = DeviceKey::generate().and_then(|text| DeviceKey::read(text.expose()));
    made.map_err(|error| ClientError::Local {
        text: format!("the key of this device cannot be used: {error:#}"),
        hint: "try again".to_owned(),
    })
}
