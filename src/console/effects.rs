//! Performs what the application asks for, and brings back what came of it. The only part of the console that talks
//! to the server; it works in tasks, so the screen never waits for the network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::client::{
    AuditQuery, Chosen, Client, ClientError, Followed, GrantsQuery, RequestsQuery, RetryNow,
    StepUpNeeded, follow, open_browser,
};
use crate::console::confirm::{Act, Mutation};
use crate::console::export;
use crate::console::msg::{
    Answer, Failure, Msg, Proving, Query, Receipt, Slice, These, Tidings, Trip,
};
use crate::console::store::Subject;
use crate::console::widget::toast::Level;
use crate::secret::Secret;
use crate::wire::{
    Approval, Denial, EventView, Lifting, NarrowView, NewExtension, NewLock, Revocation, SessionEnd,
};

/// Batches of live events that wait for the screen; when it is full the connection fills up, and the server waits.
const BATCHES: usize = 16;
/// Events in a batch: as many as come at once, up to here.
const BATCH: usize = 512;
/// The least time between two batches: the screen shows no more than this, and each batch wakes it.
const STRIDE: Duration = Duration::from_millis(33);
/// Calls at the same time; a person causes two or three.
const CALLS: usize = 8;
const PAGE: u32 = 200;
/// What is over is looked at less; older rows are in the record.
const PAST: u32 = 100;
/// Events read with the detail of a row; more are in the record.
const TRAIL: u32 = 50;
/// The states of a grant that is over.
const OVER: [&str; 4] = ["ended", "returned", "revoked", "activation_failed"];

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
        let server = Self {
            client: connect(backend).map_err(failure),
            network,
            tasks: JoinSet::new(),
            calls: Arc::new(Semaphore::new(CALLS)),
            answers,
            proofs: Arc::default(),
            retry: None,
            proving: None,
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
                let proof = match proving.how {
                    Chosen::Typed(proof) => client.step_up(digests, proof).await,
                    Chosen::AtProvider => {
                        let send = |address: &str| {
                            // The screen shows the address, so it does not matter whether this works.
                            open_browser(address);
                            let _ = answers.send(Msg::GoTo(address.to_owned()));
                        };
                        client.step_up_at_provider(digests, send).await
                    }
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

async fn ask(client: &Client, query: &Query) -> Result<Answer, ClientError> {
    Ok(match query {
        Query::Me => Answer::Me(client.me().await?),
        Query::Request(id) => Answer::Request(Box::new(client.request(id.as_str()).await?)),
        Query::Grant(id) => Answer::Grant(Box::new(client.grant(id.as_str()).await?)),
        Query::Requests { slice, after } => {
            let states = match slice {
                Slice::Open => vec!["pending"],
                Slice::Past => vec!["approved", "denied", "withdrawn", "expired"],
            };
            let query = RequestsQuery {
                states: owned(&states),
                after: after.clone(),
                limit: Some(limit(*slice)),
                ..RequestsQuery::default()
            };
            Answer::Requests(client.requests(&query).await?)
        }
        Query::Grants { slice, after } => {
            let states = match slice {
                Slice::Open => vec!["scheduled", "activating", "active", "closing"],
                Slice::Past => OVER.to_vec(),
            };
            let query = GrantsQuery {
                states: owned(&states),
                after: after.clone(),
                limit: Some(limit(*slice)),
                ..GrantsQuery::default()
            };
            Answer::Grants(client.grants(&query).await?)
        }
        Query::Facets {
            of,
            field,
            prefix,
            q,
            ..
        } => Answer::Facets(client.facets(of.as_str(), field, prefix, q).await?),
        Query::Past { after } => {
            let query = GrantsQuery {
                states: owned(&OVER),
                after: after.clone(),
                limit: Some(PAGE),
                ..GrantsQuery::default()
            };
            Answer::Past(client.grants(&query).await?)
        }
        Query::Sessions => Answer::Sessions(client.sessions().await?),
        Query::Locks => Answer::Locks(client.locks(true, None).await?),
        Query::Lock(id) => Answer::Lock(Box::new(client.lock(id.as_str()).await?)),
        Query::These(subjects) => Answer::These(these(client, subjects).await?),
        Query::Targets => Answer::Targets(client.targets().await?),
        Query::Trail(subject) => {
            let id = Some(subject.as_str().to_owned());
            let (request, grant) = match subject {
                Subject::Grant(_) => (None, id),
                _ => (id, None),
            };
            let query = AuditQuery {
                request,
                grant,
                limit: Some(TRAIL),
                ..AuditQuery::default()
            };
            Answer::Trail(client.audit(&query).await?)
        }
        Query::TryOut(ask) => Answer::TriedOut(Box::new(client.preview_incident(ask).await?)),
        Query::Incident(id) => Answer::Incident(Box::new(client.incident(id).await?)),
        Query::Find { scope, .. } => Answer::Audit(client.audit(scope).await?),
        Query::Audit { scope, after, .. } => {
            let query = AuditQuery {
                after: after.clone(),
                limit: Some(PAGE),
                ..(**scope).clone()
            };
            Answer::Audit(client.audit(&query).await?)
        }
    })
}

/// Rows by their ids. A list that none of them is of is not asked.
async fn these(client: &Client, subjects: &[Subject]) -> Result<These, ClientError> {
    let mut found = These::default();
    let like = |wanted: fn(&Subject) -> bool| {
        let ids = subjects.iter().filter(|subject| wanted(subject));
        let ids: Vec<&str> = ids.map(Subject::as_str).collect();
        (!ids.is_empty()).then(|| format!("id:{}", ids.join(",")))
    };
    let mut whole = true;
    if let Some(q) = like(|subject| matches!(subject, Subject::Request(_))) {
        let query = RequestsQuery {
            q: Some(q),
            limit: Some(PAGE),
            ..RequestsQuery::default()
        };
        let page = client.requests(&query).await?;
        whole &= page.next.is_none();
        found.requests = page.items;
    }
    if let Some(q) = like(|subject| matches!(subject, Subject::Grant(_))) {
        let query = GrantsQuery {
            q: Some(q),
            limit: Some(PAGE),
            ..GrantsQuery::default()
        };
        let page = client.grants(&query).await?;
        whole &= page.next.is_none();
        found.grants = page.items;
    }
    if let Some(q) = like(|subject| matches!(subject, Subject::Lock(_))) {
        let page = client.locks_like(true, Some(&q), None).await?;
        whole &= page.next.is_none();
        found.locks = page.items;
    }
    // Of a list that is not whole nobody knows what is missing.
    if whole {
        let came = found.ids();
        let missing = subjects.iter().filter(|subject| !came.contains(subject));
        found.missing = missing.cloned().collect();
    }
    Ok(found)
}

async fn change(client: &Client, mutation: &Mutation) -> Result<Receipt, ClientError> {
    let (version, key) = (mutation.version(), mutation.idempotency_key());
    Ok(match mutation.act() {
        Act::Approve { request, less } => {
            let narrowed = NarrowView {
                duration: less.duration.map(|span| span.to_string()),
                role: less.role.clone(),
                not_before: less.not_before,
            };
            let approval = Approval {
                comment: None,
                narrowed,
            };
            Receipt::Request(Box::new(
                client
                    .approve(request.as_str(), version, &approval, key)
                    .await?,
            ))
        }
        Act::Deny { request, comment } => {
            let denial = Denial {
                comment: comment.clone(),
            };
            Receipt::Request(Box::new(
                client.deny(request.as_str(), version, &denial, key).await?,
            ))
        }
        Act::Extend { grant, by, reason } => {
            let extension = NewExtension {
                by: by.to_string(),
                reason: reason.clone(),
            };
            Receipt::Request(Box::new(
                client
                    .extend(grant.as_str(), version, &extension, key)
                    .await?,
            ))
        }
        Act::Revoke { grant, reason } => {
            let revocation = Revocation {
                reason: reason.clone(),
            };
            Receipt::Grant(Box::new(
                client
                    .revoke(grant.as_str(), version, &revocation, key)
                    .await?,
            ))
        }
        Act::Claim { request } => {
            Receipt::Request(Box::new(client.claim(request.as_str(), key).await?))
        }
        Act::Release { request } => {
            Receipt::Request(Box::new(client.release(request.as_str(), key).await?))
        }
        Act::Return { grant } => Receipt::Grant(Box::new(
            client.give_back(grant.as_str(), version, key).await?,
        )),
        Act::EndSession { session, reason } => {
            let end = SessionEnd {
                reason: reason.clone(),
            };
            let (grant, id) = (session.grant.as_str(), session.id.as_str());
            Receipt::Session(client.end_session(grant, id, &end, key).await?)
        }
        Act::Lock { on, reason, lasts } => {
            let new = NewLock {
                on: on.clone(),
                reason: reason.clone(),
                duration: lasts.map(|span| span.to_string()),
            };
            Receipt::Lock(Box::new(client.place_lock(&new, key).await?))
        }
        Act::Lift { lock, reason } => {
            let lifting = Lifting {
                reason: reason.clone(),
            };
            Receipt::Lock(Box::new(
                client.lift(lock.as_str(), version, &lifting, key).await?,
            ))
        }
        Act::Incident { commit } => {
            Receipt::Incident(Box::new(client.commit_incident(commit, key).await?))
        }
    })
}

/// Hands the stream on in batches: the first event at once, and those that follow on its heels together.
async fn stream(mut follow: crate::client::Follow, tidings: mpsc::Sender<Tidings>) {
    let mut events: Vec<EventView> = Vec::new();
    let mut sent = Instant::now();
    loop {
        let followed = if events.is_empty() {
            follow.next().await
        } else {
            let next = timeout_at((sent + STRIDE).into(), follow.next());
            let Ok(followed) = next.await else {
                sent = Instant::now();
                let batch = Tidings::Events(std::mem::take(&mut events));
                if tidings.send(batch).await.is_err() {
                    return;
                }
                continue;
            };
            followed
        };
        let told = match followed {
            None => return,
            Some(Followed::Event(event)) => {
                events.push(*event);
                None
            }
            Some(Followed::Hello { now, epoch, .. }) => Some(Tidings::Hello { now, epoch }),
            Some(Followed::Heartbeat { now }) => Some(Tidings::Heartbeat { now }),
            Some(Followed::Gap { .. }) => Some(Tidings::Gap),
            Some(Followed::Lost { why, retry_in }) => Some(Tidings::Lost { why, retry_in }),
        };
        if !events.is_empty() && (told.is_some() || events.len() >= BATCH) {
            sent = Instant::now();
            let batch = Tidings::Events(std::mem::take(&mut events));
            if tidings.send(batch).await.is_err() {
                return;
            }
        }
        if let Some(told) = told
            && tidings.send(told).await.is_err()
        {
            return;
        }
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

fn limit(slice: Slice) -> u32 {
    match slice {
        Slice::Open => PAGE,
        Slice::Past => PAST,
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
