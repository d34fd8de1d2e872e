//! Secrets: text that is never shown by accident, tokens, proofs of a device key, derived keys, and the files they lie in.
//!
//! It does not know who a secret belongs to; it never logs and never keeps a copy.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, rand};
use zeroize::{Zeroize, ZeroizeOnDrop};

mod distrust;
pub mod keyring;
pub mod passkey;
mod password;
mod proof;
mod token;
mod totp;

pub use distrust::distrust;
pub use password::{HashedPassword, Hasher};
pub use proof::{DeviceKey, Proof};
pub use token::{TokenError, TokenKind, hide_tokens};
pub use totp::{STEP_SECONDS, Totp, canonical as totp_digits};

/// Text that must not be seen: `Debug` hides it, there is no `Display`, and its memory is wiped when it goes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes over the text; the caller must not keep another copy.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, at the one place where it is handed to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Thirty-two secret bytes from which other secrets are derived.
///
/// Nodes of one installation hold the same master key, so all of them derive the same secrets without storing any.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// Makes a key from bytes that came out of `random` or `derive`.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the key file, or makes it when there is none.
    ///
    /// The file has one line of 43 base64url characters. One that others can read is refused, because then the key
    /// is no secret any more and must be replaced.
    pub fn open_or_create(path: &Path) -> anyhow::Result<Self> {
        if !path
            .try_exists()
            .with_context(|| format!("looking for the key file `{}`", path.display()))?
        {
            let fresh = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
            create_private(path, &fresh)?;
        }
        // Read back even when just made: of two processes that start together only one has made the file.
        let text = read_private(path)?;
        let wrong = || {
            anyhow!(
                "`{}` is not a key file: it should be one line of 43 base64url characters",
                path.display()
            )
        };
        let mut bytes = URL_SAFE_NO_PAD
            .decode(text.expose().trim_end())
            .map_err(|_| wrong())?;
        let key = <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_| wrong());
        bytes.zeroize();
        key
    }

    /// Derives the secret named by `label` and `parts`; different labels or parts never share an answer.
    pub fn derive(&self, label: &str, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in std::iter::once(&label).chain(parts) {
            // With its length in front, ("ab", "c") cannot be taken for ("a", "bc").
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        bytes_of(context.sign().as_ref())
    }

    /// As `derive`, written in 43 characters that need no quoting anywhere.
    pub fn derive_text(&self, label: &str, parts: &[&str]) -> Secret {
        let mut bytes = self.derive(label, parts);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        bytes.zeroize();
        Secret::new(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow!("the operating system gave no random bytes"))?;
    Ok(bytes)
}

/// The SHA-256 of a token: what the database keeps instead of it.
pub fn hash_of(text: &str) -> [u8; 32] {
    bytes_of(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Compares in a time that depends on the lengths alone.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    one.len() == other.len() && difference == 0
}

/// Reads a file that holds a secret, and refuses one that anybody else can read or has written.
pub fn read_private(path: &Path) -> anyhow::Result<Secret> {
    let name = path.display();
    let about = fs::metadata(path).with_context(|| format!("reading the secret in `{name}`"))?;
    if !about.is_file() {
        bail!("`{name}` is not a file");
    }
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "`{name}` can be read by other people (its mode is {mode:04o}): run `chmod 600` on it, and replace the secret in it"
        );
    }
    let us = rustix::process::geteuid().as_raw();
    if about.uid() != us && about.uid() != 0 {
        bail!(
            "`{name}` belongs to somebody else (user {}): it must belong to the user that runs Portcullis",
            about.uid()
        );
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("reading the secret in `{name}`"))?;
    Ok(Secret::new(text))
}

/// Writes a secret into a file that only we can read. A file that is there already stays as it is.
///
/// The file appears whole or not at all, so a crash leaves no empty key behind.
pub fn create_private(path: &Path, secret: &Secret) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{}", secret.expose().trim_end())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error),
            Ok(_) => fs::File::open(folder)?.sync_all(),
        }
    };
    write().with_context(|| format!("writing the secret file `{}`", path.display()))
}

fn bytes_of(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(digest) {
        *slot = *byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter2".to_owned())),
            "Secret(…)"
        );
        assert_eq!(format!("{:?}", Key::new([7; 32])), "Key(…)");
    }

    #[test]
    fn derived_secrets_depend_on_the_label_and_on_where_parts_end() {
        let key = Key::new([7; 32]);
        assert_eq!(key.derive("x", &["ab", "c"]), key.derive("x", &["ab", "c"]));
        assert_ne!(key.derive("x", &["ab", "c"]), key.derive("x", &["a", "bc"]));
        assert_ne!(key.derive("x", &["ab"]), key.derive("y", &["ab"]));
        assert_ne!(key.derive("x", &[]), Key::new([8; 32]).derive("x", &[]));
        assert_eq!(key.derive_text("x", &[]).expose().len(), 43);
    }

    #[test]
    fn comparison_sees_length_and_content() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
        assert!(!same(b"", b"a"));
    }

    #[test]
    fn a_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = Key::open_or_create(&path).unwrap();
        let second = Key::open_or_create(&path).unwrap();
        assert_eq!(first.derive("x", &[]), second.derive("x", &[]));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Key::open_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Key::open_or_create(&path).unwrap_err().to_string();
        assert!(error.ends_with("can be read by other people (its mode is 0640): run `chmod 600` on it, and replace the secret in it"), "{error}");
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, &Secret::new("short".to_owned())).unwrap();
        assert!(Key::open_or_create(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "short\n");
    }
}
