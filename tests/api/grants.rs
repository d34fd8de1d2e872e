//! Extending, returning, revoking and using grants.

use chrono::TimeDelta;
use portcullis::client::{Client, GrantsQuery};
use portcullis::wire::{
    Approval, CredentialAsk, CredentialView, GrantView, Invitation, NewExtension, NewRequest,
    RequestView, Revocation,
};

use super::refused;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, on_both};

fn by(length: &str) -> NewExtension {
    NewExtension {
        by: length.to_owned(),
        reason: "still at it".to_owned(),
    }
}

fn leaving() -> Revocation {
    Revocation {
        reason: "leaving".to_owned(),
    }
}

async fn extend(
    who: &Client,
    grant: &GrantView,
    length: &str,
) -> Result<RequestView, portcullis::client::ClientError> {
    let now = who.grant(&grant.id).await?;
    who.extend(&grant.id, now.version, &by(length), &key())
        .await
}

fn offered(grant: &GrantView) -> Vec<&str> {
    grant
        .allowed_actions
        .iter()
        .filter(|action| action.allowed)
        .map(|action| action.action.as_str())
        .collect()
}

/// A grant of this person that begins in an hour.
async fn scheduled(world: &World, who: &Client) -> GrantView {
    let new = NewRequest {
        not_before: Some(world.now().await + TimeDelta::hours(1)),
        ..ask()
    };
    let request = who.submit(&new, &key()).await.unwrap();
    let approval = Approval::default();
    let approved = world
        .admin()
        .approve(&request.id, request.version, &approval, &key())
        .await
        .unwrap();
    world
        .grant_in(&approved.grant.unwrap(), &["scheduled"])
        .await
}

/// What an admin changes about a known person.
async fn becomes(world: &World, name: &str, roles: &[&str], groups: &[&str]) {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let invitation = Invitation {
        name: name.to_owned(),
        roles: owned(roles),
        groups: owned(groups),
    };
    world.admin().invite(&invitation, &key()).await.unwrap();
}

/// Waits until a grant has begun or is over, while the clock goes on: what is tried again is due a moment later.
async fn settled(world: &World, grant: &GrantView) -> GrantView {
    let look = async || {
        world.pass(TimeDelta::milliseconds(100));
        let grant = world.admin().grant(&grant.id).await.unwrap();
        ["active", "revoked"]
            .contains(&grant.state.as_str())
            .then_some(grant)
    };
    world.until("it has begun or is over", look).await
}

on_both! {
    async fn whoever_is_no_longer_eligible_at_a_scheduled_start_gets_nothing(world: World, clock by hand) {
        let (ada, bob, cleo) = (world.engineer("ada").await, world.engineer("bob").await, world.engineer("cleo").await);
        let (adas, bobs, cleos) = (scheduled(&world, &ada).await, scheduled(&world, &bob).await, scheduled(&world, &cleo).await);
        // Ada only reads from now on, Bob goes to another team, and for Cleo nothing changes.
        becomes(&world, "ada", &["auditor"], &["engineers"]).await;
        becomes(&world, "bob", &["requester"], &["gardeners"]).await;
        world.pass(TimeDelta::hours(1));
        let cleos = settled(&world, &cleos).await;
        assert_eq!(cleos.state, "active");
        let adas = settled(&world, &adas).await;
        assert_eq!(adas.state, "revoked");
        assert_eq!(adas.close_reason.as_deref(), Some("its holder no longer has the product role requester"));
        let bobs = settled(&world, &bobs).await;
        assert_eq!((bobs.state.as_str(), bobs.closed_by), ("revoked", None));
        assert!(bobs.close_reason.unwrap().starts_with("policy no longer permits it: "));
        // Nothing was made on the target in between, and the record says who took it away: nobody but the rules.
        let about = world.audit().await.into_iter().filter(|event| event.grant.as_ref() == Some(&adas.id));
        let told: Vec<_> = about.map(|event| (event.event, event.actor.name)).collect();
        assert!(!told.iter().any(|(event, _)| event == "grant.activating"), "{told:?}");
        assert!(told.contains(&("grant.closing".to_owned(), "portcullis".to_owned())), "{told:?}");
    }
}

on_both! {
    async fn the_holder_asks_for_more_time_and_a_reviewer_gives_it(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let request = extend(&ada, &grant, "30m").await.unwrap();
        assert_eq!((request.kind.as_str(), request.state.as_str()), ("extend", "pending"));
        assert_eq!((request.grant.as_deref(), request.would_end_at), (Some(grant.id.as_str()), grant.expires_at + TimeDelta::minutes(30)));
        assert!(request.decide_by <= grant.expires_at);
        assert_eq!(refused(extend(&ada, &grant, "15m").await), "duplicate-pending");
        assert_eq!(ada.grant(&grant.id).await.unwrap().expires_at, grant.expires_at, "asking moves nothing");
        let mut approval = Approval::default();
        approval.narrowed.role = Some("readonly".to_owned());
        assert_eq!(refused(world.admin().approve(&request.id, 1, &approval, &key()).await), "not-narrower");
        approval.narrowed.role = None;
        approval.narrowed.duration = Some("20m".to_owned());
        let approved = world.admin().approve(&request.id, 1, &approval, &key()).await.unwrap();
        assert_eq!(approved.state, "approved");
        let longer = ada.grant(&grant.id).await.unwrap();
        assert_eq!((longer.expires_at, longer.extensions), (grant.expires_at + TimeDelta::minutes(20), 1));
        assert_eq!(longer.max_expires_at, grant.max_expires_at);
    }
}

on_both! {
    async fn a_reviewer_extends_at_once_and_nobody_their_own(world: World) {
        let ada = world.engineer("ada").await;
        let amy = world.person("amy", &["admin", "requester"], &["engineers", "reviewers"]).await;
        let grant = world.granted(&ada).await;
        let request = extend(world.admin(), &grant, "15m").await.unwrap();
        assert_eq!((request.state.as_str(), request.requester.as_str(), request.reviews[0].reviewer.as_str()), ("approved", "ada", "root"));
        let log = world.audit().await;
        let filed = log.iter().rfind(|event| event.event == "request.submitted").unwrap();
        assert_eq!((filed.actor.name.as_str(), filed.principal.as_deref()), ("root", Some("ada")));
        // An admin's own grant waits for somebody else.
        let own = world.granted(&amy).await;
        let request = extend(&amy, &own, "15m").await.unwrap();
        assert_eq!((request.state.as_str(), request.reviews.len()), ("pending", 0));
        assert_eq!(refused(amy.approve(&request.id, 1, &Approval::default(), &key()).await), "self-review");
        assert_eq!(amy.grant(&own.id).await.unwrap().expires_at, own.expires_at);
    }
}

on_both! {
    async fn no_extension_passes_what_policy_allows_in_all(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        assert_eq!(grant.max_total, "8h");
        assert_eq!(refused(extend(&ada, &grant, "4h1s").await), "policy-denied");
        extend(world.admin(), &grant, "4h").await.unwrap();
        let error = extend(world.admin(), &grant, "3h1s").await.unwrap_err();
        assert_eq!(error.to_string(), "the grant may last 8h in total, so it can be extended by at most 3h");
        extend(world.admin(), &grant, "3h").await.unwrap();
        let full = world.admin().grant(&grant.id).await.unwrap();
        assert_eq!(full.expires_at, full.max_expires_at);
        assert!(!offered(&full).contains(&"extend"));
        assert_eq!(refused(extend(world.admin(), &grant, "1s").await), "over-total-cap");
    }
}

on_both! {
    async fn only_the_holder_returns_a_grant(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let grant = world.granted(&ada).await;
        assert_eq!(offered(&ada.grant(&grant.id).await.unwrap()), ["connect", "extend", "return"]);
        assert_eq!(refused(ben.give_back(&grant.id, grant.version, &key()).await), "not-found");
        assert_eq!(refused(world.admin().give_back(&grant.id, grant.version, &key()).await), "not-the-holder");
        assert_eq!(refused(ada.give_back(&grant.id, grant.version + 1, &key()).await), "conflict");
        let closing = ada.give_back(&grant.id, grant.version, &key()).await.unwrap();
        assert_eq!(closing.state, "closing", "not before the target was read back");
        let gone = world.grant_in(&grant.id, &["returned"]).await;
        assert_eq!((gone.closed_by.as_deref(), gone.close_kind.as_deref()), (Some("ada"), Some("return")));
        assert!(gone.ended_at.is_some() && offered(&gone).is_empty());
        assert_eq!(refused(extend(&ada, &gone, "15m").await), "grant-not-active");
    }
}

on_both! {
    async fn a_revocation_has_a_reason_and_holds_from_its_answer_on(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let root = world.admin();
        let empty = Revocation { reason: " ".to_owned() };
        assert_eq!(refused(root.revoke(&grant.id, grant.version, &empty, &key()).await), "bad-reason");
        assert_eq!(refused(ada.revoke(&grant.id, grant.version, &leaving(), &key()).await), "not-allowed");
        let closing = root.revoke(&grant.id, grant.version, &leaving(), &key()).await.unwrap();
        assert_eq!(closing.state, "closing");
        let ask = CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) };
        assert_eq!(refused(ada.credential(&grant.id, &ask, &key()).await), "grant-not-active");
        let gone = world.grant_in(&grant.id, &["revoked"]).await;
        assert_eq!((gone.close_reason.as_deref(), gone.closed_by.as_deref()), (Some("leaving"), Some("root")));
        let log = world.audit().await;
        let refused = log.iter().find(|event| event.event == "access.refused").unwrap();
        assert_eq!((refused.actor.name.as_str(), refused.details["code"].as_str()), ("ada", Some("not-allowed")));
        // A search for the grant or its target finds the attempt.
        assert_eq!((refused.grant.as_deref(), refused.target.as_deref(), refused.role.as_deref()), (Some(grant.id.as_str()), Some("bastion"), Some("readonly")));
    }
}

on_both! {
    async fn a_refusal_on_record_names_no_more_than_was_typed(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let grant = world.granted(&ada).await;
        assert_eq!(refused(ben.revoke(&grant.id, grant.version, &leaving(), &key()).await), "not-allowed");
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "access.refused").unwrap();
        assert_eq!((event.grant.as_deref(), &event.target, &event.role), (Some(grant.id.as_str()), &None, &None));
    }
}

on_both! {
    async fn an_extension_that_nobody_decided_expires_with_its_grant(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let request = extend(&ada, &grant, "30m").await.unwrap();
        assert_eq!(request.state, "pending");
        world.admin().revoke(&grant.id, grant.version, &leaving(), &key()).await.unwrap();
        let expired = world.request_in(&request.id, &["expired"]).await;
        assert!(expired.decided_at < Some(expired.decide_by));
        let log = world.audit().await;
        let event = log.iter().find(|event| event.event == "request.expired").unwrap();
        assert!(["closing", "revoked"].contains(&event.details["grant_state"].as_str().unwrap()));
    }
}

on_both! {
    async fn a_credential_is_for_the_holder_and_ends_with_the_grant_or_sooner(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let grant = world.granted(&ada).await;
        let ask = CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) };
        assert_eq!(refused(ben.credential(&grant.id, &ask, &key()).await), "not-found");
        assert_eq!(refused(world.admin().credential(&grant.id, &ask, &key()).await), "not-the-holder");
        assert_eq!(refused(ada.credential(&grant.id, &CredentialAsk::default(), &key()).await), "unsupported");
        let nonsense = CredentialAsk { public_key: Some("ssh-rsa AAAA".to_owned()) };
        assert_eq!(refused(ada.credential(&grant.id, &nonsense, &key()).await), "unsupported");
        let CredentialView::Ssh { ends_at, certificate, .. } = ada.credential(&grant.id, &ask, &key()).await.unwrap() else {
            panic!("a certificate");
        };
        assert!(ends_at <= grant.expires_at && ends_at <= world.now().await + TimeDelta::minutes(10));
        let log = world.audit().await;
        let issued = log.last().unwrap();
        assert_eq!((issued.event.as_str(), issued.actor.name.as_str(), issued.grant.as_deref()), ("credential.issued", "ada", Some(grant.id.as_str())));
        // The secret itself is nowhere.
        let body = certificate.split(' ').nth(1).unwrap();
        assert!(!serde_json::to_string(&log).unwrap().contains(body));
        let now = ada.grant(&grant.id).await.unwrap();
        assert_eq!(now.version, grant.version, "what a reviewer decides on has not changed");
    }
}

on_both! {
    async fn grants_of_one_person_on_one_target_do_not_touch_each_other(world: World) {
        let ada = world.engineer("ada").await;
        let (first, second) = (world.granted(&ada).await, world.granted(&ada).await);
        ada.give_back(&first.id, first.version, &key()).await.unwrap();
        world.grant_in(&first.id, &["returned"]).await;
        let still = ada.grant(&second.id).await.unwrap();
        assert_eq!((still.state.as_str(), still.version), ("active", second.version));
        let list = async |query: GrantsQuery| ada.grants(&query).await.unwrap().items.into_iter().map(|grant| grant.id).collect::<Vec<_>>();
        assert_eq!(list(GrantsQuery::default()).await, [second.id.clone(), first.id.clone()]);
        let active = GrantsQuery { states: vec!["active".to_owned()], ..GrantsQuery::default() };
        assert_eq!(list(active).await, std::slice::from_ref(&second.id));
    }
}

on_both! {
    async fn an_id_of_one_kind_opens_nothing_of_another(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let http = world.http(world.admin());
        let (request, id) = (&grant.request, &grant.id);
        let confused = [
            format!("/v1/grants/{request}"), format!("/v1/requests/{id}"), format!("/v1/grants/{}", id.replace("G-", "R-")),
            "/v1/grants/G-0000000000".to_owned(), "/v1/grants/..%2Frequests".to_owned(), "/v1/grants/%00".to_owned(),
            "/v1/grants/G-'--".to_owned(), format!("/v1/grants/{}", "x".repeat(5_000)),
        ];
        for path in confused {
            assert_eq!(http.get(&path).await.problem(), (404, "not-found".to_owned()), "{path}");
        }
        // Ids are read in any case, as people type them.
        assert_eq!(http.get(&format!("/v1/grants/{}", id.to_lowercase())).await.text("id"), *id);
    }
}
