//! A live stream, frame by frame as it is on the wire.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::http::Http;

/// Longer than any pause that the server makes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open stream.
pub(crate) struct Stream {
    response: reqwest::Response,
    read: String,
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Frame {
    /// The place in the log that the frame's id names.
    pub(crate) fn index(&self) -> i64 {
        let id = self.id.as_deref().unwrap();
        id.split_once('.').unwrap().1.parse().unwrap()
    }
}

impl Stream {
    /// Opens a stream, after some event or at now; the first frame is the hello.
    pub(crate) async fn open(who: &Http, after: Option<&str>) -> (Self, Frame) {
        Self::open_at(who, "/v1/events", after).await
    }

    /// The same with a query.
    pub(crate) async fn open_at(who: &Http, path: &str, after: Option<&str>) -> (Self, Frame) {
        let mut call = who.call(Method::GET, path);
        if let Some(after) = after {
            call = call.header("last-event-id", after);
        }
        let response = call.open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Self {
            response,
            read: String::new(),
        };
        let hello = stream.next().await.unwrap();
        assert_eq!((hello.event.as_str(), &hello.id), ("hello", &None));
        (stream, hello)
    }

    /// The next frame; nothing when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(PATIENCE, self.read_frame()).await;
        next.expect("the stream says something")
    }

    /// The next event of the audit, with heartbeats skipped.
    pub(crate) async fn event(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.event == "audit" {
                return Some(frame);
            }
            assert_eq!(frame.event, "heartbeat");
        }
    }

    /// Reads to the end of the stream.
    pub(crate) async fn ended(&mut self) {
        while self.next().await.is_some() {}
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let frame = parse(frame);
                self.read = rest.to_owned();
                return Some(frame);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn parse(text: &str) -> Frame {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Frame {
        event: field("event: ").unwrap().to_owned(),
        id: field("id: ").map(str::to_owned),
        data: serde_json::from_str(field("data: ").unwrap()).unwrap(),
    }
}
