//! The requester's day: what one holds, what was before, asking again, and the prompt that says how long it lasts.

use portcullis::client::IdempotencyKey;
use portcullis::wire::{Approval, Denial, GrantView, Revocation};

use crate::support::person::Person;
use crate::support::world::{Backend, World, key};

const ASK: [&str; 7] = [
    "request",
    "bastion",
    "readonly",
    "--for",
    "1h",
    "--reason",
    "INC-4127 stuck orders",
];

async fn cast() -> (World, Person) {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    (world, ada)
}

/// The id of a new request.
async fn ask(person: &Person) -> String {
    let request = person.json(&ASK).await;
    request["id"].as_str().unwrap().to_owned()
}

async fn approve(world: &World, request: &str) -> GrantView {
    let seen = world.admin().request(request).await.unwrap();
    let approved = world
        .admin()
        .approve(request, seen.version, &Approval::default(), &key())
        .await
        .unwrap();
    world.grant_in(&approved.grant.unwrap(), &["active"]).await
}

async fn active(world: &World, person: &Person) -> GrantView {
    let request = ask(person).await;
    approve(world, &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_is_held_what_waits_and_by_its_code_whether_there_is_anything() {
    let (world, ada) = cast().await;
    let ran = ada.run(&["status"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            1,
            "you hold nothing, and nothing of yours waits for a decision\n"
        )
    );

    let request = ask(&ada).await;
    let waiting = ada.does(&["status"]).await;
    let waits = format!(
        "waits: {request} ada asks for readonly on bastion for 1h for a review by `reviewers`, until "
    );
    assert!(waiting.starts_with(&waits), "{waiting}");

    let grant = approve(&world, &request).await;
    let held = ada.does(&["status"]).await;
    let mut lines = held.lines();
    let titles: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        titles,
        ["ID", "STATE", "TARGET", "ROLE", "LEFT", "ENDS", "CLASS"]
    );
    let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        row[..4],
        [grant.id.as_str(), "active", "bastion", "readonly"]
    );
    assert!(row[4].starts_with("59m"), "{held}");
    assert_eq!(row.last(), Some(&"A+"));
    assert_eq!(lines.next(), None, "{held}");

    let json = ada.json(&["status"]).await;
    assert_eq!(json["grants"][0]["id"], grant.id.as_str());
    assert_eq!(json["requests"], serde_json::json!([]));
    assert_eq!(json["ends_soon"], serde_json::json!([]));

    // What others hold is none of it.
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    assert_eq!(ben.run(&["status"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_ends_soon_and_what_to_type() {
    let world = World::start(Backend::Sqlite).await;
    let olga = Person::of(&world, "olga", &["requester"], &["oncall"]).await;
    let short = [
        "request", "bastion", "readonly", "--for", "5m", "--reason", "INC-4127", "--wait",
    ];
    olga.does(&short).await;
    let said = olga.does(&["status"]).await;
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("ends soon: readonly on bastion in 4m")
            && last.contains(": portcullis extend G-"),
        "{said}"
    );
    let json = olga.json(&["status"]).await;
    assert_eq!(json["ends_soon"][0], json["grants"][0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_how_each_ended_newest_first() {
    let (world, ada) = cast().await;
    assert_eq!(
        ada.does(&["history"]).await,
        "nothing yet: what is open is in `portcullis status`\n"
    );
    let denied = ask(&ada).await;
    let version = world.admin().request(&denied).await.unwrap().version;
    let denial = Denial {
        comment: "use staging".to_owned(),
    };
    let admin = world.admin();
    admin.deny(&denied, version, &denial, &key()).await.unwrap();
    let returned = active(&world, &ada).await;
    ada.does(&["return", "bastion"]).await;
    let revoked = active(&world, &ada).await;
    let revocation = Revocation {
        reason: "incident over".to_owned(),
    };
    let fresh = IdempotencyKey::new().unwrap();
    admin
        .revoke(&revoked.id, revoked.version, &revocation, &fresh)
        .await
        .unwrap();
    world.grant_in(&revoked.id, &["revoked"]).await;
    let withdrawn = ask(&ada).await;
    ada.does(&["withdraw", &withdrawn]).await;
    let open = active(&world, &ada).await;

    let said = ada.does(&["history"]).await;
    let lines: Vec<&str> = said.lines().skip(1).collect();
    let expected = [
        (withdrawn.as_str(), "withdrawn"),
        (revoked.request.as_str(), "revoked by root: incident over"),
        (returned.request.as_str(), "returned early"),
        (denied.as_str(), "denied by root: use staging"),
    ];
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, (id, ending)) in lines.iter().zip(expected) {
        assert!(line.starts_with(id) && line.contains(ending), "{said}");
    }
    assert!(!said.contains(&open.id), "{said}");
    let json = ada.json(&["history", "--limit", "2"]).await;
    assert_eq!(json["items"][0]["ending"], "withdrawn", "{json}");
    let elsewhere = ada.does(&["history", "--target", "orders-db"]).await;
    assert!(elsewhere.starts_with("nothing yet"), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_asked_for_again_and_what_is_not_is_extended() {
    let (world, ada) = cast().await;
    let ran = ada.run(&["renew", "--reason", "once more"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.starts_with("error: no grant of yours is over"),
        "{ran:?}"
    );

    let grant = active(&world, &ada).await;
    for which in [&["renew"][..], &["renew", &grant.id], &["renew", "bastion"]] {
        let again: Vec<&str> = which.iter().copied().chain(["--reason", "more"]).collect();
        let ran = ada.run(&again).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.err.contains(&format!("portcullis extend {}", grant.id)),
            "{ran:?}"
        );
    }
    ada.does(&["return", "bastion"]).await;

    // Nobody is asked where nobody sits, and nothing is taken for an answer.
    let ran = ada.run_with(&["renew"], "\n").await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("`--reason TEXT`"), "{ran:?}");
    let said = ada.does(&["renew", "--reason", "one more look"]).await;
    let mut lines = said.lines();
    let picked = lines.next().unwrap();
    assert!(
        picked.starts_with(&format!(
            "again: readonly on bastion for 1h as {} was, returned early ",
            grant.id
        )),
        "{said}"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .ends_with("ada asks for readonly on bastion for 1h"),
        "{said}"
    );
    let pending = ada.json(&["requests", "--state", "pending"]).await;
    let id = pending["items"][0]["id"].as_str().unwrap();
    assert_eq!(pending["items"][0]["reason"], "one more look");
    let ran = ada.run(&["renew", id, "--reason", "more"]).await;
    assert!(ran.err.contains("is still pending"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_says_what_is_held_and_asks_nobody() {
    let (mut world, ada) = cast().await;
    assert_eq!(ada.does(&["prompt"]).await, "");
    let grant = active(&world, &ada).await;
    assert_eq!(
        ada.does(&["prompt"]).await,
        "",
        "no command has seen it yet"
    );
    ada.does(&["status"]).await;
    assert_eq!(ada.does(&["prompt"]).await, "bastion 59m\n");
    let framed = ["prompt", "--before", "[", "--after", "] "];
    assert_eq!(ada.does(&framed).await, "[bastion 59m] \n");

    // Another person on this machine sees nothing of it.
    let code = ada.home().join("state").join("seen");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&code).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);

    let revocation = Revocation {
        reason: "incident over".to_owned(),
    };
    let admin = world.admin();
    admin
        .revoke(&grant.id, grant.version, &revocation, &key())
        .await
        .unwrap();
    world.grant_in(&grant.id, &["revoked"]).await;
    ada.run(&["status"]).await;
    assert_eq!(ada.does(&["prompt"]).await, "");

    let again = active(&world, &ada).await;
    ada.does(&["grants"]).await;
    assert_eq!(ada.does(&["prompt"]).await, "bastion 59m\n");
    world.stop().await;
    assert_eq!(ada.does(&["prompt"]).await, "bastion 59m\n");
    drop(again);
    ada.run(&["logout"]).await;
    assert_eq!(ada.does(&["prompt"]).await, "");
}
