//! Passwords of local accounts: Argon2id, few at a time, because each takes 64 MiB.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;

use super::{Secret, random, same};

/// OWASP's second choice of 2026 with more memory: about a quarter of a second on a small server.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// More at once would be a way to fill the server's memory.
const AT_ONCE: usize = 2;
const LENGTH: usize = 32;

/// What is kept of a password: its parameters, its salt and its hash, as one text.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(String);

impl HashedPassword {
    /// Takes a text over that was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedPassword(…)")
    }
}

/// Hashes passwords, two at a time, on threads that may block.
#[derive(Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Hasher {
    /// Makes what is kept of a password.
    pub async fn hash(&self, password: Secret) -> anyhow::Result<HashedPassword> {
        let salt = random::<16>()?;
        let hash = self.digest(password, salt).await?;
        Ok(HashedPassword(format!(
            "argon2id${MEMORY_KIB}${PASSES}${LANES}${}${}",
            URL_SAFE_NO_PAD.encode(salt),
            URL_SAFE_NO_PAD.encode(hash)
        )))
    }

    /// Whether a password is the one that was kept. For an account without a password it takes the same time.
    pub async fn check(
        &self,
        password: Secret,
        kept: Option<&HashedPassword>,
    ) -> anyhow::Result<bool> {
        let (salt, hash) = match kept {
            Some(kept) => read(kept)?,
            None => ([0; 16], [0; LENGTH]),
        };
        let found = self.digest(password, salt).await?;
        Ok(same(&found, &hash) && kept.is_some())
    }

    async fn digest(&self, password: Secret, salt: [u8; 16]) -> anyhow::Result<[u8; LENGTH]> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .context("waiting for a turn to hash a password")?;
        let hashing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let parameters = Params::new(MEMORY_KIB, PASSES, LANES, Some(LENGTH))
                .map_err(|error| anyhow!("{error}"))?;
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
            let mut out = [0; LENGTH];
            argon
                .hash_password_into(password.expose().as_bytes(), &salt, &mut out)
                .map_err(|error| anyhow!("{error}"))?;
            anyhow::Ok(out)
        });
        hashing
            .await
            .context("hashing a password")?
            .context("hashing a password")
    }
}

fn read(kept: &HashedPassword) -> anyhow::Result<([u8; 16], [u8; LENGTH])> {
    let parameters = format!("argon2id${MEMORY_KIB}${PASSES}${LANES}$");
    let parts = kept
        .0
        .strip_prefix(&parameters)
        .and_then(|rest| rest.split_once('$'));
    let (salt, hash) = parts.context("a stored password has other parameters")?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).context("reading a password");
    let wrong = |_| anyhow!("a stored password is not whole");
    Ok((
        <[u8; 16]>::try_from(bytes(salt)?).map_err(wrong)?,
        <[u8; LENGTH]>::try_from(bytes(hash)?).map_err(wrong)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let hasher = Hasher::default();
        let secret = |text: &str| Secret::new(text.to_owned());
        let kept = hasher.hash(secret("correct horse battery")).await.unwrap();
        assert!(!kept.as_str().contains("horse"));
        assert!(
            hasher
                .check(secret("correct horse battery"), Some(&kept))
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .check(secret("correct horse batterz"), Some(&kept))
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .check(secret("correct horse battery"), None)
                .await
                .unwrap()
        );
        let again = hasher.hash(secret("correct horse battery")).await.unwrap();
        assert_ne!(kept, again, "each has a salt of its own");
    }
}
