//! A provider that confirms somebody no more, or with other groups: what is over at once, what goes later, what stays.

use portcullis::client::Client;
use portcullis::wire::{Approval, NewRequest};
use serde_json::json;

use super::real::{client, much_later};
use crate::support::http::Http;
use crate::support::provider::Provider;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, submit};

/// As the common policy, and with one way for each of two groups.
const TWO_GROUPS: &str = r#"
@id("eng")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
permit (principal in Group::"engineers", action == Action::"request", resource);
@id("cooks")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
permit (principal in Group::"cooks", action == Action::"request", resource)
when { context.role == "readonly" };
"#;

async fn world(backend: Backend, provider: &Provider, policy: &str) -> World {
    let table = provider.table("").replace(
        "leads = \"reviewers\"",
        "leads = \"reviewers\"\ncooks = \"cooks\"",
    );
    let table = table.replace(
        "[identity.groups]",
        "cooks = [\"requester\"]\n[identity.groups]",
    );
    World::with(backend, policy, &format!("{CATALOGUE}{table}"), None).await
}

/// The provider's refresh token of everybody is good no longer, as after its own restart.
async fn spoil(world: &World) {
    let other = "update identities set refresh_token = (select refresh_token from spoilt)";
    world.execute(other).await;
}

/// Keeps the refresh token that is stored now, to be put back later: as if a newer one had been lost.
async fn keep(world: &World) {
    world
        .execute("create table spoilt as select refresh_token from identities")
        .await;
}

async fn refreshed(world: &World, who: &Client) -> u16 {
    let tokens = who.session().tokens().unwrap();
    let body = json!({"refresh_token": tokens.refresh_token});
    let http = Http::device_of(&world.url(), who);
    http.post("/v1/tokens/refresh", None, body)
        .await
        .status
        .as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_signs_in_no_more_at_once_and_loses_everything_soon() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider, POLICY).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    world.reviewer("rob").await;
    let admin = NewRequest {
        role: "admin".to_owned(),
        ..ask()
    };
    let pending = ada.submit(&admin, &key()).await.unwrap();

    provider.remove("u1").await;
    much_later(&world).await;
    let yes = Approval::default();
    let refused = world
        .admin()
        .approve(&pending.id, pending.version, &yes, &key())
        .await;
    assert_eq!(refused.unwrap_err().code(), Some("identity-lapsed"));
    assert!(ada.me().await.is_err());
    assert_eq!(
        world
            .events(&["auth.identity_lapsed", "auth.identity_gone"])
            .await,
        [1, 0]
    );
    // It may be nothing but a token that is over, so what they have goes a little later.
    world.gate().confirm_holders().await.unwrap();
    let seen = world.admin().grant(&grant.id).await.unwrap();
    assert_eq!(seen.state, "active");
    world
        .execute("update identities set lapsed_at = 1000")
        .await;
    world.gate().confirm_holders().await.unwrap();
    world.grant_in(&grant.id, &["revoked"]).await;
    assert_eq!(world.events(&["auth.identity_gone"]).await, [1]);

    // Whoever comes back begins with what they have there then.
    provider.person("u1", "ada", &["eng"]).await;
    let again = client(&world, "u1").await;
    assert_eq!(again.me().await.unwrap().groups, ["engineers"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_is_over_takes_no_access_from_whoever_signs_in_again() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider, POLICY).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    world.reviewer("rob").await;
    // The provider has given a new token, and the answer was lost on its way.
    keep(&world).await;
    much_later(&world).await;
    assert_eq!(refreshed(&world, &ada).await, 200);
    spoil(&world).await;
    much_later(&world).await;
    world.gate().confirm_holders().await.unwrap();
    assert_eq!(world.events(&["auth.identity_lapsed"]).await, [1]);
    assert!(ada.me().await.is_err(), "that sign-in is over");
    // Asked again and again, it stays one event, and nothing else happens.
    world.gate().confirm_holders().await.unwrap();
    let ada = client(&world, "u1").await;
    world
        .execute("update identities set lapsed_at = 1000 where lapsed_at is not null")
        .await;
    world.gate().confirm_holders().await.unwrap();
    assert_eq!(ada.grant(&grant.id).await.unwrap().state, "active");
    let admin = NewRequest {
        role: "admin".to_owned(),
        ..ask()
    };
    ada.submit(&admin, &key()).await.unwrap();
    assert_eq!(
        world
            .events(&["auth.identity_lapsed", "auth.identity_gone"])
            .await,
        [1, 0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_rotates_is_asked_once_however_many_refresh() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider, POLICY).await;
    provider.person("u1", "ada", &["eng"]).await;
    let (here, there) = (client(&world, "u1").await, client(&world, "u1").await);
    let nothing = NewRequest {
        role: "nothing".to_owned(),
        ..ask()
    };
    for _ in 0..3 {
        much_later(&world).await;
        let (one, other) = (key(), key());
        let both = tokio::join!(
            here.submit(&nothing, &one),
            there.submit(&nothing, &other),
            world.gate().confirm_holders(),
        );
        // A role that is not there is found out after the groups were asked for.
        assert_eq!(both.0.unwrap_err().code(), Some("unknown-role"));
        assert_eq!(both.1.unwrap_err().code(), Some("unknown-role"));
    }
    assert_eq!(world.events(&["auth.identity_lapsed"]).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_after_a_sign_in_replaces_nothing() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider, POLICY).await;
    provider.person("u1", "ada", &["eng"]).await;
    let _first = client(&world, "u1").await;
    keep(&world).await;
    let second = client(&world, "u1").await;
    let newest =
        "select count(*) from identities where refresh_token = (select refresh_token from spoilt)";
    assert_eq!(world.number(newest).await, 0);
    // Both are asked about with the newest token; nothing is left of the older one.
    much_later(&world).await;
    assert_eq!(refreshed(&world, &second).await, 200);
    assert_eq!(world.events(&["auth.identity_lapsed"]).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_a_group_loses_what_it_gave() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider, TWO_GROUPS).await;
    provider.person("u1", "ada", &["eng", "cooks"]).await;
    let ada = client(&world, "u1").await;
    let readonly = world.granted(&ada).await;
    let ask_admin = NewRequest {
        role: "admin".to_owned(),
        ..ask()
    };
    let request = ada.submit(&ask_admin, &key()).await.unwrap();
    let yes = Approval::default();
    let admin = world
        .admin()
        .approve(&request.id, request.version, &yes, &key())
        .await
        .unwrap();
    let admin = world.grant_in(&admin.grant.unwrap(), &["active"]).await;

    // Without one of the two, only what the other does not give goes.
    provider.person("u1", "ada", &["cooks"]).await;
    much_later(&world).await;
    assert_eq!(refreshed(&world, &ada).await, 200);
    let cut = world.grant_in(&admin.id, &["revoked"]).await;
    let reason = cut.close_reason.unwrap_or_default();
    assert!(reason.contains("whose groups have changed"), "{reason}");
    assert_eq!(
        world.admin().grant(&readonly.id).await.unwrap().state,
        "active"
    );
    assert_eq!(world.events(&["auth.groups_changed"]).await, [1]);

    // Without any role they may not even sign in, and by trying they lose the rest.
    provider.person("u1", "ada", &["guests"]).await;
    let refused = super::real::signed_in(&world, "u1").await;
    assert_eq!(refused.problem().1, "no-product-role");
    world.grant_in(&readonly.id, &["revoked"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_that_has_not_begun_goes_as_well_and_a_request_is_not_approved() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider, TWO_GROUPS).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let later = NewRequest {
        not_before: Some(world.now().await + chrono::TimeDelta::hours(2)),
        ..ask()
    };
    let request = ada.submit(&later, &key()).await.unwrap();
    let yes = Approval::default();
    let planned = world
        .admin()
        .approve(&request.id, request.version, &yes, &key())
        .await
        .unwrap();
    let planned = planned.grant.unwrap();
    let ask_admin = NewRequest {
        role: "admin".to_owned(),
        ..ask()
    };
    let pending = ada.submit(&ask_admin, &key()).await.unwrap();

    provider.person("u1", "ada", &["cooks"]).await;
    much_later(&world).await;
    let refused = world
        .admin()
        .approve(&pending.id, pending.version, &yes, &key())
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Some("policy-denied"), "{refused}");
    // What the new group gives, too, stays as it was decided.
    assert_eq!(
        world.admin().grant(&planned).await.unwrap().state,
        "scheduled"
    );
    provider.person("u1", "ada", &["leads"]).await;
    much_later(&world).await;
    assert_eq!(refreshed(&world, &ada).await, 200);
    world.grant_in(&planned, &["revoked"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_policy_takes_nothing_from_whoever_changes_groups() {
    let provider = Provider::start("ES256");
    let mut world = world(Backend::Sqlite, &provider, TWO_GROUPS).await;
    provider.person("u1", "ada", &["eng", "cooks"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    let stricter = TWO_GROUPS.replace("Group::\"cooks\"", "Group::\"chefs\"");
    std::fs::write(world.folder().join("policy.cedar"), stricter).unwrap();
    world.restart().await;
    // Under the policy of its time the grant is as good without `eng` as with it.
    provider.person("u1", "ada", &["cooks"]).await;
    much_later(&world).await;
    world.gate().confirm_holders().await.unwrap();
    let before =
        "select count(*) from principals where name = 'ada' and group_names like '%engineers%'";
    assert_eq!(world.number(before).await, 0);
    assert_eq!(active(&world, &grant.id).await, 1);
}

/// How many grants with this name give access.
async fn active(world: &World, grant: &str) -> i64 {
    let count = format!("select count(*) from grants where id = '{grant}' and state = 'active'");
    world.number(&count).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_while_the_groups_stay() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider, POLICY).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    submit(&world.engineer("bob").await).await;
    for _ in 0..3 {
        much_later(&world).await;
        world.gate().confirm_holders().await.unwrap();
    }
    assert_eq!(
        world.admin().grant(&grant.id).await.unwrap().state,
        "active"
    );
    assert_eq!(world.events(&["auth.groups_changed"]).await, [0]);
}
