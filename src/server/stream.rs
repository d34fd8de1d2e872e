//! Server-sent events from a cursor: no gap, no duplicate, and no longer than the token is good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::extent;
use crate::domain::ids::PrincipalId;
use crate::domain::permit::{Action, permit_at};
use crate::domain::refusal::Refusal;
use crate::gate::{Caller, Gate};
use crate::query::List;
use crate::store::Store;
use crate::store::ring::Service;
use crate::store::sequence::Head;

use super::App;
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::feed::Feed;
use super::query::Params;
use super::search::Wanted;

/// How often a silent stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a stream asks whether its sign-in is still good.
const RECHECK: Duration = Duration::from_secs(4);
/// Streams of one principal at once: two consoles and two `--wait`s. Each costs the server a task and a buffer for as
/// long as it is open.
const PER_PRINCIPAL: usize = 4;
/// After this much of one wake-up a stream lets others have their turn.
const CHUNK: usize = 256 * 1024;
/// So does one that has read this often and found nothing that its reader may see.
const READS: usize = 8;

/// How many streams each principal follows.
#[derive(Default)]
pub struct Counter(Mutex<HashMap<PrincipalId, usize>>);

/// One place among a principal's streams; given back when dropped.
struct Place {
    counter: Arc<Counter>,
    who: PrincipalId,
}

impl Counter {
    fn take(self: &Arc<Self>, who: &PrincipalId) -> Result<Place, Refusal> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(who.clone()).or_default();
        if *count >= PER_PRINCIPAL {
            return Err(Refusal::TooManyStreams {
                limit: PER_PRINCIPAL,
            });
        }
        *count += 1;
        metrics::gauge!("portcullis_streams").increment(1.0);
        Ok(Place {
            counter: Arc::clone(self),
            who: who.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .counter
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
        metrics::gauge!("portcullis_streams").decrement(1.0);
    }
}

struct Following {
    gate: Arc<Gate>,
    feed: Arc<Feed>,
    tail: tokio::sync::watch::Receiver<Head>,
    epoch: i64,
    stop: tokio_util::sync::CancellationToken,
    caller: Caller,
    wanted: Option<Wanted>,
    /// The clock of the database when the stream began, and when that was.
    began: (DateTime<Utc>, tokio::time::Instant),
    next: i64,
    checked: tokio::time::Instant,
    beat: tokio::time::Instant,
    first: Option<String>,
    /// Whether it was told last that nothing can be changed.
    reads_only: bool,
    _place: Place,
}

/// Follows the audit log live. `Last-Event-ID` continues after that event; without it the stream starts at now.
/// Under a filter only events that match are sent, and heartbeats carry the `id` of the last one looked at.
#[utoipa::path(get, path = "/v1/events", tag = "audit", params(
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter as `/v1/audit` takes it"),
    ("Last-Event-ID" = Option<String>, Header, description = "`<epoch>.<index>` of the last event that was seen", pattern = "^[0-9]{1,9}[.][0-9]{1,15}$"),
), responses((status = 200, content_type = "text/event-stream", body = String), Problems))]
pub async fn follow(
    State(app): State<App>,
    Signed(caller): Signed,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Failed> {
    permit_at(&caller.principal, Action::ReadOwn, extent::Place::Somewhere)?;
    let wanted = Wanted::take(&mut params, List::Audit, &app.gate, &caller).await?;
    params.done()?;
    let place = app.streams.take(&caller.principal.id)?;
    let tail = app.feed.tail();
    let Head { epoch, size } = *tail.borrow();
    let next = match headers.get("last-event-id") {
        None => size,
        Some(value) => resume(value, epoch, size)?,
    };
    let now = app.gate.now().await?;
    let store = app.gate.store();
    let hello = format!(
        "event: hello\ndata: {{\"now\":\"{}\",\"epoch\":{epoch},\"index\":{},\"node\":\"{}\",\"durability\":\"{}\"{}}}\n\n",
        stamp(now),
        next - 1,
        app.node,
        super::durability(store),
        age(store),
    );
    let start = tokio::time::Instant::now();
    let following = Following {
        gate: Arc::clone(&app.gate),
        feed: Arc::clone(&app.feed),
        tail,
        epoch,
        stop: app.stop.clone(),
        caller,
        wanted,
        began: (now, start),
        next,
        checked: start,
        beat: start,
        first: Some(hello),
        reads_only: reads_only(app.gate.store()),
        _place: place,
    };
    let body = Body::from_stream(futures_util::stream::unfold(
        following,
        |mut following| async {
            let chunk = following.chunk().await?;
            Some((Ok::<Bytes, std::convert::Infallible>(chunk), following))
        },
    ));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

fn resume(value: &HeaderValue, epoch: i64, size: i64) -> Result<i64, Failed> {
    let seen = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once('.'))
        .and_then(|(epoch, index)| Some((epoch.parse::<i64>().ok()?, index.parse::<i64>().ok()?)));
    let Some((of_epoch, index)) = seen else {
        return Err(Failed::Malformed(
            StatusCode::BAD_REQUEST,
            "`Last-Event-ID` takes `<epoch>.<index>`".to_owned(),
        ));
    };
    // A cursor from another epoch or from the future belongs to another history: the client starts over at now,
    // and sees from the index in `hello` that it has to.
    if of_epoch != epoch || index < -1 || index >= size {
        Ok(size)
    } else {
        Ok(index + 1)
    }
}

fn reads_only(store: &Store) -> bool {
    matches!(store.service(), Service::ReadOnly { .. })
}

/// How old what is told may be, as one more field; nothing where it is fresh.
fn age(store: &Store) -> String {
    match store.service() {
        Service::ReadOnly { age, .. } => format!(",\"stale\":{}", age.as_secs()),
        Service::Full | Service::None { .. } => String::new(),
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Following {
    /// The next bytes to send; `None` ends the stream.
    async fn chunk(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        loop {
            if self.checked.elapsed() >= RECHECK {
                self.checked = tokio::time::Instant::now();
                if !self
                    .gate
                    .still_signed_in(&self.caller)
                    .await
                    .unwrap_or(false)
                {
                    return None;
                }
            }
            let mut out = String::new();
            let mut looks = 0;
            while self.next < self.reached()? && out.len() < CHUNK && looks < READS {
                looks += 1;
                let ready = self.feed.from(self.next).await.ok()?;
                let last = ready.last()?;
                self.next = last.entry.index + 1;
                let (at, since) = self.began;
                if let Some(wanted) = &mut self.wanted {
                    wanted.at(at + since.elapsed());
                }
                for ready in ready
                    .iter()
                    .filter(|ready| self.gate.may_see(&self.caller, &ready.entry))
                    .filter(|ready| {
                        let wanted = self.wanted.as_ref();
                        wanted.is_none_or(|wanted| wanted.lets(&ready.view))
                    })
                {
                    out.push_str(&ready.frame);
                }
            }
            if !out.is_empty() {
                self.beat = tokio::time::Instant::now();
                return Some(out.into());
            }
            // However much happens that is not for this reader: it still wants to hear that the server is well.
            if self.beat.elapsed() >= HEARTBEAT {
                return self.heartbeat().await;
            }
            // Whoever looks is told at once that nothing can be changed, and that it can be again.
            let store = Arc::clone(self.gate.store());
            if reads_only(&store) != self.reads_only {
                return self.heartbeat().await;
            }
            if self.next < self.reached()? {
                continue;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                changed = self.tail.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.beat + HEARTBEAT) => return self.heartbeat().await,
                () = store.until_service_changes() => {}
                () = tokio::time::sleep_until(self.checked + RECHECK) => {}
            }
        }
    }

    /// How far the log goes that this stream follows; nothing once that is over.
    fn reached(&mut self) -> Option<i64> {
        let tail = *self.tail.borrow_and_update();
        (tail.epoch == self.epoch).then_some(tail.size)
    }

    async fn heartbeat(&mut self) -> Option<Bytes> {
        self.beat = tokio::time::Instant::now();
        let store = self.gate.store();
        self.reads_only = reads_only(store);
        let (now, age) = (stamp(self.gate.now().await.ok()?), age(store));
        // Where a reader goes on after a break, also past events that were not for it.
        let (epoch, last) = (self.epoch, self.next - 1);
        Some(
            format!("event: heartbeat\nid: {epoch}.{last}\ndata: {{\"now\":\"{now}\"{age}}}\n\n")
                .into(),
        )
    }
}
