//! Going on with the log where history was lost, and changing its key: both on record, neither taken from anybody else.

use portcullis::client::ClientError;
use portcullis::client::watch::{WatchError, prove};
use portcullis::gate::restore::GoOn;
use portcullis::wire::{EventView, Invitation, LogLinkView, LogRecovery};

use super::refused;
use crate::support::person::{Person, Ran};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, on_both, submit};

async fn signed(world: &World) -> u64 {
    world.gate().store().sequence().await.unwrap();
    world.gate().publish().await.unwrap()
}

async fn recover(world: &World) -> Result<LogLinkView, ClientError> {
    let recovery = LogRecovery {
        reason: "INC-7 the backup of 02:00 is back".to_owned(),
    };
    world.admin().recover_log(&recovery, &key()).await
}

/// A one-time code for somebody.
async fn code(world: &World, name: &str, roles: &[&str]) -> String {
    let invitation = Invitation {
        name: name.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: Vec::new(),
    };
    world
        .admin()
        .invite(&invitation, &key())
        .await
        .unwrap()
        .code
}

/// Somebody takes a database of before, with all that it says of itself: so many events are gone that were signed.
async fn roll_back(world: &World, events: i64) {
    let signed = "select begins + checkpoint_size from log_head";
    let left = world.number(signed).await - events;
    world.cut_back(left, None).await;
}

/// Runs `audit verify` on what was copied of what this machine has seen.
async fn verify_with(person: &Person, seen: &str) -> Ran {
    let file = person.home().join("copied");
    std::fs::write(&file, seen).unwrap();
    let file = file.to_str().unwrap();
    person.run(&["audit", "verify", "--witness", file]).await
}

/// The file with what this machine has seen.
fn seen(person: &Person) -> String {
    let folder = person.home().join("state/witness");
    let mut files = std::fs::read_dir(folder).unwrap();
    std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap()
}

on_both! {
    async fn a_log_that_was_cut_goes_on_in_another_epoch_and_everybody_is_told(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        signed(&world).await;
        vera.does(&["audit", "verify"]).await;
        // Nothing is lost yet, and nobody else may say that it is.
        assert_eq!(refused(recover(&world).await), "nothing-to-recover");
        let recovery = LogRecovery { reason: "INC-7 why not".to_owned() };
        assert_eq!(refused(ada.recover_log(&recovery, &key()).await), "not-allowed");
        roll_back(&world, 2).await;
        signed(&world).await;
        assert_eq!(world.on_record("code = 'audit.rewritten'").await, 1);
        assert_eq!(refused(world.admin().rotate_log_key(&key()).await), "log-rewritten");
        let link = recover(&world).await.unwrap();
        assert_eq!((link.epoch, link.generation), (2, 1));
        let after = signed(&world).await;
        assert!(after >= 1);
        // Whoever saw what is lost is told, and so is everybody else.
        let ran = vera.run(&["audit", "verify"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("HISTORY WAS LOST in epoch 1: ") && ran.out.contains("root went on at"), "{}", ran.out);
        assert!(ran.out.contains("INC-7 the backup of 02:00 is back"), "{}", ran.out);
        assert!(ran.out.contains("is NOT what this machine saw of it"), "{}", ran.out);
        let otto = Person::of(&world, "otto", &["auditor"], &[]).await;
        let report = otto.json(&["audit", "verify"]).await;
        assert_eq!(report["begins"], link.begins);
        let epoch = &report["epochs"][0];
        assert!(epoch["signed"].as_u64().unwrap() > 2 && epoch["recovered_by"] == "root");
        assert!(report["origin"].as_str().unwrap().ends_with("/2"));
        // It goes on as a log does: signed, proved, and continuing what was seen.
        submit(&world.engineer("ben").await).await;
        assert!(signed(&world).await > after);
        assert!(vera.does(&["audit", "verify"]).await.contains("it continues what was seen of it before"));
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "audit.recovered").unwrap();
        assert_eq!(event.index.unsigned_abs(), link.begins);
        let proof = world.http(world.admin()).get(&format!("/v1/audit/{}/proof", event.index)).await;
        assert_eq!(proof.json()["begins"], link.begins, "{}", proof.text);
        assert_eq!(refused(recover(&world).await), "nothing-to-recover");
    }
}

on_both! {
    async fn an_event_of_an_epoch_that_ended_is_proved_through_what_recoveries_found(world: World) {
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        let event = world.audit().await.into_iter().find(|event| event.event == "request.submitted").unwrap();
        for (epoch, who) in [(2, "ben"), (3, "cyd")] {
            for name in [who.to_owned(), format!("{who}-again")] {
                submit(&world.engineer(&name).await).await;
            }
            signed(&world).await;
            roll_back(&world, 2).await;
            assert_eq!(recover(&world).await.unwrap().epoch, epoch);
            signed(&world).await;
            let proved = prove(world.admin(), None, &event).await.unwrap();
            let shows = proved.shows.unwrap();
            assert!(shows.contains("were found of epoch 1 when `root` went on with the log at"), "{shows}");
            let path = format!("/v1/audit/{}/proof", event.index);
            let view = world.http(world.admin()).get(&path).await.json();
            assert_eq!(view["recoveries"].as_array().unwrap().len(), epoch as usize - 1);
            // The first entry of the present epoch needs no recovery to be proved.
            let log = world.audit().await;
            let begun = log.iter().rfind(|event| event.event == "audit.recovered").unwrap();
            assert_eq!(prove(world.admin(), None, begun).await.unwrap().shows, None);
        }
        let changed = EventView { trace: Some("t-other".to_owned()), ..event.clone() };
        assert!(matches!(prove(world.admin(), None, &changed).await, Err(WatchError::Differs { .. })));
        world.execute(&format!("update audit set at = at - 1 where idx = {}", event.index)).await;
        let broken = prove(world.admin(), None, &event).await;
        assert!(matches!(broken, Err(WatchError::Absent { .. })), "{broken:?}");
    }
}

on_both! {
    async fn what_is_left_of_an_epoch_is_still_checked(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        vera.does(&["audit", "verify"]).await;
        let early = seen(&vera);
        for who in ["ben", "cyd"] {
            submit(&world.engineer(who).await).await;
        }
        signed(&world).await;
        roll_back(&world, 2).await;
        recover(&world).await.unwrap();
        signed(&world).await;
        // What was seen early is all there.
        let otto = Person::of(&world, "otto", &["auditor"], &[]).await;
        let ran = verify_with(&otto, &early).await;
        assert!(ran.out.contains("what is left of epoch 1 is what this machine saw of it"), "{ran:?}");
        let folder = otto.home().join("export");
        let folder = folder.to_str().unwrap();
        otto.does(&["audit", "export", folder]).await;
        let key = early.lines().next().unwrap();
        let report = otto.json(&["audit", "verify", folder, "--key", key]).await;
        assert_eq!(report["epochs"][0]["epoch"], 1);
        // Whoever writes into what is left is found as ever.
        world.execute("update audit set at = at - 1 where idx = 1").await;
        let ran = otto.run(&["audit", "verify"]).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("do not lead to the root"), "{ran:?}");
        let path = std::path::Path::new(folder).join("links");
        let links = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, links.replace("\"entry\"", "\"other\"")).unwrap();
        let ran = otto.run(&["audit", "verify", folder, "--key", key, "--json"]).await;
        assert!(ran.code == 1 && ran.err.contains("log-recovery"), "{ran:?}");
        std::fs::remove_file(&path).unwrap();
        let ran = otto.run(&["audit", "verify", folder, "--key", key, "--json"]).await;
        assert!(ran.code == 1 && ran.err.contains("\"code\":\"log-"), "{ran:?}");
    }
}

on_both! {
    async fn a_recovery_that_says_less_than_what_a_machine_saw_is_not_taken(world: World) {
        let mut world = world;
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        submit(&world.engineer("ben").await).await;
        signed(&world).await;
        vera.does(&["audit", "verify"]).await;
        let seen = seen(&vera);
        // Somebody who has the machine takes back what the node kept as well.
        world.stop().await;
        std::fs::remove_file(world.folder().join("checkpoint")).unwrap();
        roll_back(&world, 9).await;
        world.restart().await;
        let ask = GoOn {
            reason: "INC-7 all is well".to_owned(),
            operator: "mallory".to_owned(),
            keep_grants: false,
            unseen: true,
            admin: Some(None),
        };
        let went_on = world.gate().go_on_restored(&ask).await.unwrap();
        let admin = world.nobody();
        let (_, root) = went_on.admin.unwrap();
        admin.sign_in(root.expose(), None, Some("test")).await.unwrap();
        let invitation = Invitation {
            name: "otto".to_owned(),
            roles: vec!["auditor".to_owned()],
            groups: Vec::new(),
        };
        let otto = admin.invite(&invitation, &key()).await.unwrap().code;
        signed(&world).await;
        let person = Person::at(&world.url());
        person.run_with(&["login"], &format!("{otto}\n")).await;
        let otto = person;
        let ran = verify_with(&otto, &seen).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        let told = "entries of epoch 1 were seen before, and the recovery since says nothing of so many";
        assert!(ran.err.contains(told), "{ran:?}");
    }
}

on_both! {
    async fn a_key_that_nobody_announced_is_not_used(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        vera.does(&["audit", "verify"]).await;
        for (claim, what) in [
            ("update log_head set generation = 2", "key 2 of epoch 1"),
            ("update log_head set generation = 1, epoch = 5", "key 1 of epoch 5"),
        ] {
            world.execute(claim).await;
            let size = world.number("select checkpoint_size from log_head").await;
            world.engineer(if what.ends_with('1') { "ben" } else { "cyd" }).await;
            signed(&world).await;
            assert_eq!(world.number("select checkpoint_size from log_head").await, size);
            let log = world.audit().await;
            let alarm = log.iter().rev().find(|event| event.event == "audit.rewritten").unwrap();
            let why = alarm.reason.as_deref().unwrap();
            assert!(why.contains("nobody announced") || why.contains("says nothing of them"), "{what}: {why}");
        }
        let link = recover(&world).await.unwrap();
        assert_eq!(link.epoch, 2);
        signed(&world).await;
        assert!(vera.does(&["audit", "verify"]).await.contains("HISTORY WAS LOST"));
    }
}

on_both! {
    async fn another_key_is_taken_where_the_one_before_vouches_for_it(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        let first = vera.json(&["audit", "verify"]).await;
        let old = first["key"].as_str().unwrap();
        let early = seen(&vera);
        assert_eq!(refused(world.engineer("ben").await.rotate_log_key(&key()).await), "not-allowed");
        for generation in [2, 3] {
            let once = key();
            let link = world.admin().rotate_log_key(&once).await.unwrap();
            assert_eq!((link.epoch, link.generation), (1, generation));
            // Sent again it is the same change.
            assert_eq!(world.admin().rotate_log_key(&once).await.unwrap(), link);
            signed(&world).await;
        }
        let report = vera.json(&["audit", "verify"]).await;
        assert_ne!(report["key"], first["key"]);
        assert_eq!(report["compared"], 1);
        let otto = Person::of(&world, "otto", &["auditor"], &[]).await;
        otto.does(&["audit", "verify", "--key", old]).await;
        assert_eq!(verify_with(&otto, &early).await.code, 0);
        assert_eq!(world.on_record("code = 'audit.key_rotated'").await, 2);
        // A key for which nobody vouches is refused by name.
        world.execute("delete from log_links where generation = 2").await;
        let ran = otto.run(&["audit", "verify", "--key", old, "--json"]).await;
        assert!(ran.code == 1 && ran.err.contains("log-signature"), "{ran:?}");
    }
}

/// Every file of a folder with what is in it.
fn files(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_checkpoint_is_added_to_a_folder_and_none_is_changed() {
    let catalogue = format!("{CATALOGUE}\n[audit]\ncheckpoints = \"seen\"\n");
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    let folder = world.folder().join("seen");
    let mut before = Vec::new();
    for who in ["ada", "ben"] {
        submit(&world.engineer(who).await).await;
        let size = signed(&world).await;
        let now = files(&folder);
        assert!(
            now.len() > before.len()
                && now
                    .iter()
                    .any(|(name, _)| name.ends_with(&format!("-1-1-{size:012}")))
        );
        assert!(
            before.iter().all(|file| now.contains(file)),
            "{before:?} {now:?}"
        );
        before = now;
    }
    world.admin().rotate_log_key(&key()).await.unwrap();
    let now = files(&folder);
    assert!(before.iter().all(|file| now.contains(file)) && now.len() > before.len());
    // Each of them is a witness.
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    for (name, _) in &now {
        let file = folder.join(name);
        vera.does(&["audit", "verify", "--witness", file.to_str().unwrap()])
            .await;
    }
    // What somebody else has put there stays as it is, and the log goes on.
    let size = world.gate().store().sequence().await.unwrap();
    let name = now[0].0.rsplit_once("-1-").unwrap().0;
    let file = folder.join(format!("{name}-2-{size:012}"));
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(signed(&world).await, size.unsigned_abs());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

on_both! {
    async fn whoever_searches_a_record_that_is_not_the_one_they_saw_is_told(world: World) {
        let mut world = world;
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        signed(&world).await;
        vera.does(&["audit"]).await;
        submit(&world.engineer("ben").await).await;
        signed(&world).await;
        let ran = vera.run(&["audit"]).await;
        assert!(ran.code == 0 && !ran.err.contains("NOT WHOLE"), "{ran:?}");
        let (seen, otto) = (seen(&vera), code(&world, "otto", &["auditor"]).await);
        // Somebody who has the machine takes back everything that it knows.
        world.stop().await;
        std::fs::remove_file(world.folder().join("checkpoint")).unwrap();
        roll_back(&world, 4).await;
        world.restart().await;
        let otto_at = Person::at(&world.url());
        otto_at.run_with(&["login"], &format!("{otto}\n")).await;
        signed(&world).await;
        otto_at.does(&["audit"]).await;
        let folder = otto_at.home().join("state/witness");
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        std::fs::write(file, seen).unwrap();
        let ran = otto_at.run(&["audit"]).await;
        assert!(ran.code == 0 && ran.err.contains("THE AUDIT LOG IS NOT WHOLE"), "{ran:?}");
        assert!(ran.out.contains("auth.signed_in"), "{ran:?}");
    }
}
