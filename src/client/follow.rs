//! Follows the live event stream for ever: resumes after a break, drops what was seen, notices what is missing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, header};
use serde::Deserialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_stream::Stream;

use crate::client::ClientError;
use crate::client::backoff::full_jitter;
use crate::client::http::root_cause;
use crate::client::send::{Client, read_bounded};
use crate::client::sse::{Frame, Parser};
use crate::wire::EventView;

/// Twice the pause between heartbeats: after this much silence the connection is dead.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest wait for the server to begin its answer.
const ANSWER: Duration = Duration::from_secs(10);
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A stream that ends sooner than this was refused rather than renewed.
const WORTHWHILE: Duration = Duration::from_secs(5);
/// How many events wait for a slow reader before the connection is left to fill up.
const AHEAD: usize = 256;

/// A place in the log of events: where a stream goes on after it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Which log; another one begins when a database was rolled back.
    pub epoch: i64,
    /// The last event that was seen; -1 before the first.
    pub index: i64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.index)
    }
}

/// What a stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// The connection is there. `index` is the last event that the server has, -1 when there is none.
    Hello {
        now: DateTime<Utc>,
        epoch: i64,
        index: i64,
    },
    Event(Box<EventView>),
    /// Nothing has happened, and the server is well.
    Heartbeat {
        now: DateTime<Utc>,
    },
    /// The server has no event between these two although the reader may see all; what was shown may be incomplete.
    Gap {
        after: i64,
        before: i64,
    },
    /// There is no connection; the next try comes by itself.
    Lost {
        why: String,
        retry_in: Duration,
    },
}

/// Tries at once instead of after the pause.
#[derive(Debug, Clone)]
pub struct RetryNow(Arc<Notify>);

impl RetryNow {
    /// Ends the present pause. Without one it does nothing that anybody would notice.
    pub fn retry_now(&self) {
        self.0.notify_waiters();
    }
}

/// The stream. It ends when it is dropped, and never by itself.
#[derive(Debug)]
pub struct Follow {
    told: mpsc::Receiver<Followed>,
    retry: RetryNow,
}

impl Follow {
    /// A handle that ends pauses between tries.
    pub fn handle(&self) -> RetryNow {
        self.retry.clone()
    }

    /// The next thing that the stream tells.
    pub async fn next(&mut self) -> Option<Followed> {
        self.told.recv().await
    }
}

impl Stream for Follow {
    type Item = Followed;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Followed>> {
        self.told.poll_recv(cx)
    }
}

/// Follows events after `from`; without it, those that happen from now on.
pub fn follow(client: Client, from: Option<Cursor>) -> Follow {
    begin(client, from, None)
}

/// The same, but only events that a filter lets through. What lies between them is not missed.
pub fn follow_matching(client: Client, from: Option<Cursor>, filter: String) -> Follow {
    begin(client, from, Some(filter))
}

fn begin(client: Client, from: Option<Cursor>, filter: Option<String>) -> Follow {
    let (tell, told) = mpsc::channel(AHEAD);
    let retry = RetryNow(Arc::new(Notify::new()));
    let follower = Follower {
        client,
        filter,
        at: from,
        tell,
        retry: Arc::clone(&retry.0),
        known_gap: None,
    };
    tokio::spawn(follower.run());
    Follow { told, retry }
}

/// Why a connection is over.
enum Over {
    /// The server ended it in good order, as it does when an access token ends.
    Ended,
    Broken(String),
    /// An event is missing before this index.
    Missing {
        before: i64,
    },
    /// Nobody is listening any more.
    Dropped,
}

struct Follower {
    client: Client,
    filter: Option<String>,
    at: Option<Cursor>,
    tell: mpsc::Sender<Followed>,
    retry: Arc<Notify>,
    /// The gap that another connection has confirmed.
    known_gap: Option<i64>,
}

#[derive(Deserialize)]
struct HelloData {
    now: DateTime<Utc>,
    epoch: i64,
    index: i64,
}

#[derive(Deserialize)]
struct HeartbeatData {
    now: DateTime<Utc>,
}

impl Follower {
    async fn run(mut self) {
        let mut failed: u32 = 0;
        let listener = self.tell.clone();
        loop {
            let begun = Instant::now();
            let over = tokio::select! {
                over = self.connection() => over,
                () = listener.closed() => Over::Dropped,
            };
            let lasted = begun.elapsed() >= WORTHWHILE;
            if lasted {
                failed = 0;
            }
            let why = match over {
                Over::Dropped => return,
                Over::Ended if lasted => continue,
                Over::Ended => "the server ended the connection".to_owned(),
                Over::Broken(why) => why,
                Over::Missing { before } if self.known_gap != Some(before) => {
                    // Perhaps only this connection lost it: another one is asked before anybody is worried.
                    self.known_gap = Some(before);
                    continue;
                }
                Over::Missing { .. } => "events are missing".to_owned(),
            };
            let pause = full_jitter(LEAST_PAUSE, failed, LONGEST_PAUSE);
            failed = failed.saturating_add(1);
            let retried = self.retry.notified();
            if self
                .tell
                .send(Followed::Lost {
                    why,
                    retry_in: pause,
                })
                .await
                .is_err()
            {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = retried => {}
                () = listener.closed() => return,
            }
        }
    }

    async fn connection(&mut self) -> Over {
        let mut reply = match self.connect().await {
            Ok(reply) => reply,
            Err(error) => return Over::Broken(error.to_string()),
        };
        let mut parser = Parser::default();
        loop {
            let chunk = match timeout(SILENCE, reply.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Over::Ended,
                Ok(Err(_)) => return Over::Broken("the connection to the server broke".to_owned()),
                Err(_) => {
                    return Over::Broken("the server has been silent for 20 seconds".to_owned());
                }
            };
            let frames = match parser.push(&chunk) {
                Ok(frames) => frames,
                Err(error) => return Over::Broken(error.to_string()),
            };
            for frame in frames {
                if let Err(over) = self.take(&frame).await {
                    return over;
                }
            }
        }
    }

    async fn connect(&self) -> Result<reqwest::Response, ClientError> {
        let access = self.client.session().access()?;
        let reply = self.ask(&access).await?;
        if reply.status() != reqwest::StatusCode::UNAUTHORIZED {
            return self.accepted(reply).await;
        }
        let access = self.client.renew(&access).await?;
        let reply = self.ask(&access).await?;
        self.accepted(reply).await
    }

    async fn ask(&self, access: &crate::secret::Secret) -> Result<reqwest::Response, ClientError> {
        let reply = self.ask_once(access).await?;
        if self.client.learn_clock(&reply) {
            return self.ask_once(access).await;
        }
        Ok(reply)
    }

    async fn ask_once(
        &self,
        access: &crate::secret::Secret,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self
            .client
            .prepared(Method::GET, &["v1", "events"], Some(access))
            .await?
            .header(header::ACCEPT, "text/event-stream");
        if let Some(filter) = &self.filter {
            request = request.query(&[("q", filter)]);
        }
        if let Some(cursor) = self.at {
            request = request.header("Last-Event-ID", cursor.to_string());
        }
        let unreachable = |why: String| ClientError::Unreachable {
            text: format!(
                "the server at `{}` cannot be reached: {why}",
                self.client.server()
            ),
        };
        match timeout(ANSWER, request.send()).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => Err(unreachable("it did not answer in time".to_owned())),
        }
    }

    async fn accepted(&self, reply: reqwest::Response) -> Result<reqwest::Response, ClientError> {
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        let bytes = timeout(ANSWER, read_bounded(reply))
            .await
            .ok()
            .and_then(Result::ok)
            .flatten()
            .unwrap_or_default();
        Err(self.client.refused(status, &bytes))
    }

    /// Understands one frame, and says so when the connection is no good.
    async fn take(&mut self, frame: &Frame) -> Result<(), Over> {
        let garbled = |_| {
            Over::Broken(
                "the server sent an event that this version does not understand".to_owned(),
            )
        };
        match frame.event.as_str() {
            "hello" => {
                let HelloData { now, epoch, index } =
                    serde_json::from_str(&frame.data).map_err(garbled)?;
                if self.at.is_none_or(|at| at.epoch != epoch) {
                    self.at = Some(Cursor { epoch, index });
                }
                self.say(Followed::Hello { now, epoch, index }).await
            }
            "heartbeat" => {
                let HeartbeatData { now } = serde_json::from_str(&frame.data).map_err(garbled)?;
                self.passed(frame);
                self.say(Followed::Heartbeat { now }).await
            }
            "audit" => {
                let event: EventView = serde_json::from_str(&frame.data).map_err(garbled)?;
                self.event(event).await
            }
            _ => Ok(()),
        }
    }

    /// Takes note of how far the server has looked, where a filter keeps events back.
    fn passed(&mut self, frame: &Frame) {
        let cursor = frame.id.as_deref().and_then(|id| id.split_once('.'));
        if let (Some(at), Some((epoch, index)), Some(_)) = (&mut self.at, cursor, &self.filter)
            && epoch.parse() == Ok(at.epoch)
            && let Ok(index) = index.parse::<i64>()
        {
            at.index = at.index.max(index);
        }
    }

    async fn event(&mut self, event: EventView) -> Result<(), Over> {
        let Some(at) = self.at else {
            return Err(Over::Broken(
                "the server sent an event before its greeting".to_owned(),
            ));
        };
        if event.index <= at.index {
            return Ok(());
        }
        if event.index > at.index + 1 && self.filter.is_none() && self.reads_all().await {
            if self.known_gap != Some(event.index) {
                return Err(Over::Missing {
                    before: event.index,
                });
            }
            self.known_gap = None;
            self.say(Followed::Gap {
                after: at.index,
                before: event.index,
            })
            .await?;
        }
        self.at = Some(Cursor {
            index: event.index,
            ..at
        });
        self.say(Followed::Event(Box::new(event))).await
    }

    /// Whether the caller sees every event, so that a jump in the index is a gap and not somebody else's business.
    async fn reads_all(&self) -> bool {
        let Ok(me) = self.client.me().await else {
            return false;
        };
        let roles = crate::domain::permit::Action::ReadAudit.roles();
        me.roles
            .iter()
            .any(|role| roles.iter().any(|reads| reads.as_str() == role))
    }

    async fn say(&self, followed: Followed) -> Result<(), Over> {
        self.tell.send(followed).await.map_err(|_| Over::Dropped)
    }
}
