//! Sends one call: access token and proof of the device, one refresh when it is too old, and a key that is kept until
//! there is a definite answer. How often it is tried, and where, is in `tries.rs`.

use std::fmt;
use std::sync::Arc;

use reqwest::{Method, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::client::call::Call;
use crate::client::nodes::{Node, Nodes, Standing};
use crate::client::spoken::spoken;
use crate::client::step_up::{Chosen, Prover, StepUpNeeded};
use crate::client::unheard::Settled;
use crate::client::{ClientError, ServerUrl, Session};
use crate::secret::Secret;
use crate::wire::{Problem, Refresh, Tokens};

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

/// What a person should know of a call besides its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// What the server shows may be so many seconds old.
    Stale(u64),
    /// Exactly this was asked before and no answer was heard, so it is asked with the same key.
    AskedAgain,
    /// No answer was heard; the key is kept for whoever asks for exactly the same.
    StillUnheard,
}

impl Note {
    /// As a sentence.
    pub fn text(self) -> String {
        match self {
            Self::Stale(seconds) => format!(
                "what is shown may be {seconds} s old: the server reads from a copy, and nothing can be changed now"
            ),
            Self::AskedAgain => {
                "the answer to this was not heard before; it is asked for again, and done once"
                    .to_owned()
            }
            Self::StillUnheard => {
                "do exactly the same again within a day to hear the answer: it is done once"
                    .to_owned()
            }
        }
    }
}

/// Tells a person what calls have to say besides their answers.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Tells it, as soon as it is known.
    fn tell(&self, note: Note);
}

/// Calls one server on behalf of one person. Copies share connections and the sign-in.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) nodes: Nodes,
    session: Session,
    channel: Channel,
    listener: Option<Arc<dyn Listener>>,
    /// Asks the person for a second factor when a call needs one.
    prover: Option<Arc<dyn Prover>>,
    /// A proof that is sent with every change.
    proof: Option<Secret>,
}

/// Whether another access token may help.
pub(super) fn is_over(problem: &Problem) -> bool {
    problem.status == 401 && !problem.code.starts_with("proof-")
}

impl Client {
    /// A client for the server of the sign-in.
    pub fn new(session: Session, channel: Channel) -> Result<Self, ClientError> {
        Ok(Self {
            nodes: Nodes::new(session.servers(), session.hint())?,
            session,
            channel,
            listener: None,
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

    /// A client that tells this what calls have to say besides their answers.
    #[must_use]
    pub fn with_listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listener = Some(listener);
        self
    }

    pub(super) fn note(&self, note: Note) {
        if let Some(listener) = &self.listener {
            listener.tell(note);
        }
    }

    /// What the node that answered last said of itself.
    pub fn standing(&self) -> Standing {
        self.nodes.standing()
    }

    /// A client that sends this proof with every change; the server takes it for those that it was made for.
    #[must_use]
    pub fn with_proof(mut self, proof: Secret) -> Self {
        self.proof = Some(proof);
        self
    }

    /// The server that is called, by its first address.
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
    pub(super) async fn bytes(&self, call: Call<'_>) -> Result<Vec<u8>, ClientError> {
        if !call.signed {
            return self.attempts(&call, None).await;
        }
        // INVARIANT: a key is on the disk before the first try, and until the answer is definite
        // (`a_change_is_done_once_whatever_becomes_of_who_asks_for_it`).
        let kept = match self.session.unheard() {
            Some(unheard) => unheard.keep(&call, &self.session.tokens()?.me.id).await,
            None => None,
        };
        let Some(kept) = kept else {
            return Box::pin(self.proved(call)).await.0;
        };
        if kept.again && call.key != Some(kept.key()) {
            self.note(Note::AskedAgain);
        }
        let (result, unanswered) = Box::pin(self.proved(call.with_key(kept.key()))).await;
        let settled = kept.settle(unanswered, result.as_ref());
        if settled == Settled::StillUnheard {
            self.note(Note::StillUnheard);
        }
        result
    }

    /// Sends a call, and again with a proof where it needs one. Also says whether a try of it stayed without an answer.
    async fn proved(&self, mut call: Call<'_>) -> (Result<Vec<u8>, ClientError>, bool) {
        call.proof.clone_from(&self.proof);
        let result = match self.signed(&call).await {
            Err(ClientError::Problem(problem)) => match self.prove(&problem, &call).await {
                // The same call with the same key: whatever happens in between, it is done once.
                Ok(Some(proof)) => {
                    call.proof = Some(proof);
                    self.signed(&call).await
                }
                Ok(None) => Err(ClientError::Problem(problem)),
                Err(error) => Err(error),
            },
            other => other,
        };
        (result, call.is_unanswered())
    }

    async fn signed(&self, call: &Call<'_>) -> Result<Vec<u8>, ClientError> {
        let access = self.session.access()?;
        // Boxed, because whatever calls the server carries this along.
        match Box::pin(self.attempts(call, Some(&access))).await {
            Err(ClientError::Problem(problem)) if is_over(&problem) => {
                let access = Box::pin(self.renew(&access)).await?;
                Box::pin(self.attempts(call, Some(&access))).await
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

    /// A call with the headers that every call has, and the proof that it comes from this device.
    pub(super) async fn prepared(
        &self,
        method: Method,
        path: &[&str],
        access: Option<&Secret>,
        node: &Node,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        // The address that is really called is the one that the proof is for, also where that is not the first.
        let address = node.url.join(path);
        if let (true, Some(access)) = (self.session.is_service(), access) {
            return Ok(node
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
        let request = node
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

pub(super) fn bad_reply(text: String) -> ClientError {
    ClientError::BadReply { text }
}
