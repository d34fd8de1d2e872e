//! What a token is worth without the key of the device that signed in, and for how long it is worth anything.

use chrono::TimeDelta;
use portcullis::client::{Channel, Client, Session, StateDir};
use portcullis::wire::Invitation;
use reqwest::Method;
use serde_json::json;

use super::refused;
use crate::support::http::Http;
use crate::support::sse::Stream;
use crate::support::world::{Backend, World, key, on_both};

/// Calls with headers of one's own.
async fn with_proof(
    http: &Http,
    method: Method,
    path: &str,
    token: &str,
    proof: &str,
) -> (u16, String) {
    Http::nobody(http.base())
        .call(method, path)
        .key(key().as_str())
        .header("authorization", &format!("DPoP {token}"))
        .header("dpop", proof)
        .send()
        .await
        .problem()
}

on_both! {
    async fn a_copied_token_is_worth_nothing_without_the_key(world: World) {
        let ada = world.engineer("ada").await;
        let tokens = ada.session().tokens().unwrap();
        let http = world.http(&ada);
        assert_eq!(http.get("/v1/me").await.status, 200);
        // As a bearer's, with another device's proof, and to get another one.
        assert_eq!(http.bearer().get("/v1/me").await.problem(), (401, "proof-required".to_owned()));
        let thief = Http::newcomer(&world.url());
        assert_eq!(thief.with(&tokens.access_token).get("/v1/me").await.problem(), (401, "proof-not-valid".to_owned()));
        let body = json!({ "refresh_token": tokens.refresh_token });
        assert_eq!(thief.post("/v1/tokens/refresh", None, body.clone()).await.problem(), (401, "proof-not-valid".to_owned()));
        assert_eq!(Http::nobody(&world.url()).post("/v1/tokens/refresh", None, body.clone()).await.problem(), (401, "proof-required".to_owned()));
        assert_eq!(http.bearer().call(Method::GET, "/v1/events").send().await.problem(), (401, "proof-required".to_owned()));
        // Whom it belongs to notices nothing, and the log tells.
        assert_eq!(http.post("/v1/tokens/refresh", None, body).await.status, 200);
        let log = world.audit().await;
        let told = log.iter().filter(|event| event.event == "auth.token_misused").count();
        assert!(told >= 2, "{told}");
        assert_eq!(world.events(&["auth.token_reused"]).await, [0]);
    }
}

on_both! {
    async fn a_proof_is_for_one_call(world: World) {
        let ada = world.engineer("ada").await;
        let (http, token) = (world.http(&ada), ada.session().tokens().unwrap().access_token);
        let me = format!("{}/v1/me", world.url());
        let out = format!("{}/v1/sign-out", world.url());
        let prove = async |method: &str, address: &str, token: Option<&str>| ada.session().prove(method, address, token).await.unwrap();
        let not_valid = (401, "proof-not-valid".to_owned());
        for (method, proof) in [
            (Method::GET, prove("POST", &me, Some(&token)).await),
            (Method::GET, prove("GET", &out, Some(&token)).await),
            (Method::GET, prove("GET", "https://evil.example.com/v1/me", Some(&token)).await),
            (Method::GET, prove("GET", &me, Some("pcl_at_another")).await),
            (Method::GET, "nonsense".to_owned()),
        ] {
            assert_eq!(with_proof(&http, method, "/v1/me", &token, &proof).await, not_valid, "{proof}");
        }
        let unnamed = prove("GET", &me, None).await;
        assert_eq!(with_proof(&http, Method::GET, "/v1/me", &token, &unnamed).await, not_valid);
        // Once, and not again: not even where the call came to nothing the first time.
        let proof = prove("GET", &me, Some(&token)).await;
        let call = || Http::nobody(http.base()).call(Method::GET, "/v1/me").header("authorization", &format!("DPoP {token}")).header("dpop", &proof);
        assert_eq!(call().send().await.status, 200);
        assert_eq!(call().send().await.problem(), not_valid);
        assert!(call().send().await.text.contains("it was used before"));
        let proof = prove("POST", &out, Some(&token)).await;
        assert_eq!(call().header("dpop", &proof).send().await.problem(), not_valid);
    }
}

on_both! {
    async fn a_proof_is_taken_once_by_all_nodes(world: World) {
        let ada = world.engineer("ada").await;
        let token = ada.session().tokens().unwrap().access_token;
        let address = format!("{}/v1/requests", world.url());
        let proof = ada.session().prove("POST", &address, Some(&token)).await.unwrap();
        let call = || Http::nobody(&world.url()).call(Method::POST, "/v1/requests").key(key().as_str())
            .header("authorization", &format!("DPoP {token}")).header("dpop", &proof).json(&json!({})).send();
        assert_eq!(call().await.problem().0, 400);
        assert_eq!(call().await.problem(), (401, "proof-not-valid".to_owned()));
        // Another node finds it in the database, where there can be one.
        let shared = i64::from(world.gate().store().is_shared());
        let names = world.number("select count(*) from proofs where expires_at > 0").await;
        assert!(names >= shared && (shared == 1 || names == 0), "{names}");
    }
}

on_both! {
    async fn a_wrong_clock_is_told_and_corrected(world: World) {
        let ada = world.engineer("ada").await;
        let token = ada.session().tokens().unwrap().access_token;
        for (ahead, words) in [(130, "ahead of"), (-130, "behind")] {
            // The clock of this machine, moved.
            ada.session().is_ahead(-ahead);
            let proof = ada.session().prove("GET", &format!("{}/v1/me", world.url()), Some(&token)).await.unwrap();
            let answer = Http::nobody(&world.url()).call(Method::GET, "/v1/me")
                .header("authorization", &format!("DPoP {token}")).header("dpop", &proof).send().await;
            assert_eq!(answer.problem(), (401, "proof-out-of-time".to_owned()));
            assert!(answer.text.contains(&format!("seconds {words} the server's")), "{}", answer.text);
            // Our own client learns from it within the same call.
            assert_eq!(ada.me().await.unwrap().name, "ada");
        }
    }
}

on_both! {
    async fn a_sign_in_needs_a_device_unless_the_operator_says_otherwise(world: World) {
        let mut world = world;
        let invitation = Invitation { name: "ada".to_owned(), roles: vec!["requester".to_owned()], groups: Vec::new() };
        let code = world.admin().invite(&invitation, &key()).await.unwrap().code;
        let bare = async |world: &World| Http::nobody(&world.url()).post("/v1/sign-in", None, json!({ "code": code })).await;
        assert_eq!(bare(&world).await.problem(), (401, "proof-required".to_owned()));
        world.tokens.sender_constrained = false;
        world.restart().await;
        let signed = bare(&world).await;
        let http = Http::nobody(&world.url()).with(&signed.text("access_token"));
        assert_eq!(http.get("/v1/me").await.status, 200);
        // From then on it is as if it were from before sign-ins were bound.
        world.tokens.sender_constrained = true;
        world.restart().await;
        let http = Http::nobody(&world.url()).with(&signed.text("access_token"));
        let answer = http.get("/v1/me").await;
        assert_eq!(answer.problem(), (401, "sign-in-unbound".to_owned()));
        assert_eq!(answer.text("title"), "this sign-in is over: it is from before sign-ins were bound to a device");
        let body = json!({ "refresh_token": signed.text("refresh_token") });
        assert_eq!(http.post("/v1/tokens/refresh", None, body).await.problem(), (401, "sign-in-unbound".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_ends_when_it_is_idle_and_at_the_latest_after_its_absolute_limit() {
    let world = World::with_usual_sign_ins(Backend::Sqlite).await;
    let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
    world.pass(TimeDelta::minutes(119));
    ada.me().await.unwrap();
    world.pass(TimeDelta::minutes(1));
    assert_eq!(
        ben.me().await.unwrap_err().to_string(),
        format!("your sign-in on `{}` is over", ben.server())
    );
    for _ in 0..6 {
        world.pass(TimeDelta::minutes(90));
        ada.me().await.unwrap();
    }
    // Eleven hours have passed.
    world.pass(TimeDelta::minutes(59));
    ada.me().await.unwrap();
    world.pass(TimeDelta::minutes(1));
    assert!(ada.me().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_folder_of_tokens_does_not_sign_in_elsewhere() {
    let world = World::start(Backend::Sqlite).await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let client = |folder: &tempfile::TempDir| {
        let state = StateDir::at(folder.path().join("state"));
        Client::new(
            Session::open(&world.url().parse().unwrap(), &state).unwrap(),
            Channel::Cli,
        )
        .unwrap()
    };
    let invitation = Invitation {
        name: "ada".to_owned(),
        roles: vec!["requester".to_owned()],
        groups: Vec::new(),
    };
    let code = world
        .admin()
        .invite(&invitation, &key())
        .await
        .unwrap()
        .code;
    let mine = client(&here);
    mine.sign_in(&code, None, Some("laptop")).await.unwrap();
    // The tokens go to another machine, the key of the device does not.
    let theirs = client(&there);
    let of = |folder: &tempfile::TempDir, name: &str| {
        let inside = folder.path().join("state").join(name);
        std::fs::read_dir(inside)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.extension()
                    .is_some_and(|is| is == "json" || is == "key")
            })
    };
    let tokens = of(&here, "sessions").unwrap();
    let copy = there
        .path()
        .join("state/sessions")
        .join(tokens.file_name().unwrap());
    std::fs::copy(&tokens, &copy).unwrap();
    assert_eq!(refused(theirs.me().await), "proof-not-valid");
    assert_eq!(mine.me().await.unwrap().name, "ada");
    // A key that others can read is no key any more.
    let own = of(&here, "device").unwrap();
    std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = client(&here).me().await.unwrap_err();
    assert!(
        error.to_string().contains("can be read by other people"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_needs_a_proof_and_keeps_to_its_sign_in() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    let (mut stream, _) = Stream::open(&world.http(&ada), None).await;
    ada.sign_out().await.unwrap();
    stream.ended().await;
}
