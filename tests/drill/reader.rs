//! Somebody who follows the live stream, and goes on at another node whenever it breaks off.

use std::sync::Arc;
use std::time::Duration;

use portcullis::client::http;
use portcullis::client::sse::{self, Parser};
use serde_json::Value;
use tokio::sync::watch;

use super::caller::Caller;
use super::history::{Frame, Recorder};

/// A stream that says nothing for this long is dead: a healthy one shows that it is alive every 10 seconds.
const SILENCE: Duration = Duration::from_secs(12);

/// Follows until it has read the event before `end`, which is not known at first.
pub(super) async fn follow(
    name: String,
    caller: Arc<Caller>,
    recorder: Arc<Recorder>,
    mut end: watch::Receiver<Option<i64>>,
) {
    let client = http(&caller.address().parse().unwrap()).unwrap();
    let mut last: Option<Frame> = None;
    loop {
        if is_all(last, *end.borrow()) {
            return;
        }
        let address = format!("{}/v1/events", caller.address());
        let token = caller.token().await;
        let mut request = client.get(address).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", format!("{}.{}", last.epoch, last.index));
        }
        let opened = tokio::time::timeout(SILENCE, request.send()).await;
        if let Ok(Ok(mut reply)) = opened
            && reply.status().is_success()
        {
            let mut parser = Parser::default();
            loop {
                let chunk = tokio::select! {
                    chunk = tokio::time::timeout(SILENCE, reply.chunk()) => chunk,
                    // Perhaps everything is read.
                    _ = end.changed() => break,
                };
                let Ok(Ok(Some(chunk))) = chunk else {
                    break;
                };
                let frames: Vec<Frame> = parser
                    .push(&chunk)
                    .unwrap()
                    .iter()
                    .filter_map(event)
                    .collect();
                // What is told again after a break is dropped by its index, as every client does.
                last = frames
                    .iter()
                    .copied()
                    .chain(last)
                    .max_by_key(|frame| frame.index);
                recorder.note(|history| {
                    let all = history.frames.entry(name.clone()).or_default();
                    all.extend(frames);
                });
                if is_all(last, *end.borrow()) {
                    return;
                }
            }
        }
        caller.move_on();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_all(last: Option<Frame>, end: Option<i64>) -> bool {
    end.is_some_and(|end| last.map_or(-1, |last| last.index) + 1 >= end)
}

fn event(frame: &sse::Frame) -> Option<Frame> {
    if frame.event != "audit" {
        return None;
    }
    let (epoch, index) = frame.id.as_deref()?.split_once('.')?;
    let view: Value = serde_json::from_str(&frame.data).unwrap();
    let id: String = view["id"].as_str()?.split('-').collect();
    Some(Frame {
        epoch: epoch.parse().unwrap(),
        index: index.parse().unwrap(),
        id: u128::from_str_radix(&id, 16).unwrap(),
    })
}
