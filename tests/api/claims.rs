//! Claims: other reviewers see who looks at a request; nobody is kept from deciding.

use chrono::TimeDelta;
use portcullis::client::{Client, RequestsQuery};
use portcullis::wire::{Approval, Denial, NewRequest, RequestView};

use super::refused;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

/// Who has the claim, as somebody sees it.
async fn claimed_by(who: &Client, request: &RequestView) -> Option<String> {
    let seen = who.request(&request.id).await.unwrap();
    seen.claim.map(|claim| claim.by)
}

async fn claim(who: &Client, request: &RequestView) -> RequestView {
    who.claim(&request.id, &key()).await.unwrap()
}

fn may(request: &RequestView, action: &str) -> bool {
    let mut all = request.allowed_actions.iter();
    all.find(|known| known.action == action).unwrap().allowed
}

on_both! {
    async fn others_see_who_is_on_it_until_it_lapses(world: World, clock by hand) {
        let (ada, eve) = (world.engineer("ada").await, world.reviewer("eve").await);
        let request = submit(&ada).await;
        let claimed = claim(&eve, &request).await;
        let view = claimed.claim.clone().unwrap();
        assert_eq!((view.by.as_str(), view.until - view.since), ("eve", TimeDelta::minutes(5)));
        assert_eq!(claimed.version, request.version, "a claim is no new version");
        assert!(may(&claimed, "release") && may(&claimed, "claim") && may(&claimed, "approve"));
        // The list says the same to somebody else, who could take it over but not release it.
        let page = world.admin().requests(&RequestsQuery::default()).await.unwrap().items;
        assert_eq!(page[0].claim, Some(view.clone()));
        assert!(may(&page[0], "claim") && !may(&page[0], "release"));
        world.pass(TimeDelta::minutes(5));
        assert_eq!(claimed_by(world.admin(), &request).await, None, "it has lapsed");
        assert_eq!(refused(eve.release(&request.id, &key()).await), "not-claimed");
        let again = claim(&eve, &request).await.claim.unwrap();
        assert_eq!(again.since, view.until, "a lapsed claim begins anew");
    }
}

on_both! {
    async fn claiming_again_prolongs_and_releasing_ends_it(world: World, clock by hand) {
        let (ada, eve) = (world.engineer("ada").await, world.reviewer("eve").await);
        let request = submit(&ada).await;
        let first = claim(&eve, &request).await.claim.unwrap();
        world.pass(TimeDelta::minutes(4));
        let second = claim(&eve, &request).await.claim.unwrap();
        assert_eq!((second.since, second.until - first.until), (first.since, TimeDelta::minutes(4)));
        assert_eq!(refused(world.admin().release(&request.id, &key()).await), "not-claimed");
        let released = eve.release(&request.id, &key()).await.unwrap();
        assert_eq!(released.claim, None);
        assert_eq!(claimed_by(world.admin(), &request).await, None);
        assert_eq!(world.events(&["request.claimed", "request.released"]).await, [2, 1]);
    }
}

on_both! {
    async fn another_reviewer_takes_a_claim_over_and_the_record_says_from_whom(world: World) {
        let (ada, eve) = (world.engineer("ada").await, world.reviewer("eve").await);
        let request = submit(&ada).await;
        claim(&eve, &request).await;
        let taken = claim(world.admin(), &request).await;
        assert_eq!(taken.claim.unwrap().by, "root");
        assert_eq!(claimed_by(&eve, &request).await.as_deref(), Some("root"));
        let last = world.audit().await.pop().unwrap();
        assert_eq!((last.event.as_str(), last.details["taken_from"].as_str()), ("request.claimed", Some("eve")));
        assert_eq!(last.sentence, "root claimed the review of readonly on bastion for ada, taken over from eve");
        assert_eq!((last.principal.as_deref(), last.request), (Some("ada"), Some(request.id)));
    }
}

on_both! {
    async fn nobody_claims_their_own_request_or_one_that_they_could_not_review(world: World) {
        let both = world.person("both", &["requester", "reviewer"], &["engineers", "reviewers"]).await;
        let request = submit(&both).await;
        assert_eq!(refused(both.claim(&request.id, &key()).await), "self-review");
        let stranger = world.person("stranger", &["reviewer"], &[]).await;
        assert_eq!(refused(stranger.claim(&request.id, &key()).await), "not-a-reviewer");
        let ada = world.engineer("ada").await;
        assert_eq!(refused(ada.claim(&request.id, &key()).await), "not-allowed");
        assert_eq!(world.events(&["request.claimed"]).await, [0]);
        // A refused claim of one's own request is something an auditor asks about.
        assert_eq!(world.events(&["access.refused"]).await, [3]);
    }
}

on_both! {
    async fn a_claim_keeps_nobody_from_deciding_and_ends_with_the_decision(world: World) {
        let (ada, eve) = (world.engineer("ada").await, world.reviewer("eve").await);
        let request = submit(&ada).await;
        claim(&eve, &request).await;
        // The version that root saw before the claim still is the right one.
        let denial = Denial { comment: "not today".to_owned() };
        let denied = world.admin().deny(&request.id, request.version, &denial, &key()).await.unwrap();
        assert_eq!((denied.state.as_str(), denied.claim.as_ref()), ("denied", None));
        assert_eq!(world.number("select count(*) from requests where claimed_by_id is not null").await, 0);
        assert_eq!(refused(eve.claim(&request.id, &key()).await), "request-decided");
        assert_eq!(refused(eve.release(&request.id, &key()).await), "request-decided");
    }
}

on_both! {
    async fn one_review_of_two_ends_the_claim_of_its_reviewer_only(world: World) {
        let (ada, eve, rob) = (world.engineer("ada").await, world.reviewer("eve").await, world.reviewer("rob").await);
        let new = NewRequest { role: "admin".to_owned(), ..ask() };
        let request = ada.submit(&new, &key()).await.unwrap();
        claim(&eve, &request).await;
        let first = rob.approve(&request.id, request.version, &Approval::default(), &key()).await.unwrap();
        assert_eq!(first.state, "pending");
        assert_eq!(claimed_by(&rob, &request).await.as_deref(), Some("eve"), "eve still looks");
        // Rob has reviewed; there is nothing more for him to look at.
        assert_eq!(refused(rob.claim(&request.id, &key()).await), "already-reviewed");
        claim(world.admin(), &request).await;
        let new = NewRequest { role: "admin".to_owned(), target: "bastion".to_owned(), ..ask() };
        let bob = world.engineer("bob").await;
        let other = bob.submit(&new, &key()).await.unwrap();
        claim(&eve, &other).await;
        let half = eve.approve(&other.id, other.version, &Approval::default(), &key()).await.unwrap();
        assert_eq!((half.state.as_str(), half.claim), ("pending", None));
        assert_eq!(claimed_by(&rob, &other).await, None);
        assert_eq!(claimed_by(&rob, &request).await.as_deref(), Some("root"));
    }
}

on_both! {
    async fn a_claim_is_made_once_however_often_it_is_sent(world: World) {
        let (ada, eve) = (world.engineer("ada").await, world.reviewer("eve").await);
        let (request, same) = (submit(&ada).await, key());
        for _ in 0..3 {
            assert_eq!(eve.claim(&request.id, &same).await.unwrap().claim.unwrap().by, "eve");
        }
        assert_eq!(refused(eve.release(&request.id, &same).await), "idempotency-key-reused");
        assert_eq!(world.events(&["request.claimed", "request.released"]).await, [1, 0]);
    }
}
