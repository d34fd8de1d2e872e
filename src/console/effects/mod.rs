//! Performs what the application asks for, and brings back what came of it. The only part of the console that talks
//! to the server; it works in tasks, so the screen never waits for the network.
//!
//! `ask.rs` reads, `change.rs` changes, `stream.rs` follows, `sign_in.rs` signs in.

mod ask;
mod change;
mod sign_in;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::client::{
    AuditQuery, Chosen, Client, ClientError, Listener, Note, RetryNow, StepUpNeeded, follow,
    open_browser,
};
use crate::console::confirm::Mutation;
use crate::console::effects::ask::ask;
use crate::console::effects::change::change;
use crate::console::effects::stream::stream;
use crate::console::export;
use crate::console::msg::{Failure, Msg, Proving, Query, Tidings, Trip};
use crate::console::widget::toast::Level;
use crate::secret::Secret;

/// Batches of live events that wait for the screen; when it is full the connection fills up, and the server waits.
const BATCHES: usize = 16;
/// Calls at the same time; a person causes two or three.
const CALLS: usize = 8;

/// How the console reaches a server, given the name of a backend when there are several. Called after the first frame,
/// because it reads certificates from disk.
pub type Connect = Box<dyn Fn(Option<&str>) -> Result<Client, ClientError> + Send>;

/// The server's side of the application.
#[derive(Debug)]
pub(super) struct Server {
    client: Result<Client, Failure>,
    /// Where the work is done: never where the screen waits for its timers.
    network: Handle,
    tasks: JoinSet<()>,
    calls: Arc<Semaphore>,
    answers: mpsc::UnboundedSender<Msg>,
    /// Proofs of a second factor, by the key of the change that each is for.
    proofs: Arc<Mutex<HashMap<String, Secret>>>,
    retry: Option<RetryNow>,
    /// Ends the waiting for whoever proves a second factor.
    proving: Option<CancellationToken>,
    /// The attempt to sign in that is under way.
    signing_in: Option<AbortHandle>,
}

/// Shows as a message what calls have to say besides their answers. How old the data are is in the banner, and that an
/// answer is still to come stands beside the change.
#[derive(Debug)]
struct Telling(mpsc::UnboundedSender<Msg>);

impl Listener for Telling {
    fn tell(&self, note: Note) {
        if note == Note::AskedAgain {
            let _ = self.0.send(Msg::Say(Level::Info, note.text()));
        }
    }
}

/// What comes back.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Answers, of which there are never more than questions.
    pub(super) answers: mpsc::UnboundedReceiver<Msg>,
    /// The live stream.
    pub(super) stream: mpsc::Receiver<Tidings>,
    tidings: Option<mpsc::Sender<Tidings>>,
}

impl Server {
    /// Gets ready to talk; nothing is sent yet.
    pub(super) fn new(
        connect: &Connect,
        backend: Option<&str>,
        network: Handle,
    ) -> (Self, Incoming) {
        let (answers, received) = mpsc::unbounded_channel();
        let (tidings, stream) = mpsc::channel(BATCHES);
        let listener = Arc::new(Telling(answers.clone()));
        let client = connect(backend).map(|client| client.with_listener(listener));
        let server = Self {
            client: client.map_err(failure),
            network,
            tasks: JoinSet::new(),
            calls: Arc::new(Semaphore::new(CALLS)),
            answers,
            proofs: Arc::default(),
            retry: None,
            proving: None,
            signing_in: None,
        };
        (
            server,
            Incoming {
                answers: received,
                stream,
                tidings: Some(tidings),
            },
        )
    }

    /// Where the work is done.
    pub(super) fn network(&self) -> Handle {
        self.network.clone()
    }

    /// Follows the live stream from now on.
    pub(super) fn connect(&mut self, incoming: &mut Incoming) {
        let (Ok(client), Some(tidings)) = (&self.client, incoming.tidings.take()) else {
            return;
        };
        let follow = {
            let _inside = self.network.enter();
            follow(client.clone(), None)
        };
        self.retry = Some(follow.handle());
        self.tasks.spawn_on(stream(follow, tidings), &self.network);
    }

    /// Ends the pause before the next try of the live stream.
    pub(super) fn retry_now(&self) {
        if let Some(retry) = &self.retry {
            retry.retry_now();
        }
    }

    /// Asks a question.
    pub(super) fn fetch(&mut self, query: Query) {
        let (client, calls) = (self.client.clone(), Arc::clone(&self.calls));
        self.spawn(async move {
            let _turn = calls.acquire_owned().await;
            let sent = Instant::now();
            let answer = match client {
                Ok(client) => ask(&client, &query).await.map_err(failure),
                Err(failure) => Err(failure),
            };
            Msg::Answer(
                query,
                answer,
                Trip {
                    sent,
                    received: Instant::now(),
                },
            )
        });
    }

    /// Makes a confirmed change; it does not queue behind questions.
    pub(super) fn change(&mut self, mutation: Mutation) {
        let client = self.client.clone().map(|client| {
            let proof = self
                .proofs()
                .get(mutation.idempotency_key().as_str())
                .cloned();
            match proof {
                Some(proof) => client.with_proof(proof),
                None => client,
            }
        });
        self.spawn(async move {
            let sent = Instant::now();
            let receipt = match client {
                Ok(client) => change(&client, &mutation).await.map_err(failure),
                Err(failure) => Err(failure),
            };
            Msg::Acted(
                mutation,
                receipt,
                Trip {
                    sent,
                    received: Instant::now(),
                },
            )
        });
    }

    /// Proves a second factor. The proof stays here, beside the keys of the changes that it is for.
    pub(super) fn prove(&mut self, proving: Proving) {
        self.stop_proving();
        let (client, proofs) = (self.client.clone(), Arc::clone(&self.proofs));
        let (answers, stop) = (self.answers.clone(), CancellationToken::new());
        self.proving = Some(stop.clone());
        self.spawn(async move {
            let (keys, digests): (Vec<_>, Vec<_>) = proving.calls.into_iter().unzip();
            let proved = async {
                let client = client?;
                let send = |address: &str| {
                    // The screen shows the address, so it does not matter whether this works.
                    open_browser(address);
                    let _ = answers.send(Msg::GoTo(address.to_owned()));
                };
                let proof = match proving.how {
                    Chosen::Typed(proof) => client.step_up(digests, proof).await,
                    Chosen::Passkey => {
                        let proof = client.step_up_by_passkey(digests, &proving.acts, send);
                        proof.await
                    }
                    Chosen::AtProvider => client.step_up_at_provider(digests, send).await,
                };
                proof.map_err(failure)
            };
            let answer = tokio::select! {
                answer = proved => answer,
                () = stop.cancelled() => return Msg::Proved(Vec::new(), Ok(())),
            };
            let answer = answer.map(|proof| {
                let mut proofs = proofs.lock().unwrap_or_else(PoisonError::into_inner);
                proofs.clear();
                let named = keys
                    .iter()
                    .map(|key| (key.as_str().to_owned(), proof.clone()));
                proofs.extend(named);
            });
            Msg::Proved(keys, answer)
        });
    }

    /// Waits no longer for somebody who was sent to the identity provider.
    pub(super) fn stop_proving(&mut self) {
        if let Some(stop) = self.proving.take() {
            stop.cancel();
        }
    }

    fn proofs(&self) -> std::sync::MutexGuard<'_, HashMap<String, Secret>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the record that matches to a file of its own, and says where.
    pub(super) fn export(&mut self, scope: AuditQuery) {
        let client = self.client.clone();
        self.spawn(async move {
            let said = match client {
                Ok(client) => match std::env::current_dir() {
                    Ok(folder) => export::audit(&client, scope, &folder).await,
                    Err(error) => Err(error.to_string()),
                },
                Err(failure) => Err(failure.text().to_owned()),
            };
            match said {
                Ok(text) => Msg::Say(Level::Success, text),
                Err(why) => Msg::Say(Level::Error, format!("nothing was written: {why}")),
            }
        });
    }

    fn spawn(&mut self, call: impl Future<Output = Msg> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let answers = self.answers.clone();
        let call = async move {
            // Nobody is left to hear it when the console has ended.
            let _ = answers.send(call.await);
        };
        self.tasks.spawn_on(call, &self.network);
    }
}

fn failure(error: ClientError) -> Failure {
    let hint = error.hint();
    if let ClientError::Problem(problem) = &error
        && let Some(needed) = StepUpNeeded::of(problem)
    {
        return Failure::StepUp {
            needed,
            text: problem.title.clone(),
            hint,
        };
    }
    match error {
        ClientError::Problem(problem) if problem.status < 500 && problem.status != 429 => {
            Failure::Refused {
                code: problem.code.clone(),
                text: problem.title.clone(),
                hint,
                trace: Some(problem.instance.clone()),
            }
        }
        ClientError::NotSignedIn { text } => Failure::SignedOut(text),
        ClientError::Local { text, hint } => Failure::Refused {
            code: "local".to_owned(),
            text,
            hint: Some(hint),
            trace: None,
        },
        other => Failure::Unreachable(other.to_string()),
    }
}
