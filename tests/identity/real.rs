//! Against a real, independent provider: who gets in as whom, and what changes there changes here.

use portcullis::client::{Client, ClientError};
use portcullis::secret::Secret;
use portcullis::wire::{Approval, NewBreakGlass, NewSealedCodes, Tokens};
use reqwest::Url;
use serde_json::json;

use crate::support::http::{Answer, Http};
use crate::support::provider::{Provider, Visitor, challenge, finish};
use crate::support::world::{
    Backend, CATALOGUE, GLASS, POLICY, PUBLIC_KEY, World, ask, key, submit,
};

const REDIRECT: &str = "http://127.0.0.1:40000/signed-in";

async fn world(backend: Backend, provider: &Provider) -> World {
    let catalogue = format!("{CATALOGUE}{}", provider.table(""));
    World::with(backend, POLICY, &catalogue, None).await
}

async fn begun(http: &Http) -> (String, String) {
    let start = json!({"redirect_uri": REDIRECT, "code_challenge": challenge(), "device": "test"});
    let answer = http.post("/v1/sign-in/oidc/start", None, start).await;
    (answer.text("authorize_url"), answer.text("state"))
}

/// What a browser brings back when this person signs in.
async fn brought(world: &World, subject: &str) -> (Http, Url) {
    let http = Http::newcomer(&world.url());
    let (address, _) = begun(&http).await;
    let brought = Visitor::new().sign_in(&address, subject).await;
    (http, brought)
}

/// Signs somebody in, as a program and a browser do.
async fn signed_in(world: &World, subject: &str) -> Answer {
    let (http, brought) = brought(world, subject).await;
    finished(&http, &finish(&brought)).await
}

async fn finished(http: &Http, body: &serde_json::Value) -> Answer {
    let path = "/v1/sign-in/oidc/finish";
    http.post(path, None, body.clone()).await
}

/// A client of somebody who has signed in at the provider.
pub(super) async fn client(world: &World, subject: &str) -> Client {
    client_with(world, subject, &mut Visitor::new()).await
}

/// As `client`, in a browser that may have been there before.
pub(super) async fn client_with(world: &World, subject: &str, visitor: &mut Visitor) -> Client {
    let client = world.nobody();
    let http = Http::device_of(&world.url(), &client);
    let (address, _) = begun(&http).await;
    let brought = visitor.sign_in(&address, subject).await;
    let answer = finished(&http, &finish(&brought)).await;
    let tokens = serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"));
    client.session().store(&tokens).await.unwrap();
    client
}

/// Makes what is known of everybody's groups old.
async fn much_later(world: &World) {
    world
        .execute("update identities set checked_at = 1000")
        .await;
}

#[track_caller]
fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    answer.unwrap_err().code().unwrap_or("no code").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_with_every_kind_of_signature() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let provider = Provider::start(algorithm);
        let world = world(Backend::Sqlite, &provider).await;
        let groups = ["eng", "cooks"];
        provider
            .person("u1", "Ada.Lovelace@example.com", &groups)
            .await;
        let me = client(&world, "u1").await.me().await.unwrap();
        assert_eq!(
            (me.name.as_str(), me.roles, me.groups),
            (
                "ada.lovelace",
                vec!["requester".to_owned()],
                vec!["engineers".to_owned()]
            ),
            "{algorithm}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_is_never_linked() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider).await;
    let local = world.engineer("ada").await.me().await.unwrap();
    // The same name and the same address, and still somebody else; `root` and `portcullis` are nobody's to take.
    for (subject, name) in [
        ("u1", "ada"),
        ("u2", "ROOT"),
        ("u3", "portcullis@example.com"),
    ] {
        provider.person(subject, name, &["eng"]).await;
        let refused = signed_in(&world, subject).await;
        assert_eq!(refused.problem(), (409, "name-taken".to_owned()), "{name}");
    }
    provider.person("u4", "grace", &["eng"]).await;
    let grace = client(&world, "u4").await.me().await.unwrap();
    assert_ne!(grace.id, local.id);
    // Who has a subject keeps the principal, whatever the name becomes; and who takes the name over is not taken for them.
    provider.person("u4", "hopper", &["eng"]).await;
    provider.person("u5", "grace", &["eng"]).await;
    let renamed = client(&world, "u4").await.me().await.unwrap();
    assert_eq!((renamed.id, renamed.name.as_str()), (grace.id, "grace"));
    let refused = signed_in(&world, "u5").await;
    assert_eq!(refused.problem(), (409, "name-taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_finished_once_by_whoever_began_it_on_any_node() {
    let provider = Provider::start("ES256");
    let mut world = world(Backend::Sqlite, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    let (_, from_browser) = brought(&world, "u1").await;
    // Another process on the same database.
    world.restart().await;
    let http = Http::newcomer(&world.url());
    let body = finish(&from_browser);
    assert_eq!(finished(&http, &body).await.status, 200);
    let again = finished(&http, &body).await.problem();
    assert_eq!(again, (401, "sign-in-not-begun".to_owned()));

    for (field, value, wanted) in [
        (
            "code_verifier",
            json!("x".repeat(43)),
            (401, "sign-in-of-another"),
        ),
        (
            "iss",
            json!("https://evil.example"),
            (502, "response-issuer"),
        ),
        ("iss", json!(null), (502, "response-issuer-missing")),
        ("code", json!("another"), (502, "code-refused")),
        ("state", json!("another"), (401, "sign-in-not-begun")),
    ] {
        let (http, from_browser) = brought(&world, "u1").await;
        let mut changed = finish(&from_browser);
        changed[field] = value;
        let problem = finished(&http, &changed).await.problem();
        assert_eq!(problem, (wanted.0, wanted.1.to_owned()), "{field}");
        if field != "state" {
            let spoilt = finished(&http, &finish(&from_browser)).await.problem();
            assert_eq!(spoilt, (401, "sign-in-not-begun".to_owned()), "{field}");
        }
    }

    let http = Http::newcomer(&world.url());
    let (address, _) = begun(&http).await;
    let no = Visitor::new().say_no(&address).await;
    let refused = finished(&http, &finish(&no)).await;
    assert_eq!(refused.problem(), (403, "provider-declined".to_owned()));
    assert!(!refused.text.contains("<b>"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_took_too_long_is_over() {
    let provider = Provider::start("ES256");
    let catalogue = format!("{CATALOGUE}{}", provider.table(""));
    // The code is never redeemed, so it does not matter that the provider's clock shows another time.
    let start = 1_800_000_000_000;
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, Some(start)).await;
    provider.person("u1", "ada", &["eng"]).await;
    let (http, from_browser) = brought(&world, "u1").await;
    world.pass(chrono::TimeDelta::minutes(10));
    let late = finished(&http, &finish(&from_browser)).await.problem();
    assert_eq!(late, (401, "sign-in-not-begun".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_a_group_that_has_a_role() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider).await;
    provider.person("u1", "ada", &["cooks"]).await;
    let refused = signed_in(&world, "u1").await;
    assert_eq!(refused.problem(), (403, "no-product-role".to_owned()));
    assert_eq!(world.number("select count(*) from principals").await, 1);
    assert_eq!(world.number("select count(*) from identities").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_groups_at_the_provider_are_other_rights_at_the_next_decision_and_refresh() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    provider.person("u2", "rita", &["leads"]).await;
    let (ada, rita) = (client(&world, "u1").await, client(&world, "u2").await);
    let request = submit(&ada).await;
    let yes = Approval::default();

    // Rita is no lead any more, and nobody has told Portcullis.
    provider.person("u2", "rita", &["eng"]).await;
    much_later(&world).await;
    let refused = rita
        .approve(&request.id, request.version, &yes, &key())
        .await;
    assert_eq!(code(refused), "not-allowed");
    // And then she is again.
    provider.person("u2", "rita", &["leads"]).await;
    much_later(&world).await;
    // A refresh looks as well.
    let tokens = rita.session().tokens().unwrap();
    let body = json!({"refresh_token": tokens.refresh_token});
    let http = Http::device_of(&world.url(), &rita);
    let renewed = http.post("/v1/tokens/refresh", None, body).await;
    let renewed: Tokens = serde_json::from_str(&renewed.text).unwrap();
    assert_eq!(renewed.me.groups, ["reviewers"]);
    rita.session().store(&renewed).await.unwrap();
    rita.approve(&request.id, request.version, &yes, &key())
        .await
        .unwrap();
    assert_eq!(world.events(&["auth.groups_changed"]).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_at_the_provider_loses_everything() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Postgres, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    world.reviewer("rita").await;
    let pending = ada
        .submit(
            &portcullis::wire::NewRequest {
                role: "admin".to_owned(),
                ..ask()
            },
            &key(),
        )
        .await
        .unwrap();

    provider.remove("u1").await;
    much_later(&world).await;
    let refused = world
        .admin()
        .approve(&pending.id, pending.version, &Approval::default(), &key())
        .await;
    assert_eq!(code(refused), "identity-gone");
    world.grant_in(&grant.id, &["revoked"]).await;
    assert!(ada.me().await.is_err());
    let tokens = ada.session().tokens();
    assert!(tokens.is_err(), "the refresh is refused, too");
    assert_eq!(world.events(&["auth.identity_gone"]).await, [1]);

    // Whoever comes back begins with what they have there then.
    provider.person("u1", "ada", &["eng"]).await;
    assert_eq!(client(&world, "u1").await.me().await.unwrap().name, "ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_access_is_asked_about_without_a_call_of_theirs() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    provider.remove("u1").await;
    much_later(&world).await;
    world.gate().confirm_holders().await.unwrap();
    world.grant_in(&grant.id, &["revoked"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_provider_access_still_ends_and_is_not_given_for_long() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let grant = world.granted(&ada).await;
    world.reviewer("rita").await;
    drop(provider);
    // What was last known is good for a while.
    let admin = portcullis::wire::NewRequest {
        role: "admin".to_owned(),
        ..ask()
    };
    let request = ada.submit(&admin, &key()).await.unwrap();
    much_later(&world).await;
    assert_eq!(code(ada.submit(&admin, &key()).await), "identity-stale");
    let yes = Approval::default();
    let approval = world
        .admin()
        .approve(&request.id, request.version, &yes, &key())
        .await;
    assert_eq!(code(approval), "identity-stale");
    // The sign-in goes on, and taking away works.
    let tokens = ada.session().tokens().unwrap();
    let body = json!({"refresh_token": tokens.refresh_token});
    let http = Http::device_of(&world.url(), &ada);
    let renewed = http.post("/v1/tokens/refresh", None, body).await;
    ada.session()
        .store(&serde_json::from_str(&renewed.text).unwrap())
        .await
        .unwrap();
    let version = ada.grant(&grant.id).await.unwrap().version;
    ada.give_back(&grant.id, version, &key()).await.unwrap();
    world.grant_in(&grant.id, &["returned"]).await;
    // Somebody from here does not depend on it.
    world
        .engineer("bob")
        .await
        .submit(&admin, &key())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_provider_a_sealed_code_still_breaks_glass() {
    let provider = Provider::start("ES256");
    let policy = format!("{POLICY}{GLASS}");
    let catalogue = format!("{CATALOGUE}{}", provider.table(""));
    let world = World::with(Backend::Sqlite, &policy, &catalogue, None).await;
    provider.person("u1", "ada", &["eng"]).await;
    let ada = client(&world, "u1").await;
    let codes = NewSealedCodes {
        name: "ada".to_owned(),
        count: 1,
        expires: "90d".to_owned(),
    };
    let made = world.admin().seal(&codes, &key()).await.unwrap();
    drop(provider);
    much_later(&world).await;
    let glass = NewBreakGlass {
        target: "bastion".to_owned(),
        role: "admin".to_owned(),
        duration: "10m".to_owned(),
        reason: "INC-4127 nobody can sign in".to_owned(),
        ticket: None,
    };
    // An ordinary sign-in waits for the provider; one by a sealed code does not, and nor does what it took.
    assert_eq!(
        code(ada.break_glass(&glass, &key()).await),
        "identity-stale"
    );
    let sealed = world.nobody();
    let opening = Secret::new(made.codes[0].code.clone());
    sealed.sign_in_sealed(&opening, Some("test")).await.unwrap();
    let used = sealed.break_glass(&glass, &key()).await.unwrap();
    let grant = world.grant_in(&used.grant, &["active"]).await;
    let body = json!({"public_key": PUBLIC_KEY});
    let path = format!("/v1/grants/{}/credential", grant.id);
    let answer = world.http(&sealed).post(&path, None, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_the_provider_is_in_the_database() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider).await;
    provider.person("u1", "ada", &["eng"]).await;
    let (http, from_browser) = brought(&world, "u1").await;
    let body = finish(&from_browser);
    let state = body["state"].as_str().unwrap();
    let stored = format!("select count(*) from provider_calls where state = '{state}'");
    assert_eq!(world.number(&stored).await, 0);
    assert_eq!(finished(&http, &body).await.status, 200);
    // Refresh tokens of this provider have 43 letters; a sealed one is longer and opens with the key only.
    let sealed = "select count(*) from identities where length(refresh_token) > 80";
    assert_eq!(world.number(sealed).await, 1);
    assert_eq!(world.number("select count(*) from provider_calls").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_provider_says_so() {
    let world = World::start(Backend::Sqlite).await;
    let http = Http::newcomer(&world.url());
    let ways = http.get("/v1/sign-in/ways").await.json();
    assert_eq!(
        (&ways["code"], &ways["provider"]),
        (&json!(true), &json!(null))
    );
    let start = json!({"redirect_uri": REDIRECT, "code_challenge": challenge()});
    let refused = http.post("/v1/sign-in/oidc/start", None, start).await;
    assert_eq!(refused.problem(), (422, "no-identity-provider".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_is_never_sent_to_another_machine() {
    let provider = Provider::start("ES256");
    let world = world(Backend::Sqlite, &provider).await;
    let http = Http::newcomer(&world.url());
    for bad in [
        "https://evil.example/",
        "http://localhost:1/",
        "http://127.0.0.1:1/?a=b",
    ] {
        let start = json!({"redirect_uri": bad, "code_challenge": challenge()});
        let refused = http.post("/v1/sign-in/oidc/start", None, start).await;
        assert_eq!(refused.problem(), (422, "bad-input".to_owned()), "{bad}");
    }
    for bad in ["", "short", &"=".repeat(43)] {
        let start = json!({"redirect_uri": REDIRECT, "code_challenge": bad});
        let refused = http.post("/v1/sign-in/oidc/start", None, start).await;
        assert_eq!(refused.problem(), (422, "bad-input".to_owned()), "{bad}");
    }
}
