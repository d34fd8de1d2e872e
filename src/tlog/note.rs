//! Signed notes (c2sp.org/signed-note): text, an empty line, and a line for each signature. Ed25519 only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use thiserror::Error;

/// The kind of a plain Ed25519 signature.
const ALGORITHM: u8 = 1;
/// A note with more signatures than this is not read.
const SIGNATURES_MAX: usize = 100;
/// A note that is longer than this is not read, in bytes.
const NOTE_MAX: usize = 64 * 1024;

/// Why a note is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    #[error("this is not a signed note")]
    Form,
    #[error("no signature of `{name}` is on the note")]
    Unsigned { name: String },
    #[error("the signature of `{name}` does not fit what it is on")]
    Signature { name: String },
    #[error("this is not the key of a note: {why}")]
    Key { why: &'static str },
}

/// A name and a public key; what `name+hash+key` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: [u8; 32],
}

/// A key pair that signs notes under a name.
pub struct SigningKey {
    verifying: VerifyingKey,
    pair: Ed25519KeyPair,
}

/// Text with the signatures on it, none of them checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && c != '+' && !c.is_control();
    !name.is_empty() && name.chars().all(fits)
}

impl VerifyingKey {
    fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            let why = "a name has no spaces and no `+`";
            return Err(NoteError::Key { why });
        }
        Ok(Self {
            name: name.to_owned(),
            key,
        })
    }

    /// Whose signatures it checks.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, line feed, algorithm and key.
    pub fn id(&self) -> [u8; 4] {
        let mut text = self.name.clone().into_bytes();
        text.extend_from_slice(&[b'\n', ALGORITHM]);
        text.extend_from_slice(&self.key);
        let hash = digest(&SHA256, &text);
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        id
    }
}

/// `name+hash+key`, as other tools read it.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ALGORITHM];
        key.extend_from_slice(&self.key);
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let wrong = |why| NoteError::Key { why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it is `name+hash+key`"));
        };
        let key = STANDARD.decode(key).ok();
        let key = key.and_then(|key| match key.split_first() {
            Some((&ALGORITHM, key)) => key.try_into().ok(),
            _ => None,
        });
        let found = Self::new(name, key.ok_or(wrong("its key is not an Ed25519 one"))?)?;
        if format!("{:08x}", u32::from_be_bytes(found.id())) != id {
            return Err(wrong("its hash does not fit its name and key"));
        }
        Ok(found)
    }
}

impl SigningKey {
    /// The pair that grows out of 32 random bytes (RFC 8032 §5.1.5), under a name.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key {
            why: "it is not 32 random bytes",
        })?;
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(pair.public_key().as_ref()) {
            *to = *from;
        }
        Ok(Self {
            verifying: VerifyingKey::new(name, key)?,
            pair,
        })
    }

    /// What checks its signatures.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }
}

impl Note {
    /// A text that nobody has signed. Nothing when it cannot be one: it ends with a line feed and has no other control
    /// characters.
    pub fn new(text: String) -> Option<Self> {
        let plain = |c: char| c == '\n' || !c.is_control();
        let fits = text.ends_with('\n') && text.chars().all(plain);
        fits.then_some(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// The same with one more signature.
    #[must_use]
    pub fn signed(mut self, key: &SigningKey) -> Self {
        self.signatures.push(Signature {
            name: key.verifying.name.clone(),
            id: key.verifying.id(),
            bytes: key.pair.sign(self.text.as_bytes()).as_ref().to_vec(),
        });
        self
    }

    /// Reads a note as it is sent.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        if text.len() > NOTE_MAX {
            return Err(NoteError::Form);
        }
        // The text may have empty lines itself, so the last one counts.
        let (body, lines) = text.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let mut note = Self::new(format!("{body}\n")).ok_or(NoteError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        for line in lines.split('\n') {
            let signature = read_signature(line).ok_or(NoteError::Form)?;
            note.signatures.push(signature);
        }
        if note.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form);
        }
        Ok(note)
    }

    /// The text, once it is known that this key signed it.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&str, NoteError> {
        let name = || key.name.clone();
        let theirs: Vec<&Signature> = self
            .signatures
            .iter()
            .filter(|one| one.name == key.name && one.id == key.id())
            .collect();
        if theirs.is_empty() {
            return Err(NoteError::Unsigned { name: name() });
        }
        let public = UnparsedPublicKey::new(&ED25519, key.key);
        let fits = |one: &&Signature| public.verify(self.text.as_bytes(), &one.bytes).is_ok();
        if !theirs.iter().all(fits) {
            return Err(NoteError::Signature { name: name() });
        }
        Ok(&self.text)
    }

    /// The text as it is, whoever signed it.
    pub fn unverified(&self) -> &str {
        &self.text
    }
}

fn read_signature(line: &str) -> Option<Signature> {
    let (name, rest) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(rest).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    is_name(name).then(|| Signature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}

/// The note as it is sent and kept.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for one in &self.signatures {
            let mut bytes = one.id.to_vec();
            bytes.extend_from_slice(&one.bytes);
            writeln!(f, "— {} {}", one.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}
