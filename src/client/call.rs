//! One call, before it is sent, and what is known of its tries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;

use crate::client::{ClientError, IdempotencyKey};
use crate::secret::Secret;

/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(10);
/// No further try begins after this time.
const PATIENCE: Duration = Duration::from_secs(8);
/// One call that takes thousands of grants away is given this long; the server itself gives up earlier.
const LONG_TRY: Duration = Duration::from_secs(30);
const LONG_PATIENCE: Duration = Duration::from_secs(40);

/// One call, before it is sent.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) version: Option<i64>,
    pub(super) key: Option<&'a IdempotencyKey>,
    /// The proof of a second factor.
    pub(super) proof: Option<Secret>,
    /// Whether the call needs somebody to be signed in.
    pub(super) signed: bool,
    /// Whether the server does it once however often it is sent.
    pub(super) repeatable: bool,
    /// How long one try may take, and when no further one begins.
    pub(super) patience: (Duration, Duration),
    /// Whether what is in the body may leave a trace on this machine, if only as a hash.
    pub(super) keepable: bool,
    /// Whether it was sent once without an answer, so that it may have been done.
    unanswered: AtomicBool,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a [&'a str]) -> Self {
        let repeatable = method == Method::GET;
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            version: None,
            key: None,
            proof: None,
            signed: true,
            repeatable,
            patience: (TRY, PATIENCE),
            keepable: true,
            unanswered: AtomicBool::new(false),
        }
    }

    /// For a call with a secret in its body.
    pub(super) fn secret(mut self) -> Self {
        self.keepable = false;
        self
    }

    /// Whether it may have been done although nobody said so.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Takes note that it was sent without an answer that says what came of it.
    pub(super) fn has_no_answer(&self) {
        self.unanswered.store(true, Ordering::Relaxed);
    }

    /// For a call that has a lot to do.
    pub(super) fn long(mut self) -> Self {
        self.patience = (LONG_TRY, LONG_PATIENCE);
        self
    }

    pub(super) fn query(mut self, query: Vec<(&'static str, String)>) -> Self {
        self.query = query;
        self
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body);
        self.body = Some(bytes.map_err(|error| ClientError::BadReply {
            text: format!("the call cannot be written: {error}"),
        })?);
        Ok(self)
    }

    pub(super) fn version(mut self, version: i64) -> Self {
        self.version = Some(version);
        self
    }

    pub(super) fn key(mut self, key: &'a IdempotencyKey) -> Self {
        self.key = Some(key);
        self.repeatable = true;
        self
    }

    /// The same call with another key.
    pub(super) fn with_key<'b>(self, key: &'b IdempotencyKey) -> Call<'b>
    where
        'a: 'b,
    {
        Call {
            key: Some(key),
            ..self
        }
    }

    pub(super) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(super) fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }
}
