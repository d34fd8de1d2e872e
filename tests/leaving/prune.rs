//! The oldest part of the history goes when it may, and what is left can be checked as if it were still there.

use portcullis::domain::event::{Actor, Event, EventCode};
use portcullis::store::audit::{Fact, Origin};
use portcullis::tlog::{Hash, check_consistency};
use portcullis::wire::{CheckpointView, Pruning};

use crate::api::refused;
use crate::support::person::Person;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key};

const START: i64 = 1_800_000_000_000;

/// A server whose history may go after a day, with more than three bundles of it.
async fn old(backend: Backend) -> World {
    let catalogue = format!("[audit]\nretention = \"1d\"\n{CATALOGUE}");
    let world = World::with(backend, POLICY, &catalogue, Some(START)).await;
    grow(&world, 800).await;
    world
}

async fn grow(world: &World, count: usize) {
    let event = Event::new(EventCode::TargetDrifted, Actor::System).reason(Some("who knows why"));
    let origin = Origin {
        trace: "t".to_owned(),
        channel: "system".to_owned(),
        address: None,
    };
    let store = world.gate().store();
    let mut tx = store.write().await.unwrap();
    let now = store.now(&mut tx).await.unwrap();
    let fact = Fact {
        event: &event,
        origin: &origin,
        at: now,
    };
    tx.append(&vec![fact; count]).await.unwrap();
    store.commit(tx).await.unwrap();
    world.audit().await;
    world.gate().publish().await.unwrap();
}

fn pruning(to: i64, checkpoint: &CheckpointView) -> Pruning {
    Pruning {
        to: Some(to),
        before: None,
        checkpoint: checkpoint.checkpoint.clone(),
        reason: "older than we have to keep".to_owned(),
    }
}

async fn why(world: &World, asked: &Pruning) -> String {
    let error = world.admin().prune(asked, &key()).await.unwrap_err();
    assert_eq!(error.code(), Some("bad-input"), "{error}");
    error.to_string()
}

async fn rules(backend: Backend) {
    let world = old(backend).await;
    let small = world.admin().checkpoint().await.unwrap();
    assert!(
        why(&world, &pruning(600, &small))
            .await
            .contains("every event stays for 1 days")
    );
    world.pass(chrono::TimeDelta::days(2));
    grow(&world, 300).await;
    let view = world.admin().checkpoint().await.unwrap();
    // What is young stays, also beside what is old.
    assert!(
        why(&world, &pruning(1_060, &view))
            .await
            .contains("the first that is younger has index")
    );
    assert!(
        why(&world, &pruning(255, &view))
            .await
            .contains("nothing is left to prune")
    );
    assert!(
        why(&world, &pruning(1_024, &small))
            .await
            .contains("and 1024 would go")
    );
    let forged = CheckpointView {
        checkpoint: small.checkpoint.replace("\n8", "\n9"),
        ..small.clone()
    };
    assert!(
        why(&world, &pruning(600, &forged))
            .await
            .contains("not signed by this server")
    );
    let vera = world.person("vera", &["auditor"], &[]).await;
    assert_eq!(
        refused(vera.prune(&pruning(600, &small), &key()).await),
        "not-allowed"
    );
    assert_eq!(
        world
            .number("select count(*) from audit where idx < 512")
            .await,
        512
    );
    // Now it goes, in whole bundles, and says so.
    let pruned = world
        .admin()
        .prune(&pruning(600, &small), &key())
        .await
        .unwrap();
    assert_eq!((pruned.minimum, pruned.to), (512, 512));
    assert_eq!(
        world
            .number("select count(*) from audit where idx < 512")
            .await,
        0
    );
    let all = world.audit().await;
    assert_eq!(all[0].index, 512);
    let event = all
        .iter()
        .find(|event| event.event == "audit.pruned")
        .unwrap();
    assert_eq!(
        (&event.details["from"], &event.details["to"]),
        (&0.into(), &512.into())
    );
    // It continues what was signed before, also what ended in the part that is gone.
    grow(&world, 1).await;
    let now = world.admin().checkpoint().await.unwrap();
    let (size, root) = read(&now);
    let http = world.http(world.admin());
    for before in [&small, &view] {
        let (old, old_root) = read(before);
        let answer = http.get(&format!("/v1/audit/checkpoint?from={old}")).await;
        let view: CheckpointView = serde_json::from_str(&answer.text).unwrap();
        let proof: Vec<Hash> = view
            .consistency
            .unwrap()
            .iter()
            .map(|hash| hash.parse().unwrap())
            .collect();
        check_consistency((old, old_root), (size, root), &proof).unwrap();
    }
    assert_eq!(http.get("/v1/audit/checkpoint?from=300").await.status, 200);
    // What is left has its proof, and what is gone is gone.
    assert_eq!(http.get("/v1/audit/600/proof").await.status, 200);
    assert_eq!(
        http.get("/v1/audit/100/proof").await.problem(),
        (404, "not-found".to_owned())
    );
    assert_eq!(http.get("/v1/audit/log/tile/0/001").await.status, 200);
    assert_eq!(http.get("/v1/audit/log/tile/entries/001").await.status, 404);
    // A node that starts anew finds what it signed before.
    let mut world = world;
    world.restart().await;
    world.gate().publish().await.unwrap();
    assert_eq!(
        world.events(&["audit.rewritten", "audit.pruned"]).await,
        [0, 1]
    );
}

fn read(view: &CheckpointView) -> (u64, Hash) {
    let mut lines = view.checkpoint.lines().skip(1);
    let mut next = || lines.next().unwrap();
    (next().parse().unwrap(), next().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_what_was_signed_stands_on_sqlite() {
    rules(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_what_was_signed_stands_on_postgres() {
    rules(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_in_an_export_that_was_checked_goes() {
    let world = old(Backend::Sqlite).await;
    let ann = Person::of(&world, "ann", &["admin"], &[]).await;
    let folder = ann.home().join("log");
    let folder = folder.to_str().unwrap();
    ann.does(&["audit", "export", folder]).await;
    world.pass(chrono::TimeDelta::days(2));
    grow(&world, 300).await;
    let prune = [
        "audit",
        "prune",
        "--to",
        "600",
        "--export",
        folder,
        "--reason",
        "older than we have to keep",
    ];
    // Somebody was at the export.
    let bundle = format!("{folder}/tile/entries/000");
    let good = std::fs::read(&bundle).unwrap();
    let mut bad = good.clone();
    *bad.iter_mut().rfind(|byte| **byte == b'w').unwrap() = b'v';
    std::fs::write(&bundle, bad).unwrap();
    let ran = ann.run(&prune).await;
    assert!(
        ran.code == 1 && ran.err.contains("is not the one whose hash is in its tile"),
        "{ran:?}"
    );
    std::fs::write(&bundle, good).unwrap();
    let said = ann.does(&prune).await;
    assert!(
        said.contains("the history begins with event 512 now"),
        "{said}"
    );
    // What is left is whole, with the hashes of what went, and so is a new export of it.
    world.audit().await;
    world.gate().publish().await.unwrap();
    let checked = ann.json(&["audit", "verify"]).await;
    assert_eq!(
        (&checked["pruned"], &checked["compared"]),
        (&512.into(), &1.into())
    );
    assert!(
        ann.does(&["audit", "verify"])
            .await
            .contains("the first 512 events were pruned")
    );
    let again = ann.home().join("again");
    let again = again.to_str().unwrap();
    ann.does(&["audit", "export", again]).await;
    let key = checked["key"].as_str().unwrap();
    let checked = ann.json(&["audit", "verify", again, "--key", key]).await;
    assert_eq!(checked["pruned"], 512);
    // Nobody says that something was pruned that is only gone.
    std::fs::remove_file(format!("{again}/tile/entries/002")).unwrap();
    std::fs::write(format!("{again}/minimum"), "768\n").unwrap();
    let ran = ann
        .run(&["audit", "verify", again, "--key", key, "--json"])
        .await;
    assert!(ran.code == 1 && ran.err.contains("log-pruned"), "{ran:?}");
}
