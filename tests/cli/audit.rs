//! The record checked by somebody who trusts nobody: from the server, from a folder, and after somebody was at it.

use serde_json::json;

use crate::support::person::Person;
use crate::support::world::{Backend, World, on_both, submit};

on_both! {
    async fn the_record_of_a_server_is_checked_and_what_was_seen_is_remembered(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        world.audit().await;
        let first = vera.json(&["audit", "verify"]).await;
        assert_eq!((&first["compared"], &first["late"]), (&json!(0), &json!(0)));
        world.granted(&world.engineer("ben").await).await;
        world.audit().await;
        world.gate().publish().await.unwrap();
        let next = vera.json(&["audit", "verify"]).await;
        assert!(next["entries"].as_u64() > first["entries"].as_u64());
        assert_eq!((&next["compared"], &next["key"]), (&json!(1), &first["key"]));
        assert!(vera.does(&["audit", "verify"]).await.contains("it continues what was seen of it before"));
        // Somebody with the database changes who asked.
        world.execute("update audit set actor = 'eve' where code = 'request.submitted'").await;
        let ran = vera.run(&["audit", "verify"]).await;
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("not those that were seen before"), "{}", ran.err);
        let stranger = Person::of(&world, "sten", &["auditor"], &[]).await;
        let ran = stranger.run(&["audit", "verify"]).await;
        assert!(ran.err.contains("do not lead to the root that was signed"), "{}", ran.err);
        // Those who may not read everybody's history cannot read all of it.
        let ben = Person::engineer(&world, "cyd").await;
        assert!(ben.run(&["audit", "verify"]).await.err.contains("you may not read the audit history of others"));
    }
}

#[tokio::test]
async fn a_folder_is_checked_without_the_server_and_cannot_vouch_for_itself() {
    let mut world = World::start(Backend::Sqlite).await;
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    submit(&world.engineer("ada").await).await;
    world.audit().await;
    world.gate().publish().await.unwrap();
    let folder = vera.home().join("export");
    let folder = folder.to_str().unwrap();
    let wrote = vera.json(&["audit", "export", folder]).await;
    let key = std::fs::read_to_string(format!("{folder}/key")).unwrap();
    assert_eq!(wrote["key"], key.trim());
    world.stop().await;
    let checked = vera
        .json(&["audit", "verify", folder, "--key", key.trim()])
        .await;
    assert_eq!(checked["root"], wrote["root"]);
    let ran = vera.run(&["audit", "verify", folder]).await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("a folder cannot vouch for itself"),
        "{}",
        ran.err
    );
    // What a machine has seen is good for it as well.
    let seen = vera.home().join("seen");
    let note = std::fs::read_to_string(format!("{folder}/checkpoint")).unwrap();
    std::fs::write(&seen, format!("{key}{note}")).unwrap();
    let seen = seen.to_str().unwrap();
    let checked = vera
        .json(&["audit", "verify", folder, "--witness", seen])
        .await;
    assert_eq!(checked["compared"], 1);
    let ran = vera
        .run(&["audit", "verify", folder, "--witness", "/dev/null"])
        .await;
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[tokio::test]
async fn the_record_is_counted_and_read_from_a_moment_on() {
    let world = World::start(Backend::Sqlite).await;
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    for name in ["ada", "ben"] {
        submit(&world.engineer(name).await).await;
    }
    let first = world.audit().await.remove(0);
    let counted = vera
        .json(&[
            "audit",
            "--count-by",
            "actor",
            "--filter",
            "event:request.submitted",
            "--since",
            "-2h",
        ])
        .await;
    assert_eq!(
        counted["items"],
        json!([{"value": "ada", "count": 1}, {"value": "ben", "count": 1}])
    );
    let said = vera.does(&["audit", "--count-by", "event"]).await;
    assert!(said.contains("COUNT"), "{said}");
    let over_time = vera
        .json(&[
            "audit",
            "--histogram",
            "--filter",
            "event:request.submitted",
        ])
        .await;
    assert_eq!(over_time["total"], 2);
    assert_eq!(
        vera.does(&["audit", "--histogram"]).await.lines().count(),
        24
    );
    let at = first.time.to_rfc3339();
    let said = vera.does(&["audit", "--at", &at, "--limit", "2"]).await;
    let told: Vec<&str> = said.lines().collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].contains(&first.event), "{said}");
    let ran = vera.run(&["audit", "--histogram", "--actor", "ada"]).await;
    assert_eq!(ran.code, 2);
}
