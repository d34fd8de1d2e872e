//! Locks and incidents while others approve, return and extend.

use futures_util::future::join_all;
use portcullis::wire::{
    Approval, IncidentCommit, IncidentPreviewAsk, IncidentScope, LockOn, NewExtension, NewLock,
};

use super::outcome;
use crate::support::world::{Backend, World, key, on_both, submit};

on_both! {
    async fn no_approval_slips_past_a_lock(world: World) {
        let root = world.admin();
        for round in 0..5 {
            let mut requests = Vec::new();
            for nth in 0..8 {
                let who = world.engineer(&format!("e{round}x{nth}")).await;
                requests.push(submit(&who).await);
            }
            let (approval, keys): (_, Vec<_>) = (Approval::default(), (0..9).map(|_| key()).collect());
            let new = NewLock {
                on: LockOn::Target { target: "bastion".to_owned() },
                reason: "INC-1 leak".to_owned(),
                duration: None,
            };
            let approve = async |nth: usize| root.approve(&requests[nth].id, 1, &approval, &keys[nth]).await;
            let (lock, approved) = tokio::join!(root.place_lock(&new, &keys[8]), join_all((0..8).map(approve)));
            let lock = lock.unwrap();
            let (won, lost) = outcome(approved);
            assert!(lost.iter().all(|code| code == "locked"), "{lost:?}");
            for request in won {
                let gone = world.grant_in(request.grant.as_deref().unwrap(), &["revoked"]).await;
                assert_eq!(gone.close_reason, Some(format!("lock {}: INC-1 leak", lock.id)));
            }
            let open = "select count(*) from grants where state in ('scheduled', 'activating', 'active')";
            assert_eq!(world.number(open).await, 0);
            let lifting = portcullis::wire::Lifting { reason: "calm again".to_owned() };
            root.lift(&lock.id, lock.version, &lifting, &key()).await.unwrap();
        }
        let closings = world.on_record("code = 'grant.closing'").await;
        let grants = world.number("select count(*) from grants").await;
        assert_eq!(closings, grants, "one event for each grant");
    }
}

on_both! {
    async fn an_incident_reports_what_others_did_in_the_same_moment(world: World) {
        let root = world.admin();
        let ada = world.engineer("ada").await;
        for _ in 0..4 {
            let mut grants = Vec::new();
            for _ in 0..6 {
                grants.push(world.granted(&ada).await);
            }
            let ask = IncidentPreviewAsk {
                scope: IncidentScope { everything: true, ..IncidentScope::default() },
                ..IncidentPreviewAsk::default()
            };
            let preview = root.preview_incident(&ask).await.unwrap();
            let commit = IncidentCommit {
                token: preview.token.clone(),
                ask,
                items: preview.items.clone(),
                keep: Vec::new(),
                count: u32::try_from(preview.items.len()).unwrap(),
                reason: "INC-1 leak".to_owned(),
            };
            let keys: Vec<_> = (0..7).map(|_| key()).collect();
            let extension = NewExtension { by: "1m".to_owned(), reason: "still at it".to_owned() };
            let disturb = async |nth: usize| {
                let grant = &grants[nth];
                // Some are returned, some extended, some left alone.
                match nth % 3 {
                    0 => ada.give_back(&grant.id, grant.version, &keys[nth]).await.is_ok(),
                    1 => root.extend(&grant.id, grant.version, &extension, &keys[nth]).await.is_ok(),
                    _ => true,
                }
            };
            let (started, _) = tokio::join!(root.commit_incident(&commit, &keys[6]), join_all((0..6).map(disturb)));
            let id = started.unwrap().id;
            let over = world.until("the incident is done", async || {
                let now = root.incident(&id).await.unwrap();
                now.done.then_some(now)
            }).await;
            assert_eq!(over.items.len(), preview.items.len());
            for item in &over.items {
                let grant = root.grant(&item.id).await.unwrap();
                match item.outcome.as_str() {
                    "revoked" => assert_eq!(grant.state, "revoked"),
                    "already_over" => assert_eq!(grant.state, "returned"),
                    "changed" => {
                        assert_eq!((grant.state.as_str(), grant.extensions), ("active", 1));
                        let revocation = portcullis::wire::Revocation { reason: "tidying up".to_owned() };
                        root.revoke(&grant.id, grant.version, &revocation, &key()).await.unwrap();
                        world.grant_in(&grant.id, &["revoked"]).await;
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }
}

on_both! {
    async fn one_dry_run_is_committed_once_however_many_send_it(world: World) {
        let root = world.admin();
        let ada = world.engineer("ada").await;
        world.granted(&ada).await;
        let ask = IncidentPreviewAsk {
            scope: IncidentScope { everything: true, ..IncidentScope::default() },
            ..IncidentPreviewAsk::default()
        };
        let preview = root.preview_incident(&ask).await.unwrap();
        let commit = IncidentCommit {
            token: preview.token,
            ask,
            items: preview.items,
            keep: Vec::new(),
            count: 1,
            reason: "INC-1 leak".to_owned(),
        };
        let send = async |_| root.commit_incident(&commit, &key()).await;
        let (won, lost) = outcome(join_all((0..8).map(send)).await);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|code| code == "preview-not-valid"), "{lost:?}");
        assert_eq!(world.events(&["incident.started", "grant.closing"]).await, [1, 1]);
    }
}
