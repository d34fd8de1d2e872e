//! The live stream against servers that break off, repeat themselves and leave things out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use portcullis::client::{Channel, Client, Cursor, Follow, Followed, Session, follow};
use portcullis::wire::{Me, Tokens};

const AT: &str = "2026-11-22T13:00:00Z";

/// What the server says on each connection in turn, and where each was asked to go on.
#[derive(Default)]
struct Script {
    connections: VecDeque<String>,
    resumed: Vec<Option<String>>,
}

type Shared = Arc<Mutex<Script>>;

fn hello(index: i64) -> String {
    format!("event: hello\ndata: {{\"now\":\"{AT}\",\"epoch\":1,\"index\":{index}}}\n\n")
}

fn event(index: i64) -> String {
    let body = serde_json::json!({
        "index": index, "id": "x", "time": AT, "event": "grant.active", "outcome": "success",
        "actor": { "kind": "system", "name": "portcullis" }, "channel": "system", "sentence": "x",
    });
    format!("event: audit\nid: 1.{index}\ndata: {body}\n\n")
}

fn me(roles: &[&str]) -> Me {
    Me {
        id: "P-0000000000".to_owned(),
        name: "ada".to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: Vec::new(),
        sign_in: "S-0000000000".to_owned(),
        how: None,
        server: "test".to_owned(),
        now: AT.parse().unwrap(),
    }
}

async fn events(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let mut script = shared.lock().unwrap();
    let resumed = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap().to_owned());
    script.resumed.push(resumed);
    let kind = [("content-type", "text/event-stream")];
    if let Some(said) = script.connections.pop_front() {
        return (kind, Body::from(said)).into_response();
    }
    // Says hello and stays open.
    let stream = futures_util::stream::once(async { Ok::<_, std::io::Error>(hello(99)) });
    let stream = futures_util::StreamExt::chain(stream, futures_util::stream::pending());
    (kind, Body::from_stream(stream)).into_response()
}

async fn followed(
    roles: &'static [&'static str],
    connections: &[String],
    from: Option<Cursor>,
) -> (Follow, Shared) {
    let shared = Shared::default();
    shared.lock().unwrap().connections = connections.iter().cloned().collect();
    let router = Router::new()
        .route("/v1/events", get(events))
        .route("/v1/me", get(move || async move { Json(me(roles)) }))
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let session = Session::in_memory(&url.parse().unwrap());
    let at = AT.parse().unwrap();
    let tokens = Tokens {
        access_token: "a".to_owned(),
        access_expires_at: at,
        refresh_token: "r".to_owned(),
        refresh_expires_at: at,
        me: me(roles),
    };
    session.store(&tokens).await.unwrap();
    (
        follow(Client::new(session, Channel::Tui).unwrap(), from),
        shared,
    )
}

/// What the stream tells until the hello of the connection that stays.
async fn told(stream: &mut Follow) -> Vec<String> {
    let handle = stream.handle();
    let mut told = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), stream.next())
            .await
            .unwrap()
            .unwrap();
        match next {
            Followed::Hello { index: 99, .. } => return told,
            Followed::Hello { index, .. } => told.push(format!("hello {index}")),
            Followed::Event(event) => told.push(format!("event {}", event.index)),
            Followed::Gap { after, before } => told.push(format!("gap {after}..{before}")),
            Followed::Heartbeat { .. } => told.push("heartbeat".to_owned()),
            Followed::Standing(_) => {}
            Followed::Lost { why, .. } => {
                told.push(format!("lost: {why}"));
                handle.retry_now();
            }
        }
    }
}

#[tokio::test]
async fn a_broken_stream_goes_on_where_it_was_and_drops_what_was_seen() {
    let first = format!("{}{}{}", hello(4), event(5), event(6));
    let second = format!(
        "{}{}{}event: heartbeat\ndata: {{\"now\":\"{AT}\"}}\n\n",
        hello(7),
        event(6),
        event(7)
    );
    let (mut stream, script) = followed(&["admin"], &[first, second], None).await;
    let lost = "lost: the server ended the connection";
    assert_eq!(
        told(&mut stream).await,
        [
            "hello 4",
            "event 5",
            "event 6",
            lost,
            "hello 7",
            "event 7",
            "heartbeat",
            lost
        ]
    );
    assert_eq!(
        script.lock().unwrap().resumed,
        [None, Some("1.6".to_owned()), Some("1.7".to_owned())]
    );
}

#[tokio::test]
async fn a_stream_begins_after_the_cursor_that_it_is_given() {
    let first = format!("{}{}{}", hello(6), event(5), event(6));
    let (mut stream, script) =
        followed(&["admin"], &[first], Some(Cursor { epoch: 1, index: 4 })).await;
    assert_eq!(
        told(&mut stream).await,
        [
            "hello 6",
            "event 5",
            "event 6",
            "lost: the server ended the connection"
        ]
    );
    assert_eq!(
        script.lock().unwrap().resumed.first(),
        Some(&Some("1.4".to_owned()))
    );
}

#[tokio::test]
async fn a_missing_event_is_asked_for_once_more_and_then_reported() {
    let first = format!("{}{}{}", hello(4), event(5), event(7));
    let second = format!("{}{}", hello(7), event(7));
    let (mut stream, script) = followed(&["auditor"], &[first, second], None).await;
    assert_eq!(
        told(&mut stream).await,
        [
            "hello 4",
            "event 5",
            "hello 7",
            "gap 5..7",
            "event 7",
            "lost: the server ended the connection"
        ]
    );
    assert_eq!(
        script.lock().unwrap().resumed.get(1),
        Some(&Some("1.5".to_owned()))
    );
}

#[tokio::test]
async fn events_of_others_are_no_gap_for_a_requester() {
    let first = format!("{}{}{}", hello(4), event(5), event(9));
    let (mut stream, _) = followed(&["requester"], &[first], None).await;
    assert_eq!(
        told(&mut stream).await,
        [
            "hello 4",
            "event 5",
            "event 9",
            "lost: the server ended the connection"
        ]
    );
}

#[tokio::test]
async fn what_is_not_understood_breaks_the_connection_and_not_the_client() {
    let (mut stream, _) = followed(
        &["admin"],
        &["event: hello\ndata: nonsense\n\n".to_owned(), event(3)],
        None,
    )
    .await;
    let told = told(&mut stream).await;
    assert!(
        told[0].starts_with("lost: the server sent an event that this version does not understand"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("lost: the server sent an event before its greeting"),
        "{told:?}"
    );
}
