//! Rooms: what Slack's incoming webhooks take, and signed calls; to nowhere but where the operator said.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use portcullis::wire::NewRequest;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{private, settled, world};
use crate::support::world::{Backend, ask, key, submit};

type Calls = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Answers every call with this status, and keeps it.
async fn receiver(status: StatusCode) -> (u16, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Calls::default();
    let kept = Arc::clone(&calls);
    let take = move |headers: HeaderMap, body: Bytes| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        kept.lock().unwrap().push((headers, text));
        async move { (status, [("location", "/elsewhere")], "ok").into_response() }
    };
    let app = Router::new().fallback(post(take));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (port, calls)
}

const HERE: &str = "allow_networks = [\"127.0.0.0/8\"]\nallow_plain_http = true\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_told_with_a_signature_and_a_room_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let (hook, hooked) = receiver(StatusCode::NO_CONTENT).await;
    let (chat, said) = receiver(StatusCode::OK).await;
    let channels = format!(
        "\n[[notices.channel]]\nname = \"pager\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{hook}/in\"\nsecret_file = \"{}\"\n{HERE}\n[[notices.channel]]\nname = \"ops\"\nkind = \"slack\"\nurl_file = \"{}\"\ntext = \"{{sentence}} & {{reason}}\"\n{HERE}",
        private(folder.path(), "secret", "s3cret\n"),
        private(
            folder.path(),
            "url",
            &format!("http://127.0.0.1:{chat}/services/T0/B0/x\n")
        ),
    );
    let world = world(Backend::Sqlite, &channels).await;
    let ada = world.engineer("ada").await;
    let new = NewRequest {
        reason: "INC-1 <!channel> @here [x](https://evil.example)".to_owned(),
        ..ask()
    };
    let request = ada.submit(&new, &key()).await.unwrap();
    let (headers, body) = world
        .until("the program is told", async || {
            hooked.lock().unwrap().first().cloned()
        })
        .await;
    let signature = headers["portcullis-signature"].to_str().unwrap();
    let (at, code) = signature.split_once(",v1=").unwrap();
    let at = at.strip_prefix("t=").unwrap();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let expected = hmac::sign(&secret, format!("{at}.{body}").as_bytes());
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let expected = expected.as_ref().iter().fold(String::new(), digits);
    assert_eq!(code, expected);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(headers["idempotency-key"], told["id"].as_str().unwrap());
    assert_eq!(told["notices"][0]["request"], request.id);
    assert_eq!(told["notices"][0]["kind"], "review");
    assert_eq!(told["notices"][0]["happened"], "waits");
    assert!(!body.contains("INC-1"), "{body}");
    let (_, body) = world
        .until("the room is told", async || {
            said.lock().unwrap().first().cloned()
        })
        .await;
    let told: Value = serde_json::from_str(&body).unwrap();
    let block = &told["blocks"][0]["text"];
    assert_eq!(block["type"], "plain_text");
    let text = block["text"].as_str().unwrap();
    assert_eq!(
        text,
        "ada asks for readonly on bastion for 1h & INC-1 &lt;!channel&gt; (at)here (x)(https[:]//evil.example)"
    );
    assert_eq!(
        (&told["parse"], &told["link_names"]),
        (&"none".into(), &false.into())
    );
    settled(&world).await;
    assert_eq!(said.lock().unwrap().len(), 1, "a room is told once");
    assert_eq!(hooked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_on_by_an_answer_or_by_what_a_name_means() {
    let folder = tempfile::tempdir().unwrap();
    let (port, calls) = receiver(StatusCode::TEMPORARY_REDIRECT).await;
    let secret = private(folder.path(), "secret", "s3cret");
    let channel = |name: &str, url: &str, more: &str| {
        format!(
            "\n[[notices.channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n{more}"
        )
    };
    let channels = [
        channel("moved", &format!("http://127.0.0.1:{port}/in"), HERE),
        // A name that means this machine, which nobody has allowed.
        channel("inside", &format!("https://localhost:{port}/in"), ""),
    ];
    let world = world(Backend::Sqlite, &channels.concat()).await;
    submit(&world.engineer("ada").await).await;
    for name in ["moved", "inside"] {
        world
            .until(&format!("{name} failed"), async || {
                let metrics = world.http(world.admin()).get("/metrics").await.text;
                let failed =
                    format!("portcullis_notices_total{{channel=\"{name}\",outcome=\"failed\"}}");
                metrics.contains(&failed).then_some(())
            })
            .await;
    }
    let calls = calls.lock().unwrap();
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|(_, body)| body.contains("\"notices\"")));
}
