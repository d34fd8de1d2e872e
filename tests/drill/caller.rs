//! Somebody who calls: one key for each change, sent to one node after the other until the answer is definite.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis::client::http;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::history::{Call, Look, Outcome, Recorder, Verb};
use crate::support::world::key;

/// After this time without an answer the next node is asked, and the first one may still be at it.
const TRY: Duration = Duration::from_secs(5);
/// Nothing that breaks here lasts this long.
const PATIENCE: Duration = Duration::from_mins(2);
/// Well before an access token ends, which is after ten minutes.
const RENEW: Duration = Duration::from_mins(5);

/// Where the nodes are, as callers reach them.
pub(super) type Addresses = Arc<Vec<String>>;

/// Somebody who is signed in.
pub(super) struct Caller {
    pub(super) name: String,
    addresses: Addresses,
    /// The node that answered last.
    at: AtomicUsize,
    http: reqwest::Client,
    tokens: Mutex<Tokens>,
    recorder: Arc<Recorder>,
}

struct Tokens {
    access: String,
    /// None where the access token lasts.
    refresh: Option<String>,
    renewed: Instant,
}

/// One try.
struct Try<'a> {
    method: Method,
    path: &'a str,
    key: Option<&'a str>,
    version: Option<i64>,
    body: Option<&'a Value>,
}

/// What came of one try.
enum Told {
    /// And whether it says that it may be old.
    Done(Value, bool),
    Refused(String, bool),
    /// Nothing definite, and why.
    Nothing(String),
}

impl Caller {
    /// Signs in with a code.
    pub(super) async fn sign_in(
        name: &str,
        code: &str,
        addresses: &Addresses,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let caller = Self::with_token(name, "", addresses, recorder);
        let body = json!({ "code": code, "device": "drill" });
        let told = caller.post("/v1/sign-in", &body, None).await;
        let Told::Done(tokens, _) = told else {
            panic!("{name} cannot sign in");
        };
        caller.keep(&tokens).await;
        caller
    }

    /// Somebody whose token lasts.
    pub(super) fn with_token(
        name: &str,
        token: &str,
        addresses: &Addresses,
        recorder: &Arc<Recorder>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            addresses: Arc::clone(addresses),
            at: AtomicUsize::new(0),
            http: http(&addresses[0].parse().unwrap()).unwrap(),
            tokens: Mutex::new(Tokens {
                access: token.to_owned(),
                refresh: None,
                renewed: Instant::now(),
            }),
            recorder: Arc::clone(recorder),
        }
    }

    /// A change, until it is done or refused. `subject` is its name in the record; of what is new, the id.
    pub(super) async fn change(
        &self,
        verb: Verb,
        subject: Option<&str>,
        path: &str,
        version: Option<i64>,
        body: Value,
    ) -> Outcome {
        let (key, start) = (key(), self.recorder.now());
        let what = Try {
            method: Method::POST,
            path,
            key: Some(key.as_str()),
            version,
            body: Some(&body),
        };
        let (told, tries) = self.insist(&what).await;
        let outcome = match told {
            Told::Done(value, _) => Outcome::Done {
                id: value["id"].as_str().unwrap().to_owned(),
                version: value["version"].as_i64().unwrap(),
                state: value["state"].as_str().unwrap().to_owned(),
            },
            Told::Refused(code, _) => Outcome::Refused(code),
            Told::Nothing(_) => Outcome::Open,
        };
        let named = match &outcome {
            Outcome::Done { id, .. } => id.clone(),
            _ => String::new(),
        };
        self.recorder.call(Call {
            start,
            end: self.recorder.now(),
            who: self.name.clone(),
            verb,
            subject: subject.map_or(named, str::to_owned),
            key: key.as_str().to_owned(),
            tries,
            unknown: tries > 1,
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Asks for something that is no change, until there is an answer; nothing when it is refused.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let key = key();
        let what = Try {
            key: (method != Method::GET).then_some(key.as_str()),
            method,
            path,
            version: None,
            body,
        };
        match self.insist(&what).await.0 {
            Told::Done(value, _) => Ok(value),
            Told::Refused(code, _) => Err(code),
            Told::Nothing(why) => Err(format!("no answer: {why}")),
        }
    }

    /// Looks at a request, at another node than the one that answered last.
    pub(super) async fn look(&self, id: &str) {
        self.move_on();
        let (start, path) = (self.recorder.now(), format!("/v1/requests/{id}"));
        let what = Try {
            method: Method::GET,
            path: &path,
            key: None,
            version: None,
            body: None,
        };
        let (version, stale) = match self.insist(&what).await.0 {
            Told::Done(value, stale) => (value["version"].as_i64().unwrap(), stale),
            Told::Refused(_, stale) => (0, stale),
            Told::Nothing(_) => return,
        };
        let look = Look {
            start,
            id: id.to_owned(),
            version,
            stale,
        };
        self.recorder.note(|history| history.looks.push(look));
    }

    /// The token that a stream begins with.
    pub(super) async fn token(&self) -> String {
        self.renew_in_time().await;
        self.tokens.lock().await.access.clone()
    }

    async fn insist(&self, what: &Try<'_>) -> (Told, u32) {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            self.renew_in_time().await;
            tries += 1;
            let token = self.tokens.lock().await.access.clone();
            let why = match self.once(what, &token).await {
                Told::Nothing(why) => why,
                definite => return (definite, tries),
            };
            self.elsewhere(&why, tries).await;
            if began.elapsed() > PATIENCE {
                return (Told::Nothing(why), tries);
            }
        }
    }

    /// Takes down that there was no answer, and turns to the next node.
    async fn elsewhere(&self, why: &str, tries: u32) {
        self.at.fetch_add(1, Ordering::Relaxed);
        self.recorder
            .note(|history| *history.troubles.entry(why.to_owned()).or_default() += 1);
        let pause = 20 * u64::from(tries.min(10));
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// The nodes in turn, beginning with the one that answered last.
    pub(super) fn address(&self) -> &str {
        &self.addresses[self.at.load(Ordering::Relaxed) % self.addresses.len()]
    }

    /// The next one.
    pub(super) fn move_on(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    async fn once(&self, what: &Try<'_>, token: &str) -> Told {
        let address = format!("{}{}", self.address(), what.path);
        let mut request = self.http.request(what.method.clone(), address).timeout(TRY);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(key) = what.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(version) = what.version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        if let Some(body) = what.body {
            request = request.json(body);
        }
        let nothing = |error: reqwest::Error| {
            let why = match error {
                error if error.is_timeout() => "timeout",
                error if error.is_connect() => "no connection",
                _ => "broken off",
            };
            Told::Nothing(why.to_owned())
        };
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) => return nothing(error),
        };
        let status = reply.status();
        let stale = reply.headers().contains_key("portcullis-stale");
        let value: Value = match reply.bytes().await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) => return nothing(error),
        };
        if status.is_success() {
            return Told::Done(value, stale);
        }
        let code = value["code"].as_str().unwrap_or("no problem").to_owned();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Told::Nothing(format!("{} {code}", status.as_u16()));
        }
        Told::Refused(code, stale)
    }

    async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Told {
        let what = Try {
            method: Method::POST,
            path,
            key,
            version: None,
            body: Some(body),
        };
        let mut tries = 0;
        loop {
            match self.once(&what, "").await {
                Told::Nothing(why) if tries < 100 => {
                    tries += 1;
                    self.elsewhere(&why, tries).await;
                }
                told => return told,
            }
        }
    }

    /// A refresh token that was used may come again for a short while, as long as nobody used its successor.
    async fn renew_in_time(&self) {
        let mut tokens = self.tokens.lock().await;
        let Some(refresh) = tokens
            .refresh
            .clone()
            .filter(|_| tokens.renewed.elapsed() > RENEW)
        else {
            return;
        };
        let body = json!({ "refresh_token": refresh });
        match self.post("/v1/tokens/refresh", &body, None).await {
            Told::Done(value, _) => tokens.take(&value),
            Told::Refused(code, _) => panic!("{} cannot renew the token: {code}", self.name),
            Told::Nothing(why) => panic!("{} cannot renew the token: {why}", self.name),
        }
    }

    async fn keep(&self, value: &Value) {
        self.tokens.lock().await.take(value);
    }
}

impl Tokens {
    fn take(&mut self, value: &Value) {
        value["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.access);
        self.refresh = value["refresh_token"].as_str().map(str::to_owned);
        self.renewed = Instant::now();
    }
}
