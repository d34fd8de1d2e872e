//! Cosignatures (c2sp.org/tlog-cosignature, the kind with Ed25519): what a witness says of a checkpoint, and when.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::note::{Note, NoteError, check_hash, is_name, key_id, line, read_key, show_key};

/// The kind of an Ed25519 signature with a moment.
const ALGORITHM: u8 = 4;
/// How the text of a private key begins, as Go's `note` has it.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The name and the public key of a witness; what `name+hash+key` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: [u8; 32],
}

/// A key pair that says of checkpoints that they were seen.
pub struct WitnessSigner {
    verifying: WitnessKey,
    pair: Ed25519KeyPair,
}

/// What is signed: that it is a cosignature, when, and the text of the checkpoint.
fn message(text: &str, at: u64) -> String {
    format!("cosignature/v1\ntime {at}\n{text}")
}

impl WitnessKey {
    /// A key that is known by its bytes.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        let why = "a name has no spaces and no `+`";
        let name = is_name(name).then(|| name.to_owned());
        let name = name.ok_or(NoteError::Key { why })?;
        Ok(Self { name, key })
    }

    /// How the witness calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, ALGORITHM, &self.key)
    }

    /// When this witness last said that it saw the note, in seconds since 1970.
    pub fn seen_at(&self, note: &Note) -> Result<u64, NoteError> {
        let name = || self.name.clone();
        let mut latest = None;
        for bytes in note.signed_as(&self.name, self.id()) {
            let at = self.check(note.unverified(), bytes);
            latest = latest.max(Some(
                at.ok_or_else(|| NoteError::Signature { name: name() })?,
            ));
        }
        latest.ok_or_else(|| NoteError::Unsigned { name: name() })
    }

    /// When it was signed, if it is a signature of this witness.
    fn check(&self, text: &str, bytes: &[u8]) -> Option<u64> {
        let (at, signature) = bytes.split_first_chunk::<8>()?;
        let at = u64::from_be_bytes(*at);
        let public = UnparsedPublicKey::new(&ED25519, self.key);
        let fits = public.verify(message(text, at).as_bytes(), signature);
        // The specification leaves the upper half to nobody, and zero means that no moment was said.
        (fits.is_ok() && at > 0 && i64::try_from(at).is_ok()).then_some(at)
    }

    /// The note with what the witness answered about it, and when that was. Lines of others are left out.
    pub fn add(&self, note: &Note, answer: &str) -> Result<(Note, u64), NoteError> {
        let answered = Note::read(&format!("{}\n{answer}", note.unverified()))?;
        let at = self.seen_at(&answered)?;
        let mut theirs = answered.signed_as(&self.name, self.id());
        let bytes = theirs.find(|bytes| self.check(note.unverified(), bytes) == Some(at));
        let bytes = bytes.unwrap_or_default().to_vec();
        Ok((note.clone().replaced(&self.name, self.id(), bytes), at))
    }
}

/// `name+hash+key`, as other tools read it.
impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_key(&self.name, self.id(), ALGORITHM, &self.key))
    }
}

impl std::str::FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, id, key) = read_key(text, ALGORITHM)?;
        let found = Self::new(name, key)?;
        check_hash(id, found.id())?;
        Ok(found)
    }
}

impl WitnessSigner {
    /// The pair that grows out of 32 random bytes, under a name.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let why = "it is not 32 random bytes";
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        let pair = pair.map_err(|_| NoteError::Key { why })?;
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(pair.public_key().as_ref()) {
            *to = *from;
        }
        let verifying = WitnessKey::new(name, key)?;
        Ok(Self { verifying, pair })
    }

    /// The text of a private key, as it is kept in a file.
    pub fn private(name: &str, seed: &[u8; 32]) -> Result<String, NoteError> {
        let id = Self::from_seed(name, seed)?.verifying.id();
        Ok(format!("{PRIVATE}{}", show_key(name, id, ALGORITHM, seed)))
    }

    /// Reads the text of a private key.
    pub fn read(text: &str) -> Result<Self, NoteError> {
        let why = "it is not the private key of a witness";
        let rest = text.trim().strip_prefix(PRIVATE);
        let (name, id, seed) = read_key(rest.ok_or(NoteError::Key { why })?, ALGORITHM)?;
        let found = Self::from_seed(name, &seed)?;
        check_hash(id, found.verifying.id())?;
        Ok(found)
    }

    /// What checks its signatures.
    pub fn verifying(&self) -> &WitnessKey {
        &self.verifying
    }

    /// Says that a note was seen at a moment, in seconds since 1970: the line that goes below it.
    pub fn cosign(&self, note: &Note, at: u64) -> String {
        let message = message(note.unverified(), at);
        let mut bytes = at.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.pair.sign(message.as_bytes()).as_ref());
        line(&self.verifying.name, self.verifying.id(), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_private_key_is_read_as_it_was_written() {
        let text = WitnessSigner::private("witness.example.org/w", &[9; 32]).unwrap();
        let read = WitnessSigner::read(&format!("{text}\n")).unwrap();
        let made = WitnessSigner::from_seed("witness.example.org/w", &[9; 32]).unwrap();
        assert_eq!(read.verifying(), made.verifying());
        let bytes = STANDARD.encode([4; 33]);
        for wrong in [
            "",
            "PRIVATE+KEY+a+b+c",
            &format!("PRIVATE+KEY+w+00000000+{bytes}"),
        ] {
            assert!(WitnessSigner::read(wrong).is_err(), "{wrong}");
        }
    }
}
