//! What no client of ours sends: too much, too slowly, or nonsense.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::http::Http;
use crate::support::world::{Backend, World, ask, key};

const BODY_MAX: usize = 64 * 1024;

/// Sends bytes and reads until the server closes; says how long that took.
async fn raw(world: &World, bytes: &[u8]) -> (String, Duration) {
    let mut socket = TcpStream::connect(world.url().strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let began = Instant::now();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset counts as closed.
    let _ = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut answer))
        .await
        .expect("the server closes");
    (
        String::from_utf8_lossy(&answer).into_owned(),
        began.elapsed(),
    )
}

/// The common ask, as long as wanted: spaces between the fields are no content.
fn padded(length: usize) -> String {
    let text = serde_json::to_string(&ask()).unwrap();
    format!("{}{text}", " ".repeat(length - text.len()))
}

#[tokio::test]
async fn a_body_is_at_most_64_kib_however_it_is_sent() {
    let world = World::start(Backend::Sqlite).await;
    let http = world.http(&world.engineer("ada").await);
    let post = || {
        http.call(Method::POST, "/v1/requests")
            .key(key().as_str())
            .header("content-type", "application/json")
    };
    let stream = |length: usize| {
        let chunks = padded(length)
            .into_bytes()
            .chunks(8 * 1024)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>();
        reqwest::Body::wrap_stream(futures_util::stream::iter(
            chunks.into_iter().map(Ok::<_, std::io::Error>),
        ))
    };
    assert_eq!(
        post().body(padded(BODY_MAX + 1)).send().await.problem(),
        (413, "malformed".to_owned())
    );
    assert_eq!(
        post().body(stream(BODY_MAX + 1)).send().await.problem(),
        (413, "malformed".to_owned())
    );
    assert_eq!(post().body(padded(BODY_MAX)).send().await.status, 201);
    assert_eq!(
        post().body(stream(BODY_MAX)).send().await.problem(),
        (409, "duplicate-pending".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_too_slowly_is_not_waited_for() {
    let world = World::start(Backend::Sqlite).await;
    let signed = signed(&world, "POST", "/v1/requests").await;
    let head = format!(
        "POST /v1/requests HTTP/1.1\r\nhost: x\r\n{signed}\r\nidempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    let silent = raw(&world, b"");
    let slow_head = raw(&world, b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let slow_body = raw(&world, head.as_bytes());
    let kept_open = raw(&world, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let (silent, slow_head, slow_body, kept_open) =
        tokio::join!(silent, slow_head, slow_body, kept_open);
    assert!(
        slow_body.0.starts_with("HTTP/1.1 408 ")
            && slow_body.0.contains("application/problem+json"),
        "{}",
        slow_body.0
    );
    assert!(kept_open.0.starts_with("HTTP/1.1 200 "), "{}", kept_open.0);
    assert!(!silent.0.contains("200") && !slow_head.0.contains("200"));
    for (_, took) in [silent, slow_head, slow_body, kept_open] {
        assert!(took < Duration::from_secs(25), "{took:?}");
    }
}

#[tokio::test]
async fn a_head_has_limits_of_its_own() {
    let world = World::start(Backend::Sqlite).await;
    let many = (0..70).fold(String::new(), |text, nth| text + &format!("x-{nth}: y\r\n"));
    let (answer, _) = raw(
        &world,
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = "y".repeat(64 * 1024);
    let (answer, _) = raw(
        &world,
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let (answer, _) = raw(&world, nonsense.as_bytes()).await;
        assert!(
            answer.is_empty()
                || answer.starts_with("HTTP/1.1 400 ")
                || answer.starts_with("HTTP/1.1 505 "),
            "{answer}"
        );
    }
    assert_eq!(
        Http::nobody(&world.url()).get("/healthz").await.text,
        "ok\n"
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_the_call_takes_is_answered_with_what_is_wrong() {
    let world = World::start(Backend::Sqlite).await;
    let http = world.http(&world.engineer("ada").await);
    let send = async |body: String| {
        let call = http.call(Method::POST, "/v1/requests").key(key().as_str());
        call.header("content-type", "application/json")
            .body(body)
            .send()
            .await
    };
    let mut unknown = serde_json::to_value(ask()).unwrap();
    unknown["approved"] = true.into();
    let answer = send(unknown.to_string()).await;
    assert_eq!(answer.problem(), (400, "malformed".to_owned()));
    assert!(
        answer.text("title").contains("unknown field `approved`"),
        "{}",
        answer.text
    );
    let deep = format!(
        "{{\"target\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let deep_reason = format!(
        "{{\"reason\":{}1{}}}",
        "{\"a\":".repeat(9_000),
        "}".repeat(9_000)
    );
    let twice =
        "{\"target\":\"a\",\"target\":\"b\",\"role\":\"r\",\"duration\":\"1h\",\"reason\":\"why\"}";
    let bodies = [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}",
        "{\"target\":1}",
        "{\"target\":null}",
        "\u{feff}{}",
        "NaN",
        twice,
        &deep,
        &deep_reason,
        "{\"target\":\"a\",\"role\":\"r\",\"duration\":\"1h\",\"reason\":\"why\"} x",
    ];
    for body in bodies {
        let answer = send(body.to_owned()).await;
        assert_eq!(
            answer.problem(),
            (400, "malformed".to_owned()),
            "{}",
            body.get(..60).unwrap_or(body)
        );
        assert!(answer.text.len() < 1_000);
    }
    let call = http
        .call(Method::POST, "/v1/requests")
        .key("k")
        .header("content-type", "application/json");
    assert_eq!(
        call.body(vec![b'{', b'"', 0xff, b'"', b'}'])
            .send()
            .await
            .problem(),
        (400, "malformed".to_owned())
    );
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ] {
        let call = http
            .call(Method::POST, "/v1/requests")
            .key("k")
            .header("content-type", kind);
        assert_eq!(
            call.body(serde_json::to_string(&ask()).unwrap())
                .send()
                .await
                .problem(),
            (415, "malformed".to_owned()),
            "{kind}"
        );
    }
    let call = http
        .call(Method::POST, "/v1/requests")
        .key("k")
        .header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(
        call.body(serde_json::to_string(&ask()).unwrap())
            .send()
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn other_addresses_and_methods_are_problems_too() {
    let world = World::start(Backend::Sqlite).await;
    let http = world.http(world.admin());
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/requests",
        "/v1/requests/",
        "/V1/requests",
        "//v1/requests",
        "/v1//requests",
        "/v1/requests/x/y/z",
        "/admin",
        "/v1/requests%2f",
    ] {
        assert_eq!(
            http.get(path).await.problem(),
            (404, "malformed".to_owned()),
            "{path}"
        );
    }
    let methods = [
        (Method::DELETE, "/v1/requests"),
        (Method::PUT, "/v1/requests"),
        (Method::PATCH, "/v1/me"),
        (Method::POST, "/v1/audit"),
        (Method::OPTIONS, "/v1/requests"),
        (Method::TRACE, "/healthz"),
        (Method::GET, "/v1/sign-in"),
        (Method::DELETE, "/v1/audit"),
    ];
    for (method, path) in methods {
        let answer = http.call(method.clone(), path).send().await;
        assert_eq!(
            answer.problem(),
            (405, "malformed".to_owned()),
            "{method} {path}"
        );
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
    }
    // A query or an encoded path does not get round anything.
    let nobody = Http::nobody(&world.url());
    for path in [
        "/v1/requests?x=/healthz",
        "/v1/%72equests",
        "/v1/audit?healthz",
    ] {
        let answer = nobody.get(path).await;
        assert!(
            [401, 404].contains(&answer.status.as_u16()),
            "{path}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn every_answer_has_its_trace_and_is_kept_by_nobody() {
    let world = World::start(Backend::Sqlite).await;
    let http = world.http(world.admin());
    let mut traces = std::collections::BTreeSet::new();
    for path in [
        "/v1/me",
        "/v1/requests",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/nowhere",
        "/v1/grants/x",
    ] {
        let answer = http.get(path).await;
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        traces.insert(
            answer.headers["portcullis-trace"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        assert!(!answer.headers.contains_key("server"), "{path}");
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    assert_eq!(traces.len(), 8);
}

#[tokio::test]
async fn health_is_for_everybody_and_figures_for_operators() {
    let world = World::start(Backend::Sqlite).await;
    let nobody = Http::nobody(&world.url());
    assert_eq!(nobody.get("/healthz").await.text, "ok\n");
    assert_eq!(nobody.get("/readyz").await.text, "ready\n");
    assert_eq!(
        nobody.get("/metrics").await.problem(),
        (401, "not-signed-in".to_owned())
    );
    let op = world.person("op", &["operator"], &[]).await;
    let figures = world.http(&op).get("/metrics").await;
    assert_eq!(figures.status, 200);
    assert!(
        figures.text.contains("portcullis_audit_events")
            && figures.text.contains("portcullis_endings_overdue 0"),
        "{}",
        figures.text
    );
    let described = nobody.get("/openapi.json").await.json();
    assert_eq!(described["info"]["title"], json!("Portcullis"));
}

#[tokio::test]
async fn a_body_that_is_cut_off_changes_nothing() {
    let world = World::start(Backend::Sqlite).await;
    let signed = signed(&world, "POST", "/v1/requests").await;
    let body = serde_json::to_string(&ask()).unwrap();
    let head = format!(
        "POST /v1/requests HTTP/1.1\r\nhost: x\r\n{signed}\r\nidempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        body.len() + 1,
        body
    );
    let mut socket = TcpStream::connect(world.url().strip_prefix("http://").unwrap())
        .await
        .unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    assert!(!answer.contains(" 201 "), "{answer}");
    assert_eq!(world.number("select count(*) from requests").await, 0);
}

/// The headers with which `root` calls.
async fn signed(world: &World, method: &str, path: &str) -> String {
    let session = world.admin().session();
    let token = session.tokens().unwrap().access_token;
    let address = format!("{}{path}", world.url());
    let proof = session.prove(method, &address, Some(&token)).await.unwrap();
    format!("authorization: DPoP {token}\r\ndpop: {proof}")
}
