//! A server and its witness: checkpoints carry what it signed, and what it saw cannot be taken back.

use std::path::Path;

use portcullis::gate::witness::Cosigned;
use portcullis::tlog::{Note, VerifyingKey};
use portcullis::wire::LogRecovery;

use super::{Running, configured};
use crate::support::person::Person;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

/// Runs a test on both databases.
macro_rules! both {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name(Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$name(Backend::Postgres).await;
            }
        }
    };
}

/// A server with a witness that knows its log.
async fn with_witness(backend: Backend, state: &Path, more: &str) -> (World, Running) {
    let running = Running::start(state, &[World::log_key()]).await;
    let said = configured("audit-dept", &running.url(), running.witness.key());
    let catalogue = format!("{CATALOGUE}{said}{more}");
    let world = World::with(backend, POLICY, &catalogue, None).await;
    (world, running)
}

/// Everything that has happened is signed here and by the witness; answers how much that is.
async fn seen(world: &World, running: &Running) -> u64 {
    world.gate().store().sequence().await.unwrap();
    let size = world.gate().publish().await.unwrap();
    let origin = running.witness.logs()[0].name().to_owned();
    world
        .until("the witness has seen it", async || {
            let seen = running.witness.seen(&origin)?;
            (seen.size >= size).then_some(seen.size)
        })
        .await
}

/// Somebody takes a database of before, and whatever the node itself has kept.
async fn roll_back(world: &mut World, events: i64, also: Option<&str>) {
    let code = world.code_of_root().await;
    world.gate().publish().await.unwrap();
    world.stop().await;
    let left = world.number("select checkpoint_size from log_head").await - events;
    world.cut_back(left, also).await;
    std::fs::remove_file(world.folder().join("checkpoint")).unwrap();
    world.restart().await;
    world.root_is_back(&code).await;
}

async fn a_checkpoint_carries_what_the_witness_signed_and_verify_demands_it(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let worm = folder.path().join("worm");
    let more = format!("\n[audit]\ncheckpoints = \"{}\"\n", worm.display());
    let (world, running) = with_witness(backend, &folder.path().join("state"), &more).await;
    let witness = running.witness.key().to_string();
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    seen(&world, &running).await;
    // A checkpoint that is made for this call has the signature when it arrives.
    let report = vera
        .json(&["audit", "verify", "--witness-key", &witness])
        .await;
    assert_eq!(report["witnesses"][0]["witness"], "witness.example.org/w");
    assert_eq!(report["witnesses"][0]["size"], report["entries"]);
    let said = vera
        .does(&["audit", "verify", "--witness-key", &witness])
        .await;
    assert!(
        said.contains("witness `witness.example.org/w` saw these "),
        "{said}"
    );
    // So has the plain note, an export, and evidence.
    let note = world.http(&ada).get("/v1/audit/log/checkpoint").await.text;
    let note = Note::read(&note).unwrap();
    assert!(note.verify(&running.witness.logs()[0]).is_ok());
    assert!(running.witness.key().seen_at(&note).is_ok());
    let out = vera.home().join("out");
    let out = out.to_str().unwrap();
    vera.does(&["audit", "export", out]).await;
    let log = running.witness.logs()[0].to_string();
    let checked = [
        "audit",
        "verify",
        out,
        "--key",
        &log,
        "--witness-key",
        &witness,
    ];
    assert_eq!(
        vera.json(&checked).await["witnesses"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let file = vera.home().join("case.json");
    let file = file.to_str().unwrap();
    vera.does(&["evidence", &grant.id, file]).await;
    let checked = [
        "audit",
        "verify",
        file,
        "--key",
        &log,
        "--witness-key",
        &witness,
    ];
    assert_eq!(
        vera.json(&checked).await["witnesses"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Another witness has not seen it, and nobody takes it for this one.
    let other =
        portcullis::tlog::WitnessSigner::from_seed("witness.example.org/w", &[1; 32]).unwrap();
    let other = other.verifying().to_string();
    for about in [
        vec!["audit", "verify"],
        vec!["audit", "verify", out, "--key", &log],
        vec!["audit", "verify", file, "--key", &log],
    ] {
        let asked: Vec<&str> = about.into_iter().chain(["--witness-key", &other]).collect();
        let ran = vera.run(&asked).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("not signed by the witness"), "{ran:?}");
    }
    // In the folder each is a file of its own, and one for `--witness`.
    let file = world
        .until("a file with both", async || {
            let mut files = std::fs::read_dir(&worm)
                .unwrap()
                .map(|file| file.unwrap().path());
            files.find(|path| path.display().to_string().ends_with("-audit-dept"))
        })
        .await;
    let kept = std::fs::read_to_string(&file).unwrap();
    let (_, kept) = kept.split_once('\n').unwrap();
    assert!(
        running
            .witness
            .key()
            .seen_at(&Note::read(kept).unwrap())
            .is_ok()
    );
    let file = file.to_str().unwrap();
    assert_eq!(
        vera.json(&["audit", "verify", "--witness", file]).await["compared"],
        2
    );
    // Whoever looks after it sees how it stands.
    let olga = Person::of(&world, "olga", &["operator"], &[]).await;
    let places = olga.json(&["audit", "deliveries"]).await;
    assert_eq!(places["items"][0]["name"], "audit-dept");
    assert_eq!(places["items"][0]["format"], "checkpoint");
    assert!(places["items"][0]["delivered_at"].is_string());
    let metrics = world.http(world.admin()).get("/metrics").await.text;
    assert!(
        metrics.contains("portcullis_witness_lag_seconds{witness=\"audit-dept\"}"),
        "{metrics}"
    );
}

both!(a_checkpoint_carries_what_the_witness_signed_and_verify_demands_it);

async fn a_database_that_was_rolled_back_is_refused_by_the_witness_and_the_alarm_sounds(
    backend: Backend,
) {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, running) = with_witness(backend, &folder.path().join("state"), "").await;
    for name in ["ada", "ben", "cyd"] {
        submit(&world.engineer(name).await).await;
    }
    seen(&world, &running).await;
    roll_back(&mut world, 9, None).await;
    world.recorded("audit.rewritten", 1).await;
    let origin = running.witness.logs()[0].name().to_owned();
    let before = running.witness.seen(&origin).unwrap().size;
    // Nothing more is signed. A new start would be refused, because the node keeps what the witness showed.
    let signed = world.number("select checkpoint_size from log_head").await;
    world.engineer("dan").await;
    world.gate().store().sequence().await.unwrap();
    world.gate().publish().await.unwrap();
    assert_eq!(
        world.number("select checkpoint_size from log_head").await,
        signed
    );
    // An admin says what happened, and the witness signs the new epoch once somebody has given it the key.
    let recovery = LogRecovery {
        reason: "INC-7 the backup of 02:00 is back".to_owned(),
    };
    let link = world.admin().recover_log(&recovery, &key()).await.unwrap();
    assert_eq!(link.epoch, 2);
    let entry = world
        .audit()
        .await
        .into_iter()
        .find(|event| event.event == "audit.recovered")
        .unwrap();
    assert_eq!(entry.details["signed_size"], before);
    let state = folder.path().join("state");
    let told = world.gate().known_witnesses()[0].clone();
    assert_eq!(world.gate().cosign(&told).await.unwrap(), Cosigned::Failed);
    let known = running.witness.logs().to_vec();
    let address = running.stop().await;
    let keys: Vec<VerifyingKey> = known
        .into_iter()
        .chain([link.key.parse().unwrap()])
        .collect();
    let running = Running::again(&state, address, &keys).await;
    assert_eq!(world.gate().cosign(&told).await.unwrap(), Cosigned::Done);
    assert!(running.witness.seen(keys[1].name()).is_some());
}

both!(a_database_that_was_rolled_back_is_refused_by_the_witness_and_the_alarm_sounds);

async fn a_log_that_was_rewritten_and_signed_anew_is_refused_by_the_witness(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, running) = with_witness(backend, &folder.path().join("state"), "").await;
    submit(&world.engineer("ada").await).await;
    seen(&world, &running).await;
    // Somebody with the database and the node's files: the log is as long as it was, and longer soon.
    roll_back(
        &mut world,
        0,
        Some("update audit set at = at + 1 where idx = 1"),
    )
    .await;
    world.engineer("ben").await;
    world.recorded("audit.rewritten", 1).await;
    let before = running.witness.seen(World::log_key().name()).unwrap();
    world.engineer("cyd").await;
    world.gate().store().sequence().await.unwrap();
    world.gate().publish().await.unwrap();
    let witness = world.gate().known_witnesses()[0].clone();
    assert_eq!(
        world.gate().cosign(&witness).await.unwrap(),
        Cosigned::Nothing
    );
    assert_eq!(running.witness.seen(World::log_key().name()), Some(before));
}

both!(a_log_that_was_rewritten_and_signed_anew_is_refused_by_the_witness);
