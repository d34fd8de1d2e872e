//! Signing in on a machine without a browser: from an enrolled key, for its own person, and with little trust.

use portcullis::client::{Client, ClientError};
use portcullis::wire::{Approval, DeviceStarted, NewDeviceKey};
use serde_json::{Value, json};

use super::hostile::{Script, Shared, provider as scripted};
use super::real::client;
use crate::support::authenticator::Phone;
use crate::support::http::Http;
use crate::support::provider::{Provider, Visitor};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

const ON: &str = "device_flow = true";

async fn real(backend: Backend) -> (Provider, World) {
    let provider = Provider::start("ES256");
    let catalogue = format!("{CATALOGUE}{}", provider.table(ON));
    let world = World::with(backend, POLICY, &catalogue, None).await;
    provider.person("u1", "rita", &["leads"]).await;
    provider.person("u2", "mallory", &["eng"]).await;
    (provider, world)
}

#[track_caller]
fn code<T>(result: Result<T, ClientError>) -> String {
    let error = result.err().expect("it is refused");
    error
        .code()
        .unwrap_or_else(|| panic!("{error:?}"))
        .to_owned()
}

/// Enrols the key of this machine for somebody who is signed in elsewhere; answers its id.
async fn enrol(owner: &Client, machine: &Client) -> String {
    let new = NewDeviceKey {
        thumbprint: machine.session().thumbprint().await.unwrap(),
        name: "build host".to_owned(),
    };
    owner.enrol_device(&new, &key()).await.unwrap().id
}

/// Asks at once, as if the pause were over.
async fn ask(world: &World, machine: &Client, begun: &DeviceStarted) -> Result<bool, ClientError> {
    world.execute("update device_calls set next_at = 0").await;
    Ok(machine.ask_on_device(&begun.handle).await?.is_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_on_a_machine_without_a_browser() {
    let (_provider, world) = real(Backend::Postgres).await;
    let rita = client(&world, "u1").await;
    let machine = world.nobody();
    assert_eq!(
        code(machine.begin_on_device("build host").await),
        "device-not-enrolled"
    );
    let id = enrol(&rita, &machine).await;
    let begun = machine.begin_on_device("build host").await.unwrap();
    assert!(begun.expires_in <= 300, "{}", begun.expires_in);
    assert!(
        !ask(&world, &machine, &begun).await.unwrap(),
        "nobody has approved it"
    );
    let mut visitor = Visitor::new();
    let said = visitor
        .approve(&begun.verification_uri, &begun.user_code, "u1", true)
        .await;
    assert!(said.contains("done"), "{said}");
    assert!(ask(&world, &machine, &begun).await.unwrap());
    assert_eq!(machine.me().await.unwrap().name, "rita");
    // It is used up, also for whoever has the handle and the key.
    assert_eq!(
        code(ask(&world, &machine, &begun).await),
        "device-code-over"
    );
    let sign_ins = rita.sign_ins().await.unwrap().items;
    let here = sign_ins.iter().find(|one| one.method == "device").unwrap();
    assert!(here.bound);
    // Bound to that key: the token alone is worth nothing.
    let stolen = world.http(&machine).bearer().get("/v1/me").await;
    assert_eq!(stolen.status, 401);
    // Whoever revokes the device ends what was begun on it, and it stays revoked.
    rita.revoke_device(&id, &key()).await.unwrap();
    assert!(machine.me().await.is_err());
    assert_eq!(
        code(machine.begin_on_device("build host").await),
        "device-not-enrolled"
    );
    let again = NewDeviceKey {
        thumbprint: machine.session().thumbprint().await.unwrap(),
        name: "again".to_owned(),
    };
    assert_eq!(
        code(rita.enrol_device(&again, &key()).await),
        "device-key-taken"
    );
    assert_eq!(
        world
            .events(&["auth.device_enrolled", "auth.device_revoked"])
            .await,
        [1, 1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phished_approval_signs_nobody_in() {
    let (_provider, world) = real(Backend::Sqlite).await;
    let rita = client(&world, "u1").await;
    // The attacker from outside has no enrolled key, and so no code to send to anybody.
    let outside = world.nobody();
    assert_eq!(
        code(outside.begin_on_device("attacker").await),
        "device-not-enrolled"
    );
    // The one from inside has one, and gets Rita to approve.
    let mallory = client(&world, "u2").await;
    let machine = world.nobody();
    enrol(&mallory, &machine).await;
    let begun = machine.begin_on_device("build host").await.unwrap();
    let mut visitor = Visitor::new();
    visitor
        .approve(&begun.verification_uri, &begun.user_code, "u1", true)
        .await;
    // Neither from another device, with the handle, nor from his own.
    let elsewhere = world.nobody();
    assert_eq!(
        code(ask(&world, &elsewhere, &begun).await),
        "device-code-over"
    );
    assert_eq!(
        code(ask(&world, &machine, &begun).await),
        "device-of-another"
    );
    assert!(machine.session().tokens().is_err());
    assert_eq!(
        code(ask(&world, &machine, &begun).await),
        "device-code-over"
    );
    let signed_in = "select count(*) from sign_ins where method = 'device'";
    assert_eq!(world.number(signed_in).await, 0);
    // And whoever has Rita's own machine still decides nothing: the device flow proves nothing but who asked.
    let stolen = world.nobody();
    enrol(&rita, &stolen).await;
    let begun = stolen.begin_on_device("stolen").await.unwrap();
    Visitor::new()
        .approve(&begun.verification_uri, &begun.user_code, "u1", true)
        .await;
    assert!(ask(&world, &stolen, &begun).await.unwrap());
    let request = submit(&world.engineer("ada").await).await;
    let yes = Approval::default();
    let refused = stolen
        .approve(&request.id, request.version, &yes, &key())
        .await;
    assert_eq!(code(refused), "step-up-required");
    let no = portcullis::wire::Denial {
        comment: "no".to_owned(),
    };
    let refused = stolen.deny(&request.id, request.version, &no, &key()).await;
    assert_eq!(code(refused), "step-up-required");
    // Here the server asks nobody else for a second factor.
    rita.approve(&request.id, request.version, &yes, &key())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_no_is_believed() {
    let (_provider, world) = real(Backend::Sqlite).await;
    let rita = client(&world, "u1").await;
    let machine = world.nobody();
    enrol(&rita, &machine).await;
    let begun = machine.begin_on_device("build host").await.unwrap();
    Visitor::new()
        .approve(&begun.verification_uri, &begun.user_code, "u1", false)
        .await;
    assert_eq!(
        code(ask(&world, &machine, &begun).await),
        "provider-declined"
    );
    assert_eq!(
        code(ask(&world, &machine, &begun).await),
        "device-code-over"
    );
}

/// A server with a scripted provider, one machine of somebody's, and a clock that only the test turns.
async fn desk() -> (Shared, World, Client) {
    let script = scripted().await;
    let issuer = script.lock().unwrap().issuer.clone();
    let catalogue = format!(
        "{CATALOGUE}\n[identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nclient_secret = \"s\"\nallow_loopback = true\n{ON}\n\
         [identity.roles]\neng = [\"requester\"]\n"
    );
    let clock = Some(1_800_000_000_000);
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, clock).await;
    let ada = world.engineer("ada").await;
    let machine = world.nobody();
    enrol(&ada, &machine).await;
    (script, world, machine)
}

/// Has the provider answer at its two addresses.
async fn answers(world: &World, script: &Shared, lie: impl Fn(&mut Value), token: (u16, Value)) {
    let now = world.now().await.timestamp();
    let mut script = script.lock().unwrap();
    Script::reset(&mut script, "", now);
    let issuer = script.issuer.clone();
    script.discovery["device_authorization_endpoint"] = json!(format!("{issuer}/device"));
    script.device = json!({"device_code": "d".repeat(40), "user_code": "WDJB-MJHT", "verification_uri": format!("{issuer}/code"),
        "expires_in": 900, "interval": 5});
    lie(&mut script.device);
    script.instead = Some(("/token", token.0, token.1.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_says_meanwhile_is_obeyed() {
    let (script, world, machine) = desk().await;
    let pass = |seconds| world.pass(chrono::TimeDelta::seconds(seconds));
    let says =
        async |word: &str| answers(&world, &script, |_| {}, (400, json!({ "error": word }))).await;
    let ask = async |begun: &DeviceStarted| machine.ask_on_device(&begun.handle).await;
    says("authorization_pending").await;
    let begun = machine.begin_on_device("host").await.unwrap();
    assert_eq!(
        (begun.expires_in, begun.wait),
        (300, 5),
        "no longer than five minutes"
    );
    // Who asks too early is not even passed on.
    says("server_error").await;
    assert!(ask(&begun).await.unwrap().is_err());
    pass(6);
    says("authorization_pending").await;
    assert_eq!(ask(&begun).await.unwrap().unwrap_err().as_secs(), 5);
    pass(6);
    says("slow_down").await;
    assert_eq!(ask(&begun).await.unwrap().unwrap_err().as_secs(), 10);
    pass(6);
    says("server_error").await;
    assert!(ask(&begun).await.unwrap().is_err(), "too early by now");
    pass(6);
    assert_eq!(code(ask(&begun).await), "provider-device-answer");
    pass(11);
    says("expired_token").await;
    assert_eq!(code(ask(&begun).await), "device-code-over");
    pass(11);
    says("authorization_pending").await;
    assert_eq!(
        code(ask(&begun).await),
        "device-code-over",
        "it is over for good"
    );

    let begun = machine.begin_on_device("host").await.unwrap();
    pass(6);
    says("access_denied").await;
    assert_eq!(code(ask(&begun).await), "provider-declined");
    says("authorization_pending").await;
    let begun = machine.begin_on_device("host").await.unwrap();
    pass(300);
    assert_eq!(code(ask(&begun).await), "device-code-over");
    // Five in a quarter of an hour, whatever became of them.
    for _ in 0..2 {
        machine.begin_on_device("host").await.unwrap();
    }
    assert_eq!(
        code(machine.begin_on_device("host").await),
        "tried-too-often"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_are_weak_or_lead_elsewhere_are_shown_to_nobody() {
    type Lie = fn(&mut Value);
    let lies: [(&str, &str, Lie); 8] = [
        ("a short code", "provider-device-answer", |d| {
            d["user_code"] = json!("ABCD");
        }),
        ("a code that is a command", "provider-device-answer", |d| {
            d["user_code"] = json!("ABC\u{1b}[2JDEF");
        }),
        ("an address without TLS", "provider-device-answer", |d| {
            d["verification_uri"] = json!("http://evil.example/");
        }),
        ("a script", "provider-device-answer", |d| {
            d["verification_uri_complete"] = json!("javascript:alert(1)");
        }),
        ("no code", "provider-device-answer", |d| {
            d["device_code"] = json!("");
        }),
        ("no time", "provider-device-answer", |d| {
            d["expires_in"] = json!(0);
        }),
        ("no address", "provider-answer-malformed", |d| {
            drop(d.as_object_mut().unwrap().remove("verification_uri"));
        }),
        ("a list", "provider-answer-malformed", |d| *d = json!([])),
    ];
    let (script, world, machine) = desk().await;
    for (name, wanted, lie) in lies {
        world.pass(chrono::TimeDelta::minutes(16));
        answers(&world, &script, lie, (400, json!({}))).await;
        assert_eq!(
            code(machine.begin_on_device("host").await),
            wanted,
            "{name}"
        );
    }
    assert_eq!(world.number("select count(*) from device_calls").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_off_until_somebody_switches_it_on() {
    let provider = Provider::start("ES256");
    let catalogue = format!("{CATALOGUE}{}", provider.table(""));
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    assert_eq!(
        code(world.nobody().begin_on_device("host").await),
        "no-device-flow"
    );
    let ways = Http::newcomer(&world.url())
        .get("/v1/sign-in/ways")
        .await
        .json();
    assert_eq!(ways["device"], false);
    let new = NewDeviceKey {
        thumbprint: "x".repeat(43),
        name: "host".to_owned(),
    };
    assert_eq!(
        code(world.admin().enrol_device(&new, &key()).await),
        "no-device-flow"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enrolling_a_device_needs_a_second_factor_and_a_key_is_one_persons() {
    let (_provider, mut world) = real(Backend::Sqlite).await;
    world.require_step_up().await;
    let rita = client(&world, "u1").await;
    let machine = world.nobody();
    let new = NewDeviceKey {
        thumbprint: machine.session().thumbprint().await.unwrap(),
        name: "host".to_owned(),
    };
    assert_eq!(
        code(rita.enrol_device(&new, &key()).await),
        "step-up-required"
    );
    let phone = Phone::of(&world, &rita).await;
    let once = key();
    let digest = match rita.enrol_device(&new, &once).await.unwrap_err() {
        ClientError::Problem(problem) => problem.digest.unwrap(),
        other => panic!("{other:?}"),
    };
    let recovery = portcullis::wire::StepUpProof::typed(&phone.recovery_codes[0]);
    let proof = rita.step_up(vec![digest], recovery).await.unwrap();
    let key_id = rita
        .clone()
        .with_proof(proof)
        .enrol_device(&new, &once)
        .await
        .unwrap()
        .id;
    // Everybody sees and revokes their own; an admin all of them.
    let mallory = client(&world, "u2").await;
    assert!(mallory.device_keys().await.unwrap().items.is_empty());
    assert_eq!(
        code(mallory.revoke_device(&key_id, &key()).await),
        "not-found"
    );
    assert_eq!(
        world.admin().device_keys().await.unwrap().items[0].owner,
        "rita"
    );
    world.admin().revoke_device(&key_id, &key()).await.unwrap();
    assert!(rita.device_keys().await.unwrap().items.is_empty());
}
