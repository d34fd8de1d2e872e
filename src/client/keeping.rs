//! Where the key of this device is kept: in the keyring of the desktop, or in a private file.
//!
//! A key that is in the keyring is in no file. Beside it lies only a note with the random name of its entry, which is
//! worth nothing without that keyring, and which keeps a session without it, such as one over SSH, from quietly making
//! a second key that the present sign-in is not bound to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::ClientError;
use crate::config::DeviceKeyPlace;
use crate::secret::keyring::{Keyring, NoKeyring};
use crate::secret::{self, DeviceKey, Secret};

/// Where a key turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptIn {
    /// With the process it is gone.
    Memory,
    File,
    Keyring,
}

impl KeptIn {
    /// As a person is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::File => "in a private file",
            Self::Keyring => "in the keyring",
        }
    }
}

/// The places of one key.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    /// Where it is wanted.
    wanted: DeviceKeyPlace,
    /// The private file that may hold it.
    file: PathBuf,
    /// The file with the name of its entry in the keyring.
    note: PathBuf,
    /// What the person sees in the keyring.
    label: String,
}

impl Keeping {
    /// The key for a server, in or beside this file.
    pub(super) fn new(wanted: DeviceKeyPlace, file: PathBuf, server: &str) -> Self {
        Self {
            wanted,
            note: file.with_extension("keyring"),
            file,
            label: format!("Portcullis: the key of this device for {server}"),
        }
    }

    /// The key, made where it is wanted if there is none.
    pub(super) async fn load(&self) -> Result<(DeviceKey, KeptIn), ClientError> {
        let here = self.file.try_exists().unwrap_or(true);
        let noted = self.note.try_exists().unwrap_or(true);
        // Whoever has a key keeps it: another one would mean to sign in again.
        let file_wins = here && self.wanted == DeviceKeyPlace::Auto;
        if file_wins || self.wanted == DeviceKeyPlace::File {
            return self.read_file();
        }
        match Keyring::open().await {
            Ok(keyring) => self
                .ask_keyring(&keyring)
                .await
                .map(|key| (key, KeptIn::Keyring))
                .map_err(|error| unusable(&error, "try again, or set `device_key = \"file\"` in console.toml and run `portcullis login`".to_owned())),
            Err(_) if self.wanted == DeviceKeyPlace::Auto && !noted => self.read_file(),
            Err(why) => Err(self.refused(why)),
        }
    }

    /// Takes the key out of the keyring. A file stays: it may be enrolled for sign-ins on a machine without a desktop.
    pub(super) async fn remove(&self) {
        let Ok(name) = secret::read_private(&self.note) else {
            return;
        };
        // With the sign-in over the key opens nothing, so a keyring that is away does not keep anybody from leaving.
        if let Ok(keyring) = Keyring::open().await
            && keyring.remove(name.expose().trim()).await.is_ok()
        {
            let _ = fs::remove_file(&self.note);
        }
    }

    fn read_file(&self) -> Result<(DeviceKey, KeptIn), ClientError> {
        let hint = || {
            let path = self.file.display();
            format!("remove `{path}` and run `portcullis login`")
        };
        let key = in_file(&self.file).map_err(|error| unusable(&error, hint()))?;
        Ok((key, KeptIn::File))
    }

    async fn ask_keyring(&self, keyring: &Keyring) -> anyhow::Result<DeviceKey> {
        // Of two processes that start together, one makes the key and the other finds it.
        let lock = self.note.with_extension("lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(lock)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let _lock = locked.await?.context("waiting for another process")?;
        if !self.note.try_exists()? {
            let name = URL_SAFE_NO_PAD.encode(secret::random::<18>()?);
            secret::create_private(&self.note, &Secret::new(name))?;
        }
        let name = secret::read_private(&self.note)?;
        let name = name.expose().trim();
        if self.file.try_exists()? {
            let key = secret::read_private(&self.file)?;
            let key = Secret::new(key.expose().trim().to_owned());
            self.put(keyring, name, &key).await?;
            fs::remove_file(&self.file).context("removing the file that held the key")?;
        }
        if let Some(kept) = keyring.get(name).await? {
            return DeviceKey::read(kept.expose());
        }
        let fresh = DeviceKey::generate()?;
        self.put(keyring, name, &fresh).await?;
        DeviceKey::read(fresh.expose())
    }

    /// Puts the key into the keyring, and makes sure that it is there before any other copy is given up.
    async fn put(&self, keyring: &Keyring, name: &str, key: &Secret) -> anyhow::Result<()> {
        DeviceKey::read(key.expose())?;
        keyring.put(name, &self.label, key).await?;
        if keyring.get(name).await?.as_ref() != Some(key) {
            bail!("the keyring does not give back what was put into it");
        }
        Ok(())
    }

    fn refused(&self, why: NoKeyring) -> ClientError {
        let (text, hint) = if self.wanted == DeviceKeyPlace::Auto {
            (
                "the key of this device is in your keyring, which cannot be used",
                "unlock the keyring, or sign in with another key: `PORTCULLIS_DEVICE_KEY=file portcullis login`",
            )
        } else {
            (
                "the key of this device is to be in your keyring, which cannot be used",
                "unlock or start one on this desktop, or set `device_key = \"file\"` in console.toml",
            )
        };
        ClientError::NoKeyring {
            text: format!("{text}: {why}"),
            hint,
        }
    }
}

fn unusable(error: &anyhow::Error, hint: String) -> ClientError {
    ClientError::Local {
        text: format!("the key of this device cannot be used: {error:#}"),
        hint,
    }
}

fn in_file(path: &Path) -> anyhow::Result<DeviceKey> {
    if !path.try_exists()? {
        secret::create_private(path, &DeviceKey::generate()?)?;
    }
    // Read back even when just made: of two processes that start together only one has made the file.
    DeviceKey::read(secret::read_private(path)?.expose())
}
