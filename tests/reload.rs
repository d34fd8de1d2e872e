//! A changed policy or catalogue while the server runs: taken over when it is right, refused with a reason when not.

use portcullis::wire::{Approval, NewRequest, Revocation};

use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, on_both, submit};

on_both! {
    async fn a_bad_policy_keeps_the_old_one_and_says_why(world: World) {
        let ada = world.engineer("ada").await;
        let version = submit(&ada).await.policy_version;
        world.rewrite("policy.cedar", &POLICY.replace("@threshold(\"2\")", "@threshold(\"many\")"));
        world.recorded("config.rejected", 1).await;
        let log = world.audit().await;
        let rejected = log.iter().find(|event| event.event == "config.rejected").unwrap();
        assert_eq!((rejected.actor.name.as_str(), rejected.outcome.as_str()), ("portcullis", "error"));
        let why = rejected.reason.as_deref().unwrap();
        assert!(why.starts_with("policy.cedar:11:") && why.contains("`many` is not a number of reviews"), "{why}");
        // The old rules still decide.
        let new = NewRequest { role: "admin".to_owned(), ..ask() };
        world.reviewer("rob").await;
        let request = ada.submit(&new, &key()).await.unwrap();
        assert_eq!((request.policy_version, request.ways[0].threshold), (version, 2));
    }
}

on_both! {
    async fn a_good_policy_decides_about_the_next_request_and_about_no_older_one(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (decided, pending) = (world.granted(&ada).await, submit(&ada).await);
        world.rewrite("policy.cedar", &POLICY.replace("@threshold(\"1\")", "@threshold(\"2\")").replace("\"4h\"", "\"30m\"").replace("\"8h\"", "\"1h\""));
        world.recorded("config.loaded", 1).await;
        let error = ben.submit(&ask(), &key()).await.unwrap_err();
        assert_eq!(error.to_string(), "the longest that policy `readonly` gives is `30m`");
        world.reviewer("rob").await;
        let new = ben.submit(&NewRequest { duration: "30m".to_owned(), ..ask() }, &key()).await.unwrap();
        assert_eq!(new.ways[0].threshold, 2);
        assert_ne!(new.policy_version, pending.policy_version);
        // What was asked before is decided as it was asked, and what was given stays.
        let approved = world.admin().approve(&pending.id, 1, &Approval::default(), &key()).await.unwrap();
        assert_eq!((approved.state.as_str(), approved.policy_version), ("approved", pending.policy_version));
        let grant = world.grant_in(approved.grant.as_deref().unwrap(), &["active"]).await;
        assert_eq!((grant.duration.as_str(), grant.max_total.as_str()), ("1h", "8h"));
        let same = ada.grant(&decided.id).await.unwrap();
        assert_eq!((same.state.as_str(), same.expires_at, same.version), ("active", decided.expires_at, decided.version));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_noticed_without_being_told() {
    let world = World::start(Backend::Sqlite).await;
    let eve = world.person("eve", &["requester"], &["guests"]).await;
    assert_eq!(
        eve.submit(&ask(), &key()).await.unwrap_err().code(),
        Some("policy-denied")
    );
    world.replace(
        "policy.cedar",
        &POLICY
            .replace("\"oncall\"", "\"guests\"")
            .replace("@id(\"guests\")", "@id(\"oncall\")"),
    );
    world.recorded("config.loaded", 1).await;
    assert_eq!(eve.submit(&ask(), &key()).await.unwrap().state, "approved");
    world.replace("policy.cedar", "permit (principal, action, resource");
    world.recorded("config.rejected", 1).await;
    std::fs::remove_file(world.folder().join("policy.cedar")).unwrap();
    world.recorded("config.rejected", 2).await;
    assert_eq!(
        world
            .engineer("ada")
            .await
            .submit(&ask(), &key())
            .await
            .unwrap()
            .state,
        "pending"
    );
}

on_both! {
    async fn access_on_a_target_that_left_the_catalogue_can_still_be_taken_away(world: World) {
        let ada = world.engineer("ada").await;
        let (grant, pending) = (world.granted(&ada).await, submit(&ada).await);
        world.rewrite("portcullis.toml", &CATALOGUE.replace("bastion", "gateway"));
        world.recorded("config.loaded", 1).await;
        assert_eq!(ada.submit(&ask(), &key()).await.unwrap_err().code(), Some("unknown-target"));
        let refused = world.admin().approve(&pending.id, 1, &Approval::default(), &key()).await.unwrap_err();
        assert_eq!(refused.code(), Some("unknown-target"));
        let revocation = Revocation { reason: "leaving".to_owned() };
        world.admin().revoke(&grant.id, grant.version, &revocation, &key()).await.unwrap();
        world.grant_in(&grant.id, &["revoked"]).await;
    }
}
