//! Signing in to a local account with its password and a passkey: for this account, on this device, now, and once.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError};
use portcullis::secret::Secret;
use portcullis::wire::{Me, PasskeyQuestion, PasswordSignIn, StepUpProof};
use serde_json::{Value, json};

use super::refused;
use crate::support::http::Http;
use crate::support::passkey::{Lie, Passkey};
use crate::support::world::{Backend, World, key, on_both};

const GOOD: &str = "the kettle sings at noon";

fn password() -> Secret {
    Secret::new(GOOD.to_owned())
}

/// Somebody with a password and a passkey.
async fn account(world: &World, name: &str) -> (Client, Passkey) {
    let client = world.engineer(name).await;
    client
        .set_password(&password(), None, &key())
        .await
        .unwrap();
    let (passkey, _, _) = Passkey::of(&client).await;
    (client, passkey)
}

async fn asked(who: &Client, name: &str) -> PasskeyQuestion {
    let asked = who.passkey_question_to_sign_in(name, &password()).await;
    asked.unwrap()
}

async fn present(
    who: &Client,
    name: &str,
    question: &str,
    answer: Value,
) -> Result<Me, ClientError> {
    let question = question.to_owned();
    let body = PasswordSignIn {
        name: name.to_owned(),
        password: GOOD.to_owned(),
        proof: Some(StepUpProof::Passkey { question, answer }),
        device: Some("laptop".to_owned()),
    };
    who.sign_in_with_password(&body).await
}

async fn refusals(world: &World) -> Vec<String> {
    let events = world.audit().await;
    let refused = events.iter().filter(|event| event.event == "auth.refused");
    refused
        .map(|event| event.details["wrong"].as_str().unwrap().to_owned())
        .collect()
}

on_both! {
    async fn a_person_signs_in_with_a_password_and_a_passkey(world: World, clock by hand) {
        let (_, passkey) = account(&world, "ada").await;
        let new = world.nobody();
        let question = asked(&new, "ada").await;
        let me = present(&new, "ada", &question.question, passkey.sign(&question.options)).await.unwrap();
        let how = me.how.unwrap();
        assert_eq!((me.name.as_str(), how.method.as_str(), how.bound), ("ada", "password", true));
        assert_eq!(how.amr, ["pwd", "pop", "mfa"]);
        assert_eq!(new.me().await.unwrap().name, "ada");
        assert_eq!(world.number("select count(*) from passkey_questions").await, 0);
        assert_eq!(refusals(&world).await, Vec::<String>::new());
        // A password alone is still not enough.
        let body = PasswordSignIn { name: "ada".to_owned(), password: GOOD.to_owned(), proof: None, device: None };
        assert_eq!(refused(world.nobody().sign_in_with_password(&body).await), "sign-in-refused");
    }
}

on_both! {
    async fn an_answer_to_another_question_signs_nobody_in(world: World, clock by hand) {
        let (ada, passkey) = account(&world, "ada").await;
        let (_, of_ben) = account(&world, "ben").await;
        let (here, there) = (world.nobody(), world.nobody());
        // Twice: the second time there is no question any more.
        let first = asked(&here, "ada").await;
        let answer = passkey.sign(&first.options);
        present(&here, "ada", &first.question, answer.clone()).await.unwrap();
        assert_eq!(refused(present(&here, "ada", &first.question, answer.clone()).await), "sign-in-refused");
        // On another attempt, which has a question of its own.
        let second = asked(&here, "ada").await;
        assert_eq!(refused(present(&here, "ada", &second.question, answer).await), "sign-in-refused");
        // From another device, whoever has brought the whole of it there.
        let question = asked(&here, "ada").await;
        let answer = passkey.sign(&question.options);
        assert_eq!(refused(present(&there, "ada", &question.question, answer.clone()).await), "sign-in-refused");
        present(&here, "ada", &question.question, answer).await.unwrap();
        // Of another person, with their own passkey or with this one.
        let question = asked(&here, "ada").await;
        assert_eq!(refused(present(&here, "ada", &question.question, of_ben.sign(&question.options)).await), "sign-in-refused");
        let question = asked(&here, "ada").await;
        assert_eq!(refused(present(&here, "ben", &question.question, passkey.sign(&question.options)).await), "sign-in-refused");
        // Signed for a call of somebody who is signed in, and the other way round.
        let digest = "0".repeat(64);
        let call = ada.passkey_question(vec![digest.clone()]).await.unwrap();
        assert_eq!(refused(present(&here, "ada", &call.question, passkey.sign(&call.options)).await), "sign-in-refused");
        let question = asked(&here, "ada").await;
        let proof = StepUpProof::Passkey { question: question.question.clone(), answer: passkey.sign(&question.options) };
        assert_eq!(refused(ada.step_up(vec![digest], proof).await), "second-factor-refused");
        // Too late.
        let late = asked(&here, "ada").await;
        world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        assert_eq!(refused(present(&here, "ada", &late.question, passkey.sign(&late.options)).await), "sign-in-refused");
        assert!(refusals(&world).await.iter().all(|wrong| wrong == "passkey"));
    }
}

on_both! {
    async fn an_answer_that_lies_signs_nobody_in(world: World, clock by hand) {
        let (_, mut passkey) = account(&world, "ada").await;
        let new = world.nobody();
        let honest = Lie::default;
        for lie in [
            Lie { origin: "https://evil.example", ..honest() },
            Lie { party: "evil.example", ..honest() },
            Lie { kind: Some("webauthn.create"), ..honest() },
            Lie { present: false, ..honest() },
            Lie { verified: false, ..honest() },
            Lie { other_signature: true, ..honest() },
        ] {
            passkey.lie = lie.clone();
            let question = asked(&new, "ada").await;
            assert_eq!(refused(present(&new, "ada", &question.question, passkey.sign(&question.options)).await), "sign-in-refused", "{lie:?}");
            // It was the lie, and a right answer forgives the tries.
            passkey.lie = honest();
            let question = asked(&new, "ada").await;
            present(&new, "ada", &question.question, passkey.sign(&question.options)).await.unwrap();
        }
        // A copy that has signed as often.
        passkey.counts(1);
        let question = asked(&new, "ada").await;
        assert_eq!(refused(present(&new, "ada", &question.question, passkey.sign(&question.options)).await), "sign-in-refused");
        passkey.counts(100);
        for rubbish in [json!(null), json!({}), json!({"id": "x", "rawId": "!", "type": "public-key", "response": {}})] {
            let question = asked(&new, "ada").await;
            assert_eq!(refused(present(&new, "ada", &question.question, rubbish).await), "sign-in-refused");
        }
    }
}

on_both! {
    async fn whoever_has_not_the_password_is_asked_nothing(world: World, clock by hand) {
        account(&world, "ada").await;
        let ben = world.engineer("ben").await;
        ben.set_password(&password(), None, &key()).await.unwrap();
        let wrong = Secret::new("wrong wrong wrong".to_owned());
        let mut told = std::collections::BTreeSet::new();
        // A wrong password, an account without a passkey, and a name that nobody has: all in the same words.
        for (name, password) in [("ada", &wrong), ("ben", &password()), ("nobody", &wrong), ("root", &wrong), ("", &wrong)] {
            let error = world.nobody().passkey_question_to_sign_in(name, password).await.err().unwrap();
            told.insert((error.code().unwrap().to_owned(), error.to_string(), error.hint()));
        }
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(world.number("select count(*) from passkey_questions").await, 0);
        let mut wrongs = refusals(&world).await;
        wrongs.sort();
        assert_eq!(wrongs, ["no passkey", "password", "password", "password", "password"]);
        // Asking is a try: too many, and nobody is asked anything for a while.
        let mut last = String::new();
        for _ in 0..10 {
            last = refused(world.nobody().passkey_question_to_sign_in("ada", &wrong).await.map(|_| ()));
        }
        assert_eq!(last, "tried-too-often");
        assert_eq!(refused(world.nobody().passkey_question_to_sign_in("ada", &password()).await.map(|_| ())), "tried-too-often");
        world.pass(TimeDelta::minutes(15));
        asked(&world.nobody(), "ada").await;
    }
}

on_both! {
    async fn five_wrong_answers_to_a_sign_in_are_enough(world: World, clock by hand) {
        let (_, mut passkey) = account(&world, "ada").await;
        let new = world.nobody();
        passkey.lie.verified = false;
        let mut said = Vec::new();
        // A right password does not open more tries of the second factor.
        for _ in 0..6 {
            world.execute("delete from tries where subject like 'password%'").await;
            let question = asked(&new, "ada").await;
            said.push(refused(present(&new, "ada", &question.question, passkey.sign(&question.options)).await));
        }
        assert_eq!(said[..5], ["sign-in-refused"; 5]);
        assert_eq!(said[5], "tried-too-often");
    }
}

on_both! {
    async fn the_question_is_for_this_server_and_needs_the_key_of_a_device(world: World, clock by hand) {
        let (_, passkey) = account(&world, "ada").await;
        let ask = |server: &str| json!({"name": "ada", "password": GOOD, "server": server});
        let path = "/v1/sign-in/password/passkey";
        let new = world.nobody();
        let http = Http::device_of(&world.url(), &new);
        for server in ["https://other.example", "", "http://127.0.0.1:1"] {
            let answer = http.post(path, None, ask(server)).await;
            assert_eq!(answer.problem(), (422, "bad-input".to_owned()), "{server}");
        }
        let unproved = Http::nobody(&world.url()).post(path, None, ask(&world.url())).await;
        assert_eq!(unproved.problem().0, 401);
        // What a server between hands on unmixed, or mixed for itself, is good for nothing here.
        let raw = http.post(path, None, ask(&world.url())).await.json();
        let (question, options) = (raw["question"].as_str().unwrap(), &raw["options"]);
        assert_eq!(refused(present(&new, "ada", question, passkey.sign(options)).await), "sign-in-refused");
    }
}
