//! Idempotency keys: one for each change that a person asks for, whatever number of tries it takes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::ClientError;
use crate::secret;

/// In bytes.
const LENGTH: usize = 18;

/// Names one wish to change something, so that the server does it once however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Makes a fresh key: make it when the person decides, and keep it until there is a definite answer.
    pub fn new() -> Result<Self, ClientError> {
        let bytes: [u8; LENGTH] = secret::random().map_err(|error| ClientError::Local {
            text: format!("{error:#}"),
            hint: "this machine is not usable without random numbers".to_owned(),
        })?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A key as it was kept; nothing for what is none of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == LENGTH).then(|| Self(text.to_owned()))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
