//! What a person with a scoped product role notices: what they are told, what they are shown, and how it is given.

use portcullis::wire::{Approval, LockOn, NewLock, NewRequest, NewService, PolicyQuestion};
use serde_json::json;

use portcullis::client::ClientError;

use crate::support::world::{Backend, POLICY, World, ask, key, on_both};

const TWO: &str = r#"
[target.bastion]
kind = "ssh"
tags = { env = "prod", team = "payments" }
host = "127.0.0.1"
[target.bastion.role.readonly]
user = "nobody"
principals = ["readonly"]

[target.sandbox]
kind = "ssh"
tags = { env = "staging", team = "payments" }
host = "127.0.0.1"
[target.sandbox.role.readonly]
user = "nobody"
principals = ["readonly"]
"#;

#[track_caller]
fn refused<T>(result: Result<T, ClientError>) -> String {
    let error = result.err().expect("it is refused");
    error.code().unwrap().to_owned()
}

async fn two(backend: Backend) -> World {
    World::with(backend, POLICY, TWO, None).await
}

fn on(target: &str) -> NewRequest {
    NewRequest {
        target: target.to_owned(),
        ..ask()
    }
}

async fn a_reviewer_of_staging_decides_there_alone(backend: Backend) {
    let world = two(backend).await;
    let ada = world.engineer("ada").await;
    let rita = world
        .person(
            "rita",
            &["reviewer@env=staging", "requester"],
            &["reviewers"],
        )
        .await;
    assert_eq!(
        rita.me().await.unwrap().roles,
        ["requester", "reviewer@env:staging"]
    );
    let prod = ada.submit(&on("bastion"), &key()).await.unwrap();
    let staging = ada.submit(&on("sandbox"), &key()).await.unwrap();
    // What is out of scope does not exist for her, whatever she asks for.
    let approval = Approval::default();
    assert_eq!(refused(rita.request(&prod.id).await), "not-found");
    assert_eq!(
        refused(rita.approve(&prod.id, 1, &approval, &key()).await),
        "not-found"
    );
    let approved = rita
        .approve(&staging.id, 1, &approval, &key())
        .await
        .unwrap();
    assert_eq!(approved.state, "approved");
    // Somebody who reads everything is told why the rest is not theirs to do.
    let olaf = world
        .person("olaf", &["auditor", "reviewer@env:staging"], &["reviewers"])
        .await;
    let seen = olaf.request(&prod.id).await.unwrap();
    let said = seen
        .allowed_actions
        .iter()
        .find(|one| one.action == "approve")
        .unwrap();
    let why =
        "you may not review requests on this target: you may on targets with `env:staging` only";
    assert_eq!((said.allowed, said.reason.as_deref()), (false, Some(why)));
    let answer = world
        .http(&olaf)
        .post(
            &format!("/v1/requests/{}/approve", prod.id),
            Some(1),
            json!({}),
        )
        .await;
    assert_eq!(answer.problem(), (403, "out-of-scope".to_owned()));
    assert_eq!(answer.text("title"), why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_of_staging_decides_there_alone_on_sqlite() {
    a_reviewer_of_staging_decides_there_alone(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_of_staging_decides_there_alone_on_postgres() {
    a_reviewer_of_staging_decides_there_alone(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_wider_than_the_scope_is_refused_with_a_sentence() {
    let world = two(Backend::Sqlite).await;
    let rita = world
        .person("rita", &["reviewer@env:staging"], &["reviewers"])
        .await;
    let lock = |on: LockOn| NewLock {
        on,
        reason: "INC-1 leak".to_owned(),
        duration: None,
    };
    let tag = |name: &str, value: &str| LockOn::Tag {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let error = rita
        .place_lock(&lock(tag("team", "payments")), &key())
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"you may not place or lift locks this wide: you may on targets with `env:staging` only");
    let own = rita
        .place_lock(&lock(tag("env", "staging")), &key())
        .await
        .unwrap();
    let wide = world
        .admin()
        .place_lock(&lock(tag("team", "payments")), &key())
        .await
        .unwrap();
    // It stands in the way of what she reviews, so she sees it; it is not hers to lift.
    let seen = rita.lock(&wide.id).await.unwrap();
    let lift = |view: &portcullis::wire::LockView| view.allowed_actions[0].allowed;
    assert!(!lift(&seen) && lift(&rita.lock(&own.id).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_review_counts_only_those_whose_role_is_for_the_target() {
    let policy = r#"
@id("two") @reviewers("dba") @threshold("2") @max_duration("1h")
permit (principal in Group::"engineers", action == Action::"request", resource);
"#;
    let world = World::with(Backend::Sqlite, policy, TWO, None).await;
    let ada = world.engineer("ada").await;
    world.person("dora", &["reviewer"], &["dba"]).await;
    world
        .person("dan", &["reviewer@env:staging"], &["dba"])
        .await;
    assert_eq!(
        refused(ada.submit(&on("bastion"), &key()).await),
        "nobody-can-review"
    );
    ada.submit(&on("sandbox"), &key()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scoped_requester_asks_where_the_role_is_for_and_hears_of_nothing_else() {
    let world = two(Backend::Sqlite).await;
    let ada = world
        .person("ada", &["requester@env:staging"], &["engineers"])
        .await;
    let targets = ada.targets().await.unwrap().items;
    assert_eq!(
        targets
            .iter()
            .map(|target| target.name.as_str())
            .collect::<Vec<_>>(),
        ["sandbox"]
    );
    assert_eq!(
        refused(ada.submit(&on("bastion"), &key()).await),
        "unknown-target"
    );
    ada.submit(&on("sandbox"), &key()).await.unwrap();
    // Whoever reads everything is told that it is the role that is missing there.
    let eve = world
        .person("eve", &["auditor", "requester@env:staging"], &["engineers"])
        .await;
    assert_eq!(
        refused(eve.submit(&on("bastion"), &key()).await),
        "out-of-scope"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_reads_and_asks_within_the_tag_of_its_scopes() {
    let world = two(Backend::Sqlite).await;
    let new = NewService {
        name: "bot".to_owned(),
        owner: "root".to_owned(),
        scopes: vec![
            "read@env:staging".to_owned(),
            "request:*/readonly@env:staging".to_owned(),
        ],
        groups: vec!["engineers".to_owned()],
        expires: "1d".to_owned(),
    };
    world.reviewer("rob").await;
    let made = world.admin().create_service(&new, &key()).await.unwrap();
    let ada = world.engineer("ada").await;
    ada.submit(&on("bastion"), &key()).await.unwrap();
    let seen = ada.submit(&on("sandbox"), &key()).await.unwrap();
    let bot = crate::support::http::Http::nobody(&world.url()).with(&made.token);
    let list = bot.get("/v1/requests").await.json();
    let ids: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(ids, [json!(seen.id)]);
    let asked = |target: &str| {
        bot.post(
            "/v1/requests",
            None,
            serde_json::to_value(on(target)).unwrap(),
        )
    };
    assert_eq!(asked("bastion").await.problem().1, "unknown-target");
    assert_eq!(asked("sandbox").await.status, 201);
}

/// A reason that was used before is told with how often; requests that the reader may not see do not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_counts_no_request_out_of_scope() {
    let world = two(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    ada.submit(&on("bastion"), &key()).await.unwrap();
    let staging = ada.submit(&on("sandbox"), &key()).await.unwrap();
    let rita = world
        .person("rita", &["reviewer@env:staging"], &["reviewers"])
        .await;
    let codes = |view: portcullis::wire::RequestView| -> Vec<String> {
        view.signals.into_iter().map(|signal| signal.code).collect()
    };
    let (narrow, wide) = (
        rita.request(&staging.id).await.unwrap(),
        world.admin().request(&staging.id).await.unwrap(),
    );
    let reused = |codes: &[String]| codes.iter().any(|code| code.contains("reason"));
    let (narrow, wide) = (codes(narrow), codes(wide));
    assert!(!reused(&narrow) && reused(&wide), "{narrow:?} {wide:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_sees_the_roles_that_are_for_the_target() {
    let policy = r#"
@id("reviewers-look") @reviewers("reviewers") @max_duration("1h")
permit (principal, action == Action::"request", resource) when { principal.roles.contains("reviewer") };
"#;
    let world = World::with(Backend::Sqlite, policy, TWO, None).await;
    world
        .person("rita", &["requester", "reviewer@env:staging"], &[])
        .await;
    for (target, permitted) in [("sandbox", true), ("bastion", false)] {
        let question = PolicyQuestion {
            principal: Some("rita".to_owned()),
            target: target.to_owned(),
            role: "readonly".to_owned(),
            duration: "1h".to_owned(),
            at: None,
            ticket: None,
        };
        let answer = world.admin().explain_policy(&question).await.unwrap();
        assert_eq!(answer.permitted, permitted, "{target}");
    }
}

on_both! {
    async fn a_role_that_cannot_be_read_is_refused_with_how_it_is_written(world: World) {
        let root = world.http(world.admin());
        for wrong in ["reviewer@staging", "operator@env:staging", "boss@env:staging", "reviewer@"] {
            let answer = root.post("/v1/invitations", None, json!({"name": "rita", "roles": [wrong]})).await;
            assert_eq!(answer.problem(), (422, "bad-input".to_owned()), "{wrong}");
        }
    }
}
