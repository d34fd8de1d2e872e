//! Against a real, independent provider: who gets in as whom, and what changes there changes here.

use portcullis::client::{Channel, Client, Session};
use portcullis::wire::Tokens;
use serde_json::json;

use crate::support::http::{Answer, Http};
use crate::support::provider::{Provider, VERIFIER, Visitor, challenge, finish};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, on_both, submit};

const REDIRECT: &str = "http://127.0.0.1:40000/signed-in";

async fn world(backend: Backend, provider: &Provider, more: &str) -> World {
    let catalogue = format!("{CATALOGUE}{}", provider.table(more));
    World::with(backend, POLICY, &catalogue, None).await
}

async fn begun(http: &Http) -> (String, String) {
    let start = json!({"redirect_uri": REDIRECT, "code_challenge": challenge(), "device": "test"});
    let answer = http.post("/v1/sign-in/oidc/start", None, start).await;
    (answer.text("authorize_url"), answer.text("state"))
}

/// Signs somebody in, as a program and a browser do.
async fn signed_in(world: &World, subject: &str) -> Answer {
    let http = Http::nobody(&world.url());
    let (address, _) = begun(&http).await;
    let brought = Visitor::new().sign_in(&address, subject).await;
    let body = finish(&brought);
    http.post("/v1/sign-in/oidc/finish", None, body).await
}

/// A client of somebody who has signed in at the provider.
async fn client(world: &World, subject: &str) -> Client {
    let answer = signed_in(world, subject).await;
    let tokens: Tokens = serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"));
    let session = Session::in_memory(&world.url().parse().unwrap());
    session.store(&tokens).await.unwrap();
    Client::new(session, Channel::Cli).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_with_every_kind_of_signature() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let provider = Provider::start(algorithm);
        let world = world(Backend::Sqlite, &provider, "").await;
        provider.person("u1", "Ada.Lovelace@example.com", &["eng", "cooks"]).await;
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
