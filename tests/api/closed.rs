//! Without its event no change happens, and while the log does not keep up nothing is decided.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError};
use portcullis::store::Location;
use portcullis::wire::{
    Approval, Denial, Invitation, Lifting, LockOn, LogRecovery, NewExtension, NewLock, NewService,
    Revocation,
};

use super::refused;
use crate::support::http::Http;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

/// Makes every write of this kind on a table fail, as a full disk or a lock held too long would.
async fn forbid(world: &World, what: &str, table: &str) {
    let sql = match world.location {
        Location::Sqlite(_) => format!(
            "create trigger forbidden before {what} on {table} begin select raise(abort, 'forbidden'); end"
        ),
        Location::Postgres(_) => format!(
            "create function forbid() returns trigger language plpgsql as $$ begin raise exception 'forbidden'; end $$; \
             create trigger forbidden before {what} on {table} for each row execute function forbid()"
        ),
    };
    world.execute(&sql).await;
}

async fn allow(world: &World, table: &str) {
    let sql = match world.location {
        Location::Sqlite(_) => "drop trigger forbidden".to_owned(),
        Location::Postgres(_) => {
            format!("drop trigger forbidden on {table}; drop function forbid()")
        }
    };
    world.execute(&sql).await;
}

/// How many rows each table has, and how often those that have versions were changed.
async fn rows(world: &World) -> Vec<i64> {
    let mut found = Vec::new();
    for table in [
        "requests",
        "reviews",
        "grants",
        "outbox",
        "idempotency",
        "audit",
        "audit_waiting",
        "locks",
        "incidents",
        "codes",
        "sign_ins",
        "principals",
        "sealed_codes",
        "factors",
        "recovery_codes",
        "passwords",
        "break_glass",
        "notices",
        "log_links",
    ] {
        found.push(world.number(&format!("select count(*) from {table}")).await);
    }
    for table in ["requests", "grants", "locks"] {
        let sql = format!("select cast(coalesce(sum(version), 0) as bigint) from {table}");
        found.push(world.number(&sql).await);
    }
    found.push(
        world
            .number("select count(*) from codes where used_at is not null")
            .await,
    );
    found
}

fn lock(name: &str) -> NewLock {
    NewLock {
        on: LockOn::Principal {
            principal: name.to_owned(),
        },
        reason: "INC-1 leak".to_owned(),
        duration: None,
    }
}

fn invitation(name: &str) -> Invitation {
    Invitation {
        name: name.to_owned(),
        roles: vec!["requester".to_owned()],
        groups: Vec::new(),
    }
}

fn revocation() -> Revocation {
    Revocation {
        reason: "leaving".to_owned(),
    }
}

on_both! {
    async fn without_its_event_no_change_happens(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let grant = world.granted(&ada).await;
        let pending = submit(&ben).await;
        let placed = world.admin().place_lock(&lock("root2"), &key()).await;
        assert!(placed.is_err(), "nobody is called so");
        world.engineer("cyd").await;
        let placed = world.admin().place_lock(&lock("cyd"), &key()).await.unwrap();
        let code = world.admin().invite(&invitation("dan"), &key()).await.unwrap().code;
        world.gate().store().sequence().await.unwrap();
        let (root, before) = (world.admin(), rows(&world).await);
        forbid(&world, "insert", "audit_waiting").await;
        let extension = NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() };
        let denial = Denial { comment: "not now".to_owned() };
        let lifting = Lifting { reason: "calm again".to_owned() };
        let service: NewService = serde_json::from_value(serde_json::json!({
            "name": "bot", "owner": "root", "scopes": ["read"], "expires": "1d",
        })).unwrap();
        let nobody = world.nobody();
        let tried: Vec<(&str, Result<(), ClientError>)> = vec![
            ("submit", ada.submit(&ask(), &key()).await.map(drop)),
            ("approve", root.approve(&pending.id, pending.version, &Approval::default(), &key()).await.map(drop)),
            ("deny", root.deny(&pending.id, pending.version, &denial, &key()).await.map(drop)),
            ("withdraw", ben.withdraw(&pending.id, pending.version, &key()).await.map(drop)),
            ("claim", root.claim(&pending.id, &key()).await.map(drop)),
            ("extend", ada.extend(&grant.id, grant.version, &extension, &key()).await.map(drop)),
            ("return", ada.give_back(&grant.id, grant.version, &key()).await.map(drop)),
            ("revoke", root.revoke(&grant.id, grant.version, &revocation(), &key()).await.map(drop)),
            ("lock", root.place_lock(&lock("ada"), &key()).await.map(drop)),
            ("unlock", root.lift(&placed.id, placed.version, &lifting, &key()).await.map(drop)),
            ("invite", root.invite(&invitation("eve"), &key()).await.map(drop)),
            ("service account", root.create_service(&service, &key()).await.map(drop)),
            ("sealed codes", root.seal(&serde_json::from_value(serde_json::json!({"name": "ada", "count": 2, "expires": "30d"})).unwrap(), &key()).await.map(drop)),
            ("rotate the key of the log", root.rotate_log_key(&key()).await.map(drop)),
            ("sign in", nobody.sign_in(&code, None, Some("test")).await.map(drop)),
        ];
        for (what, result) in tried {
            let error = result.err().unwrap_or_else(|| panic!("`{what}` happened without its event"));
            assert_eq!(error.code(), Some("fault"), "{what}: {error:?}");
        }
        assert_eq!(rows(&world).await, before, "something of it is there");
        allow(&world, "audit_waiting").await;
        ben.withdraw(&pending.id, pending.version, &key()).await.unwrap();
    }
}

/// Everything that gives access is refused.
async fn nothing_is_decided(world: &World, ada: &Client, grant: &str, pending: &str, code: &str) {
    let root = world.admin();
    let seen = root.grant(grant).await.unwrap();
    let extension = NewExtension {
        by: "15m".to_owned(),
        reason: "still at it".to_owned(),
    };
    let request = root.request(pending).await.unwrap();
    let denial = Denial {
        comment: "not now".to_owned(),
    };
    assert_eq!(refused(ada.submit(&ask(), &key()).await), code);
    assert_eq!(
        refused(ada.extend(grant, seen.version, &extension, &key()).await),
        code
    );
    assert_eq!(
        refused(
            root.approve(pending, request.version, &Approval::default(), &key())
                .await
        ),
        code
    );
    assert_eq!(
        refused(root.deny(pending, request.version, &denial, &key()).await),
        code
    );
}

on_both! {
    async fn nothing_is_decided_while_the_log_is_stuck_and_everything_ends(world: World, clock by hand) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (cyd, dan) = (world.engineer("cyd").await, world.engineer("dan").await);
        let (first, second) = (world.granted(&ada).await, world.granted(&ben).await);
        let third = world.granted(&cyd).await;
        world.gate().store().sequence().await.unwrap();
        forbid(&world, "update", "log_head").await;
        // What happens now waits for its place; for a while nobody minds.
        let pending = submit(&dan).await;
        world.pass(TimeDelta::minutes(4));
        world.engineer("eve").await;
        world.pass(TimeDelta::seconds(61));
        nothing_is_decided(&world, &ada, &first.id, &pending.id, "log-stuck").await;
        let answer = Http::nobody(&world.url()).get("/readyz").await;
        assert_eq!(answer.status, 503);
        assert!(answer.text.contains("audit events wait for their index since"), "{}", answer.text);
        world.gate().watch_log().await.unwrap();
        let metrics = world.http(world.admin()).get("/metrics").await;
        assert!(metrics.text.contains("portcullis_audit_waiting_seconds"), "{}", metrics.text);
        // What ends access goes on.
        let root = world.admin();
        root.revoke(&first.id, first.version, &revocation(), &key()).await.unwrap();
        ben.give_back(&second.id, second.version, &key()).await.unwrap();
        dan.withdraw(&pending.id, pending.version, &key()).await.unwrap();
        let placed = root.place_lock(&lock("dan"), &key()).await.unwrap();
        world.grant_in(&first.id, &["revoked"]).await;
        world.grant_in(&second.id, &["returned"]).await;
        let lifting = Lifting { reason: "calm again".to_owned() };
        assert_eq!(refused(root.lift(&placed.id, placed.version, &lifting, &key()).await), "log-stuck");
        world.pass(TimeDelta::minutes(60));
        world.grant_in(&third.id, &["ended"]).await;
        // With the log everything else goes on.
        allow(&world, "log_head").await;
        world.gate().store().sequence().await.unwrap();
        submit(&ada).await;
        assert_eq!(Http::nobody(&world.url()).get("/readyz").await.status, 200);
    }
}

on_both! {
    async fn nothing_is_given_on_a_record_that_was_rolled_back_and_everything_ends(world: World) {
        let (ada, ben, dan) = (world.engineer("ada").await, world.engineer("ben").await, world.engineer("dan").await);
        let (first, second) = (world.granted(&ada).await, world.granted(&ben).await);
        let pending = submit(&dan).await;
        world.gate().store().sequence().await.unwrap();
        world.gate().publish().await.unwrap();
        // Somebody puts the database of an hour ago under the running node.
        let last = world.number("select size from log_head").await - 1;
        world.cut_back(last, None).await;
        world.gate().publish().await.unwrap();
        nothing_is_decided(&world, &ada, &first.id, &pending.id, "log-rewritten").await;
        // What ends access goes on.
        let root = world.admin();
        root.revoke(&first.id, first.version, &revocation(), &key()).await.unwrap();
        ben.give_back(&second.id, second.version, &key()).await.unwrap();
        dan.withdraw(&pending.id, pending.version, &key()).await.unwrap();
        world.grant_in(&first.id, &["revoked"]).await;
        world.grant_in(&second.id, &["returned"]).await;
        // Once an admin has said that it goes on from here, it does.
        let recovery = LogRecovery { reason: "INC-7 the disk of the database broke".to_owned() };
        root.recover_log(&recovery, &key()).await.unwrap();
        submit(&ada).await;
    }
}

on_both! {
    async fn a_clock_that_is_set_does_not_make_a_log_stuck(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        for hour in 1..=10 {
            // What was just written has not its place yet, or has it by now.
            world.engineer(&format!("e{hour}")).await;
            world.pass(TimeDelta::hours(1));
            let request = submit(&ada).await;
            ada.withdraw(&request.id, request.version, &key()).await.unwrap();
        }
    }
}
