//! A proof of a second factor is for one call, for every way to prove one; and what the provider has to say for it.
//!
//! The provider is scripted, so that time is turned by hand and every lie can be told.

use std::sync::Mutex;

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError, StepUpNeeded};
use portcullis::secret::Secret;
use portcullis::wire::{Approval, Denial, LockOn, NewLock, NewRequest, RequestView, StepUpProof};
use serde_json::{Value, json};

use super::hostile::{Script, Shared, Sign, provider};
use crate::support::authenticator::Phone;
use crate::support::http::{Answer, Http};
use crate::support::provider::{VERIFIER, challenge};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, submit};

const REDIRECT: &str = "http://127.0.0.1:40000/signed-in";
const STRONG: &str = "acr_values = \"gold\"\namr = \"otp hwk\"\n";

type Lie = fn(&mut Script, i64);

/// A server with that provider, which takes its sign-ins as a second factor when it is told so.
async fn world(script: &Shared, step_up: &str) -> World {
    let issuer = script.lock().unwrap().issuer.clone();
    let catalogue = format!(
        "{CATALOGUE}\n[identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nclient_secret = \"s\"\nallow_loopback = true\ngroups_max_age = \"1h\"\n\
         [identity.roles]\nleads = [\"requester\", \"reviewer\"]\n[identity.groups]\nleads = \"reviewers\"\n[step_up]\n{step_up}"
    );
    let clock = Some(1_800_000_000_000);
    let mut world = World::with(Backend::Sqlite, POLICY, &catalogue, clock).await;
    world.require_step_up().await;
    world
}

/// Has the provider say of this person what it honestly would, and then what the lie makes of it.
async fn tell(world: &World, script: &Shared, address: &str, subject: &str, lie: Lie) {
    let now = world.now().await.timestamp();
    let address: reqwest::Url = address.parse().unwrap();
    let nonce = address.query_pairs().find(|(name, _)| name == "nonce");
    let mut script = script.lock().unwrap();
    script.reset(&nonce.unwrap().1, now);
    script.claims["sub"] = json!(subject);
    script.claims["preferred_username"] = json!(format!("person-{subject}"));
    script.claims["groups"] = json!(["leads"]);
    script.claims["auth_time"] = json!(now);
    script.claims["amr"] = json!(["pwd", "otp"]);
    script.claims["acr"] = json!("gold");
    lie(&mut script, now);
}

/// Somebody who has signed in at the provider.
async fn from_provider(world: &World, script: &Shared, subject: &str) -> Client {
    let client = world.nobody();
    let http = Http::device_of(&world.url(), &client);
    let now = world.now().await;
    script.lock().unwrap().reset("", now.timestamp());
    let start = json!({"redirect_uri": REDIRECT, "code_challenge": challenge()});
    let begun = http.post("/v1/sign-in/oidc/start", None, start).await;
    tell(
        world,
        script,
        &begun.text("authorize_url"),
        subject,
        |_, _| {},
    )
    .await;
    let body = json!({"state": begun.text("state"), "code": "c", "code_verifier": VERIFIER});
    let answer = http.post("/v1/sign-in/oidc/finish", None, body).await;
    let tokens = serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"));
    client.session().store(&tokens).await.unwrap();
    client
}

/// Begins a step-up for these calls.
async fn begin(world: &World, who: &Client, digests: &[&str]) -> Answer {
    let start =
        json!({"digests": digests, "redirect_uri": REDIRECT, "code_challenge": challenge()});
    world
        .http(who)
        .post("/v1/step-up/oidc/start", None, start)
        .await
}

/// Ends it for these calls with what the provider says.
async fn end(world: &World, who: &Client, begun: &Answer, digests: &[&str]) -> Answer {
    let proof = json!({"kind": "oidc", "state": begun.text("state"), "code": "c", "code_verifier": VERIFIER});
    let body = json!({"digests": digests, "proof": proof});
    world.http(who).post("/v1/step-up", None, body).await
}

#[track_caller]
fn needed<T>(result: Result<T, ClientError>) -> StepUpNeeded {
    match result.err().expect("it is refused") {
        ClientError::Problem(problem) => StepUpNeeded::of(&problem).expect("it needs a step-up"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn code<T>(result: Result<T, ClientError>) -> String {
    let error = result.err().expect("it is refused");
    error
        .code()
        .unwrap_or_else(|| panic!("{error:?}"))
        .to_owned()
}

async fn approve(who: &Client, request: &RequestView) -> Result<RequestView, ClientError> {
    who.approve(&request.id, request.version, &Approval::default(), &key())
        .await
}

/// How somebody proves.
enum Means {
    Totp(Phone),
    Recovery(Mutex<Vec<String>>),
    AtProvider(Shared),
}

/// A reviewer with one way to prove, and something to decide.
struct Desk {
    world: World,
    rita: Client,
    request: RequestView,
    means: Means,
}

impl Desk {
    async fn with(way: &str) -> Self {
        let script = provider().await;
        let world = world(&script, STRONG).await;
        let (rita, means) = if way == "oidc" {
            let rita = from_provider(&world, &script, "u1").await;
            (rita, Means::AtProvider(script))
        } else {
            let rita = world.reviewer("rita").await;
            let phone = Phone::of(&world, &rita).await;
            let codes = Mutex::new(phone.recovery_codes.clone());
            let typed = way == "totp";
            (
                rita,
                if typed {
                    Means::Totp(phone)
                } else {
                    Means::Recovery(codes)
                },
            )
        };
        let request = submit(&world.engineer("ada").await).await;
        Self {
            world,
            rita,
            request,
            means,
        }
    }

    async fn proof(&self, digest: &str) -> Secret {
        let typed = match &self.means {
            Means::Totp(phone) => phone.next(&self.world).await,
            Means::Recovery(codes) => StepUpProof::typed(&codes.lock().unwrap().pop().unwrap()),
            Means::AtProvider(script) => {
                let begun = begin(&self.world, &self.rita, &[digest]).await;
                tell(
                    &self.world,
                    script,
                    &begun.text("authorize_url"),
                    "u1",
                    |_, _| {},
                )
                .await;
                let answer = end(&self.world, &self.rita, &begun, &[digest]).await;
                return Secret::new(answer.text("proof"));
            }
        };
        self.rita
            .step_up(vec![digest.to_owned()], typed)
            .await
            .unwrap()
    }

    /// Rita with a proof for the approval of the request.
    async fn proved(&self) -> Client {
        let digest = needed(approve(&self.rita, &self.request).await).digest;
        self.rita.clone().with_proof(self.proof(&digest).await)
    }
}

/// T12: what a proof is not good for, as one test each, for each way to prove.
macro_rules! for_every_way {
    ($($way:ident)*) => { $(mod $way {
        use super::*;

        const WAY: &str = stringify!($way);

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_is_good_for_what_it_was_made_for() {
            let desk = Desk::with(WAY).await;
            let proved = desk.proved().await;
            assert_eq!(approve(&proved, &desk.request).await.unwrap().state, "approved");
            let events = desk.world.audit().await;
            let approved = events.iter().find(|event| event.event == "request.approved").unwrap();
            assert_eq!(approved.details["second_factor"], WAY);
            assert_eq!(desk.world.events(&["auth.stepped_up"]).await, [1]);
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_for_one_request_is_none_for_another() {
            let desk = Desk::with(WAY).await;
            let another = submit(&desk.world.engineer("ben").await).await;
            let proved = desk.proved().await;
            assert_eq!(code(approve(&proved, &another).await), "step-up-required");
            assert_eq!(desk.world.events(&["request.approved"]).await, [0]);
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_for_one_version_is_none_for_the_next() {
            let mut desk = Desk::with(WAY).await;
            let ask = NewRequest { role: "admin".to_owned(), ..ask() };
            desk.request = desk.world.engineer("cyd").await.submit(&ask, &key()).await.unwrap();
            let proved = desk.proved().await;
            // Somebody else approves first, and so it is not what Rita has confirmed any more.
            let rob = desk.world.reviewer("rob").await;
            let phone = Phone::of(&desk.world, &rob).await;
            let digest = needed(approve(&rob, &desk.request).await).digest;
            let proof = rob.step_up(vec![digest], phone.next(&desk.world).await).await.unwrap();
            let half = approve(&rob.with_proof(proof), &desk.request).await.unwrap();
            assert_ne!(half.version, desk.request.version);
            assert_eq!(code(approve(&proved, &half).await), "step-up-required");
            assert_eq!(code(approve(&proved, &desk.request).await), "conflict");
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_for_one_decision_is_none_for_another() {
            let desk = Desk::with(WAY).await;
            let proved = desk.proved().await;
            let more = Approval { comment: Some("fine".to_owned()), ..Approval::default() };
            let (id, version) = (&desk.request.id, desk.request.version);
            assert_eq!(code(proved.approve(id, version, &more, &key()).await), "step-up-required");
            let on = LockOn::Target { target: "bastion".to_owned() };
            let lock = NewLock { on, reason: "INC-1 leak".to_owned(), duration: None };
            assert_eq!(code(proved.place_lock(&lock, &key()).await), "step-up-required");
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_is_good_for_five_minutes_and_not_for_longer() {
            let desk = Desk::with(WAY).await;
            let proved = desk.proved().await;
            desk.world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
            assert_eq!(code(approve(&proved, &desk.request).await), "step-up-required");
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_is_used_up() {
            let desk = Desk::with(WAY).await;
            let proved = desk.proved().await;
            let on = LockOn::Target { target: "bastion".to_owned() };
            let lock = NewLock { on, reason: "INC-1 leak".to_owned(), duration: None };
            let digest = needed(desk.rita.place_lock(&lock, &key()).await).digest;
            let locker = desk.rita.clone().with_proof(desk.proof(&digest).await);
            locker.place_lock(&lock, &key()).await.unwrap();
            // The same call with another key is another act.
            assert_eq!(code(locker.place_lock(&lock, &key()).await), "step-up-required");
            drop(proved);
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_proof_is_none_for_another_person_and_another_sign_in() {
            let desk = Desk::with(WAY).await;
            let digest = needed(approve(&desk.rita, &desk.request).await).digest;
            let token = desk.proof(&digest).await;
            let rob = desk.world.reviewer("rob").await;
            Phone::of(&desk.world, &rob).await;
            let stolen = rob.with_proof(token.clone());
            assert_eq!(code(approve(&stolen, &desk.request).await), "step-up-required");
            let again = match &desk.means {
                Means::AtProvider(script) => from_provider(&desk.world, script, "u1").await,
                _ => desk.world.reviewer("rita").await,
            };
            let elsewhere = again.with_proof(token);
            assert_eq!(code(approve(&elsewhere, &desk.request).await), "step-up-required");
        }
    })* };
}

for_every_way! { totp recovery oidc }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_is_asked_for_a_new_and_strong_sign_in() {
    let script = provider().await;
    let world = world(&script, STRONG).await;
    let rita = from_provider(&world, &script, "u1").await;
    let digest = "a".repeat(64);
    let address: reqwest::Url = begin(&world, &rita, &[&digest])
        .await
        .text("authorize_url")
        .parse()
        .unwrap();
    let asked = |name: &str| {
        let found = address.query_pairs().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    for (name, value) in [
        ("prompt", "login"),
        ("max_age", "300"),
        ("acr_values", "gold"),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge()),
        ("redirect_uri", REDIRECT),
    ] {
        assert_eq!(asked(name), value, "{name}");
    }
    assert!(asked("nonce").len() >= 43 && asked("state").len() >= 43);
}

#[rustfmt::skip]
const LIES: &[(&str, &str, Lie)] = &[
    ("somebody else", "step-up-other-person", |s, _| s.claims["sub"] = json!("u2")),
    ("no moment of the sign-in", "step-up-time-missing", |s, _| drop(s.claims.as_object_mut().unwrap().remove("auth_time"))),
    ("a session from before", "step-up-too-old", |s, now| s.claims["auth_time"] = json!(now - 120)),
    ("a session of yesterday", "step-up-too-old", |s, now| s.claims["auth_time"] = json!(now - 86_400)),
    ("a sign-in of tomorrow", "id-token-too-early", |s, now| s.claims["auth_time"] = json!(now + 86_400)),
    ("a moment that is text", "id-token-claims", |s, now| s.claims["auth_time"] = json!(now.to_string())),
    ("a moment in milliseconds", "id-token-claims", |s, now| s.claims["auth_time"] = json!(now * 1000)),
    ("another acr", "step-up-too-weak", |s, _| s.claims["acr"] = json!("silver")),
    ("an acr that only begins so", "step-up-too-weak", |s, _| s.claims["acr"] = json!("golden")),
    ("no acr", "step-up-too-weak", |s, _| drop(s.claims.as_object_mut().unwrap().remove("acr"))),
    ("an acr that is a list", "id-token-claims", |s, _| s.claims["acr"] = json!(["gold"])),
    ("a password alone", "step-up-too-weak", |s, _| s.claims["amr"] = json!(["pwd"])),
    ("no way at all", "step-up-too-weak", |s, _| drop(s.claims.as_object_mut().unwrap().remove("amr"))),
    ("a way that is text", "id-token-claims", |s, _| s.claims["amr"] = json!("otp")),
    ("another nonce", "id-token-nonce", |s, _| s.claims["nonce"] = json!("n")),
    ("somebody else's signature", "id-token-signature", |s, _| s.sign = Sign::Another),
    ("another audience", "id-token-audience", |s, _| s.claims["aud"] = json!("somebody")),
    ("another issuer", "id-token-issuer", |s, _| s.claims["iss"] = json!("https://evil.example")),
    ("a token that is over", "id-token-expired", |s, now| s.claims["exp"] = json!(now - 61)),
    ("no ID token", "id-token-missing", |s, _| s.answer["id_token"] = Value::Null),
    ("a code that is used up", "code-refused", |s, _| s.instead = Some(("/token", 400, "{\"error\":\"invalid_grant\"}".to_owned()))),
    ("a failure", "provider-failed", |s, _| s.instead = Some(("/token", 500, "oops".to_owned()))),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_the_provider_that_proves_nothing_is_refused_and_recorded() {
    let script = provider().await;
    let world = world(&script, STRONG).await;
    let rita = from_provider(&world, &script, "u1").await;
    let request = submit(&world.engineer("ada").await).await;
    let digest = needed(approve(&rita, &request).await).digest;
    for (name, wanted, lie) in LIES {
        let begun = begin(&world, &rita, &[&digest]).await;
        tell(&world, &script, &begun.text("authorize_url"), "u1", *lie).await;
        let refused = end(&world, &rita, &begun, &[&digest]).await;
        let (status, said) = refused.problem();
        assert_eq!(said, *wanted, "{name}");
        assert!(
            status != 500 && !refused.text("title").is_empty(),
            "{name}: {status}"
        );
    }
    assert_eq!(world.number("select count(*) from step_ups").await, 0);
    let events = world.audit().await;
    let refusals: Vec<_> = events
        .iter()
        .filter(|event| event.event == "auth.step_up_refused")
        .collect();
    assert_eq!(refusals.len(), LIES.len());
    assert!(
        refusals
            .iter()
            .all(|event| event.details["way"] == "oidc" && event.details["code"] != Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_at_the_provider_proves_what_it_was_begun_for() {
    let script = provider().await;
    let world = world(&script, STRONG).await;
    let rita = from_provider(&world, &script, "u1").await;
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let honest = async |begun: &Answer| {
        tell(
            &world,
            &script,
            &begun.text("authorize_url"),
            "u1",
            |_, _| {},
        )
        .await;
    };
    // Other calls, more calls, fewer calls.
    for other in [vec![b.as_str()], vec![&a, &b]] {
        let begun = begin(&world, &rita, &[&a]).await;
        honest(&begun).await;
        assert_eq!(
            end(&world, &rita, &begun, &other).await.problem().1,
            "step-up-for-another"
        );
        // And by that it is over.
        assert_eq!(
            end(&world, &rita, &begun, &[&a]).await.problem().1,
            "step-up-not-begun"
        );
    }
    // Another person, the same one in another sign-in.
    let rob = from_provider(&world, &script, "u2").await;
    let again = from_provider(&world, &script, "u1").await;
    for other in [&rob, &again] {
        let begun = begin(&world, &rita, &[&a]).await;
        honest(&begun).await;
        assert_eq!(
            end(&world, other, &begun, &[&a]).await.problem().1,
            "step-up-not-begun"
        );
    }
    // A sign-in is no step-up, and a step-up is no sign-in.
    let http = Http::newcomer(&world.url());
    let start = json!({"redirect_uri": REDIRECT, "code_challenge": challenge()});
    let begun = http.post("/v1/sign-in/oidc/start", None, start).await;
    honest(&begun).await;
    assert_eq!(
        end(&world, &rita, &begun, &[&a]).await.problem().1,
        "step-up-not-begun"
    );
    let begun = begin(&world, &rita, &[&a]).await;
    honest(&begun).await;
    let body = json!({"state": begun.text("state"), "code": "c", "code_verifier": VERIFIER});
    let finished = http.post("/v1/sign-in/oidc/finish", None, body).await;
    assert_eq!(finished.problem().1, "sign-in-not-begun");
    // Twice, and too late.
    let begun = begin(&world, &rita, &[&a]).await;
    honest(&begun).await;
    assert_eq!(end(&world, &rita, &begun, &[&a]).await.status, 200);
    assert_eq!(
        end(&world, &rita, &begun, &[&a]).await.problem().1,
        "step-up-not-begun"
    );
    let begun = begin(&world, &rita, &[&a]).await;
    world.pass(TimeDelta::minutes(10));
    // The access token is as old by now.
    rita.me().await.unwrap();
    honest(&begun).await;
    assert_eq!(
        end(&world, &rita, &begun, &[&a]).await.problem().1,
        "step-up-not-begun"
    );
    // Without what PKCE keeps back, or with the provider's no.
    let begun = begin(&world, &rita, &[&a]).await;
    honest(&begun).await;
    let proof = json!({"kind": "oidc", "state": begun.text("state"), "code": "c", "code_verifier": "x".repeat(43)});
    let body = json!({"digests": [&a], "proof": proof});
    let refused = world.http(&rita).post("/v1/step-up", None, body).await;
    assert_eq!(refused.problem().1, "sign-in-of-another");
    let begun = begin(&world, &rita, &[&a]).await;
    let proof = json!({"kind": "oidc", "state": begun.text("state"), "error": "access_denied", "code_verifier": VERIFIER});
    let body = json!({"digests": [&a], "proof": proof});
    let refused = world.http(&rita).post("/v1/step-up", None, body).await;
    assert_eq!(refused.problem().1, "provider-declined");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_way_only_where_the_server_was_told_what_counts() {
    for (settings, is_way) in [
        ("", false),
        ("acr_values = \"gold\"\n", true),
        ("amr = \"otp\"\n", true),
    ] {
        let script = provider().await;
        let world = world(&script, settings).await;
        let rita = from_provider(&world, &script, "u1").await;
        let request = submit(&world.engineer("ada").await).await;
        let ways = needed(approve(&rita, &request).await).ways;
        assert_eq!(ways.contains(&"oidc".to_owned()), is_way, "{settings:?}");
        let begun = begin(&world, &rita, &[&"a".repeat(64)]).await;
        assert_eq!(begun.status == 200, is_way, "{settings:?}: {}", begun.text);
        // Who does not come from there has no such way.
        let ways = needed(approve(world.admin(), &request).await).ways;
        assert!(ways.is_empty(), "{ways:?}");
        let begun = begin(&world, world.admin(), &[&"a".repeat(64)]).await;
        assert_eq!(begun.problem(), (422, "no-step-up-at-provider".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_token_adds_no_second_factor_where_the_provider_is_one() {
    let script = provider().await;
    let world = world(&script, STRONG).await;
    let rita = from_provider(&world, &script, "u1").await;
    let needs = needed(rita.add_totp("mine now", &key()).await);
    assert_eq!(needs.ways, ["oidc"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn step_ups_that_nobody_ends_do_not_pile_up() {
    let script = provider().await;
    let world = world(&script, STRONG).await;
    let rita = from_provider(&world, &script, "u1").await;
    let digest = "a".repeat(64);
    for _ in 0..40 {
        assert_eq!(begin(&world, &rita, &[&digest]).await.status, 200);
    }
    let refused = begin(&world, &rita, &[&digest]).await;
    assert_eq!(refused.problem(), (429, "tried-too-often".to_owned()));
    for bad in [json!([]), json!(["x"])] {
        let start =
            json!({"digests": bad, "redirect_uri": REDIRECT, "code_challenge": challenge()});
        let refused = world
            .http(&rita)
            .post("/v1/step-up/oidc/start", None, start)
            .await;
        assert_eq!(refused.problem(), (422, "bad-input".to_owned()));
    }
    let denial = Denial {
        comment: "not today".to_owned(),
    };
    let request = submit(&world.engineer("ada").await).await;
    rita.deny(&request.id, request.version, &denial, &key())
        .await
        .unwrap();
}
