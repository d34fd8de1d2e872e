//! The same call many times: one effect, one event, one answer.

use futures_util::future::join_all;
use portcullis::wire::{Approval, CredentialAsk, Invitation, NewExtension, Revocation};
use serde_json::json;

use super::outcome;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, on_both, submit};

on_both! {
    async fn one_call_sent_fifty_times_happens_once(world: World) {
        let ada = world.engineer("ada").await;
        let root = world.admin();
        let once = key();
        let (won, lost) = outcome(join_all((0..50).map(|_| async { ada.submit(&ask(), &once).await })).await);
        assert_eq!((won.len(), lost.as_slice()), (50, &[][..]));
        assert!(won.iter().all(|request| request.id == won[0].id));
        let request = &won[0];

        let (once, approval) = (key(), Approval::default());
        let approve = async |_| root.approve(&request.id, request.version, &approval, &once).await;
        let (won, lost) = outcome(join_all((0..50).map(approve)).await);
        assert_eq!((won.len(), lost.as_slice()), (50, &[][..]));
        assert!(won.iter().all(|seen| seen.grant.is_some() && seen.grant == won[0].grant));
        let grant = world.grant_in(won[0].grant.as_deref().unwrap(), &["active"]).await;

        let (once, extension) = (key(), NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() });
        let extend = async |_| root.extend(&grant.id, grant.version, &extension, &once).await;
        let (won, lost) = outcome(join_all((0..50).map(extend)).await);
        assert_eq!((won.len(), lost.as_slice()), (50, &[][..]));
        assert!(won.iter().all(|seen| seen.id == won[0].id));
        let longer = root.grant(&grant.id).await.unwrap();
        assert_eq!(longer.expires_at, grant.expires_at + chrono::TimeDelta::minutes(15));

        let (once, revocation) = (key(), Revocation { reason: "leaving".to_owned() });
        let revoke = async |_| root.revoke(&grant.id, longer.version, &revocation, &once).await;
        let (won, lost) = outcome(join_all((0..50).map(revoke)).await);
        assert_eq!((won.len(), lost.as_slice()), (50, &[][..]));
        world.grant_in(&grant.id, &["revoked"]).await;

        let events = ["request.submitted", "request.approved", "grant.scheduled", "grant.extended", "grant.closing", "grant.revoked"];
        assert_eq!(world.events(&events).await, [2, 2, 1, 1, 1, 1]);
    }
}

on_both! {
    async fn a_key_is_good_for_one_call_of_one_person(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let once = key();
        let first = ada.submit(&ask(), &once).await.unwrap();
        let mut other = ask();
        other.duration = "2h".to_owned();
        let refused = ada.submit(&other, &once).await.unwrap_err();
        assert_eq!(refused.code(), Some("idempotency-key-reused"));
        let refused = ada.withdraw(&first.id, first.version, &once).await.unwrap_err();
        assert_eq!(refused.code(), Some("idempotency-key-reused"));
        // Another person's key may look the same.
        assert_ne!(ben.submit(&ask(), &once).await.unwrap().id, first.id);
        // A call that was refused has used nothing up.
        let once = key();
        let refused = world.admin().approve(&first.id, 7, &Approval::default(), &once).await.unwrap_err();
        assert_eq!(refused.code(), Some("conflict"));
        assert_eq!(world.admin().approve(&first.id, 1, &Approval::default(), &once).await.unwrap().state, "approved");
    }
}

on_both! {
    async fn an_answer_that_was_lost_can_be_asked_for_again(world: World) {
        let ada = world.engineer("ada").await;
        let once = key();
        let request = ada.submit(&ask(), &once).await.unwrap();
        ada.withdraw(&request.id, request.version, &key()).await.unwrap();
        // The answer tells how things are, not how they were.
        let again = ada.submit(&ask(), &once).await.unwrap();
        assert_eq!((again.id, again.state.as_str()), (request.id, "withdrawn"));
    }
}

on_both! {
    async fn a_code_is_redeemed_once(world: World) {
        let invitation = Invitation { name: "ada".to_owned(), roles: vec!["requester".to_owned()], groups: Vec::new() };
        let code = world.admin().invite(&invitation, &key()).await.unwrap().code;
        let redeem = async |_| world.nobody().sign_in(&code, None, None).await;
        let (won, lost) = outcome(join_all((0..20).map(redeem)).await);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|code| code == "code-not-valid"), "{lost:?}");
        // Nineteen refusals of one kind from one address are one line.
        assert_eq!(world.events(&["auth.refused"]).await, [1]);
    }
}

on_both! {
    async fn a_refresh_sent_side_by_side_keeps_the_sign_in(world: World) {
        let ada = world.engineer("ada").await;
        let http = world.http(&ada);
        let token = ada.session().tokens().unwrap().refresh_token;
        let refresh = async |_| http.post("/v1/tokens/refresh", None, json!({ "refresh_token": token })).await;
        let answers = join_all((0..10).map(refresh)).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:#?}");
        assert_eq!(http.get("/v1/me").await.status, 200);
        assert_eq!(world.events(&["auth.token_reused"]).await, [0]);
    }
}

on_both! {
    async fn a_credential_that_is_asked_for_again_is_on_record_too(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let (once, ask) = (key(), CredentialAsk { public_key: Some(PUBLIC_KEY.to_owned()) });
        ada.credential(&grant.id, &ask, &once).await.unwrap();
        world.pass(chrono::TimeDelta::minutes(4));
        let portcullis::wire::CredentialView::Ssh { ends_at, .. } = ada.credential(&grant.id, &ask, &once).await.unwrap() else {
            panic!("a certificate");
        };
        let recorded = world.number("select credential_ends_at from grants").await;
        assert!(recorded >= ends_at.timestamp_millis(), "{recorded} {ends_at}");
        assert_eq!(world.events(&["credential.issued"]).await, [2]);
        world.admin().revoke(&grant.id, grant.version, &Revocation { reason: "leaving".to_owned() }, &key()).await.unwrap();
        assert_eq!(ada.credential(&grant.id, &ask, &once).await.err().unwrap().code(), Some("grant-not-active"));
    }
}

on_both! {
    async fn a_revoked_sign_in_changes_nothing_more(world: World) {
        let ada = world.engineer("ada").await;
        let sign_in = ada.me().await.unwrap().sign_in;
        // A change that has begun is finished first; the revocation waits for it.
        let store = world.gate().store();
        let mut tx = store.write().await.unwrap();
        tx.hold_sign_in(&sign_in.parse().unwrap()).await.unwrap().unwrap();
        let once = key();
        let mut revoking = std::pin::pin!(world.admin().revoke_sign_in(&sign_in, &once));
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut revoking).await;
        assert!(early.is_err(), "the sign-in ended in the middle of a change: {early:?}");
        store.commit(tx).await.unwrap();
        revoking.await.unwrap();
        // From then on there is no change.
        let refused = world.http(&ada).post("/v1/requests", None, serde_json::to_value(ask()).unwrap()).await;
        assert_eq!(refused.problem(), (401, "token-expired".to_owned()));
        // The same call again is answered as before, and happened once.
        world.admin().revoke_sign_in(&sign_in, &once).await.unwrap();
        assert_eq!(world.events(&["auth.revoked", "request.submitted"]).await, [1, 0]);
        let unknown = world.admin().revoke_sign_in(&sign_in, &key()).await.unwrap_err();
        assert_eq!(unknown.code(), Some("not-found"));
    }
}

on_both! {
    async fn mutations_without_a_proper_key_are_refused(world: World) {
        let ada = world.engineer("ada").await;
        let http = world.http(&ada);
        let submit_with = async |key: Option<&str>| {
            let mut call = http.call(reqwest::Method::POST, "/v1/requests").json(&serde_json::to_value(ask()).unwrap());
            if let Some(key) = key {
                call = call.header("idempotency-key", key);
            }
            call.send().await
        };
        assert_eq!(submit_with(None).await.problem(), (400, "idempotency-key-required".to_owned()));
        for bad in ["", "a b", "a/b", &"x".repeat(65)] {
            assert_eq!(submit_with(Some(bad)).await.problem(), (400, "malformed".to_owned()), "{bad}");
        }
        assert_eq!(submit_with(Some(&"x".repeat(64))).await.status, 201);
        submit(&world.engineer("ben").await).await;
    }
}
