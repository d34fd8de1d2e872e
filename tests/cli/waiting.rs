//! Commands that wait for somebody else, over the live stream.

use portcullis::wire::{Approval, Denial};

use crate::support::person::Person;
use crate::support::world::{Backend, World, key};

const ASK: [&str; 8] = [
    "request",
    "bastion",
    "readonly",
    "--for",
    "1h",
    "--reason",
    "INC-4127 stuck orders",
    "--wait",
];

async fn cast() -> (World, Person) {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    (world, ada)
}

fn id_of(line: &str) -> String {
    line.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_access_is_usable() {
    let (world, ada) = cast().await;
    let mut waiting = ada.start(&ASK);
    let id = id_of(&waiting.says("ada asks for readonly on bastion").await);
    waiting
        .says("pending: waits for a review by `reviewers`")
        .await;
    let version = world.admin().request(&id).await.unwrap().version;
    world
        .admin()
        .approve(&id, version, &Approval::default(), &key())
        .await
        .unwrap();
    let ran = waiting.ends().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("active: G-") && ran.out.contains("use it: portcullis connect bastion"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_comment_of_a_denial() {
    let (world, ada) = cast().await;
    let mut waiting = ada.start(&ASK);
    let id = id_of(&waiting.says("ada asks for").await);
    waiting.says("pending").await;
    let version = world.admin().request(&id).await.unwrap().version;
    let denial = Denial {
        comment: "use staging".to_owned(),
    };
    world
        .admin()
        .deny(&id, version, &denial, &key())
        .await
        .unwrap();
    let ran = waiting.ends().await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        format!("error: `{id}` was denied by root: use staging\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_gives_up_and_the_request_stays() {
    let (world, ada) = cast().await;
    let arguments: Vec<&str> = ASK.into_iter().chain(["--timeout", "1s"]).collect();
    let ran = ada.run(&arguments).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    let page = world
        .admin()
        .requests(&portcullis::client::RequestsQuery::default())
        .await
        .unwrap();
    assert_eq!(page.items[0].state, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_in_json_prints_the_bodies_and_nothing_else() {
    let world = World::start(Backend::Sqlite).await;
    let olga = Person::of(&world, "olga", &["requester"], &["oncall"]).await;
    let arguments: Vec<&str> = ASK.into_iter().chain(["--json"]).collect();
    let out = olga.does(&arguments).await;
    let states: Vec<String> = out
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["state"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(states, ["approved", "active"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_followed_live_without_a_gap_to_the_past() {
    let (world, ada) = cast().await;
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    let mut following = ben.start(&["audit", "--follow", "--json"]);
    let first = following.says("auth.signed_in").await;
    let request = crate::support::world::submit(&world.engineer("cleo").await).await;
    following.says(&request.id).await;
    drop(first);
    drop(ada);
}
