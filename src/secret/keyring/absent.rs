//! The keyring of a build or a system that has none.

use std::convert::Infallible;

use super::NoKeyring;
use crate::secret::Secret;

/// A keyring that cannot be there.
#[derive(Debug)]
pub struct Keyring(Infallible);

impl Keyring {
    /// Says that there is none.
    #[expect(
        clippy::unused_async,
        reason = "where there is one it has to be waited for"
    )]
    pub async fn open() -> Result<Self, NoKeyring> {
        Err(NoKeyring::NotBuilt)
    }

    /// What is kept under this name.
    #[expect(
        clippy::unused_async,
        reason = "where there is one it has to be waited for"
    )]
    pub async fn get(&self, _: &str) -> anyhow::Result<Option<Secret>> {
        match self.0 {}
    }

    /// Keeps a secret under this name, in place of any other.
    #[expect(
        clippy::unused_async,
        reason = "where there is one it has to be waited for"
    )]
    pub async fn put(&self, _: &str, _: &str, _: &Secret) -> anyhow::Result<()> {
        match self.0 {}
    }

    /// Takes out what is kept under this name.
    #[expect(
        clippy::unused_async,
        reason = "where there is one it has to be waited for"
    )]
    pub async fn remove(&self, _: &str) -> anyhow::Result<()> {
        match self.0 {}
    }
}
