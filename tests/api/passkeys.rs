//! Passkeys: whoever confirms calls with one has been asked for exactly these, on this server, a moment ago.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError, IdempotencyKey, StepUpNeeded};
use portcullis::secret::Secret;
use portcullis::wire::{Approval, RequestView, StepUpProof};
use serde_json::{Value, json};

use super::refused;
use crate::support::authenticator::Phone;
use crate::support::passkey::{Lie, Passkey};
use crate::support::world::{Backend, World, key, on_both, submit};

/// A world that asks for second factors, a reviewer with a passkey, and a pending request.
async fn desk(mut world: World) -> (World, Client, Passkey, RequestView) {
    world.require_step_up().await;
    let rita = world.reviewer("rita").await;
    let (passkey, _, _) = Passkey::of(&rita).await;
    let request = submit(&world.engineer("ada").await).await;
    (world, rita, passkey, request)
}

async fn approve(
    who: &Client,
    request: &RequestView,
    once: &IdempotencyKey,
) -> Result<RequestView, ClientError> {
    who.approve(&request.id, request.version, &Approval::default(), once)
        .await
}

#[track_caller]
fn needed<T>(result: Result<T, ClientError>) -> StepUpNeeded {
    match result.err().expect("it is refused") {
        ClientError::Problem(problem) => StepUpNeeded::of(&problem).expect("it needs a step-up"),
        other => panic!("{other:?}"),
    }
}

async fn confirm(who: &Client, passkey: &Passkey, digest: &str) -> Result<Secret, ClientError> {
    let asked = who.passkey_question(vec![digest.to_owned()]).await?;
    let answer = passkey.sign(&asked.options);
    present(who, &asked.question, answer, digest).await
}

async fn present(
    who: &Client,
    question: &str,
    answer: Value,
    digest: &str,
) -> Result<Secret, ClientError> {
    let question = question.to_owned();
    let proof = StepUpProof::Passkey { question, answer };
    who.step_up(vec![digest.to_owned()], proof).await
}

/// Why an answer was not accepted.
#[track_caller]
fn why<T>(result: Result<T, ClientError>) -> String {
    let error = result.err().expect("it is refused");
    assert_eq!(error.code(), Some("second-factor-refused"), "{error:?}");
    let text = error.to_string();
    let why = text.strip_prefix("the answer of this passkey was not accepted: ");
    why.expect("it says why").to_owned()
}

on_both! {
    async fn a_passkey_confirms_an_approval(world: World, clock by hand) {
        let (world, rita, passkey, request) = desk(world).await;
        let once = key();
        let needs = needed(approve(&rita, &request, &once).await);
        assert_eq!(needs.ways, ["passkey", "recovery"]);
        let proof = confirm(&rita, &passkey, &needs.digest).await.unwrap();
        let proved = rita.clone().with_proof(proof);
        assert_eq!(approve(&proved, &request, &once).await.unwrap().state, "approved");
        let events = world.audit().await;
        let of = |name: &str| events.iter().find(|event| event.event == name).unwrap();
        assert_eq!(of("request.approved").details["second_factor"], "passkey");
        assert_eq!(of("factor.added").details["first"], true);
        let own = rita.factors().await.unwrap();
        assert_eq!((own.factors[0].kind.as_str(), own.factors[0].name.as_str()), ("passkey", "laptop"));
        assert!(own.factors[0].last_used_at.is_some());
        assert_eq!(own.recovery_codes_left, 10);
        assert_eq!(world.number("select count(*) from passkey_questions").await, 0);
    }
}

on_both! {
    async fn an_answer_that_lies_is_refused(world: World, clock by hand) {
        let (world, rita, mut passkey, request) = desk(world).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        let honest = Lie::default;
        let lies = [
            (Lie { origin: "https://evil.example", ..honest() }, "it was given to a page of somebody else"),
            (Lie { origin: "https://localhost:45678", ..honest() }, "it was given to a page of somebody else"),
            (Lie { origin: "http://evil.localhost", ..honest() }, "it was given to a page of somebody else"),
            (Lie { origin: "http://localhost.evil.example", ..honest() }, "it was given to a page of somebody else"),
            (Lie { origin: "http://127.0.0.1:45678", ..honest() }, "it was given to a page of somebody else"),
            (Lie { party: "evil.example", ..honest() }, "it is for another relying party"),
            (Lie { kind: Some("webauthn.create"), ..honest() }, "it is the answer to another question"),
            (Lie { present: false, ..honest() }, "nobody was there"),
            (Lie { verified: false, ..honest() }, "the person was not verified"),
            (Lie { other_signature: true, ..honest() }, "the signature is wrong"),
        ];
        let count = lies.len();
        for (lie, reason) in lies {
            passkey.lie = lie.clone();
            assert_eq!(why(confirm(&rita, &passkey, &digest).await), reason, "{lie:?}");
            passkey.lie = honest();
            // It was the lie, and nothing else; a right answer forgives the tries.
            confirm(&rita, &passkey, &digest).await.unwrap();
        }
        assert_eq!(world.events(&["auth.step_up_refused", "request.approved"]).await, [count, 0]);
        let events = world.audit().await;
        let told = events.iter().find(|event| event.event == "auth.step_up_refused").unwrap();
        assert!(told.details["why"].is_string());
        // Another key under the same name, and a name that nobody has.
        let asked = rita.passkey_question(vec![digest.clone()]).await.unwrap();
        let stranger = Passkey::new().sign(&asked.options);
        assert_eq!(why(present(&rita, &asked.question, stranger, &digest).await), "it is no passkey of this person");
        for rubbish in [json!(null), json!({}), json!([1]), json!({"id": "x", "rawId": "!", "type": "public-key", "response": {}})] {
            let asked = rita.passkey_question(vec![digest.clone()]).await.unwrap();
            assert_eq!(why(present(&rita, &asked.question, rubbish, &digest).await), "it is not understood");
            confirm(&rita, &passkey, &digest).await.unwrap();
        }
    }
}

on_both! {
    async fn a_counter_that_goes_back_is_refused(world: World, clock by hand) {
        let (world, rita, passkey, request) = desk(world).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        passkey.counts(40);
        confirm(&rita, &passkey, &digest).await.unwrap();
        // A copy that has signed less often, and one that has signed as often.
        for counter in [7, 40] {
            passkey.counts(counter);
            assert_eq!(why(confirm(&rita, &passkey, &digest).await), "its counter went back");
        }
        passkey.counts(41);
        confirm(&rita, &passkey, &digest).await.unwrap();
        // Two questions at once, answered in the wrong order.
        let first = rita.passkey_question(vec![digest.clone()]).await.unwrap();
        let second = rita.passkey_question(vec![digest.clone()]).await.unwrap();
        let (one, two) = (passkey.sign(&first.options), passkey.sign(&second.options));
        present(&rita, &second.question, two, &digest).await.unwrap();
        assert_eq!(why(present(&rita, &first.question, one, &digest).await), "its counter went back");
        assert_eq!(world.number("select last_step from factors").await, 44);
    }
}

const GONE: &str = "it was asked for something else, answered before, or took too long";

on_both! {
    async fn an_answer_is_good_for_one_question_once(world: World, clock by hand) {
        let (world, rita, passkey, request) = desk(world).await;
        let second = submit(&world.engineer("ben").await).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        let other = needed(approve(&rita, &second, &key()).await).digest;
        let ask = async || rita.passkey_question(vec![digest.clone()]).await.unwrap();
        // Twice.
        let asked = ask().await;
        let answer = passkey.sign(&asked.options);
        present(&rita, &asked.question, answer.clone(), &digest).await.unwrap();
        assert_eq!(why(present(&rita, &asked.question, answer.clone(), &digest).await), GONE);
        // The same answer to another question, and for another call.
        let asked = ask().await;
        assert_eq!(why(present(&rita, &asked.question, answer, &digest).await), "it is for something else");
        let asked = ask().await;
        assert_eq!(why(present(&rita, &asked.question, passkey.sign(&asked.options), &other).await), GONE);
        confirm(&rita, &passkey, &digest).await.unwrap();
        // More calls than were shown.
        let asked = ask().await;
        let proof = StepUpProof::Passkey { question: asked.question, answer: passkey.sign(&asked.options) };
        assert_eq!(why(rita.step_up(vec![digest.clone(), other.clone()], proof).await), GONE);
        // In another sign-in of the same person, and by somebody else with a passkey of their own.
        let again = world.reviewer("rita").await;
        let asked = ask().await;
        let answer = passkey.sign(&asked.options);
        assert_eq!(why(present(&again, &asked.question, answer.clone(), &digest).await), GONE);
        let rob = world.reviewer("rob").await;
        let (his, _, _) = Passkey::of(&rob).await;
        assert_eq!(why(present(&rob, &asked.question, answer.clone(), &digest).await), GONE);
        assert_eq!(why(present(&rob, &asked.question, his.sign(&asked.options), &digest).await), GONE);
        // Nobody of them has used it up.
        present(&rita, &asked.question, answer, &digest).await.unwrap();
        let asked = rob.passkey_question(vec![digest.clone()]).await.unwrap();
        assert_eq!(why(present(&rob, &asked.question, passkey.sign(&asked.options), &digest).await), "it is no passkey of this person");
        // Too late.
        let asked = ask().await;
        let answer = passkey.sign(&asked.options);
        world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        assert_eq!(why(present(&rita, &asked.question, answer, &digest).await), GONE);
        // A passkey that was removed meanwhile.
        confirm(&rita, &passkey, &digest).await.unwrap();
        let asked = ask().await;
        let once = key();
        let id = rita.factors().await.unwrap().factors[0].id.clone();
        let removal = needed(rita.remove_factor(&id, &once).await).digest;
        let proof = confirm(&rita, &passkey, &removal).await.unwrap();
        rita.clone().with_proof(proof).remove_factor(&id, &once).await.unwrap();
        assert_eq!(why(present(&rita, &asked.question, passkey.sign(&asked.options), &digest).await), "it is no passkey of this person");
        assert_eq!(refused(rita.passkey_question(vec![digest]).await), "not-found");
    }
}

on_both! {
    async fn what_is_signed_is_good_on_this_server_only(world: World, clock by hand) {
        let (world, rita, passkey, request) = desk(world).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        let http = world.http(&rita);
        // Whoever asks under the name of another server gets nothing to sign.
        for server in ["https://other.example", "", "http://127.0.0.1:1", "http://127.0.0.1", &format!("{}/x", world.url()), &format!("{}?x", world.url())] {
            let answer = http.post("/v1/passkey-questions", None, json!({ "digests": [digest], "server": server })).await;
            assert_eq!(answer.problem(), (422, "bad-input".to_owned()), "{server}");
        }
        // What another server hands on is mixed with that server's address, and is good for nothing here.
        let asked = rita.passkey_question(vec![digest.clone()]).await.unwrap();
        let raw = http.post("/v1/passkey-questions", None, json!({ "digests": [digest], "server": world.url() })).await;
        let raw: Value = raw.json();
        let (question, options) = (raw["question"].as_str().unwrap(), &raw["options"]);
        assert_ne!(asked.options["publicKey"]["challenge"], options["publicKey"]["challenge"]);
        assert_eq!(why(present(&rita, question, passkey.sign(options), &digest).await), "it is for something else");
        for digests in [json!([]), json!(["x"]), json!(["x".repeat(64)])] {
            let answer = http.post("/v1/passkey-questions", None, json!({ "digests": digests, "server": world.url() })).await;
            assert_eq!(answer.problem(), (422, "bad-input".to_owned()));
        }
    }
}

on_both! {
    async fn a_new_passkey_is_verified_and_belongs_to_one_person(world: World, clock by hand) {
        let rita = world.reviewer("rita").await;
        for (lie, reason) in [
            (Lie { origin: "https://evil.example", ..Lie::default() }, "it was given to a page of somebody else"),
            (Lie { party: "evil.example", ..Lie::default() }, "it is for another relying party"),
            (Lie { verified: false, ..Lie::default() }, "the person was not verified"),
            (Lie { kind: Some("webauthn.get"), ..Lie::default() }, "it is the answer to another question"),
        ] {
            let (id, options) = rita.begin_passkey("laptop", &key()).await.unwrap();
            let mut passkey = Passkey::new();
            passkey.lie = lie.clone();
            assert_eq!(why(rita.confirm_passkey(&id, passkey.make(&options), &key()).await), reason, "{lie:?}");
            // The question is gone; the next try asks anew.
            passkey.lie = Lie::default();
            assert_eq!(why(rita.confirm_passkey(&id, passkey.make(&options), &key()).await), GONE);
        }
        assert_eq!(rita.factors().await.unwrap().recovery_codes_left, 0);
        // Too late, and the answer to the question of somebody else.
        let (id, options) = rita.begin_passkey("laptop", &key()).await.unwrap();
        world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        assert_eq!(why(rita.confirm_passkey(&id, Passkey::new().make(&options), &key()).await), GONE);
        let rob = world.reviewer("rob").await;
        let rita = world.reviewer("rita").await;
        let (_, his) = rob.begin_passkey("laptop", &key()).await.unwrap();
        let (hers, _) = rita.begin_passkey("laptop", &key()).await.unwrap();
        assert_eq!(refused(rob.confirm_passkey(&hers, Passkey::new().make(&his), &key()).await), "not-found");
        assert_eq!(why(rita.confirm_passkey(&hers, Passkey::new().make(&his), &key()).await), "it is for something else");
        // Another attempt with the same key has another question for the same factor.
        let once = key();
        let (first, _) = rita.begin_passkey("laptop", &once).await.unwrap();
        let (second, options) = rita.begin_passkey("laptop", &once).await.unwrap();
        assert_eq!(first, second);
        let passkey = Passkey::new();
        let confirm = key();
        let confirmed = rita.confirm_passkey(&first, passkey.make(&options), &confirm).await.unwrap();
        assert_eq!(confirmed.recovery_codes.len(), 10);
        // The answer was lost: the call again is as well, without the codes.
        let again = rita.confirm_passkey(&first, passkey.make(&options), &confirm).await.unwrap();
        assert!(again.factor.confirmed && again.recovery_codes.is_empty());
        // A code confirms no passkey.
        assert_eq!(refused(rob.confirm_factor(&rob.factors().await.unwrap().factors[0].id, "123456", &key()).await), "second-factor-refused");
        // The same one again is none.
        let once = key();
        let digest = needed(rita.begin_passkey("again", &once).await).digest;
        let proof = self::confirm(&rita, &passkey, &digest).await.unwrap();
        let proved = rita.clone().with_proof(proof);
        let (id, options) = proved.begin_passkey("again", &once).await.unwrap();
        assert_eq!(options["publicKey"]["excludeCredentials"].as_array().unwrap().len(), 1);
        assert_eq!(why(rita.confirm_passkey(&id, passkey.make(&options), &key()).await), "it was added before, or is of a kind that is not taken");
    }
}

on_both! {
    async fn five_wrong_answers_are_enough(world: World, clock by hand) {
        let (world, rita, mut passkey, request) = desk(world).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        passkey.lie.verified = false;
        for _ in 0..5 {
            why(confirm(&rita, &passkey, &digest).await);
        }
        passkey.lie.verified = true;
        assert_eq!(refused(confirm(&rita, &passkey, &digest).await), "tried-too-often");
        assert_eq!(world.events(&["auth.step_up_refused", "auth.tried_too_often"]).await, [5, 1]);
    }
}

on_both! {
    async fn a_first_second_factor_needs_a_fresh_sign_in(world: World, clock by hand) {
        // Somebody who was let in with a stolen sign-in, or has gone on using their own.
        let rita = world.reviewer("rita").await;
        world.pass(TimeDelta::minutes(9));
        let early = rita.begin_passkey("laptop", &key()).await.unwrap();
        world.pass(TimeDelta::minutes(2));
        let error = rita.add_totp("phone", &key()).await.err().unwrap();
        assert_eq!(error.code(), Some("sign-in-too-old"));
        assert_eq!(error.to_string(), "your first second factor needs a sign-in that is not older than 10 minutes");
        assert_eq!(error.hint().as_deref(), Some("run `portcullis login` again, then add the second factor"));
        assert_eq!(refused(rita.begin_passkey("laptop", &key()).await), "sign-in-too-old");
        let events = world.audit().await;
        let told = events.iter().find(|event| event.event == "access.refused").unwrap();
        assert_eq!(told.details["code"], "sign-in-too-old");
        // What was begun in time is finished in time.
        assert!(rita.confirm_passkey(&early.0, Passkey::new().make(&early.1), &key()).await.is_ok());
        let rob = world.reviewer("rob").await;
        let phone = Phone::of(&world, &rob).await;
        // Whoever has one proves it, however old the sign-in is.
        world.pass(TimeDelta::minutes(11));
        let once = key();
        let needs = needed(rob.begin_passkey("laptop", &once).await);
        assert_eq!(needs.ways, ["totp", "recovery"]);
        let proof = rob.step_up(vec![needs.digest], phone.next(&world).await).await.unwrap();
        rob.clone().with_proof(proof).begin_passkey("laptop", &once).await.unwrap();
    }
}

on_both! {
    async fn what_nobody_can_use_any_more_is_swept(world: World, clock by hand) {
        let (world, rita, passkey, request) = desk(world).await;
        let digest = needed(approve(&rita, &request, &key()).await).digest;
        // One page for each; of many in one sign-in only the newest stay.
        for _ in 0..12 {
            rita.passkey_question(vec![digest.clone()]).await.unwrap();
        }
        assert_eq!(world.number("select count(*) from passkey_questions").await, 8);
        confirm(&rita, &passkey, &digest).await.unwrap();
        assert_eq!(refused(rita.step_up(vec![digest.clone()], StepUpProof::typed("000000")).await), "second-factor-refused");
        let counts = async |world: &World| {
            let mut counts = Vec::new();
            for table in ["passkey_questions", "tries", "step_ups", "step_up_digests"] {
                let select = format!("select count(*) from {table}");
                counts.push(world.number(&select).await);
            }
            counts
        };
        assert_eq!(counts(&world).await, [7, 1, 1, 1]);
        world.gate().tidy().await.unwrap();
        assert_eq!(counts(&world).await, [7, 1, 1, 1], "while they count they stay");
        world.pass(TimeDelta::minutes(15) + TimeDelta::seconds(1));
        world.gate().tidy().await.unwrap();
        assert_eq!(counts(&world).await, [0, 0, 1, 1]);
        world.pass(TimeDelta::hours(25));
        world.gate().tidy().await.unwrap();
        assert_eq!(counts(&world).await, [0, 0, 0, 0]);
    }
}
