//! The keyring of a Linux desktop: GNOME Keyring, `KWallet` or another program that speaks Secret Service over D-Bus.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, bail};
use secret_service::{EncryptionType, Error, SecretService};
use tokio::time::timeout;

use super::NoKeyring;
use crate::secret::Secret;

/// The longest that anything here may take; a keyring that asks its person something takes longer.
const DEADLINE: Duration = Duration::from_secs(2);
/// By what our entries are found among those of other programs.
const APPLICATION: &str = "portcullis";

/// A keyring that is unlocked.
pub struct Keyring(SecretService<'static>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl Keyring {
    /// The person's keyring, if it can be used without asking them anything.
    pub async fn open() -> Result<Self, NoKeyring> {
        let opening = async {
            // Encrypted, so that whoever watches the bus sees nothing.
            let service = SecretService::connect(EncryptionType::Dh).await;
            let service = service.map_err(|_| NoKeyring::Absent)?;
            let locked = match service.get_default_collection().await {
                Ok(collection) => collection.is_locked().await,
                Err(Error::NoResult) => return Err(NoKeyring::Empty),
                Err(error) => Err(error),
            };
            match locked {
                Ok(false) => Ok(Self(service)),
                Ok(true) => Err(NoKeyring::Locked),
                Err(_) => Err(NoKeyring::Absent),
            }
        };
        timeout(DEADLINE, opening)
            .await
            .unwrap_or(Err(NoKeyring::Silent))
    }

    /// What is kept under this name.
    pub async fn get(&self, name: &str) -> anyhow::Result<Option<Secret>> {
        in_time(async {
            let collection = self.0.get_default_collection().await?;
            let items = collection.search_items(attributes(name)).await?;
            let Some(item) = items.first() else {
                return Ok(None);
            };
            let bytes = item.get_secret().await?;
            let text = String::from_utf8(bytes).context("the entry is not text")?;
            Ok(Some(Secret::new(text)))
        })
        .await
    }

    /// Keeps a secret under this name, in place of any other; `label` is what the person sees in their keyring.
    pub async fn put(&self, name: &str, label: &str, secret: &Secret) -> anyhow::Result<()> {
        in_time(async {
            let collection = self.0.get_default_collection().await?;
            // Writing into a locked one would ask the person to unlock it.
            if collection.is_locked().await? {
                bail!(NoKeyring::Locked.to_string());
            }
            let bytes = secret.expose().as_bytes();
            collection
                .create_item(label, attributes(name), bytes, true, "text/plain")
                .await?;
            Ok(())
        })
        .await
    }

    /// Takes out what is kept under this name.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        in_time(async {
            let collection = self.0.get_default_collection().await?;
            for item in collection.search_items(attributes(name)).await? {
                item.delete().await?;
            }
            Ok(())
        })
        .await
    }
}

fn attributes(name: &str) -> HashMap<&str, &str> {
    HashMap::from([("application", APPLICATION), ("name", name)])
}

async fn in_time<T>(doing: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let done = timeout(DEADLINE, doing).await;
    done.unwrap_or_else(|_| bail!(NoKeyring::Silent.to_string()))
        .context("the keyring did not do it")
}
