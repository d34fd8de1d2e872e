//! Decisions about one request.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::future::join_all;
use portcullis::wire::{Approval, Denial};

use super::outcome;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

on_both! {
    async fn forty_decisions_about_one_request_have_one_winner(world: World) {
        let ada = world.engineer("ada").await;
        let reviewers = [world.reviewer("rob").await, world.reviewer("rita").await, world.admin().clone()];
        for _ in 0..5 {
            let request = submit(&ada).await;
            let decide = async |nth: usize| {
                let (id, version, key) = (&request.id, request.version, key());
                let who = &reviewers[nth % reviewers.len()];
                match nth % 3 {
                    0 => who.approve(id, version, &Approval::default(), &key).await,
                    1 => who.deny(id, version, &Denial { comment: "not today".to_owned() }, &key).await,
                    _ => ada.withdraw(id, version, &key).await,
                }
            };
            let (won, lost) = outcome(join_all((0..40).map(decide)).await);
            assert_eq!(won.len(), 1, "lost: {lost:?}");
            // Whoever tries again after winning may hear of their own review before that of the decision.
            let answers = ["conflict", "request-decided", "already-reviewed"];
            assert!(lost.iter().all(|code| answers.contains(&code.as_str())), "{lost:?}");
            let now = world.admin().request(&request.id).await.unwrap();
            assert_eq!((&now.state, now.version), (&won[0].state, 2));
            assert_eq!(now.reviews.len(), usize::from(now.state != "withdrawn"));
            let about = world.audit().await.into_iter().filter(|event| event.request.as_ref() == Some(&request.id));
            let decisions = about.filter(|event| ["request.approved", "request.denied", "request.withdrawn"].contains(&event.event.as_str()));
            assert_eq!(decisions.count(), 1);
            let grants = format!("select count(*) from grants where request_id = '{}'", request.id);
            assert_eq!(world.number(&grants).await, i64::from(now.state == "approved"));
        }
    }
}

on_both! {
    async fn two_reviewers_at_once_are_counted_one_after_the_other(world: World) {
        let (ada, rob, rita) = (world.engineer("ada").await, world.reviewer("rob").await, world.reviewer("rita").await);
        let mut new = ask();
        new.role = "admin".to_owned();
        let request = ada.submit(&new, &key()).await.unwrap();
        let (approval, keys) = (Approval::default(), [key(), key()]);
        let approve = |who, key| portcullis::client::Client::approve(who, &request.id, request.version, &approval, key);
        let (first, second) = tokio::join!(approve(&rob, &keys[0]), approve(&rita, &keys[1]));
        let (won, lost) = outcome(vec![first, second]);
        assert_eq!((won.len(), lost.as_slice()), (1, &["conflict".to_owned()][..]));
        assert_eq!((won[0].state.as_str(), won[0].version), ("pending", 2));
        // Whoever was slower looks again, sees the first review, and the threshold is reached.
        let slower = if won[0].reviews[0].reviewer == "rob" { &rita } else { &rob };
        let seen = slower.request(&request.id).await.unwrap();
        let approved = slower.approve(&request.id, seen.version, &approval, &key()).await.unwrap();
        assert_eq!(approved.state, "approved");
        assert_eq!(approved.reviews.len(), 2);
        assert_eq!(world.number("select count(*) from grants").await, 1);
    }
}

on_both! {
    async fn claims_at_once_are_taken_over_one_from_the_other(world: World) {
        let ada = world.engineer("ada").await;
        let reviewers = [world.reviewer("rob").await, world.reviewer("rita").await, world.admin().clone()];
        let request = submit(&ada).await;
        let claim = async |nth: usize| reviewers[nth % reviewers.len()].claim(&request.id, &key()).await;
        let (won, lost) = outcome(join_all((0..30).map(claim)).await);
        assert!(lost.iter().all(|code| code == "conflict"), "{lost:?}");
        let claims: Vec<_> = world.audit().await.into_iter().filter(|event| event.event == "request.claimed").collect();
        assert_eq!(claims.len(), won.len());
        // Those that come at the same moment may be on record in any order, so what they say is added up: whatever was
        // taken from somebody that person had before, and has no longer unless it was taken back.
        let mut balance: BTreeMap<String, i32> = BTreeMap::new();
        for event in &claims {
            if let Some(from) = event.details.get("taken_from").and_then(|name| name.as_str()) {
                assert_ne!(from, event.actor.name);
                *balance.entry(from.to_owned()).or_default() -= 1;
                *balance.entry(event.actor.name.clone()).or_default() += 1;
            }
        }
        let now = world.admin().request(&request.id).await.unwrap();
        let claimed_by = now.claim.unwrap().by;
        assert!(balance.iter().all(|(who, left)| (-1..=i32::from(*who == claimed_by)).contains(left)), "{claimed_by}: {balance:?}");
        assert_eq!(now.version, 1);
    }
}

on_both! {
    async fn the_same_person_cannot_be_two_reviewers(world: World) {
        let (ada, rob) = (world.engineer("ada").await, world.reviewer("rob").await);
        let mut new = ask();
        new.role = "admin".to_owned();
        let request = ada.submit(&new, &key()).await.unwrap();
        let approve = async |version: i64| rob.approve(&request.id, version, &Approval::default(), &key()).await;
        let (won, _) = outcome(join_all((0..10).map(|_| approve(1))).await);
        assert_eq!(won.len(), 1);
        let (won, lost) = outcome(join_all((1..4).map(approve)).await);
        assert!(won.is_empty() && lost.iter().all(|code| code == "already-reviewed"), "{lost:?}");
        assert_eq!(world.admin().request(&request.id).await.unwrap().state, "pending");
    }
}

on_both! {
    async fn an_approval_and_the_deadline_cannot_both_have_it(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        for _ in 0..10 {
            let request = submit(&ada).await;
            let left = request.decide_by - world.now().await;
            world.pass(left - TimeDelta::milliseconds(1));
            let (approval, key) = (Approval::default(), key());
            let approve = world.admin().approve(&request.id, request.version, &approval, &key);
            let deadline = async {
                world.pass(TimeDelta::milliseconds(1));
                world.gate().expire_due().await.unwrap();
            };
            let (approved, ()) = tokio::join!(approve, deadline);
            let now = world.request_in(&request.id, &["approved", "expired"]).await;
            assert_eq!(approved.is_ok(), now.state == "approved", "{approved:?}");
            if let Err(error) = approved {
                let code = error.code().unwrap();
                assert!(["deadline-passed", "request-decided", "conflict"].contains(&code), "{code}");
            }
            let decided = world.events(&["request.approved", "request.expired"]).await;
            assert_eq!(decided.iter().sum::<usize>(), usize::try_from(world.number("select count(*) from requests").await).unwrap());
        }
    }
}

on_both! {
    async fn the_same_ask_sent_twice_at_once_is_filed_once(world: World) {
        let ada = world.engineer("ada").await;
        let submit = async |_| ada.submit(&ask(), &key()).await;
        let (won, lost) = outcome(join_all((0..20).map(submit)).await);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|code| code == "duplicate-pending"), "{lost:?}");
        assert_eq!(world.events(&["request.submitted"]).await, [1]);
    }
}
