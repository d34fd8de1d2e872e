//! A witness that cannot be reached, does not know the log, or lies: the service goes on, and it is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::post;
use portcullis::gate::witness::Cosigned;
use portcullis::tlog::WitnessSigner;
use tokio::net::TcpListener;

use super::{Running, configured};
use crate::support::person::Person;
use crate::support::world::{Backend, CATALOGUE, POLICY, World};

/// Something that answers as it likes.
async fn liar(
    answer: impl Fn() -> axum::response::Response + Clone + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().route("/add-checkpoint", post(move || async move { answer() }));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    port
}

fn stranger() -> WitnessSigner {
    WitnessSigner::from_seed("witness.example.org/w", &[3; 32]).unwrap()
}

/// A server that was told that this is its witness.
async fn told_of(port: u16) -> World {
    let url = format!("http://127.0.0.1:{port}");
    let said = configured("far", &url, stranger().verifying());
    World::with(Backend::Sqlite, POLICY, &format!("{CATALOGUE}{said}"), None).await
}

/// Decisions are made, and checkpoints signed.
async fn goes_on(world: &World, name: &str) {
    world.granted(&world.engineer(name).await).await;
    world.gate().store().sequence().await.unwrap();
    let size = world.gate().publish().await.unwrap();
    let signed = world.number("select checkpoint_size from log_head").await;
    assert!(u64::try_from(signed).unwrap() >= size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_is_away_is_said_to_be_and_catches_up_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    crate::support::world::ring();
    let log = World::log_key();
    let running = Running::start(&folder.path().join("state"), std::slice::from_ref(&log)).await;
    let said = configured("near", &running.url(), running.witness.key());
    let address = running.stop().await;
    let world = World::with(Backend::Sqlite, POLICY, &format!("{CATALOGUE}{said}"), None).await;
    goes_on(&world, "ada").await;
    let witness = world.gate().known_witnesses()[0].clone();
    assert_eq!(
        world.gate().cosign(&witness).await.unwrap(),
        Cosigned::Failed
    );
    let olga = Person::of(&world, "olga", &["operator"], &[]).await;
    let place = &olga.json(&["audit", "deliveries"]).await["items"][0];
    assert!(
        place["failing_since"].is_string() && place["lag"].as_i64() > Some(5),
        "{place}"
    );
    let running = Running::again(&folder.path().join("state"), address, &[log]).await;
    goes_on(&world, "ben").await;
    assert_eq!(world.gate().cosign(&witness).await.unwrap(), Cosigned::Done);
    assert!(
        running
            .witness
            .seen(running.witness.logs()[0].name())
            .is_some()
    );
    let place = &olga.json(&["audit", "deliveries"]).await["items"][0];
    assert!(place["failing_since"].is_null(), "{place}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_witness_only_says_is_on_record_once_and_stops_nothing() {
    let port = liar(|| {
        let kind = [("content-type", "text/x.tlog.size")];
        (StatusCode::CONFLICT, kind, "999999\n").into_response()
    })
    .await;
    let world = told_of(port).await;
    world.recorded("audit.rewritten", 1).await;
    let witness = world.gate().known_witnesses()[0].clone();
    goes_on(&world, "ada").await;
    assert_eq!(
        world.gate().cosign(&witness).await.unwrap(),
        Cosigned::Disagrees
    );
    assert_eq!(world.events(&["audit.rewritten"]).await, [1]);
    let metrics = world.http(world.admin()).get("/metrics").await.text;
    assert!(
        metrics.contains("portcullis_witness_disagrees{witness=\"far\"} 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_of_somebody_else_is_not_kept() {
    let lies = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&lies);
    let port = liar(move || {
        if shared.fetch_xor(true, Ordering::Relaxed) {
            return (StatusCode::OK, "no line at all").into_response();
        }
        let other = portcullis::tlog::Note::new("another text\n".to_owned()).unwrap();
        (StatusCode::OK, stranger().cosign(&other, 1_800_000_000)).into_response()
    })
    .await;
    let world = told_of(port).await;
    let witness = world.gate().known_witnesses()[0].clone();
    // One lie after the other.
    for _ in 0..2 {
        assert_eq!(
            world.gate().cosign(&witness).await.unwrap(),
            Cosigned::Failed
        );
    }
    let note = world
        .http(world.admin())
        .get("/v1/audit/log/checkpoint")
        .await
        .text;
    assert!(!note.contains("witness.example.org"), "{note}");
}
