//! Sends one call: access token and proof of the device, one refresh when it is too old, a few tries while the server cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::client::backoff::jitter;
use crate::client::http::{http, root_cause};
use crate::client::spoken::spoken;
use crate::client::step_up::{Chosen, Prover, StepUpNeeded};
use crate::client::{ClientError, IdempotencyKey, ServerUrl, Session};
use crate::secret::Secret;
use crate::wire::{Problem, Refresh, Tokens};

/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(10);
/// No further try begins after this time.
const PATIENCE: Duration = Duration::from_secs(8);
const TRIES: u32 = 3;
/// One call that takes thousands of grants away is given this long; the server itself gives up earlier.
const LONG_TRY: Duration = Duration::from_secs(30);
const LONG_PATIENCE: Duration = Duration::from_secs(40);
/// More than the largest page by far; a reply beyond it is not from a Portcullis server.
const LARGEST_REPLY: usize = 16 << 20;

/// Which of our programs is calling, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Tui,
    Cli,
    Api,
}

impl Channel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tui => "tui",
            Self::Cli => "cli",
            Self::Api => "api",
        }
    }
}

/// Calls one server on behalf of one person. Copies share connections and the sign-in.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    session: Session,
    channel: Channel,
    /// Asks the person for a second factor when a call needs one.
    prover: Option<Arc<dyn Prover>>,
    /// A proof that is sent with every change.
    proof: Option<Secret>,
}

/// One call, before it is sent.
pub(super) struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    version: Option<i64>,
    key: Option<&'a IdempotencyKey>,
    /// The proof of a second factor.
    proof: Option<Secret>,
    /// Whether the call needs somebody to be signed in.
    signed: bool,
    /// Whether the server does it once however often it is sent.
    repeatable: bool,
    /// How long one try may take, and when no further one begins.
    patience: (Duration, Duration),
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
        }
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
        self.body =
            Some(bytes.map_err(|error| bad_reply(format!("the call cannot be written: {error}")))?);
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

    pub(super) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(super) fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }
}

/// Whether another access token may help.
pub(super) fn is_over(problem: &Problem) -> bool {
    problem.status == 401 && !problem.code.starts_with("proof-")
}

/// Why one try has no reply.
enum Lost {
    /// Nothing was sent.
    NotSent(String),
    /// It was sent, and then the connection broke or stayed silent.
    NoAnswer(String),
}

impl Client {
    /// A client for the server of the sign-in.
    pub fn new(session: Session, channel: Channel) -> Result<Self, ClientError> {
        Ok(Self {
            http: http(session.server())?,
            session,
            channel,
            prover: None,
            proof: None,
        })
    }

    /// A client that asks this for a second factor when a call needs one, and then repeats exactly that call.
    #[must_use]
    pub fn with_prover(mut self, prover: Arc<dyn Prover>) -> Self {
        self.prover = Some(prover);
        self
    }

    /// A client that sends this proof with every change; the server takes it for those that it was made for.
    #[must_use]
    pub fn with_proof(mut self, proof: Secret) -> Self {
        self.proof = Some(proof);
        self
    }

    /// The server that is called.
    pub fn server(&self) -> &ServerUrl {
        self.session.server()
    }

    /// The sign-in that is used.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Sends a call and reads its JSON reply.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        let bytes = self.bytes(call).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            bad_reply(format!(
                "the reply of `{}` is not what this version understands: {error}",
                self.server()
            ))
        })
    }

    /// Sends a call whose reply has no body.
    pub(super) async fn call_empty(&self, call: Call<'_>) -> Result<(), ClientError> {
        self.bytes(call).await.map(drop)
    }

    /// The bytes of the reply, whatever they are.
    pub(super) async fn bytes(&self, mut call: Call<'_>) -> Result<Vec<u8>, ClientError> {
        call.proof.clone_from(&self.proof);
        if !call.signed {
            return self.attempts(&call, None).await;
        }
        match self.signed(&call).await {
            Err(ClientError::Problem(problem)) => match self.prove(&problem, &call).await? {
                // The same call with the same key: whatever happens in between, it is done once.
                Some(proof) => {
                    call.proof = Some(proof);
                    self.signed(&call).await
                }
                None => Err(ClientError::Problem(problem)),
            },
            other => other,
        }
    }

    async fn signed(&self, call: &Call<'_>) -> Result<Vec<u8>, ClientError> {
        let access = self.session.access()?;
        match self.attempts(call, Some(&access)).await {
            Err(ClientError::Problem(problem)) if is_over(&problem) => {
                let access = self.renew(&access).await?;
                self.attempts(call, Some(&access)).await
            }
            other => other,
        }
    }

    /// After a call that needs a second factor: asks the person, and the server for a proof. Nothing when the problem
    /// is another one, or when nobody can be asked.
    async fn prove(
        &self,
        problem: &Problem,
        call: &Call<'_>,
    ) -> Result<Option<Secret>, ClientError> {
        let (Some(prover), Some(needed)) = (&self.prover, StepUpNeeded::of(problem)) else {
            return Ok(None);
        };
        if needed.ways.is_empty() {
            return Ok(None);
        }
        let digests = vec![needed.digest.clone()];
        match prover.prove(&needed).await {
            None => Ok(None),
            Some(Chosen::Typed(proof)) => self.step_up(digests, proof).await.map(Some),
            Some(Chosen::Passkey) => {
                let acts = [spoken(&call.method, call.path, call.body.as_deref())];
                let proof =
                    self.step_up_by_passkey(digests, &acts, |address| prover.send_to(address));
                proof.await.map(Some)
            }
            Some(Chosen::AtProvider) => {
                let proof = self.step_up_at_provider(digests, |address| prover.send_to(address));
                proof.await.map(Some)
            }
        }
    }

    /// As `call`, for what is itself part of a proof: nobody is asked for another one.
    pub(super) async fn call_unproved<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<T, ClientError> {
        let bytes = self.signed(&call).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| bad_reply(format!("the reply to a proof is not understood: {error}")))
    }

    /// After a 401: another access token, from a refresh or from a process that has signed in anew.
    pub(super) async fn renew(&self, stale: &Secret) -> Result<Secret, ClientError> {
        self.session
            .renew(stale, async |refresh_token| {
                let call = Call::new(Method::POST, &["v1", "tokens", "refresh"])
                    .unsigned()
                    .repeatable()
                    .body(&Refresh { refresh_token })?;
                // The server knows a repeated refresh from a stolen token as long as its answer was not used.
                let bytes = self.attempts(&call, None).await?;
                serde_json::from_slice::<Tokens>(&bytes).map_err(|error| {
                    bad_reply(format!("the reply to a refresh is not understood: {error}"))
                })
            })
            .await
    }

    /// Tries a few times while the server cannot be reached. What changes something is only tried again with its key.
    async fn attempts(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
    ) -> Result<Vec<u8>, ClientError> {
        let begun = Instant::now();
        let mut sent = false;
        let mut tried = 0;
        loop {
            tried += 1;
            let lost = match self.attempt(call, access).await {
                Ok(answer) => return answer,
                Err(lost) => lost,
            };
            let (why, again) = match lost {
                Lost::NotSent(why) => (why, true),
                Lost::NoAnswer(why) => {
                    sent = true;
                    (why, call.repeatable)
                }
            };
            let pause = jitter(Duration::from_millis(200), tried, Duration::from_secs(2));
            if !again || tried >= TRIES || begun.elapsed() + pause > call.patience.1 {
                if sent && call.method != Method::GET {
                    return Err(ClientError::OutcomeUnknown);
                }
                return Err(ClientError::Unreachable {
                    text: format!("the server at `{}` cannot be reached: {why}", self.server()),
                });
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
    ) -> Result<Result<Vec<u8>, ClientError>, Lost> {
        let lost = |error: reqwest::Error| {
            let why = if error.is_timeout() {
                "it did not answer in time".to_owned()
            } else {
                root_cause(&error)
            };
            if error.is_connect() || error.is_builder() {
                Lost::NotSent(why)
            } else {
                Lost::NoAnswer(why)
            }
        };
        let mut reply = match self.written(call, access).await {
            Ok(request) => request.send().await.map_err(lost)?,
            Err(error) => return Ok(Err(error)),
        };
        if self.learn_clock(&reply) {
            reply = match self.written(call, access).await {
                Ok(request) => request.send().await.map_err(lost)?,
                Err(error) => return Ok(Err(error)),
            };
        }
        let status = reply.status();
        let bytes = match read_bounded(reply).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Ok(Err(bad_reply(format!(
                    "the reply of `{}` is larger than any that Portcullis gives",
                    self.server()
                ))));
            }
            Err(error) => return Err(lost(error)),
        };
        Ok(if status.is_success() {
            Ok(bytes)
        } else {
            Err(self.refused(status, &bytes))
        })
    }

    async fn written(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut request = self
            .prepared(call.method.clone(), call.path, access)
            .await?
            .timeout(call.patience.0);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        if let Some(version) = call.version {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        if let Some(key) = call.key {
            request = request.header("Idempotency-Key", key.as_str());
            if let Some(proof) = &call.proof {
                request = request.header("Portcullis-Step-Up", proof.expose());
            }
        }
        Ok(request)
    }

    /// Corrects the clock of proofs when the server says that it is wrong; `true` when there is reason to try again.
    pub(super) fn learn_clock(&self, reply: &reqwest::Response) -> bool {
        let ahead = reply
            .headers()
            .get("portcullis-clock-ahead")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(ahead) = ahead {
            self.session.is_ahead(ahead);
        }
        reply.status() == StatusCode::UNAUTHORIZED && ahead.is_some()
    }

    /// A call with the headers that every call has, and the proof that it comes from this device.
    pub(super) async fn prepared(
        &self,
        method: Method,
        path: &[&str],
        access: Option<&Secret>,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let address = self.server().join(path);
        if let (true, Some(access)) = (self.session.is_service(), access) {
            return Ok(self
                .http
                .request(method, address)
                .header("Portcullis-Channel", self.channel.as_str())
                .bearer_auth(access.expose()));
        }
        let token = access.map(Secret::expose);
        let proof = self
            .session
            .prove(method.as_str(), address.as_str(), token)
            .await?;
        let request = self
            .http
            .request(method, address)
            .header("Portcullis-Channel", self.channel.as_str())
            .header("DPoP", proof);
        Ok(match token {
            Some(token) => request.header(header::AUTHORIZATION, format!("DPoP {token}")),
            None => request,
        })
    }

    /// Reads a problem out of a reply that is not a success.
    pub(super) fn refused(&self, status: StatusCode, bytes: &[u8]) -> ClientError {
        match serde_json::from_slice::<Problem>(bytes) {
            Ok(problem) => problem.into(),
            Err(_) => bad_reply(format!(
                "`{}` answered with status {} and not as Portcullis does",
                self.server(),
                status.as_u16()
            )),
        }
    }
}

pub(super) async fn read_bounded(
    mut reply: reqwest::Response,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        if bytes.len() + chunk.len() > LARGEST_REPLY {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn bad_reply(text: String) -> ClientError {
    ClientError::BadReply { text }
}
