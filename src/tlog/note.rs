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

pub(super) fn is_name(name: &str) -> bool {
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

    /// What its signatures are told from others by.
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, ALGORITHM, &self.key)
    }
}

/// The first four bytes of SHA-256 over name, line feed, algorithm and key.
pub(super) fn key_id(name: &str, algorithm: u8, key: &[u8; 32]) -> [u8; 4] {
    let mut text = name.as_bytes().to_vec();
    text.extend_from_slice(&[b'\n', algorithm]);
    text.extend_from_slice(key);
    let hash = digest(&SHA256, &text);
    let mut id = [0; 4];
    for (to, from) in id.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    id
}

/// A key as `name+hash+key`, the algorithm before its bytes.
pub(super) fn show_key(name: &str, id: [u8; 4], algorithm: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![algorithm];
    bytes.extend_from_slice(key);
    let id = u32::from_be_bytes(id);
    format!("{name}+{id:08x}+{}", STANDARD.encode(bytes))
}

/// The parts of `name+hash+key`, the hash unchecked; nothing where it is none of this algorithm.
pub(super) fn read_key(text: &str, algorithm: u8) -> Result<(&str, &str, [u8; 32]), NoteError> {
    let wrong = |why| NoteError::Key { why };
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("it is `name+hash+key`"));
    };
    if !is_name(name) {
        return Err(wrong("a name has no spaces and no `+`"));
    }
    let key = STANDARD.decode(key).ok();
    let key = key.and_then(|key| match key.split_first() {
        Some((found, key)) if *found == algorithm => key.try_into().ok(),
        _ => None,
    });
    let why = if algorithm == ALGORITHM {
        "its key is not an Ed25519 one"
    } else {
        "its key is not the one of a witness"
    };
    Ok((name, id, key.ok_or(wrong(why))?))
}

/// The hash of a key as `name+hash+key` has it.
pub(super) fn check_hash(said: &str, id: [u8; 4]) -> Result<(), NoteError> {
    let why = "its hash does not fit its name and key";
    let fits = format!("{:08x}", u32::from_be_bytes(id)) == said;
    fits.then_some(()).ok_or(NoteError::Key { why })
}

/// `name+hash+key`, as other tools read it.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_key(&self.name, self.id(), ALGORITHM, &self.key))
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, id, key) = read_key(text, ALGORITHM)?;
        let found = Self::new(name, key)?;
        check_hash(id, found.id())?;
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

    /// The same with the signatures of these keys alone.
    #[must_use]
    pub fn only_of(&self, keys: &[VerifyingKey]) -> Self {
        let theirs = |one: &&Signature| {
            let is = |key: &VerifyingKey| one.name == key.name && one.id == key.id();
            keys.iter().any(is)
        };
        Self {
            text: self.text.clone(),
            signatures: self.signatures.iter().filter(theirs).cloned().collect(),
        }
    }

    /// What stands behind this name and id, whatever it is.
    pub(super) fn signed_as(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let theirs = self.signatures.iter();
        let theirs = theirs.filter(move |one| one.name == name && one.id == id);
        theirs.map(|one| one.bytes.as_slice())
    }

    /// The same with one more, and without what stood behind its name and id.
    pub(super) fn replaced(mut self, name: &str, id: [u8; 4], bytes: Vec<u8>) -> Self {
        self.signatures
            .retain(|one| one.name != name || one.id != id);
        self.signatures.push(Signature {
            name: name.to_owned(),
            id,
            bytes,
        });
        self
    }

    /// The text as it is, whoever signed it.
    pub fn unverified(&self) -> &str {
        &self.text
    }
}

/// One line below a note.
pub(super) fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(signature);
    format!("— {name} {}\n", STANDARD.encode(bytes))
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
        let mut signatures = self.signatures.iter();
        signatures.try_for_each(|one| write!(f, "{}", line(&one.name, one.id, &one.bytes)))
    }
}
