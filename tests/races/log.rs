//! The audit log under many writers: dense, complete, and never left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use portcullis::domain::event::{Actor, Event, EventCode};
use portcullis::store::{Clock, Store};
use portcullis::wire::{Approval, Denial, NewExtension, Revocation};

use crate::support::world::{Backend, World, ask, key, on_both, submit};

on_both! {
    async fn two_sequencers_number_every_event_once_without_a_gap(world: World) {
        let other = Arc::new(Store::open(&world.location, Clock::Database).await.unwrap());
        let gate = world.gate();
        let write = async |nth: usize| {
            let event = Event::new(EventCode::ConfigLoaded, Actor::System).detail("nth", nth);
            gate.record(event).await.unwrap();
            if nth.is_multiple_of(3) {
                other.sequence().await.unwrap();
            }
            if nth.is_multiple_of(5) {
                gate.store().sequence().await.unwrap();
            }
        };
        for batch in 0..10 {
            join_all((batch * 20..batch * 20 + 20).map(write)).await;
        }
        let (here, there) = tokio::join!(gate.store().sequence(), other.sequence());
        assert_eq!(here.unwrap(), there.unwrap());
        let log = world.audit().await;
        let dense = log.iter().zip(0..).all(|(event, index)| event.index == index);
        assert!(dense, "{:?}", log.iter().map(|event| event.index).collect::<Vec<_>>());
        let ids: BTreeSet<_> = log.iter().map(|event| &event.id).collect();
        assert_eq!(ids.len(), log.len());
        let loaded: BTreeSet<_> = log.iter().filter_map(|event| event.details.get("nth")?.as_u64()).collect();
        assert_eq!(loaded, (0..200).collect());
        assert_eq!(world.number("select count(*) from audit_waiting").await, 0);
        other.close().await;
    }
}

/// Everything that one engineer and the reviewers do in a busy hour.
async fn busy(world: &World, nth: usize) {
    let who = world.engineer(&format!("e{nth}")).await;
    let root = world.admin();
    let reason = || "leaving".to_owned();
    let request = submit(&who).await;
    if nth % 5 == 1 {
        who.withdraw(&request.id, request.version, &key())
            .await
            .unwrap();
        return;
    }
    if nth % 5 == 2 {
        root.deny(
            &request.id,
            request.version,
            &Denial { comment: reason() },
            &key(),
        )
        .await
        .unwrap();
        return;
    }
    let approved = root
        .approve(&request.id, request.version, &Approval::default(), &key())
        .await
        .unwrap();
    let grant = world
        .grant_in(approved.grant.as_deref().unwrap(), &["active"])
        .await;
    let extension = NewExtension {
        by: "15m".to_owned(),
        reason: reason(),
    };
    if nth % 5 == 3 {
        who.extend(&grant.id, grant.version, &extension, &key())
            .await
            .unwrap();
    } else {
        root.extend(&grant.id, grant.version, &extension, &key())
            .await
            .unwrap();
    }
    let grant = root.grant(&grant.id).await.unwrap();
    if nth.is_multiple_of(2) {
        who.give_back(&grant.id, grant.version, &key())
            .await
            .unwrap();
    } else {
        root.revoke(
            &grant.id,
            grant.version,
            &Revocation { reason: reason() },
            &key(),
        )
        .await
        .unwrap();
    }
    world.grant_in(&grant.id, &["returned", "revoked"]).await;
}

on_both! {
    async fn every_state_change_has_exactly_one_event(world: World) {
        join_all((0..15).map(|nth| busy(&world, nth))).await;
        let changes = world.number("select cast((select sum(version) from requests) + (select sum(version) from grants) as bigint)").await;
        let explained = "(code like 'request.%' or code like 'review.%' or code like 'grant.%') and code <> 'grant.close_ignored'";
        assert_eq!(world.on_record(explained).await, changes);
        // For each record on its own, too.
        world.audit().await;
        let mismatched = "select count(*) from grants g where g.version <> (select count(*) from audit a where a.grant_id = g.id and a.code like 'grant.%' and a.code <> 'grant.close_ignored')";
        assert_eq!(world.number(mismatched).await, 0);
        // Events of one call share its trace with the work that follows from it.
        let log = world.audit().await;
        let revoked = log.iter().find(|event| event.event == "grant.revoked").unwrap();
        let closing = log.iter().find(|event| event.event == "grant.closing" && event.grant == revoked.grant).unwrap();
        assert_eq!(closing.trace, revoked.trace);
        assert_eq!((closing.channel.as_str(), revoked.channel.as_str()), ("cli", "system"));
    }
}

on_both! {
    async fn what_cannot_be_put_on_record_does_not_happen(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        let ben = world.engineer("ben").await;
        let before = world.audit().await.len();
        let (spoil, repair) = match world.location {
            portcullis::store::Location::Sqlite(_) => (
                "create trigger no_record before insert on audit_waiting begin select raise(abort, 'the disk is full'); end",
                "drop trigger no_record",
            ),
            portcullis::store::Location::Postgres(_) => (
                "create function no_record() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
                 create trigger no_record before insert on audit_waiting for each row execute function no_record()",
                "drop trigger no_record on audit_waiting",
            ),
        };
        world.execute(spoil).await;
        let once = key();
        let approve = async || world.admin().approve(&request.id, request.version, &Approval::default(), &once).await;
        let code = |error: portcullis::client::ClientError| error.code().map(str::to_owned);
        assert_eq!(code(approve().await.unwrap_err()).as_deref(), Some("fault"));
        assert_eq!(code(ben.submit(&ask(), &key()).await.unwrap_err()).as_deref(), Some("fault"));
        let http = world.http(&ada);
        let refused = http.post("/v1/sign-out", None, serde_json::Value::Null).await;
        assert_eq!(refused.problem(), (500, "fault".to_owned()));
        assert_eq!(http.get("/v1/me").await.status, 200, "the sign-in ended without a word");
        assert_eq!(world.number("select count(*) from requests where state <> 'pending'").await, 0);
        assert_eq!(world.number("select (select count(*) from grants) + (select count(*) from reviews) + (select count(*) from outbox)").await, 0);
        assert_eq!(world.number("select count(*) from requests").await, 1);
        world.execute(repair).await;
        // Nothing of it is left, and not even the key is used up.
        assert_eq!(world.audit().await.len(), before);
        assert_eq!(approve().await.unwrap().state, "approved");
    }
}
