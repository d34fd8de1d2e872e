//! What happens by itself as time goes by. Only the test turns the clock, and the server does the rest.

use chrono::TimeDelta;
use portcullis::wire::{
    Approval, CredentialAsk, CredentialView, NewExtension, NewRequest, Revocation,
};
use serde_json::json;

use crate::support::http::Http;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, on_both, submit};

const MOMENT: TimeDelta = TimeDelta::milliseconds(1);

on_both! {
    async fn a_request_that_nobody_decides_expires_at_its_deadline(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        world.pass(request.decide_by - world.now().await - MOMENT);
        assert_eq!(world.gate().expire_due().await.unwrap(), 0);
        assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
        world.pass(MOMENT);
        // Nobody may decide any more, whether or not the sweeper has come round.
        let late = world.admin().approve(&request.id, 1, &Approval::default(), &key()).await.unwrap_err();
        assert!(["deadline-passed", "request-decided"].contains(&late.code().unwrap()), "{late}");
        let expired = world.request_in(&request.id, &["expired"]).await;
        assert_eq!(expired.decided_at, Some(request.decide_by));
        assert_eq!(world.events(&["request.expired"]).await, [1]);
        // The way is free for another ask.
        submit(&ada).await;
    }
}

on_both! {
    async fn a_grant_ends_when_its_window_is_over(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        assert_eq!(grant.expires_at, grant.starts_at.unwrap() + TimeDelta::hours(1));
        world.pass(TimeDelta::hours(1) - TimeDelta::seconds(1));
        let certify = CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) };
        assert_eq!(ada.grant(&grant.id).await.unwrap().state, "active");
        world.pass(TimeDelta::seconds(1));
        // Authorisation does not wait for the sweeper.
        let late = ada.credential(&grant.id, &certify, &key()).await.err().unwrap();
        assert_eq!(late.code(), Some("grant-not-active"));
        let ended = world.grant_in(&grant.id, &["ended"]).await;
        assert_eq!((ended.close_kind.as_deref(), ended.closed_by, ended.ended_at), (Some("end"), None, Some(grant.expires_at)));
        assert_eq!(world.number("select count(*) from outbox").await, 0);
    }
}

on_both! {
    async fn an_end_waits_for_the_last_certificate_and_says_so(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let certify = CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) };
        let certificate = ada.credential(&grant.id, &certify, &key()).await.unwrap();
        let CredentialView::Ssh { ends_at, .. } = certificate else { panic!("a certificate") };
        world.admin().revoke(&grant.id, grant.version, &Revocation { reason: "leaving".to_owned() }, &key()).await.unwrap();
        let closing = world.until("the wait is visible", async || {
            let grant = world.admin().grant(&grant.id).await.unwrap();
            grant.last_error.is_some().then_some(grant)
        }).await;
        assert_eq!((closing.state.as_str(), closing.attempts), ("closing", 1));
        let why = format!("until {}: its last certificate ends then", ends_at.format("%H:%M:%SZ"));
        assert_eq!(closing.last_error.as_deref(), Some(why.as_str()));
        world.pass(ends_at - world.now().await);
        let gone = world.grant_in(&grant.id, &["revoked"]).await;
        assert_eq!(gone.last_error, None);
    }
}

on_both! {
    async fn a_grant_for_later_begins_when_it_is_time(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let start = world.now().await + TimeDelta::hours(2);
        let request = ada.submit(&NewRequest { not_before: Some(start), ..ask() }, &key()).await.unwrap();
        let approved = world.admin().approve(&request.id, 1, &Approval::default(), &key()).await.unwrap();
        let grant = world.admin().grant(approved.grant.as_deref().unwrap()).await.unwrap();
        assert_eq!((grant.state.as_str(), grant.not_before, grant.starts_at), ("scheduled", start, None));
        assert_eq!(grant.expires_at, start + TimeDelta::hours(1));
        world.pass(TimeDelta::hours(2) - MOMENT);
        let certify = CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) };
        assert_eq!(ada.credential(&grant.id, &certify, &key()).await.err().unwrap().code(), Some("grant-not-active"));
        assert_eq!(world.admin().grant(&grant.id).await.unwrap().state, "scheduled");
        world.pass(MOMENT);
        let active = world.grant_in(&grant.id, &["active"]).await;
        assert_eq!((active.starts_at, active.expires_at), (Some(start), start + TimeDelta::hours(1)));
    }
}

on_both! {
    async fn a_grant_for_later_can_be_taken_back_before_it_begins(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let start = world.now().await + TimeDelta::hours(2);
        let request = ada.submit(&NewRequest { not_before: Some(start), ..ask() }, &key()).await.unwrap();
        let approved = world.admin().approve(&request.id, 1, &Approval::default(), &key()).await.unwrap();
        let id = approved.grant.unwrap();
        world.admin().revoke(&id, 1, &Revocation { reason: "leaving".to_owned() }, &key()).await.unwrap();
        world.grant_in(&id, &["revoked"]).await;
        world.pass(TimeDelta::hours(3));
        world.gate().expire_due().await.unwrap();
        assert_eq!(world.number("select count(*) from outbox").await, 0);
        assert_eq!(world.events(&["grant.activating", "grant.revoked"]).await, [0, 1]);
    }
}

on_both! {
    async fn an_extension_moves_the_end_and_not_the_deadline_of_others(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let (first, second) = (world.granted(&ada).await, world.granted(&ada).await);
        let extension = NewExtension { by: "30m".to_owned(), reason: "still at it".to_owned() };
        world.admin().extend(&first.id, first.version, &extension, &key()).await.unwrap();
        world.pass(TimeDelta::hours(1));
        world.grant_in(&second.id, &["ended"]).await;
        let longer = ada.grant(&first.id).await.unwrap();
        assert_eq!((longer.state.as_str(), longer.expires_at), ("active", first.expires_at + TimeDelta::minutes(30)));
        world.pass(TimeDelta::minutes(30));
        let ended = world.grant_in(&first.id, &["ended"]).await;
        assert_eq!(ended.ended_at, Some(first.expires_at + TimeDelta::minutes(30)));
    }
}

on_both! {
    async fn an_extension_that_nobody_decides_is_over_with_its_grant(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        world.pass(TimeDelta::minutes(50));
        let extension = NewExtension { by: "30m".to_owned(), reason: "still at it".to_owned() };
        let request = ada.extend(&grant.id, grant.version, &extension, &key()).await.unwrap();
        assert_eq!(request.decide_by, grant.expires_at);
        world.pass(TimeDelta::minutes(10));
        world.request_in(&request.id, &["expired"]).await;
        world.grant_in(&grant.id, &["ended"]).await;
        assert_eq!(world.events(&["grant.extended"]).await, [0]);
    }
}

on_both! {
    async fn an_access_token_lives_ten_minutes_and_a_sign_in_as_long_as_it_is_used(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let (http, tokens) = (world.http(&ada), ada.session().tokens().unwrap());
        assert_eq!(tokens.access_expires_at - world.now().await, TimeDelta::minutes(10));
        world.pass(TimeDelta::minutes(10) - MOMENT);
        assert_eq!(http.get("/v1/me").await.status, 200);
        world.pass(MOMENT);
        assert_eq!(http.get("/v1/me").await.problem(), (401, "token-expired".to_owned()));
        let refresh = async |token: &str| {
            Http::device_of(&world.url(), &ada).post("/v1/tokens/refresh", None, json!({ "refresh_token": token })).await
        };
        // Every thirteen days is often enough where fourteen may be idle, until thirty have passed.
        let mut token = tokens.refresh_token;
        for _ in 0..2 {
            world.pass(TimeDelta::days(13));
            token = refresh(&token).await.text("refresh_token");
        }
        world.pass(TimeDelta::days(4));
        assert_eq!(refresh(&token).await.problem(), (401, "not-signed-in".to_owned()));
        let ben = world.nobody();
        assert!(ben.me().await.is_err());
    }
}

on_both! {
    async fn a_refresh_token_that_nobody_uses_is_over_after_two_weeks(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let token = ada.session().tokens().unwrap().refresh_token;
        world.pass(TimeDelta::days(14));
        let answer = Http::device_of(&world.url(), &ada).post("/v1/tokens/refresh", None, json!({ "refresh_token": token })).await;
        assert_eq!(answer.problem(), (401, "not-signed-in".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_overdue_at_a_start_is_done_at_once() {
    let mut world = World::with_clock(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let request = submit(&ada).await;
    world.stop().await;
    // A node that was killed with work in hand leaves its lease behind.
    world.execute("update outbox set lease_owner = 'somebody who was killed', lease_until = 9999999999999").await;
    world.pass(TimeDelta::days(2));
    world.restart().await;
    let gate = std::sync::Arc::clone(world.gate());
    let mut size = gate.store().watch_head();
    let wait = async {
        while world
            .number("select count(*) from grants where state = 'ended'")
            .await
            == 0
            || world
                .number("select count(*) from requests where state = 'expired'")
                .await
                == 0
        {
            size.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), wait)
        .await
        .expect("within seconds of the start");
    drop((grant, request));
}
