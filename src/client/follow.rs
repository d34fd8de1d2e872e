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

use crate::client::backoff::full_jitter;
use crate::client::http::root_cause;
use crate::client::nodes::{self, Choice, Node};
use crate::client::send::{Client, read_bounded};
use crate::client::sse::{Frame, Parser};
use crate::client::{ClientError, Standing};
use crate::wire::EventView;

/// Twice the pause between heartbeats: after this much silence the connection is dead.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest wait for the server to begin its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Among several nodes another one is sooner asked: the first heartbeat that is missed is enough.
const SILENCE_AMONG: Duration = Duration::from_secs(13);
const LEAST_AMONG: Duration = Duration::from_millis(200);
const LONGEST_AMONG: Duration = Duration::from_secs(5);
/// What the mode of a database is called in which acknowledged changes may be lost.
const AVAILABLE: &str = "available";
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
    /// The node that is followed says something else of itself than before, or another one is followed. It comes before
    /// what it is true of.
    Standing(Standing),
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
        standing: None,
    };
    tokio::spawn(follower.run());
    Follow { told, retry }
}

/// Why a connection is over.
enum Over {
    /// The server ended it in good order, as it does when an access token ends.
    Ended,
    Broken(String),
    /// The server does not want it, or is not understood; no other node would do better.
    Refused(String),
    /// Another node is called.
    Moved,
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
    /// What the node said of itself last.
    standing: Option<Standing>,
}

#[derive(Deserialize)]
struct HelloData {
    now: DateTime<Utc>,
    epoch: i64,
    index: i64,
    node: Option<String>,
    stale: Option<u64>,
    durability: Option<String>,
}

#[derive(Deserialize)]
struct HeartbeatData {
    now: DateTime<Utc>,
    stale: Option<u64>,
    durability: Option<String>,
}

impl Follower {
    async fn run(mut self) {
        let mut failed: u32 = 0;
        let listener = self.tell.clone();
        let several = self.client.nodes.are_several();
        loop {
            let begun = Instant::now();
            let Ok(node) = self.client.nodes.present() else {
                return;
            };
            let over = tokio::select! {
                over = self.connection(&node) => over,
                () = listener.closed() => Over::Dropped,
            };
            let lasted = begun.elapsed() >= WORTHWHILE;
            if lasted {
                failed = 0;
            }
            let mut dead = false;
            let why = match over {
                Over::Dropped => return,
                Over::Moved => continue,
                Over::Ended if lasted => continue,
                Over::Ended => "the server ended the connection".to_owned(),
                Over::Refused(why) => why,
                Over::Broken(why) => {
                    dead = true;
                    why
                }
                Over::Missing { before } if self.known_gap != Some(before) => {
                    // Perhaps only this connection lost it: another one is asked before anybody is worried.
                    self.known_gap = Some(before);
                    continue;
                }
                Over::Missing { .. } => "events are missing".to_owned(),
            };
            // Another node is asked at once, and need not have been waited for.
            let pause = match (several && dead, failed) {
                (true, 0) => Duration::ZERO,
                (true, _) => full_jitter(LEAST_AMONG, failed, LONGEST_AMONG),
                (false, _) => full_jitter(LEAST_PAUSE, failed, LONGEST_PAUSE),
            };
            failed = failed.saturating_add(1);
            let retried = self.retry.notified();
            let lost = Followed::Lost {
                why,
                retry_in: pause,
            };
            if self.tell.send(lost).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = retried => {}
                () = listener.closed() => return,
            }
            if dead {
                self.client.nodes.turn_from(node.place, Choice::Other).await;
            }
        }
    }

    async fn connection(&mut self, node: &Node) -> Over {
        let mut changes = self.client.nodes.changes();
        let (silence, seconds) = if self.client.nodes.are_several() {
            (SILENCE_AMONG, SILENCE_AMONG.as_secs())
        } else {
            (SILENCE, SILENCE.as_secs())
        };
        let mut reply = match self.connect(node).await {
            Ok(reply) => reply,
            Err(error @ ClientError::Unreachable { .. }) => return Over::Broken(error.to_string()),
            Err(ClientError::Problem(problem)) if problem.status >= 500 => {
                return Over::Broken(problem.title.clone());
            }
            Err(error) => return Over::Refused(error.to_string()),
        };
        self.client.nodes.said(reply.headers());
        self.client.nodes.answered(node);
        let mut parser = Parser::default();
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = timeout(silence, reply.chunk()) => chunk,
                // A call has found out that this node is gone before its silence said so.
                _ = changes.wait_for(|present| *present != node.place) => return Over::Moved,
            };
            let chunk = match chunk {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Over::Ended,
                Ok(Err(_)) => return Over::Broken("the connection to the server broke".to_owned()),
                Err(_) => {
                    return Over::Broken(format!(
                        "the server has been silent for {seconds} seconds"
                    ));
                }
            };
            let frames = match parser.push(&chunk) {
                Ok(frames) => frames,
                Err(error) => return Over::Refused(error.to_string()),
            };
            for frame in frames {
                if let Err(over) = self.take(&frame).await {
                    return over;
                }
            }
        }
    }

    async fn connect(&self, node: &Node) -> Result<reqwest::Response, ClientError> {
        let access = self.client.session().access()?;
        let reply = self.ask(&access, node).await?;
        if reply.status() != reqwest::StatusCode::UNAUTHORIZED {
            return self.accepted(reply).await;
        }
        let access = self.client.renew(&access).await?;
        let reply = self.ask(&access, node).await?;
        self.accepted(reply).await
    }

    async fn ask(
        &self,
        access: &crate::secret::Secret,
        node: &Node,
    ) -> Result<reqwest::Response, ClientError> {
        let reply = self.ask_once(access, node).await?;
        if self.client.learn_clock(&reply) {
            return self.ask_once(access, node).await;
        }
        Ok(reply)
    }

    async fn ask_once(
        &self,
        access: &crate::secret::Secret,
        node: &Node,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self
            .client
            .prepared(Method::GET, &["v1", "events"], Some(access), node)
            .await?
            .header(header::ACCEPT, "text/event-stream");
        if let Some(filter) = &self.filter {
            request = request.query(&[("q", filter)]);
        }
        if let Some(cursor) = self.at {
            request = request.header("Last-Event-ID", cursor.to_string());
        }
        let unreachable = |why: String| ClientError::Unreachable {
            text: format!("the server at `{}` cannot be reached: {why}", node.url),
        };
        let sent = tokio::select! {
            sent = timeout(ANSWER, request.send()) => sent,
            () = self.client.nodes.hangs(node) => return Err(unreachable("it does not answer".to_owned())),
        };
        match sent {
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
                let HelloData {
                    now,
                    epoch,
                    index,
                    node,
                    stale,
                    durability,
                } = serde_json::from_str(&frame.data).map_err(garbled)?;
                self.stands(Standing {
                    node: node.as_deref().and_then(nodes::name),
                    stale,
                    may_lose: durability.is_some_and(|word| word == AVAILABLE),
                })
                .await?;
                if self.at.is_none_or(|at| at.epoch != epoch) {
                    self.at = Some(Cursor { epoch, index });
                }
                self.say(Followed::Hello { now, epoch, index }).await
            }
            "heartbeat" => {
                let HeartbeatData {
                    now,
                    stale,
                    durability,
                } = serde_json::from_str(&frame.data).map_err(garbled)?;
                self.passed(frame);
                let before = self.standing.clone().unwrap_or_default();
                let may_lose = durability.map_or(before.may_lose, |word| word == AVAILABLE);
                self.stands(Standing {
                    stale,
                    may_lose,
                    ..before
                })
                .await?;
                self.say(Followed::Heartbeat { now }).await
            }
            "audit" => {
                let event: EventView = serde_json::from_str(&frame.data).map_err(garbled)?;
                self.event(event).await
            }
            _ => Ok(()),
        }
    }

    /// Says what the node says of itself where that is something else than before.
    async fn stands(&mut self, standing: Standing) -> Result<(), Over> {
        if self.standing.as_ref() == Some(&standing) {
            return Ok(());
        }
        self.standing = Some(standing.clone());
        self.say(Followed::Standing(standing)).await
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
