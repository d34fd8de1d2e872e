//! Placing and lifting locks, and what a lock in force stands in the way of.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError, GrantsQuery};
use portcullis::wire::{
    AllowedAction, Approval, CredentialAsk, Lifting, LockOn, LockView, NewExtension, NewLock,
    NewRequest,
};
use serde_json::json;

use super::refused;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, on_both, submit};

fn target(name: &str) -> LockOn {
    LockOn::Target {
        target: name.to_owned(),
    }
}

fn person(name: &str) -> LockOn {
    LockOn::Principal {
        principal: name.to_owned(),
    }
}

fn role(name: &str) -> LockOn {
    LockOn::Role {
        target: "bastion".to_owned(),
        role: name.to_owned(),
    }
}

fn tag(value: &str) -> LockOn {
    LockOn::Tag {
        name: "env".to_owned(),
        value: value.to_owned(),
    }
}

async fn place(who: &Client, on: LockOn) -> Result<LockView, ClientError> {
    let new = NewLock {
        on,
        reason: "INC-1 leak".to_owned(),
        duration: None,
    };
    who.place_lock(&new, &key()).await
}

async fn lift(who: &Client, lock: &LockView) -> Result<LockView, ClientError> {
    let lifting = Lifting {
        reason: "calm again".to_owned(),
    };
    who.lift(&lock.id, lock.version, &lifting, &key()).await
}

fn said<'a>(actions: &'a [AllowedAction], name: &str) -> Option<&'a str> {
    let action = actions.iter().find(|action| action.action == name).unwrap();
    action.reason.as_deref()
}

fn certified() -> CredentialAsk {
    CredentialAsk {
        public_key: Some(PUBLIC_KEY.to_owned()),
    }
}

on_both! {
    async fn a_lock_takes_away_what_it_matches_and_lets_nothing_new_begin(world: World) {
        let (ada, rita) = (world.engineer("ada").await, world.reviewer("rita").await);
        let grant = world.granted(&ada).await;
        let pending = submit(&ada).await;
        let lock = place(&rita, target("bastion")).await.unwrap();
        assert_eq!((lock.state.as_str(), lock.placed_by.as_str(), lock.grants_closed, lock.version), ("in_force", "rita", 1, 1));
        assert_eq!(refused(ada.credential(&grant.id, &certified(), &key()).await), "grant-not-active");
        let gone = world.grant_in(&grant.id, &["revoked"]).await;
        assert_eq!(gone.close_reason, Some(format!("lock {}: INC-1 leak", lock.id)));
        assert_eq!(gone.closed_by.as_deref(), Some("rita"));
        let other = NewRequest { role: "admin".to_owned(), ..ask() };
        let error = ada.submit(&other, &key()).await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Some("locked"), "there is a lock on target `bastion`"));
        assert_eq!(error.hint().unwrap(), format!("`rita` placed it as `{0}`; a reviewer or an admin can lift it: `portcullis unlock {0}`", lock.id));
        let approve = async || world.admin().approve(&pending.id, 1, &Approval::default(), &key()).await;
        assert_eq!(refused(approve().await), "locked");
        let seen = world.admin().request(&pending.id).await.unwrap();
        assert_eq!(said(&seen.allowed_actions, "approve"), Some("there is a lock on target `bastion`"));
        assert_eq!(said(&seen.allowed_actions, "deny"), None, "saying no is always possible");
        // Lifted, the request can be approved; the grant stays gone.
        let lifted = lift(&rita, &lock).await.unwrap();
        assert_eq!((lifted.state.as_str(), lifted.lifted_by.as_deref(), lifted.version), ("lifted", Some("rita"), 2));
        assert_eq!(world.admin().grant(&grant.id).await.unwrap().state, "revoked");
        let approved = approve().await.unwrap();
        world.grant_in(approved.grant.as_deref().unwrap(), &["active"]).await;
        assert_eq!(refused(lift(&rita, &lifted).await), "lock-over");
    }
}

on_both! {
    async fn each_kind_of_lock_matches_what_it_names(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let root = world.admin();
        let (adas, bens) = (world.granted(&ada).await, world.granted(&ben).await);
        let lock = place(root, person("ada")).await.unwrap();
        assert_eq!(lock.grants_closed, 1);
        world.grant_in(&adas.id, &["revoked"]).await;
        assert_eq!(root.grant(&bens.id).await.unwrap().state, "active");
        assert_eq!(refused(ada.submit(&ask(), &key()).await), "locked");
        // Who is locked can still read.
        assert_eq!(ada.me().await.unwrap().name, "ada");
        assert!(!ada.grants(&GrantsQuery::default()).await.unwrap().items.is_empty());
        lift(root, &lock).await.unwrap();
        let lock = place(root, role("admin")).await.unwrap();
        assert_eq!(lock.grants_closed, 0);
        let admin = NewRequest { role: "admin".to_owned(), ..ask() };
        assert_eq!(refused(ada.submit(&admin, &key()).await), "locked");
        let extension = NewExtension { by: "5m".to_owned(), reason: "still at it".to_owned() };
        root.extend(&bens.id, bens.version, &extension, &key()).await.unwrap();
        lift(root, &lock).await.unwrap();
        let lock = place(root, tag("prod")).await.unwrap();
        assert_eq!(lock.grants_closed, 1);
        world.grant_in(&bens.id, &["revoked"]).await;
        lift(root, &lock).await.unwrap();
        let (again, lock) = (world.granted(&ben).await, place(root, LockOn::Everything).await.unwrap());
        assert_eq!((lock.grants_closed, lock.on), (1, LockOn::Everything));
        world.grant_in(&again.id, &["revoked"]).await;
    }
}

on_both! {
    async fn a_lock_that_would_match_nothing_by_mistake_is_refused(world: World) {
        let root = world.admin();
        assert_eq!(refused(place(root, target("bastoin")).await), "unknown-target");
        assert_eq!(refused(place(root, role("root")).await), "unknown-role");
        assert_eq!(refused(place(root, person("nobody")).await), "not-found");
        assert_eq!(refused(place(root, tag("pord")).await), "not-found");
        assert_eq!(refused(place(root, person("root")).await), "self-lock");
        let new = NewLock { on: target("bastion"), reason: " ".to_owned(), duration: None };
        assert_eq!(refused(root.place_lock(&new, &key()).await), "bad-reason");
        let new = NewLock { on: target("bastion"), reason: "INC-1".to_owned(), duration: Some("soon".to_owned()) };
        assert_eq!(refused(root.place_lock(&new, &key()).await), "bad-input");
        assert!(root.locks(true, None).await.unwrap().items.is_empty());
    }
}

on_both! {
    async fn a_lock_that_names_more_than_its_kind_has_is_refused(world: World) {
        let root = world.http(world.admin());
        let on = json!({ "kind": "target", "target": "bastion", "role": "readonly" });
        let answer = root.post("/v1/locks", None, json!({ "on": on, "reason": "INC-1 leak" })).await;
        assert_eq!(answer.problem(), (400, "malformed".to_owned()));
        assert!(world.admin().locks(true, None).await.unwrap().items.is_empty());
    }
}

on_both! {
    async fn only_admins_lock_everything_and_nobody_locked_lifts_or_approves(world: World) {
        let (ada, rita) = (world.engineer("ada").await, world.reviewer("rita").await);
        assert_eq!(refused(place(&ada, target("bastion")).await), "not-allowed");
        assert_eq!(refused(place(&rita, LockOn::Everything).await), "not-allowed");
        let everything = place(world.admin(), LockOn::Everything).await.unwrap();
        assert_eq!(refused(lift(&rita, &everything).await), "not-allowed");
        lift(world.admin(), &everything).await.unwrap();
        let pending = submit(&ada).await;
        let on_rita = place(world.admin(), person("rita")).await.unwrap();
        assert_eq!(refused(lift(&rita, &on_rita).await), "locked");
        assert_eq!(refused(rita.approve(&pending.id, 1, &Approval::default(), &key()).await), "locked");
        let seen = rita.lock(&on_rita.id).await.unwrap();
        assert_eq!(said(&seen.allowed_actions, "lift"), Some("there is a lock on `rita`"));
        lift(world.admin(), &on_rita).await.unwrap();
        rita.approve(&pending.id, 1, &Approval::default(), &key()).await.unwrap();
    }
}

on_both! {
    async fn a_lock_with_an_end_is_over_without_anybody(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let new = NewLock { on: target("bastion"), reason: "INC-1".to_owned(), duration: Some("5m".to_owned()) };
        let lock = world.admin().place_lock(&new, &key()).await.unwrap();
        assert_eq!(lock.ends_at, Some(lock.created_at + TimeDelta::minutes(5)));
        world.pass(TimeDelta::minutes(5) - TimeDelta::milliseconds(1));
        assert_eq!(refused(ada.submit(&ask(), &key()).await), "locked");
        world.pass(TimeDelta::milliseconds(1));
        submit(&ada).await;
        let over = world.admin().lock(&lock.id).await.unwrap();
        assert_eq!(over.state, "over");
        assert_eq!(refused(lift(world.admin(), &over).await), "lock-over");
        assert!(world.admin().locks(false, None).await.unwrap().items.is_empty());
        assert_eq!(world.admin().locks(true, None).await.unwrap().items, [over]);
    }
}

on_both! {
    async fn locks_are_listed_in_pages_by_state(world: World) {
        let (root, auditor) = (world.admin(), world.person("amy", &["auditor"], &[]).await);
        let mut placed = Vec::new();
        for on in [target("bastion"), role("admin"), tag("prod")] {
            placed.push(place(root, on).await.unwrap().id);
        }
        let http = world.http(&auditor);
        let mut pages = Vec::new();
        let mut after = String::new();
        loop {
            let page = http.get(&format!("/v1/locks?limit=1{after}")).await.json();
            pages.extend(page["items"].as_array().unwrap().iter().map(|lock| lock["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        placed.reverse();
        assert_eq!(pages, placed);
        let seen = auditor.lock(&placed[0]).await.unwrap();
        assert_eq!(said(&seen.allowed_actions, "lift"), Some("you may not place or lift locks: that needs the product role reviewer"));
        for path in ["/v1/locks?state=gone", "/v1/locks?limit=0", "/v1/locks?x=1", "/v1/locks?after=x"] {
            assert_eq!(http.get(path).await.problem().0, 400, "{path}");
        }
        let ada = world.engineer("ada").await;
        assert_eq!(refused(ada.locks(false, None).await), "not-allowed");
        let stale = Lifting { reason: "calm".to_owned() };
        assert_eq!(refused(root.lift(&placed[0], 7, &stale, &key()).await), "conflict");
        // The same call again answers the same, and writes nothing twice.
        let (new, once) = (NewLock { on: target("bastion"), reason: "INC-2".to_owned(), duration: None }, key());
        let (first, second) = (root.place_lock(&new, &once).await.unwrap(), root.place_lock(&new, &once).await.unwrap());
        assert_eq!(first.id, second.id);
        assert_eq!(world.events(&["lock.placed", "lock.lifted"]).await, [4, 0]);
    }
}

on_both! {
    async fn a_grant_that_waits_for_its_start_goes_too(world: World) {
        let ada = world.engineer("ada").await;
        let start = world.now().await + TimeDelta::hours(2);
        let later = NewRequest { not_before: Some(start), ..ask() };
        let request = ada.submit(&later, &key()).await.unwrap();
        let approved = world.admin().approve(&request.id, 1, &Approval::default(), &key()).await.unwrap();
        let id = approved.grant.unwrap();
        world.grant_in(&id, &["scheduled"]).await;
        let lock = place(world.admin(), person("ada")).await.unwrap();
        assert_eq!(lock.grants_closed, 1);
        world.grant_in(&id, &["revoked"]).await;
        let log = world.audit().await;
        let closing = log.iter().find(|event| event.event == "grant.closing").unwrap();
        assert_eq!((closing.actor.name.as_str(), closing.details["lock"].as_str()), ("root", Some(lock.id.as_str())));
        let placed = log.iter().find(|event| event.event == "lock.placed").unwrap();
        assert_eq!(placed.sentence, "root placed a lock on `ada`: INC-1 leak");
        assert_eq!((placed.trace.as_ref(), placed.principal.as_deref()), (closing.trace.as_ref(), Some("ada")));
    }
}

on_both! {
    async fn a_grant_that_slips_past_a_lock_gives_nothing_and_goes(world: World) {
        // As if the approval had committed in the same moment: the lock was placed without seeing the grant.
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let lock = place(world.admin(), target("bastion")).await.unwrap();
        world.grant_in(&grant.id, &["revoked"]).await;
        world.execute("update grants set state = 'active', close_kind = null, close_reason = null, closed_by_id = null, closed_by_name = null, ended_at = null").await;
        world.gate().enforce_locks().await.unwrap();
        let gone = world.grant_in(&grant.id, &["revoked"]).await;
        assert_eq!((gone.close_reason, gone.closed_by), (Some(format!("lock {}: INC-1 leak", lock.id)), None));
    }
}
