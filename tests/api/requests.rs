//! Filing and deciding requests.

use chrono::TimeDelta;
use portcullis::client::{Client, RequestsQuery};
use portcullis::wire::{Approval, Denial, NarrowView, NewRequest, RequestView};

use super::refused;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, on_both, submit};

fn admin_role() -> NewRequest {
    NewRequest {
        role: "admin".to_owned(),
        ..ask()
    }
}

fn denial(comment: &str) -> Denial {
    Denial {
        comment: comment.to_owned(),
    }
}

fn narrowed(duration: Option<&str>, role: Option<&str>) -> Approval {
    Approval {
        comment: None,
        narrowed: NarrowView {
            duration: duration.map(str::to_owned),
            role: role.map(str::to_owned),
            not_before: None,
        },
    }
}

async fn approve(
    who: &Client,
    request: &RequestView,
    approval: &Approval,
) -> Result<RequestView, portcullis::client::ClientError> {
    let now = who.request(&request.id).await?;
    who.approve(&request.id, now.version, approval, &key())
        .await
}

/// What a row offers, and why not the rest.
fn offered(request: &RequestView) -> Vec<&str> {
    request
        .allowed_actions
        .iter()
        .filter(|action| action.allowed)
        .map(|action| action.action.as_str())
        .collect()
}

on_both! {
    async fn an_approved_request_becomes_an_active_grant(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        assert_eq!((request.state.as_str(), request.version), ("pending", 1));
        assert_eq!(request.verdict, "needs 1 review by `reviewers` (policy `readonly`)");
        let approved = world.admin().approve(&request.id, request.version, &Approval::default(), &key()).await.unwrap();
        assert_eq!((approved.state.as_str(), approved.version), ("approved", 2));
        let grant = world.grant_in(approved.grant.as_deref().unwrap(), &["active"]).await;
        assert_eq!((grant.holder.as_str(), grant.role.as_str(), grant.request.as_str()), ("ada", "readonly", request.id.as_str()));
        assert!(grant.expires_at - grant.starts_at.unwrap() <= TimeDelta::hours(1));
    }
}

on_both! {
    async fn own_request_cannot_be_approved_by_admins_either(world: World) {
        let amy = world.person("amy", &["admin", "reviewer", "requester"], &["engineers", "reviewers"]).await;
        let request = submit(&amy).await;
        assert_eq!(offered(&request), ["withdraw"]);
        let before = world.audit().await.len();
        assert_eq!(refused(approve(&amy, &request, &Approval::default()).await), "self-review");
        assert_eq!(refused(amy.deny(&request.id, 1, &denial("no, me"), &key()).await), "self-review");
        assert_eq!(world.admin().request(&request.id).await.unwrap().state, "pending");
        let log = world.audit().await;
        let [tried] = &log[before..] else { panic!("one line for the same refusal twice: {:?}", &log[before..]) };
        assert_eq!((tried.event.as_str(), tried.outcome.as_str(), tried.actor.name.as_str()), ("access.refused", "denied", "amy"));
        assert_eq!((tried.details["code"].as_str(), tried.details["about"].as_str()), (Some("self-review"), Some(request.id.as_str())));
    }
}

on_both! {
    async fn two_reviewers_narrow_one_after_the_other(world: World) {
        let (ada, rob) = (world.engineer("ada").await, world.reviewer("rob").await);
        let request = ada.submit(&admin_role(), &key()).await.unwrap();
        let first = approve(&rob, &request, &narrowed(Some("30m"), Some("readonly"))).await.unwrap();
        assert_eq!((first.state.as_str(), first.ways[0].approvals, first.ways[0].threshold), ("pending", 1, 2));
        assert_eq!((first.role.as_str(), first.role_granted.as_str(), first.duration_granted.as_str()), ("admin", "readonly", "30m"));
        let root = world.admin();
        for wider in [narrowed(Some("31m"), None), narrowed(None, Some("admin"))] {
            assert_eq!(refused(approve(root, &request, &wider).await), "not-narrower");
        }
        assert_eq!(refused(approve(root, &request, &narrowed(None, Some("wheel"))).await), "unknown-role");
        assert_eq!(refused(approve(root, &request, &narrowed(Some("0s"), None)).await), "bad-input");
        let second = approve(root, &request, &narrowed(Some("10m"), None)).await.unwrap();
        assert_eq!(second.state, "approved");
        let grant = world.grant_in(second.grant.as_deref().unwrap(), &["active"]).await;
        assert_eq!((grant.role.as_str(), grant.duration.as_str()), ("readonly", "10m"));
        assert_eq!(world.events(&["review.recorded", "request.approved"]).await, [1, 1]);
    }
}

on_both! {
    async fn a_denial_has_a_comment_that_the_requester_reads(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        let root = world.admin();
        assert_eq!(refused(root.deny(&request.id, 1, &denial("  "), &key()).await), "comment-required");
        assert_eq!(refused(root.deny(&request.id, 1, &denial("a\u{1b}[2J b"), &key()).await), "bad-reason");
        let denied = root.deny(&request.id, 1, &denial("ask for `readonly` on the replica"), &key()).await.unwrap();
        assert_eq!(denied.state, "denied");
        let seen = ada.request(&request.id).await.unwrap();
        assert_eq!(seen.reviews[0].comment.as_deref(), Some("ask for `readonly` on the replica"));
        assert_eq!((seen.reviews[0].decision.as_str(), seen.grant), ("deny", None));
        assert_eq!(refused(approve(root, &request, &Approval::default()).await), "request-decided");
        assert_eq!(refused(ada.withdraw(&request.id, 2, &key()).await), "request-decided");
    }
}

on_both! {
    async fn a_decision_says_which_version_it_is_about(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        let http = world.http(world.admin());
        let path = format!("/v1/requests/{}/approve", request.id);
        let without = http.post(&path, None, serde_json::json!({})).await;
        assert_eq!(without.problem(), (428, "version-required".to_owned()));
        assert_eq!(http.post(&path, Some(2), serde_json::json!({})).await.problem(), (412, "conflict".to_owned()));
        for bad in ["1", "\"0\"", "\"-1\"", "\"x\"", "*", "W/\"1\""] {
            let call = http.call(reqwest::Method::POST, &path).key(key().as_str()).header("if-match", bad);
            assert_eq!(call.send().await.problem(), (400, "malformed".to_owned()), "{bad}");
        }
        assert_eq!(http.post(&path, Some(1), serde_json::json!({})).await.status, 200);
    }
}

on_both! {
    async fn only_the_requester_withdraws_and_only_what_is_pending(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let request = submit(&ada).await;
        assert_eq!(refused(ben.withdraw(&request.id, 1, &key()).await), "not-found");
        assert_eq!(refused(world.admin().withdraw(&request.id, 1, &key()).await), "not-the-requester");
        assert_eq!(ada.withdraw(&request.id, 1, &key()).await.unwrap().state, "withdrawn");
        assert_eq!(refused(ada.withdraw(&request.id, 2, &key()).await), "request-decided");
        // The way is free for another ask.
        submit(&ada).await;
    }
}

on_both! {
    async fn one_asks_once_for_the_same_and_again_for_something_else(world: World) {
        let (ada, _) = (world.engineer("ada").await, world.reviewer("rob").await);
        let request = submit(&ada).await;
        let again = ada.submit(&NewRequest { duration: "2h".to_owned(), ..ask() }, &key()).await.unwrap_err();
        assert_eq!(again.to_string(), format!("you already asked for exactly this in `{}`", request.id));
        ada.submit(&admin_role(), &key()).await.unwrap();
    }
}

#[tokio::test]
async fn ten_requests_of_one_person_can_be_pending() {
    let many = (0..11).fold(CATALOGUE.to_owned(), |text, nth| {
        text + &format!("\n[target.bastion.role.r{nth}]\ndescription = \"r\"\nuser = \"nobody\"\n")
    });
    let policy = POLICY.replace("context.role == \"readonly\"", "context.role like \"r*\"");
    let world = World::with(Backend::Sqlite, &policy, &many, None).await;
    let ada = world.engineer("ada").await;
    let mut last = None;
    for nth in 0..10 {
        let new = NewRequest {
            role: format!("r{nth}"),
            ..ask()
        };
        last = Some(ada.submit(&new, &key()).await.unwrap());
    }
    let one_more = NewRequest {
        role: "r10".to_owned(),
        ..ask()
    };
    assert_eq!(
        refused(ada.submit(&one_more, &key()).await),
        "too-many-pending"
    );
    // Others have room of their own, and so has who withdraws one.
    submit(&world.engineer("ben").await).await;
    ada.withdraw(&last.unwrap().id, 1, &key()).await.unwrap();
    ada.submit(&one_more, &key()).await.unwrap();
}

on_both! {
    async fn policy_says_no_in_its_own_words(world: World) {
        let (ada, eve) = (world.engineer("ada").await, world.person("eve", &["requester"], &[]).await);
        let no = async |who: &Client, new: NewRequest| {
            let error = who.submit(&new, &key()).await.unwrap_err();
            format!("{}: {error}", error.code().unwrap())
        };
        assert_eq!(no(&eve, ask()).await, "policy-denied: no policy lets `eve` ask for `readonly` on `bastion`");
        let long = NewRequest { duration: "4h1s".to_owned(), ..ask() };
        assert_eq!(no(&ada, long).await, "policy-denied: the longest that policy `readonly` gives is `4h`");
        let unknown = NewRequest { target: "bastian".to_owned(), ..ask() };
        let error = ada.submit(&unknown, &key()).await.unwrap_err();
        assert_eq!((error.code(), error.hint().as_deref()), (Some("unknown-target"), Some("did you mean `bastion`?")));
        let unknown = NewRequest { role: "wheel".to_owned(), ..ask() };
        let error = ada.submit(&unknown, &key()).await.unwrap_err();
        assert_eq!((error.code(), error.hint().as_deref()), (Some("unknown-role"), Some("its roles are `admin`, `readonly`")));
        let refusals = world.audit().await.into_iter().filter(|event| event.event == "access.refused");
        let who: Vec<_> = refusals.map(|event| event.actor.name).collect();
        assert_eq!(who, ["eve", "ada"]);
        assert_eq!(world.number("select count(*) from requests").await, 0);
    }
}

#[tokio::test]
async fn what_nobody_could_review_is_refused_at_once() {
    let policy = POLICY.replace("@reviewers(\"reviewers\")", "@reviewers(\"ghosts\")");
    let world = World::with(Backend::Sqlite, &policy, CATALOGUE, None).await;
    let ada = world
        .person("ada", &["requester", "reviewer"], &["engineers", "ghosts"])
        .await;
    // The only member of the group is the requester.
    let error = ada.submit(&ask(), &key()).await.unwrap_err();
    assert_eq!(error.code(), Some("nobody-can-review"));
    // Somebody in the group who reviews nothing does not help.
    world.person("gus", &["requester"], &["ghosts"]).await;
    assert_eq!(
        refused(ada.submit(&ask(), &key()).await),
        "nobody-can-review"
    );
    let gil = world.person("gil", &["reviewer"], &["ghosts"]).await;
    let request = submit(&ada).await;
    // One reviewer is not enough for a threshold of two.
    assert_eq!(
        refused(ada.submit(&admin_role(), &key()).await),
        "nobody-can-review"
    );
    assert_eq!(
        refused(approve(world.admin(), &request, &Approval::default()).await),
        "not-a-reviewer"
    );
    assert_eq!(
        approve(&gil, &request, &Approval::default())
            .await
            .unwrap()
            .state,
        "approved"
    );
}

on_both! {
    async fn a_reviewer_counts_by_the_groups_of_the_moment(world: World) {
        let (ada, rob) = (world.engineer("ada").await, world.reviewer("rob").await);
        let request = submit(&ada).await;
        // `rob` is taken out of the group after the request was filed, with the same token in hand.
        world.person("rob", &["reviewer"], &["engineers"]).await;
        assert_eq!(refused(approve(&rob, &request, &Approval::default()).await), "not-a-reviewer");
        world.person("rob", &["requester"], &["reviewers"]).await;
        assert_eq!(refused(rob.approve(&request.id, 1, &Approval::default(), &key()).await), "not-allowed");
        world.person("rob", &["reviewer"], &["reviewers"]).await;
        assert_eq!(approve(&rob, &request, &Approval::default()).await.unwrap().state, "approved");
    }
}

on_both! {
    async fn access_without_review_is_there_at_once(world: World) {
        let olga = world.person("olga", &["requester"], &["oncall"]).await;
        let request = submit(&olga).await;
        assert_eq!((request.state.as_str(), request.version, request.reviews.len()), ("approved", 2, 0));
        world.grant_in(request.grant.as_deref().unwrap(), &["active"]).await;
        let log = world.audit().await;
        let approved = log.iter().find(|event| event.event == "request.approved").unwrap();
        assert_eq!((approved.actor.name.as_str(), approved.details["policy"].as_str()), ("portcullis", Some("oncall")));
    }
}

on_both! {
    async fn engineers_see_their_own_and_reviewers_see_all(world: World) {
        let (ada, ben, _) = (world.engineer("ada").await, world.engineer("ben").await, world.reviewer("rob").await);
        let mut filed = Vec::new();
        for who in [&ada, &ben, &ada] {
            let role = if filed.len() == 2 { admin_role() } else { ask() };
            filed.push(who.submit(&role, &key()).await.unwrap().id);
        }
        ben.withdraw(&filed[1], 1, &key()).await.unwrap();
        let seen = async |who: &Client, query: RequestsQuery| {
            let page = who.requests(&query).await.unwrap();
            page.items.into_iter().map(|request| request.id).collect::<Vec<_>>()
        };
        let all = RequestsQuery::default;
        assert_eq!(seen(&ada, all()).await, [filed[2].clone(), filed[0].clone()]);
        assert_eq!(refused(ada.request(&filed[1]).await), "not-found");
        assert_eq!(seen(world.admin(), all()).await, [filed[2].clone(), filed[1].clone(), filed[0].clone()]);
        assert!(seen(world.admin(), RequestsQuery { mine: true, ..all() }).await.is_empty());
        let withdrawn = RequestsQuery { states: vec!["withdrawn".to_owned(), "denied".to_owned()], ..all() };
        assert_eq!(seen(world.admin(), withdrawn).await, [filed[1].clone()]);
        assert!(seen(world.admin(), RequestsQuery { target: Some("other".to_owned()), ..all() }).await.is_empty());
        // Some of them by their ids, as the console reads what has changed.
        let some = format!("id:{},{},R-0000000000", filed[0], filed[2]);
        let some = RequestsQuery { q: Some(some), ..all() };
        assert_eq!(seen(world.admin(), some).await, [filed[2].clone(), filed[0].clone()]);
        // Page by page, with something new in between.
        let mut query = RequestsQuery { limit: Some(1), ..all() };
        let mut pages = Vec::new();
        loop {
            let page = world.admin().requests(&query).await.unwrap();
            pages.extend(page.items.into_iter().map(|request| request.id));
            if pages.len() == 1 {
                submit(&ben).await;
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, [filed[2].clone(), filed[1].clone(), filed[0].clone()]);
    }
}

on_both! {
    async fn a_reviewer_sees_what_the_requester_did_before(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let revocation = portcullis::wire::Revocation { reason: "leaving".to_owned() };
        world.admin().revoke(&grant.id, grant.version, &revocation, &key()).await.unwrap();
        world.grant_in(&grant.id, &["revoked"]).await;
        let request = submit(&ada).await;
        let seen = world.admin().request(&request.id).await.unwrap();
        assert_eq!((seen.history.grants_30d, seen.history.revoked_30d), (1, 1));
        assert_eq!((seen.history.last_at, seen.history.longest.as_deref()), (grant.starts_at, Some("1h")));
        assert_eq!(offered(&seen), ["approve", "deny", "claim"]);
        let now = world.now().await;
        assert!((seen.would_end_at - now - TimeDelta::hours(1)).abs() < TimeDelta::seconds(5));
    }
}

on_both! {
    async fn what_is_typed_is_answered_with_the_field(world: World) {
        let ada = world.engineer("ada").await;
        let http = world.http(&ada);
        let bodies = [
            (serde_json::json!({"target": "Bastion"}), "bad-input"),
            (serde_json::json!({"role": "read only"}), "bad-input"),
            (serde_json::json!({"duration": "1w"}), "bad-input"),
            (serde_json::json!({"duration": "0s"}), "bad-input"),
            (serde_json::json!({"duration": "31d"}), "bad-input"),
            (serde_json::json!({"reason": "x"}), "bad-reason"),
            (serde_json::json!({"reason": "a\u{0}bc"}), "bad-reason"),
            (serde_json::json!({"reason": "ä".repeat(2_001)}), "bad-reason"),
            (serde_json::json!({"ticket": "a b"}), "bad-ticket"),
            (serde_json::json!({"not_before": "2020-01-01T00:00:00Z"}), "start-in-past"),
            (serde_json::json!({"not_before": "2999-01-01T00:00:00Z"}), "start-too-far"),
        ];
        for (change, code) in bodies {
            let mut body = serde_json::to_value(ask()).unwrap();
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let answer = http.post("/v1/requests", None, body).await;
            assert_eq!(answer.problem(), (422, code.to_owned()), "{change}");
        }
        let mut body = serde_json::to_value(ask()).unwrap();
        body["reason"] = "ä".repeat(2_000).into();
        assert_eq!(http.post("/v1/requests", None, body).await.status, 201);
        assert_eq!(world.number("select count(*) from requests").await, 1);
    }
}
