//! Proofs of second factors and what they are made of: answers of passkeys, codes and tokens of the provider, proofs
//! bound to calls. They go through the server, and stay nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::client::{Channel, Client, ClientError, IdempotencyKey, Session, StepUpNeeded};
use portcullis::secret::Secret;
use portcullis::wire::{Invitation, PasswordSignIn, StepUpProof};
use serde_json::{Value, json};

use super::{Canaries, Places, files, leaks, process_of};
use crate::identity::hostile::{self, Shared};
use crate::support::http::{Answer, Http};
use crate::support::node::Node;
use crate::support::passkey::Passkey;
use crate::support::provider::{VERIFIER, challenge};
use crate::support::world::{CATALOGUE, POLICY, key, ring};

const PASSWORD: &str = "correct horse canary staple";
const CODE: &str = "provider-code-canary-Xk42mWq9";
const ACCESS: &str = "provider-access-canary-Xk42mWq9";
const REFRESH: &str = "provider-refresh-canary-Xk42mWq9";

fn nobody(node: &Node) -> Client {
    let session = Session::in_memory(&node.url().parse().unwrap());
    Client::new(session, Channel::Cli).unwrap()
}

fn needed<T>(result: Result<T, ClientError>) -> StepUpNeeded {
    match result.err().expect("it needs a proof") {
        ClientError::Problem(problem) => StepUpNeeded::of(&problem).expect("it needs a step-up"),
        other => panic!("{other:?}"),
    }
}

/// The parts of an answer of a passkey that somebody could present again.
fn plant_answer(canaries: &mut Canaries, what: &str, answer: &Value) {
    for part in ["signature", "clientDataJSON", "authenticatorData"] {
        let text = answer["response"][part].as_str().unwrap();
        canaries.plant(&format!("the {part} of {what}"), text);
        let raw = URL_SAFE_NO_PAD.decode(text).unwrap();
        let hex = raw
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        canaries.plant(&format!("the same in hexadecimal: {part} of {what}"), &hex);
    }
}

/// Begins something at the provider, and what the browser would bring back.
async fn at_provider(http: &Http, provider: &Shared, path: &str, mut start: Value) -> Value {
    start["redirect_uri"] = json!("http://127.0.0.1:40000/");
    start["code_challenge"] = json!(challenge());
    let begun = http.post(path, None, start).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let address: reqwest::Url = begun.text("authorize_url").parse().unwrap();
    let nonce = address.query_pairs().find(|(name, _)| name == "nonce");
    let nonce = nonce.unwrap().1.into_owned();
    let mut script = provider.lock().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the server's clock is that of this machine"
    )]
    let now = chrono::Utc::now().timestamp();
    script.reset(&nonce, now);
    script.claims["preferred_username"] = json!("olga");
    script.claims["auth_time"] = json!(now);
    script.claims["amr"] = json!(["pwd", "otp"]);
    script.answer["access_token"] = json!(ACCESS);
    script.answer["refresh_token"] = json!(REFRESH);
    json!({"state": begun.text("state"), "code": CODE, "code_verifier": VERIFIER})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_of_second_factors_stay_nowhere() {
    ring();
    let provider = hostile::provider().await;
    let issuer = provider.lock().unwrap().issuer.clone();
    let catalogue = format!(
        "[server]\nlog = \"trace\"\n[step_up]\namr = \"otp\"\n\
         [identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nclient_secret = \"s\"\nallow_loopback = true\n\
         [identity.roles]\neng = [\"requester\", \"admin\"]\n[local_accounts]\nbreak_glass = [\"ada\"]\n{CATALOGUE}"
    );
    let mut node = Node::prepare(&catalogue, POLICY);
    node.start();
    let (mut canaries, mut places) = (Canaries::default(), Places::default());
    let root = nobody(&node);
    let first = node.bootstrap_code();
    root.sign_in(&first, Some("root"), None).await.unwrap();
    let ada = nobody(&node);
    let invitation = Invitation {
        name: "ada".to_owned(),
        roles: vec!["requester".to_owned()],
        groups: vec!["engineers".to_owned()],
    };
    let code = root.invite(&invitation, &key()).await.unwrap().code;
    ada.sign_in(&code, None, None).await.unwrap();
    let password = Secret::new(PASSWORD.to_owned());
    ada.set_password(&password, None, &key()).await.unwrap();
    canaries.plant("a password", PASSWORD);
    let (passkey, _, recovery) = Passkey::of(&ada).await;
    canaries.plant("a recovery code", &recovery[0]);

    // A proof by the passkey, presented rightly, twice, for another call, and where no proof belongs.
    let once = key();
    let needs = needed(ada.new_recovery_codes(&once).await);
    let asked = ada
        .passkey_question(vec![needs.digest.clone()])
        .await
        .unwrap();
    let answer = passkey.sign(&asked.options);
    plant_answer(&mut canaries, "a step-up", &answer);
    let proof = StepUpProof::Passkey {
        question: asked.question.clone(),
        answer: answer.clone(),
    };
    let token = ada
        .step_up(vec![needs.digest.clone()], proof.clone())
        .await
        .unwrap();
    canaries.plant("a proof", token.expose());
    let http = Http::of(&node.url(), &ada);
    let with = async |path: &str, once: &IdempotencyKey, body: Value| -> Answer {
        let call = http.call(reqwest::Method::POST, path).key(once.as_str());
        let call = call.header("portcullis-step-up", token.expose());
        call.json(&body).send().await
    };
    let mut said = Vec::new();
    said.push(
        with(
            "/v1/factors",
            &key(),
            json!({"kind": "totp", "name": "phone"}),
        )
        .await,
    );
    let proved = ada.clone().with_proof(token.clone());
    let codes = proved.new_recovery_codes(&once).await.unwrap().codes;
    for code in &codes {
        canaries.plant("a new recovery code", code);
    }
    said.push(with("/v1/recovery-codes", &key(), json!({})).await);
    said.push(with("/v1/requests", &key(), json!({"reason": 7})).await);
    let again = json!({"digests": [needs.digest], "proof": proof});
    said.push(http.post("/v1/step-up", None, again.clone()).await);
    let mut broken = again;
    broken["proof"]["more"] = json!(1);
    said.push(http.post("/v1/step-up", None, broken).await);
    said.push(http.with(token.expose()).get("/v1/me").await);
    let path = format!("/v1/requests?q={}", token.expose());
    // A search for it finds nothing, and does not say what was searched for.
    places.add("a search", http.get(&path).await.text);

    // A sign-in with a password and the passkey, and its answer once more.
    let new = nobody(&node);
    let asked = new
        .passkey_question_to_sign_in("ada", &password)
        .await
        .unwrap();
    let answer = passkey.sign(&asked.options);
    plant_answer(&mut canaries, "a sign-in", &answer);
    let body = PasswordSignIn {
        name: "ada".to_owned(),
        password: PASSWORD.to_owned(),
        proof: Some(StepUpProof::Passkey {
            question: asked.question,
            answer,
        }),
        device: None,
    };
    new.sign_in_with_password(&body).await.unwrap();
    let device = Http::device_of(&node.url(), &new);
    let mut body = serde_json::to_value(&body).unwrap();
    said.push(
        device
            .post("/v1/sign-in/password", None, body.clone())
            .await,
    );
    body["device"] = json!(7);
    said.push(device.post("/v1/sign-in/password", None, body).await);
    let ask = json!({"name": "ada", "password": PASSWORD, "server": "https://elsewhere.example"});
    said.push(device.post("/v1/sign-in/password/passkey", None, ask).await);

    // Somebody of the provider signs in, and proves a second factor there.
    canaries.plant("a code of the provider", CODE);
    canaries.plant("an access token of the provider", ACCESS);
    canaries.plant("a refresh token of the provider", REFRESH);
    canaries.plant("what redeems a code", VERIFIER);
    let device = Http::newcomer(&node.url());
    let start = "/v1/sign-in/oidc/start";
    let brought = at_provider(&device, &provider, start, json!({})).await;
    canaries.plant("the state of a sign-in", brought["state"].as_str().unwrap());
    let finish = "/v1/sign-in/oidc/finish";
    let signed_in = device.post(finish, None, brought.clone()).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    said.push(device.post(finish, None, brought).await);
    let olga = device.with(&signed_in.text("access_token"));
    let digest = "0".repeat(64);
    let start = json!({"digests": [digest]});
    let mut brought = at_provider(&olga, &provider, "/v1/step-up/oidc/start", start).await;
    canaries.plant("the state of a step-up", brought["state"].as_str().unwrap());
    brought["kind"] = json!("oidc");
    let proof = json!({"digests": [digest], "proof": brought});
    let proved = olga.post("/v1/step-up", None, proof.clone()).await;
    assert_eq!(proved.status, 200, "{}", proved.text);
    canaries.plant("a proof by the provider", &proved.text("proof"));
    said.push(olga.post("/v1/step-up", None, proof).await);
    for (nth, answer) in said.iter().enumerate() {
        assert!(answer.status.as_u16() >= 400, "{nth}: {}", answer.text);
        places.add(format!("refusal {nth}"), answer.text.clone());
    }
    for path in [
        "/v1/audit",
        "/v1/me",
        "/v1/factors",
        "/v1/sign-ins",
        "/v1/events",
        "/metrics",
        "/v1/sealed-codes",
        "/v1/device-keys",
        "/v1/facets?of=audit&field=actor",
        "/openapi.json",
    ] {
        if path == "/v1/events" {
            continue;
        }
        let answer = Http::of(&node.url(), &root).get(path).await;
        places.add(path, answer.text);
    }
    let process = process_of(&node);
    for name in ["environ", "cmdline", "maps"] {
        places.add(
            format!("/proc/PID/{name}"),
            std::fs::read(process.join(name)).unwrap(),
        );
    }
    node.kill();
    let log = node.log();
    assert!(log.lines().count() > 100, "the log is complete");
    places.add("the log at trace", log);
    for path in files(&node.folder().join("data")) {
        places.add(path.display().to_string(), std::fs::read(&path).unwrap());
    }
    assert!(canaries.0.len() >= 30, "only {} secrets", canaries.0.len());
    let leaks = leaks(&canaries, &places);
    assert!(leaks.is_empty(), "{leaks:#?}");
}
