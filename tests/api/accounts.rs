//! Local accounts: passwords, who may have one, and what is told to nobody.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError, StepUpNeeded};
use portcullis::secret::Secret;
use portcullis::wire::{Me, PasswordSignIn, StepUpProof};

use super::refused;
use crate::support::authenticator::Phone;
use crate::support::world::{Backend, World, key, on_both};

const GOOD: &str = "the kettle sings at noon";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn sign_in(
    who: &Client,
    name: &str,
    password: &str,
    proof: Option<StepUpProof>,
) -> Result<Me, ClientError> {
    let body = PasswordSignIn {
        name: name.to_owned(),
        password: password.to_owned(),
        proof,
        device: Some("laptop".to_owned()),
    };
    who.sign_in_with_password(&body).await
}

on_both! {
    async fn a_person_signs_in_with_a_password_once_it_is_set(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        assert_eq!(refused(sign_in(&world.nobody(), "ada", GOOD, None).await), "sign-in-refused");
        for bad in ["short", "password1234", "aaaaaaaaaaaaaaaa"] {
            assert_eq!(refused(ada.set_password(&secret(bad), None, &key()).await), "bad-password");
        }
        ada.set_password(&secret(GOOD), None, &key()).await.unwrap();
        let again = world.nobody();
        assert_eq!(sign_in(&again, "ada", GOOD, None).await.unwrap().name, "ada");
        assert_eq!(again.me().await.unwrap().name, "ada");
        // Another one needs the present one.
        let other = secret("another kettle, another noon");
        assert_eq!(refused(again.set_password(&other, None, &key()).await), "sign-in-refused");
        assert_eq!(refused(again.set_password(&other, Some(&secret("wrong wrong wrong")), &key()).await), "sign-in-refused");
        again.set_password(&other, Some(&secret(GOOD)), &key()).await.unwrap();
        assert_eq!(refused(sign_in(&world.nobody(), "ada", GOOD, None).await), "sign-in-refused");
        assert_eq!(world.events(&["account.password_set", "auth.refused"]).await, [2, 2]);
    }
}

on_both! {
    async fn whoever_has_a_second_factor_needs_it_to_sign_in_and_to_change_the_password(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        ada.set_password(&secret(GOOD), None, &key()).await.unwrap();
        let phone = Phone::of(&world, &ada).await;
        assert_eq!(refused(sign_in(&world.nobody(), "ada", GOOD, None).await), "sign-in-refused");
        let code = phone.next(&world).await;
        assert_eq!(refused(sign_in(&world.nobody(), "ada", "wrong wrong wrong", Some(code.clone())).await), "sign-in-refused");
        // The wrong password has not used the code up.
        sign_in(&world.nobody(), "ada", GOOD, Some(code.clone())).await.unwrap();
        assert_eq!(refused(sign_in(&world.nobody(), "ada", GOOD, Some(code)).await), "sign-in-refused");
        let paper = StepUpProof::typed(&phone.recovery_codes[0]);
        sign_in(&world.nobody(), "ada", GOOD, Some(paper)).await.unwrap();
        // The present password alone is not enough any more.
        let (other, once) = (secret("another kettle, another noon"), key());
        let refusal = ada.set_password(&other, Some(&secret(GOOD)), &once).await.unwrap_err();
        let ClientError::Problem(problem) = refusal else { panic!("{refusal:?}") };
        let needs = StepUpNeeded::of(&problem).unwrap();
        let token = ada.step_up(vec![needs.digest], phone.next(&world).await).await.unwrap();
        let proved = ada.clone().with_proof(token);
        proved.set_password(&other, Some(&secret(GOOD)), &once).await.unwrap();
    }
}

on_both! {
    async fn names_that_nobody_has_are_answered_like_wrong_passwords(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        ada.set_password(&secret(GOOD), None, &key()).await.unwrap();
        world.engineer("ben").await;
        let mut told = std::collections::BTreeSet::new();
        for name in ["ada", "ben", "nobody", "Not A Name", "", "root"] {
            let error = sign_in(&world.nobody(), name, "wrong wrong wrong", None).await.unwrap_err();
            told.insert((error.code().unwrap().to_owned(), error.to_string(), error.hint()));
        }
        assert_eq!(told.len(), 1, "{told:?}");
        // Too many tries are the same for both, too.
        let last = async |name: &'static str| {
            let mut last = String::new();
            for _ in 0..10 {
                last = refused(sign_in(&world.nobody(), name, "wrong wrong wrong", None).await);
            }
            last
        };
        assert_eq!((last("ada").await, last("nobody").await), ("tried-too-often".to_owned(), "tried-too-often".to_owned()));
        assert_eq!(refused(sign_in(&world.nobody(), "ada", GOOD, None).await), "tried-too-often");
        world.pass(TimeDelta::minutes(15));
        sign_in(&world.nobody(), "ada", GOOD, None).await.unwrap();
    }
}

#[tokio::test]
async fn no_password_is_stored_or_told() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    ada.set_password(&secret(GOOD), None, &key()).await.unwrap();
    let kept = world
        .number("select count(*) from passwords where hash like '%kettle%'")
        .await;
    assert_eq!(kept, 0);
    let events = serde_json::to_string(&world.audit().await).unwrap();
    assert!(!events.contains("kettle"));
}
