//! Adding and removing second factors, and recovery codes.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError, StepUpNeeded};
use portcullis::wire::StepUpProof;

use super::refused;
use crate::support::authenticator::Phone;
use crate::support::world::{Backend, World, key, on_both};

/// A client that proves whatever is asked, with this factor.
async fn proved(client: &Client, error: ClientError, proof: StepUpProof) -> Client {
    let ClientError::Problem(problem) = error else {
        panic!("{error:?}")
    };
    let needs = StepUpNeeded::of(&problem).expect("it needs a step-up");
    let token = client.step_up(vec![needs.digest], proof).await.unwrap();
    client.clone().with_proof(token)
}

on_both! {
    async fn a_second_factor_counts_once_its_first_code_was_right(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let before = ada.factors().await.unwrap();
        assert_eq!((before.factors.len(), before.recovery_codes_left, before.has_password), (0, 0, false));
        let new = ada.add_totp("phone", &key()).await.unwrap();
        assert!(new.uri.starts_with("otpauth://totp/Portcullis:ada?secret="), "{}", new.uri);
        assert!(!new.factor.confirmed);
        assert_eq!(refused(ada.confirm_factor(&new.factor.id, "000 00", &key()).await), "second-factor-refused");
        // A new try replaces the one that was never confirmed.
        let phone = Phone::of(&world, &ada).await;
        let own = ada.factors().await.unwrap();
        assert_eq!((own.factors.len(), own.recovery_codes_left), (1, 10));
        assert_eq!((own.factors[0].id.as_str(), own.factors[0].confirmed), (phone.factor.as_str(), true));
        assert_eq!(own.notices, ["the second factor `phone` was added"]);
        assert_eq!(phone.recovery_codes.len(), 10);
        assert_eq!(refused(ada.confirm_factor(&phone.factor, "000000", &key()).await), "factor-confirmed");
        assert_eq!(world.events(&["factor.added"]).await, [1]);
        // Nobody else sees it.
        let ben = world.engineer("ben").await;
        assert_eq!(refused(ben.remove_factor(&phone.factor, &key()).await), "not-found");
        assert_eq!(refused(ada.add_totp("", &key()).await), "bad-input");
    }
}

on_both! {
    async fn whoever_has_a_second_factor_proves_it_before_changing_any(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let phone = Phone::of(&world, &ada).await;
        // Step-up is switched off in this world, and still nobody changes these with a token alone.
        for result in [
            ada.remove_factor(&phone.factor, &key()).await.err(),
            ada.add_totp("other", &key()).await.err(),
            ada.new_recovery_codes(&key()).await.err(),
        ] {
            assert_eq!(result.unwrap().code(), Some("step-up-required"));
        }
        let once = key();
        let error = ada.add_totp("other", &once).await.err().unwrap();
        let with = proved(&ada, error, phone.next(&world).await).await;
        let other = with.add_totp("other", &once).await.unwrap();
        // The same call again has the same secret.
        assert_eq!(with.add_totp("other", &once).await.unwrap().secret, other.secret);
        let once = key();
        let error = ada.remove_factor(&phone.factor, &once).await.unwrap_err();
        let with = proved(&ada, error, phone.next(&world).await).await;
        with.remove_factor(&phone.factor, &once).await.unwrap();
        assert_eq!(ada.factors().await.unwrap().recovery_codes_left, 0, "they went with the last factor");
        assert_eq!(world.events(&["factor.removed"]).await, [1]);
    }
}

on_both! {
    async fn a_recovery_code_is_good_once_and_new_ones_end_the_old(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let phone = Phone::of(&world, &ada).await;
        let typed = phone.recovery_codes[3].to_uppercase().replace('-', " ");
        let once = key();
        let error = ada.new_recovery_codes(&once).await.err().unwrap();
        let with = proved(&ada, error, StepUpProof::typed(&typed)).await;
        assert_eq!(ada.factors().await.unwrap().recovery_codes_left, 9);
        let again = ada.step_up(vec!["0".repeat(64)], StepUpProof::typed(&typed)).await;
        assert_eq!(refused(again), "second-factor-refused");
        let codes = with.new_recovery_codes(&once).await.unwrap().codes;
        assert_eq!(codes.len(), 10);
        let old = StepUpProof::typed(&phone.recovery_codes[4]);
        assert_eq!(refused(ada.step_up(vec!["0".repeat(64)], old).await), "second-factor-refused");
        let new = StepUpProof::typed(&codes[0]);
        assert!(ada.step_up(vec!["0".repeat(64)], new).await.is_ok());
        // Somebody else's code is no code.
        let ben = world.engineer("ben").await;
        let stolen = StepUpProof::typed(&codes[1]);
        assert_eq!(refused(ben.step_up(vec!["0".repeat(64)], stolen).await), "second-factor-refused");
        assert_eq!(world.number("select count(*) from recovery_codes where hash like 'rc%'").await, 0);
    }
}

on_both! {
    async fn an_admin_takes_lost_factors_away_and_the_person_is_told(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        Phone::of(&world, &ada).await;
        let rita = world.reviewer("rita").await;
        assert_eq!(refused(rita.reset_factors("ada", &key()).await), "not-allowed");
        assert_eq!(refused(world.admin().reset_factors("nobody", &key()).await), "not-found");
        world.admin().reset_factors("ada", &key()).await.unwrap();
        let own = ada.factors().await.unwrap();
        assert_eq!((own.factors.len(), own.recovery_codes_left), (0, 0));
        assert!(own.notices.contains(&"root removed all your second factors".to_owned()), "{:?}", own.notices);
        let events = world.audit().await;
        let reset = events.iter().find(|event| event.event == "factor.reset").unwrap();
        assert_eq!(reset.sentence, "root removed every second factor of ada");
        world.pass(TimeDelta::days(8));
        let ada = world.engineer("ada").await;
        assert_eq!(ada.factors().await.unwrap().notices, Vec::<String>::new());
    }
}
