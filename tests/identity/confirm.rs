//! Somebody confirms a decision by a fresh sign-in at a real provider, in a browser, from the command line.

use std::path::Path;

use portcullis::client::{Client, ClientError};
use portcullis::secret::Secret;
use portcullis::wire::Approval;

use super::browser::program;
use super::real::{client, client_with};
use crate::support::browser::{Browser, pipe};
use crate::support::provider::{Provider, Visitor};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

async fn surroundings(step_up: &str) -> (Provider, World) {
    let provider = Provider::start("ES256");
    let catalogue = format!("{CATALOGUE}{}\n[step_up]\n{step_up}", provider.table(""));
    let mut world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    world.require_step_up().await;
    provider.person("u1", "rita", &["leads"]).await;
    (provider, world)
}

/// Proves for this call; the "browser" signs in as this subject and then visits what waits on this machine.
async fn prove(who: &Client, digest: &str, subject: &'static str) -> Result<Secret, ClientError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let visit = tokio::spawn(async move {
        let address: String = told.await.unwrap();
        let back = Visitor::new().sign_in(&address, subject).await;
        let http = portcullis::client::http(&"http://127.0.0.1:1".parse().unwrap()).unwrap();
        http.get(back).send().await.unwrap().text().await.unwrap()
    });
    let send = |address: &str| tell.send(address.to_owned()).unwrap();
    let proof = who.step_up_at_provider(vec![digest.to_owned()], send).await;
    let page = visit.await.unwrap();
    let word = if proof.is_ok() {
        "✓ Confirmed"
    } else {
        "✗ Refused"
    };
    assert!(page.contains(word), "{page}");
    proof
}

fn digest<T>(result: Result<T, ClientError>) -> String {
    match result.err().expect("it is refused") {
        ClientError::Problem(problem) => problem.digest.expect("it needs a step-up"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_decision_is_confirmed_at_the_provider_and_by_its_own_person_only() {
    let (provider, world) = surroundings("amr = \"otp\"").await;
    provider.person("u2", "mallory", &["eng"]).await;
    let rita = client(&world, "u1").await;
    assert!(
        rita.factors().await.unwrap().at_provider,
        "as a second factor"
    );
    assert!(!world.admin().factors().await.unwrap().at_provider);
    let request = submit(&world.engineer("ada").await).await;
    let approve = async |who: &Client| {
        let yes = Approval::default();
        who.approve(&request.id, request.version, &yes, &key())
            .await
    };
    let digest = digest(approve(&rita).await);
    let error = prove(&rita, &digest, "u2").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "somebody else signed in at the identity provider"
    );
    // Without a second factor there it counts for nothing.
    provider
        .person_by("u1", "rita", &["leads"], &["pwd"], "")
        .await;
    let error = prove(&rita, &digest, "u1").await.unwrap_err();
    assert_eq!(error.code(), Some("step-up-too-weak"));
    provider.person("u1", "rita", &["leads"]).await;
    let proof = prove(&rita, &digest, "u1").await.unwrap();
    assert_eq!(
        approve(&rita.with_proof(proof)).await.unwrap().state,
        "approved"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_session_at_the_provider_is_no_proof_the_person_signs_in_again() {
    let (provider, world) = surroundings("acr_values = \"urn:test:mfa\"").await;
    provider
        .person_by("u1", "rita", &["leads"], &["pwd"], "urn:test:mfa")
        .await;
    // The same browser all the time, which has a session there since the first sign-in.
    let mut visitor = Visitor::new();
    let rita = client_with(&world, "u1", &mut visitor).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let visit = tokio::spawn(async move {
        let address: String = told.await.unwrap();
        let mut asked = 0;
        let back = visitor.counting(&address, "u1", &mut asked).await;
        let http = portcullis::client::http(&"http://127.0.0.1:1".parse().unwrap()).unwrap();
        http.get(back).send().await.unwrap();
        asked
    });
    let send = |address: &str| tell.send(address.to_owned()).unwrap();
    rita.step_up_at_provider(vec!["a".repeat(64)], send)
        .await
        .unwrap();
    assert_eq!(
        visit.await.unwrap(),
        1,
        "they were asked who they are again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_approves_at_a_terminal_and_confirms_in_the_browser() {
    let (_provider, world) = surroundings("amr = \"otp\"").await;
    let home = tempfile::tempdir().unwrap();
    let mut browser = Browser::start();
    let sign_in = |browser: &mut Browser, address: &str| {
        browser.open(address);
        browser.wait_for("document.activeElement && document.activeElement.name == 'login'");
        browser.types("u1");
        browser.click("#go");
        browser.wait_for("document.body && document.body.innerText.includes('Let Portcullis')");
        browser.click("#go");
    };
    let url = pipe(home.path().join("url"));
    let mut terminal = program(&world, home.path(), &["login"]);
    sign_in(&mut browser, &std::fs::read_to_string(&url).unwrap());
    terminal.wait_for("signed in as rita");
    assert_eq!(terminal.wait_exit(), 0);

    let request = submit(&world.engineer("ada").await).await;
    let mut terminal = program(&world, home.path(), &["approve", &request.id]);
    sign_in(&mut browser, &std::fs::read_to_string(&url).unwrap());
    assert_eq!(browser.text("#server"), world.url());
    assert_eq!(browser.text("h1"), "It is you");
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(pictures.join("confirmed.png"), browser.picture()).unwrap();
    terminal.wait_for("approved");
    assert_eq!(terminal.wait_exit(), 0);
    let approved = world.audit().await;
    let approved = approved
        .iter()
        .find(|event| event.event == "request.approved")
        .unwrap();
    assert_eq!(approved.details["second_factor"], "oidc");

    // Who says no there has not confirmed it.
    let request = submit(&world.engineer("ben").await).await;
    let mut terminal = program(&world, home.path(), &["approve", &request.id]);
    browser.open(&std::fs::read_to_string(&url).unwrap());
    browser.click("#no");
    assert!(browser.text("#why").contains("did not let you in"));
    terminal.wait_for("did not let you in");
    assert_ne!(terminal.wait_exit(), 0);
    assert_eq!(world.events(&["request.approved"]).await, [1]);
}
