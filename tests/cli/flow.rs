//! The life of a request, typed by an engineer and an admin.

use portcullis::wire::{EventView, GrantView, Page, RequestView};

use crate::support::person::Person;
use crate::support::world::{Backend, World};

async fn cast() -> (World, Person, Person) {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    (world, ada, ben)
}

const ASK: [&str; 8] = [
    "request",
    "bastion",
    "readonly",
    "--for",
    "1h",
    "--reason",
    "INC-4127 stuck orders",
    "--json",
];

async fn ask(person: &Person) -> RequestView {
    serde_json::from_str(&person.does(&ASK).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_request_and_what_is_unusual_is_listed() {
    let (_world, ada, ben) = cast().await;
    let request = ask(&ada).await;
    let claimed = ben.does(&["claim", &request.id]).await;
    let said: Vec<&str> = claimed.lines().collect();
    assert!(said[2].starts_with("  claimed by ben until "), "{claimed}");
    assert!(said[3].starts_with("  first time here: "), "{claimed}");
    let listed = ada.does(&["requests"]).await;
    assert!(listed.contains("NOTED"), "{listed}");
    assert!(
        listed.contains("claimed by ben, first time here"),
        "{listed}"
    );
    let released = ben.does(&["claim", &request.id, "--release"]).await;
    assert!(released.contains("\nreleased\n"), "{released}");
    assert!(!ada.does(&["requests"]).await.contains("claimed by"));
    ben.does(&["deny", &request.id, "--comment", "not today"])
        .await;
    // Nothing is said about a decided request, and then the column is not there either.
    assert!(!ada.does(&["requests"]).await.contains("NOTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_asked_for_approved_extended_revoked_and_on_the_record() {
    let (world, ada, ben) = cast().await;
    let catalogue = ada.does(&["request", "--list"]).await;
    assert!(
        catalogue.contains("bastion") && catalogue.contains("readonly"),
        "{catalogue}"
    );

    let request = ask(&ada).await;
    assert_eq!(
        (request.state.as_str(), request.requester.as_str()),
        ("pending", "ada")
    );
    let listed = ben.does(&["requests", "--state", "pending"]).await;
    assert!(
        listed.contains(&request.id) && listed.contains("INC-4127"),
        "{listed}"
    );

    let approved = ben
        .does(&["approve", &request.id, "--for", "30m", "--comment", "fine"])
        .await;
    let mut lines = approved.lines();
    assert_eq!(
        lines.next().unwrap(),
        format!("{} ada asks for readonly on bastion for 1h", request.id)
    );
    assert_eq!(lines.next().unwrap(), "  INC-4127 stuck orders");
    assert_eq!(
        lines.next().unwrap(),
        "  first time here: ada had no grant on `bastion` before this one"
    );
    assert!(
        lines
            .next_back()
            .unwrap()
            .contains("narrowed to readonly for 30m"),
        "{approved}"
    );

    let page: Page<GrantView> =
        serde_json::from_value(ada.json(&["grants", "--mine"]).await).unwrap();
    let grant = world.grant_in(&page.items[0].id, &["active"]).await;
    assert!(ada.does(&["grants"]).await.contains(&grant.id));
    let extended = ben
        .does(&[
            "extend",
            &grant.id,
            "--by",
            "15m",
            "--reason",
            "takes longer",
        ])
        .await;
    assert!(extended.contains("extended with R-"), "{extended}");

    let revoked = ben
        .does(&["revoke", &grant.id, "--reason", "all done"])
        .await;
    assert!(
        revoked.ends_with("revoked: confirmed by the target\n"),
        "{revoked}"
    );
    assert_eq!(ada.does(&["grants"]).await, "no open grants\n");
    assert!(ada.does(&["grants", "--all"]).await.contains("revoked"));

    let events = ben.does(&["audit", "--grant", &grant.id, "--json"]).await;
    let events: Vec<EventView> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.last().unwrap().event, "grant.revoked");
    assert!(events.windows(2).all(|pair| pair[0].index < pair[1].index));
    let text = ben
        .does(&[
            "audit", "--event", "grant.*", "--since", "-1h", "--limit", "3",
        ])
        .await;
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_ends_with_its_sentence_and_hint() {
    let (_world, ada, ben) = cast().await;
    let ran = ada
        .run(&[
            "request", "bastian", "readonly", "--for", "1h", "--reason", "a reason",
        ])
        .await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "error: there is no target `bastian`\nhint: did you mean `bastion`?\n"
        )
    );
    let request = ask(&ada).await;
    let ran = ada.run(&ASK).await;
    assert_eq!(ran.code, 1);
    let problem: portcullis::wire::Problem = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(problem.code, "duplicate-pending");
    let ran = ada.run(&["approve", &request.id]).await;
    assert_eq!(ran.code, 1, "{ran:?}");

    assert!(
        ada.does(&["withdraw", &request.id])
            .await
            .ends_with("withdrawn\n")
    );
    let request = ask(&ada).await;
    assert!(
        ben.does(&["deny", &request.id, "--comment", "not today"])
            .await
            .ends_with("denied\n")
    );
    let ran = ben.run(&["approve", &request.id]).await;
    assert!(ran.err.contains("was already denied by `ben`"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_bound_to_a_version_does_not_hit_a_changed_grant() {
    let (world, ada, ben) = cast().await;
    let request = ask(&ada).await;
    ben.does(&["approve", &request.id]).await;
    let grant = world
        .admin()
        .request(&request.id)
        .await
        .unwrap()
        .grant
        .unwrap();
    let grant = world.grant_in(&grant, &["active"]).await;
    let before = (grant.version - 1).to_string();
    let ran = ben
        .run(&[
            "revoke",
            &grant.id,
            "--reason",
            "all done",
            "--if-version",
            &before,
        ])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("in the meantime"), "{ran:?}");
    let returned = ada.does(&["return", "bastion"]).await;
    assert!(
        returned.ends_with("returned: confirmed by the target\n"),
        "{returned}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_are_made_listed_and_ended() {
    let (_world, ada, ben) = cast().await;
    let me = ada.does(&["whoami"]).await;
    let name = me.lines().next().unwrap();
    assert_eq!(name.split_whitespace().collect::<Vec<_>>(), ["name", "ada"]);
    let code = ben
        .json(&[
            "token", "invite", "cleo", "--role", "auditor", "--group", "eu,us",
        ])
        .await;
    let cleo = Person::at(&ada_server(&ada).await);
    let code = code["code"].as_str().unwrap().to_owned();
    assert!(
        cleo.does(&["login", "--code", &code])
            .await
            .starts_with("signed in as cleo on ")
    );
    assert_eq!(cleo.run(&["login", "--code", &code]).await.code, 1);
    let me = cleo.json(&["whoami"]).await;
    assert_eq!(me["groups"], serde_json::json!(["eu", "us"]));
    assert!(ben.does(&["token", "list"]).await.contains("cleo"));
    ben.does(&["token", "revoke", me["sign_in"].as_str().unwrap()])
        .await;
    let ran = cleo.run(&["whoami"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    ada.does(&["logout"]).await;
    assert_eq!(ada.run(&["whoami"]).await.code, 4);
}

async fn ada_server(person: &Person) -> String {
    let me = person.does(&["whoami"]).await;
    me.lines()
        .find_map(|line| line.strip_prefix("server "))
        .unwrap()
        .trim()
        .to_owned()
}
