//! The evidence about a grant: complete, good without a server, and nothing in it can be changed unseen.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::tlog::{Note, SigningKey};
use portcullis::wire::{LogRecovery, NewExtension, hash_of_text};
use serde_json::{Value, json};

use crate::support::person::Person;
use crate::support::world::{Backend, World, key, on_both, submit};

/// A person with evidence in `case.json`, and the key of the log that it is from.
async fn taken(world: &World) -> (Person, Value, String) {
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let longer = NewExtension {
        by: "30m".to_owned(),
        reason: "INC-4127 still stuck".to_owned(),
    };
    ada.extend(&grant.id, grant.version, &longer, &key())
        .await
        .unwrap();
    let vera = Person::of(world, "vera", &["auditor"], &[]).await;
    let path = vera.home().join("case.json");
    let said = vera
        .json(&["evidence", &grant.id, path.to_str().unwrap()])
        .await;
    (vera, read(&path), said["key"].as_str().unwrap().to_owned())
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

on_both! {
    async fn evidence_is_complete_and_good_without_a_server(world: World) {
        let (vera, file, key) = taken(&world).await;
        assert_eq!(file["request"]["reviews"][0]["reviewer"], "root");
        assert_eq!(file["requests"][0]["kind"], "extend");
        assert!(file["policy"]["text"].as_str().unwrap().contains("@id(\"readonly\")"));
        let codes: Vec<&str> = file["events"].as_array().unwrap().iter().map(|one| one["event"]["event"].as_str().unwrap()).collect();
        assert_eq!(codes, ["request.submitted", "request.approved", "grant.scheduled", "grant.activating", "grant.activated", "request.submitted"]);
        assert_eq!(file["events"][0]["event"]["reason"], "INC-4127 stuck orders");
        assert_eq!(file["events"][0]["event"]["address"], "127.0.0.1");
        // On a machine that has nothing but the file and the key.
        let stranger = Person::at("http://127.0.0.1:1");
        let path = vera.home().join("case.json");
        let path = path.to_str().unwrap();
        let checked = stranger.json(&["audit", "verify", path, "--key", &key]).await;
        assert_eq!((&checked["events"], &checked["erased"]), (&6.into(), &0.into()));
        assert_eq!(checked["not_proven"].as_array().unwrap().len(), 4);
        let said = stranger.does(&["audit", "verify", path, "--key", &key]).await;
        assert!(said.contains("is good: 6 events are in the log of") && said.contains("what it does not prove:"), "{said}");
        let ran = stranger.run(&["audit", "verify", path]).await;
        assert!(ran.code == 2 && ran.err.contains("a file cannot vouch for itself"), "{ran:?}");
        // What a witness kept is good for it as well.
        let seen = stranger.home().join("seen");
        std::fs::write(&seen, format!("{key}\n{}", file["checkpoint"].as_str().unwrap())).unwrap();
        let checked = stranger.json(&["audit", "verify", path, "--witness", seen.to_str().unwrap()]).await;
        assert_eq!(checked["compared"], 1);
        // That it was taken is on record, about the grant.
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "audit.evidence").unwrap();
        assert_eq!((event.actor.name.as_str(), event.grant.as_deref()), ("vera", file["grant"]["id"].as_str()));
        assert_eq!(event.sentence, "vera took out the evidence of readonly on bastion for ada");
    }
}

on_both! {
    async fn evidence_is_for_those_who_read_the_history_of_others(world: World) {
        let ada = Person::engineer(&world, "ada").await;
        let ben = world.engineer("ben").await;
        let grant = world.granted(&ben).await;
        submit(&ben).await;
        assert_eq!(ada.run(&["evidence", &grant.id, "-"]).await.code, 1);
        let own = world.http(&ben).get(&format!("/v1/grants/{}/evidence", grant.id)).await;
        assert_eq!(own.problem(), (403, "not-allowed".to_owned()));
        assert_eq!(world.events(&["audit.evidence"]).await, [0]);
    }
}

/// The newest event is lost that was signed, and the log goes on.
async fn lose(world: &World) {
    let size = world
        .number("select begins + checkpoint_size from log_head")
        .await
        - 1;
    world.cut_back(size, None).await;
    let recovery = LogRecovery {
        reason: "INC-7 the disk is full".to_owned(),
    };
    world.admin().recover_log(&recovery, &key()).await.unwrap();
}

on_both! {
    async fn evidence_is_good_beyond_the_end_of_an_epoch_and_with_any_key_of_the_log(world: World) {
        let (vera, file, first) = taken(&world).await;
        let grant = file["grant"]["id"].as_str().unwrap();
        let path = |name: &str| vera.home().join(name).to_str().unwrap().to_owned();
        let mut keys = vec![first];
        let mut files = vec![path("case.json")];
        for turn in ["rotate", "lose", "rotate"] {
            if turn == "rotate" {
                world.admin().rotate_log_key(&key()).await.unwrap();
            } else {
                // The newest is lost, and not what says that the key was changed.
                submit(&world.engineer("ben").await).await;
                world.gate().store().sequence().await.unwrap();
                world.gate().publish().await.unwrap();
                lose(&world).await;
            }
            files.push(path(&format!("{}.json", files.len())));
            let said = vera.json(&["evidence", grant, files.last().unwrap()]).await;
            keys.push(said["key"].as_str().unwrap().to_owned());
        }
        // What happened before is proved through what was found of it.
        let last = read(Path::new(files.last().unwrap()));
        let events = |file: &Value| file["events"].as_array().unwrap().len();
        assert_eq!(events(&last), events(&file) + 3, "that evidence was taken is about the grant, too");
        assert_eq!(last["recoveries"].as_array().unwrap().len(), 1);
        let folder = path("export");
        vera.does(&["audit", "export", &folder]).await;
        let links = format!("{folder}/links");
        let stranger = Person::at("http://127.0.0.1:1");
        for (nth, file) in files.iter().enumerate() {
            for (of, key) in keys.iter().enumerate() {
                let ask = ["audit", "verify", file, "--key", key, "--links", &links];
                let report = stranger.json(&ask).await;
                assert_eq!((&report["key"], &report["signed_with"]), (&json!(key), &json!(keys[nth])), "{nth} {of}");
                // The file itself has what leads to its key from those before.
                let alone = stranger.run(&["audit", "verify", file, "--key", key]).await;
                assert_eq!(alone.code, i32::from(of > nth), "{nth} {of}: {alone:?}");
            }
        }
        let said = stranger.does(&["audit", "verify", files.last().unwrap(), "--key", &keys[0]]).await;
        assert!(said.contains("it was signed with another key of the log, for which this one vouches"), "{said}");
        assert!(said.contains("found of epoch 1 when `root` went on"), "{said}");
        // Somebody else's key beside ours on a note of ours makes it none of ours.
        let seed = [9; 32];
        let name = keys[0].split('+').next().unwrap();
        let theirs = SigningKey::from_seed(name, &seed).unwrap();
        let mut forged = read(&vera.home().join("case.json"));
        forged["key"] = theirs.verifying().to_string().into();
        for part in ["seal", "checkpoint"] {
            let note = Note::read(forged[part].as_str().unwrap()).unwrap();
            forged[part] = note.signed(&theirs).to_string().into();
        }
        let mut vouched: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&links).unwrap()).unwrap();
        for link in &mut vouched {
            let note = Note::read(link["checkpoint"].as_str().unwrap()).unwrap();
            link["checkpoint"] = note.signed(&theirs).to_string().into();
        }
        std::fs::write(path("forged.json"), forged.to_string()).unwrap();
        std::fs::write(path("forged.links"), json!(vouched).to_string()).unwrap();
        let (forged, links) = (path("forged.json"), path("forged.links"));
        let ran = stranger.run(&["audit", "verify", &forged, "--key", &keys[3], "--links", &links, "--json"]).await;
        assert!(ran.code == 1 && ran.err.contains("evidence-seal"), "{ran:?}");
        // What a recovery says cannot be changed either.
        let mut changed = last;
        changed["recoveries"][0]["inclusion"] = json!([]);
        std::fs::write(path("changed.json"), changed.to_string()).unwrap();
        let ran = stranger.run(&["audit", "verify", &path("changed.json"), "--key", &keys[3], "--json"]).await;
        assert!(ran.code == 1 && ran.err.contains("log-recovery"), "{ran:?}");
    }
}

type Tamper = fn(&mut Value);

/// What somebody does to a file, and what it is found as.
const KINDS: [(&str, Tamper, &str); 31] = [
    (
        "a name in an event",
        |file| file["events"][1]["event"]["actor"]["name"] = "eve".into(),
        "evidence-event",
    ),
    (
        "the code of an event",
        |file| file["events"][1]["event"]["event"] = "request.denied".into(),
        "evidence-event",
    ),
    (
        "the moment of an event",
        |file| file["events"][1]["event"]["time"] = "2026-01-01T00:00:00Z".into(),
        "evidence-event",
    ),
    (
        "the sentence of an event",
        |file| file["events"][1]["event"]["sentence"] = "nobody approved".into(),
        "evidence-event",
    ),
    (
        "the outcome of an event",
        |file| file["events"][1]["event"]["outcome"] = "denied".into(),
        "evidence-event",
    ),
    (
        "a detail of an event",
        |file| file["events"][0]["event"]["details"]["duration"] = "8h".into(),
        "evidence-event",
    ),
    (
        "a detail more",
        |file| file["events"][0]["event"]["details"]["fast"] = true.into(),
        "evidence-event",
    ),
    (
        "the index of an event",
        |file| file["events"][1]["event"]["index"] = 0.into(),
        "evidence-event",
    ),
    (
        "tags of an event",
        |file| file["events"][1]["event"]["tags"] = json!({"env": "dev"}),
        "evidence-event",
    ),
    (
        "the reason of an event",
        |file| file["events"][0]["event"]["reason"] = "INC-1 other".into(),
        "evidence-text",
    ),
    (
        "the address of an event",
        |file| file["events"][0]["event"]["address"] = "10.0.0.9".into(),
        "evidence-text",
    ),
    (
        "the salt of an event",
        |file| file["events"][0]["salt"] = "AAAA".into(),
        "evidence-text",
    ),
    (
        "the reason is taken out",
        |file| {
            drop(
                file["events"][0]["event"]
                    .as_object_mut()
                    .unwrap()
                    .remove("reason"),
            );
        },
        "evidence-event",
    ),
    (
        "a reason is put in",
        |file| file["events"][3]["event"]["reason"] = "because".into(),
        "evidence-text",
    ),
    (
        "another reason with its hash",
        |file| {
            let salt = file["events"][0]["salt"].as_str().unwrap().to_owned();
            let hash = hash_of_text(&salt, "INC-1 other");
            edit(file, 0, |body| body["reason_sha256"] = hash.into());
            file["events"][0]["event"]["reason"] = "INC-1 other".into();
        },
        "evidence-inclusion",
    ),
    (
        "the entry of an event",
        |file| edit(file, 1, |body| body["outcome"] = "denied".into()),
        "evidence-inclusion",
    ),
    (
        "an entry that is none",
        |file| file["events"][1]["entry"] = "AAAA".into(),
        "evidence-entry",
    ),
    (
        "an entry that is no base64",
        |file| file["events"][1]["entry"] = "?".into(),
        "evidence-entry",
    ),
    (
        "a hash of a proof",
        |file| file["events"][1]["inclusion"][0] = file["events"][0]["inclusion"][1].clone(),
        "evidence-inclusion",
    ),
    (
        "a proof is cut off",
        |file| drop(file["events"][1]["inclusion"].as_array_mut().unwrap().pop()),
        "evidence-inclusion",
    ),
    (
        "two events change places",
        |file| file["events"].as_array_mut().unwrap().swap(2, 3),
        "evidence-order",
    ),
    (
        "an event is there twice",
        |file| {
            let again = file["events"][1].clone();
            file["events"].as_array_mut().unwrap().insert(1, again);
        },
        "evidence-order",
    ),
    (
        "an event is taken out",
        |file| drop(file["events"].as_array_mut().unwrap().remove(3)),
        "evidence-part",
    ),
    (
        "the grant",
        |file| file["grant"]["expires_at"] = "2030-01-01T00:00:00Z".into(),
        "evidence-part",
    ),
    (
        "a review",
        |file| file["request"]["reviews"][0]["reviewer"] = "eve".into(),
        "evidence-part",
    ),
    (
        "the policy",
        |file| file["policy"]["text"] = "permit (principal, action, resource);".into(),
        "evidence-part",
    ),
    (
        "the policy is taken out",
        |file| drop(file.as_object_mut().unwrap().remove("policy")),
        "evidence-gone",
    ),
    (
        "who made it",
        |file| file["made"]["by"] = "eve".into(),
        "evidence-part",
    ),
    (
        "what it does not prove",
        |file| file["not_proven"] = json!([]),
        "evidence-part",
    ),
    (
        "the checkpoint",
        |file| {
            let text = file["checkpoint"]
                .as_str()
                .unwrap()
                .replacen("\n2", "\n3", 1)
                .replacen("\n1", "\n4", 1);
            file["checkpoint"] = text.into();
        },
        "log-signature",
    ),
    (
        "the seal",
        |file| {
            let text = file["seal"]
                .as_str()
                .unwrap()
                .replacen("\ngrant ", "\nGrant ", 1);
            file["seal"] = text.into();
        },
        "evidence-seal",
    ),
];

/// Changes the body of an entry, as somebody does who knows how it is written.
fn edit(file: &mut Value, at: usize, change: impl FnOnce(&mut Value)) {
    let bytes = STANDARD
        .decode(file["events"][at]["entry"].as_str().unwrap())
        .unwrap();
    let mut body: Value = serde_json::from_slice(&bytes[12..]).unwrap();
    change(&mut body);
    let mut other = bytes[..12].to_vec();
    other.extend(serde_json::to_vec(&body).unwrap());
    file["events"][at]["entry"] = STANDARD.encode(other).into();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_evidence_is_found_and_named() {
    let world = World::start(Backend::Sqlite).await;
    let (vera, file, key) = taken(&world).await;
    let path = vera.home().join("changed.json");
    let verify = [
        "audit",
        "verify",
        path.to_str().unwrap(),
        "--key",
        &key,
        "--json",
    ];
    std::fs::write(&path, file.to_string()).unwrap();
    assert_eq!(vera.run(&verify).await.code, 0);
    for (kind, tamper, expected) in KINDS {
        let mut changed = file.clone();
        tamper(&mut changed);
        assert_ne!(changed, file, "{kind}");
        std::fs::write(&path, changed.to_string()).unwrap();
        let ran = vera.run(&verify).await;
        assert_eq!(ran.code, 1, "{kind}: {ran:?}");
        assert!(ran.err.contains(expected), "{kind}: {}", ran.err);
    }
    std::fs::write(&path, file.to_string().get(..5000).unwrap()).unwrap();
    assert!(vera.run(&verify).await.err.contains("evidence-form"));
    // The evidence of another log, as good as it is, is not that of this one.
    std::fs::write(&path, file.to_string()).unwrap();
    let other =
        portcullis::tlog::SigningKey::from_seed("portcullis/audit/other/1", &[3; 32]).unwrap();
    let ran = vera
        .run(&[
            "audit",
            "verify",
            path.to_str().unwrap(),
            "--key",
            &other.verifying().to_string(),
            "--json",
        ])
        .await;
    assert!(
        ran.code == 1 && ran.err.contains("evidence-seal"),
        "{ran:?}"
    );
}
