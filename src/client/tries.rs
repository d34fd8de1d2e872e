//! Tries one call until it has an answer: a few times where there is one server, on the other nodes where there are
//! several. What changes something is only tried again with its key.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use tokio::time::Instant;

use crate::client::ClientError;
use crate::client::backoff::jitter;
use crate::client::call::Call;
use crate::client::http::root_cause;
use crate::client::nodes::{Choice, Node};
use crate::client::send::{Client, Note, bad_reply, read_bounded};
use crate::secret::Secret;
use crate::wire::Problem;

/// So often is a server asked that does not answer, where there is no other.
const TRIES: u32 = 3;
/// With several nodes no further try begins after this time: a database that fails over is back within it.
const LONGER: Duration = Duration::from_secs(20);
const LEAST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The codes of what passes without anybody doing anything.
const OUTCOME_UNKNOWN: &str = "outcome-unknown";
const NO_WRITABLE_STORE: &str = "no-writable-store";

/// Why one try has no answer that counts.
enum Lost {
    /// Nothing was sent.
    NotSent(String),
    /// It was sent, and then the connection broke or stayed silent.
    NoAnswer(String),
    /// What stands before the nodes had no answer from one.
    Between(ClientError),
    /// The node cannot do it at this moment.
    NotNow(Box<Problem>),
}

/// Whether a problem is one that another try may not have.
fn passes(problem: &Problem, several: bool) -> bool {
    let known = [OUTCOME_UNKNOWN, NO_WRITABLE_STORE].contains(&&*problem.code);
    problem.status == 503 && (known || several)
}

impl Client {
    /// Tries until there is an answer or no patience left. A `4xx` is an answer, from whichever node it comes.
    pub(super) async fn attempts(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
    ) -> Result<Vec<u8>, ClientError> {
        let begun = Instant::now();
        let several = self.nodes.are_several();
        let patience = if several {
            call.patience.1.max(LONGER)
        } else {
            call.patience.1
        };
        let mut tried = 0;
        loop {
            tried += 1;
            let node = self.nodes.present()?;
            let tried_there = tokio::select! {
                tried_there = self.attempt(call, access, &node) => tried_there,
                () = self.nodes.hangs(&node) => Err(Lost::NoAnswer("it does not answer".to_owned())),
            };
            let lost = match tried_there {
                Ok(answer) => return answer,
                Err(lost) => lost,
            };
            if match &lost {
                Lost::NotSent(_) => false,
                Lost::NoAnswer(_) | Lost::Between(_) => true,
                Lost::NotNow(problem) => problem.code == OUTCOME_UNKNOWN,
            } {
                call.has_no_answer();
            }
            let again = call.repeatable || matches!(lost, Lost::NotSent(_));
            let enough =
                !several && tried >= TRIES && matches!(lost, Lost::NotSent(_) | Lost::NoAnswer(_));
            let longest = if several {
                LONGEST_PAUSE
            } else {
                Duration::from_secs(2)
            };
            let pause = jitter(LEAST_PAUSE, tried, longest);
            if !again || enough || begun.elapsed() + pause > patience {
                return Err(self.given_up(call, lost));
            }
            let choice = match lost {
                Lost::NotNow(_) => Choice::Same,
                _ => Choice::Other,
            };
            self.nodes.turn_from(node.place, choice).await;
            let turned = self.nodes.present()?.place != node.place;
            // Another node that is ready need not be waited for.
            if !(turned && tried == 1) {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// What there is to say when nobody is asked any more.
    fn given_up(&self, call: &Call<'_>, lost: Lost) -> ClientError {
        if call.is_unanswered() && call.method != Method::GET {
            return ClientError::OutcomeUnknown;
        }
        match lost {
            Lost::NotSent(why) | Lost::NoAnswer(why) => ClientError::Unreachable {
                text: format!("{} cannot be reached: {why}", self.nodes.named()),
            },
            Lost::Between(error) => error,
            Lost::NotNow(problem) => ClientError::Problem(problem),
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
        node: &Node,
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
        let mut reply = match self.written(call, access, node).await {
            Ok(request) => request.send().await.map_err(lost)?,
            Err(error) => return Ok(Err(error)),
        };
        if self.learn_clock(&reply) {
            reply = match self.written(call, access, node).await {
                Ok(request) => request.send().await.map_err(lost)?,
                Err(error) => return Ok(Err(error)),
            };
        }
        let status = reply.status();
        let standing = self.nodes.said(reply.headers());
        let bytes = match read_bounded(reply).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Ok(Err(bad_reply(format!(
                    "the reply of `{}` is larger than any that Portcullis gives",
                    node.url
                ))));
            }
            Err(error) => return Err(lost(error)),
        };
        if status.is_success() {
            self.nodes.answered(node);
            if let Some(seconds) = standing.stale {
                self.note(Note::Stale(seconds));
            }
            return Ok(Ok(bytes));
        }
        match self.refused(status, &bytes) {
            ClientError::Problem(problem) if passes(&problem, self.nodes.are_several()) => {
                Err(Lost::NotNow(problem))
            }
            error @ ClientError::BadReply { .. }
                if self.nodes.are_several() && matches!(status.as_u16(), 502..=504) =>
            {
                Err(Lost::Between(error))
            }
            error => Ok(Err(error)),
        }
    }

    async fn written(
        &self,
        call: &Call<'_>,
        access: Option<&Secret>,
        node: &Node,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut request = self
            .prepared(call.method.clone(), call.path, access, node)
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
            self.session().is_ahead(ahead);
        }
        reply.status() == StatusCode::UNAUTHORIZED && ahead.is_some()
    }
}
