//! The tamper-evident log over HTTP: what it says, what it proves, and what a changed database can no longer prove.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::client::Client;
use portcullis::tlog::{
    Bundle, Checkpoint, Frontier, Hash, Note, VerifyingKey, check_consistency, check_inclusion,
    leaf_hash,
};
use portcullis::wire::LogEntry;
use reqwest::StatusCode;

use crate::support::http::Http;
use crate::support::world::{Backend, World, on_both, submit};

/// The checkpoint that the server gives somebody, with the key checked, and the proof that came with it.
async fn checkpoint(world: &World, who: &Client, from: Option<u64>) -> (Checkpoint, Vec<Hash>) {
    let query = from.map(|from| format!("?from={from}")).unwrap_or_default();
    let answer = world
        .http(who)
        .get(&format!("/v1/audit/checkpoint{query}"))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let key: VerifyingKey = answer.text("key").parse().unwrap();
    let note = Note::read(&answer.text("checkpoint")).unwrap();
    let checkpoint: Checkpoint = note.verify(&key).unwrap().parse().unwrap();
    assert_eq!(checkpoint.origin, key.name());
    (checkpoint, hashes(&answer.json()["consistency"]))
}

fn hashes(list: &serde_json::Value) -> Vec<Hash> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect()
}

/// Everything that has happened is in the tree and signed.
async fn signed(world: &World) -> u64 {
    world.gate().store().sequence().await.unwrap();
    world.gate().publish().await.unwrap()
}

/// The entries of a log, as its bundle has them.
async fn entries(world: &World, size: u64) -> Vec<Vec<u8>> {
    let path = format!("/v1/audit/log/tile/entries/000.p/{size}");
    let answer = world.http(world.admin()).get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    Bundle::read(&answer.bytes)
        .unwrap()
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect()
}

on_both! {
    async fn each_checkpoint_continues_the_one_before_and_anybody_can_check_it(world: World) {
        let ada = world.engineer("ada").await;
        let before = signed(&world).await;
        let (old, _) = checkpoint(&world, &ada, None).await;
        assert_eq!(old.size, before);
        world.granted(&ada).await;
        let after = signed(&world).await;
        assert!(after > before + 3);
        let (new, proof) = checkpoint(&world, &ada, Some(before)).await;
        check_consistency((old.size, old.root), (new.size, new.root), &proof).unwrap();
        assert!(check_consistency((old.size, new.root), (new.size, new.root), &proof).is_err());
        // Signed again, nothing is new.
        assert_eq!(signed(&world).await, after);
        let far = world.http(&ada).get("/v1/audit/checkpoint?from=4000000").await;
        assert_eq!(far.problem(), (404, "not-found".to_owned()));
    }
}

on_both! {
    async fn an_event_is_proved_to_whoever_may_see_it(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let request = submit(&ada).await;
        let size = signed(&world).await;
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "request.submitted").unwrap();
        let path = format!("/v1/audit/{}/proof", event.index);
        let answer = world.http(&ada).get(&path).await;
        let key: VerifyingKey = answer.text("key").parse().unwrap();
        let note = Note::read(&answer.text("checkpoint")).unwrap();
        let checkpoint: Checkpoint = note.verify(&key).unwrap().parse().unwrap();
        assert_eq!(checkpoint.size, size);
        let bytes = STANDARD.decode(answer.text("entry")).unwrap();
        let index = u64::try_from(event.index).unwrap();
        let whole = (checkpoint.size, checkpoint.root);
        check_inclusion(leaf_hash(&bytes), index, whole, &hashes(&answer.json()["inclusion"])).unwrap();
        let entry = LogEntry::decode(&bytes).unwrap();
        assert_eq!((entry.index, entry.text("id")), (index, Some(event.id.as_str())));
        assert_eq!(entry.text("request"), Some(request.id.as_str()));
        assert_eq!(entry.text("code"), Some("request.submitted"));
        // Another may not even know that it is there, and there is none beyond the last.
        assert_eq!(world.http(&ben).get(&path).await.problem(), (404, "not-found".to_owned()));
        for none in ["4000000", "-1", "x"] {
            let answer = world.http(world.admin()).get(&format!("/v1/audit/{none}/proof")).await;
            assert_eq!(answer.problem(), (404, "not-found".to_owned()));
        }
    }
}

on_both! {
    async fn the_tree_is_the_one_over_the_entries_and_those_have_no_text_that_people_typed(world: World) {
        let ada = world.engineer("ada").await;
        for _ in 0..3 {
            let request = submit(&ada).await;
            ada.withdraw(&request.id, 1, &crate::support::world::key()).await.unwrap();
        }
        let size = signed(&world).await;
        let (signed, _) = checkpoint(&world, &ada, None).await;
        let entries = entries(&world, size).await;
        let mut tree = Frontier::default();
        for entry in &entries {
            tree.push(leaf_hash(entry), |_, _| {});
        }
        assert_eq!((tree.size(), tree.root()), (signed.size, signed.root));
        let reason = crate::support::world::ask().reason;
        let text: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(entry)).collect();
        assert!(text.iter().all(|entry| !entry.contains(&reason) && !entry.contains("127.0.0.1")));
        assert!(text.iter().any(|entry| entry.contains("reason_sha256")));
        assert!(text.iter().any(|entry| entry.contains("address_sha256")));
        // The texts are still there for those who search, and the hash in the entry is theirs.
        let log = world.audit().await;
        assert!(log.iter().any(|event| event.reason.as_deref() == Some(reason.as_str())));
        assert!(log.iter().any(|event| event.address.as_deref() == Some("127.0.0.1")));
        let width = u16::try_from(size).unwrap();
        let tile = world.http(world.admin()).get(&format!("/v1/audit/log/tile/0/000.p/{width}")).await;
        let leaves: Vec<u8> = entries.iter().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect();
        assert_eq!(tile.bytes, leaves);
    }
}

on_both! {
    async fn tiles_are_for_those_who_may_read_the_history_of_everybody(world: World) {
        let ada = world.engineer("ada").await;
        let auditor = world.person("vera", &["auditor"], &[]).await;
        signed(&world).await;
        for path in ["tile/0/000.p/1", "tile/entries/000.p/1"] {
            let path = format!("/v1/audit/log/{path}");
            assert_eq!(world.http(&ada).get(&path).await.problem(), (403, "not-allowed".to_owned()));
            assert_eq!(Http::nobody(&world.url()).get(&path).await.problem(), (401, "not-signed-in".to_owned()));
            assert_eq!(world.http(&auditor).get(&path).await.status, StatusCode::OK);
        }
        let note = world.http(&ada).get("/v1/audit/log/checkpoint").await;
        assert!(note.text.starts_with("portcullis/audit/"), "{}", note.text);
        for path in [
            "tile/0/000", "tile/0/001", "tile/1/000.p/1", "tile/9/000", "tile/0/x", "tile/entries/000", "tile/entries/x001/000",
            "tile/7/x999/x999/x999/x999/x999/999", "tile/0/000.p/0",
        ] {
            let answer = world.http(&auditor).get(&format!("/v1/audit/log/{path}")).await;
            assert_eq!(answer.problem(), (404, "not-found".to_owned()), "{path}");
        }
    }
}

on_both! {
    async fn what_was_changed_in_the_database_is_not_proved_any_more(world: World) {
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        signed(&world).await;
        let (signed, _) = checkpoint(&world, &ada, None).await;
        world.execute("update audit set at = at + 1 where code = 'request.submitted'").await;
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "request.submitted").unwrap();
        let answer = world.http(&ada).get(&format!("/v1/audit/{}/proof", event.index)).await;
        let bytes = STANDARD.decode(answer.text("entry")).unwrap();
        let index = u64::try_from(event.index).unwrap();
        let whole = (signed.size, signed.root);
        assert!(check_inclusion(leaf_hash(&bytes), index, whole, &hashes(&answer.json()["inclusion"])).is_err());
    }
}

on_both! {
    async fn a_log_that_was_cut_or_rewritten_is_signed_no_more_and_said_to_be(world: World) {
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        signed(&world).await;
        let size = world.number("select checkpoint_size from log_head").await;
        // Somebody takes the database of an hour ago, with all that it says of itself.
        let last = world.number("select size from log_head").await - 1;
        world.cut_back(last, None).await;
        // Nothing is signed, and the alarm comes once.
        for _ in 0..3 {
            signed(&world).await;
        }
        let alarms = format!("code = 'audit.rewritten' and outcome = 'error' and body like '%\"size\":{size}%'");
        assert_eq!(world.on_record(&alarms).await, 1);
        assert_eq!(world.number("select checkpoint_size from log_head").await, 0);
    }
}

on_both! {
    async fn a_tree_that_stands_behind_its_log_catches_up(world: World) {
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        let size = signed(&world).await;
        let (before, _) = checkpoint(&world, &ada, None).await;
        // As after an upgrade from a version that had no tree.
        world.execute("update log_head set tree_size = 0, frontier = '', root = null").await;
        world.execute("delete from log_nodes").await;
        assert_eq!(signed(&world).await, size);
        let (after, _) = checkpoint(&world, &ada, None).await;
        assert_eq!(before, after);
    }
}
