//! Incident mode: the dry run, the commit of exactly what it has shown, and the receipts.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError};
use portcullis::wire::{
    Approval, GrantView, IncidentCommit, IncidentItem, IncidentPreview, IncidentPreviewAsk,
    IncidentReceipt, IncidentScope, IncidentView, LockOn, NewExtension, NewRequest,
};

use super::refused;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

fn scope(change: impl FnOnce(&mut IncidentScope)) -> IncidentPreviewAsk {
    let mut ask = IncidentPreviewAsk::default();
    change(&mut ask.scope);
    ask
}

fn bastion() -> IncidentPreviewAsk {
    scope(|scope| scope.targets.push("bastion".to_owned()))
}

fn everything() -> IncidentPreviewAsk {
    scope(|scope| scope.everything = true)
}

/// The commit of a dry run as it was shown.
fn all(ask: &IncidentPreviewAsk, preview: &IncidentPreview) -> IncidentCommit {
    IncidentCommit {
        token: preview.token.clone(),
        ask: ask.clone(),
        items: preview.items.clone(),
        keep: Vec::new(),
        count: u32::try_from(preview.items.len()).unwrap(),
        reason: "INC-1 leak".to_owned(),
    }
}

async fn shown(who: &Client, ask: &IncidentPreviewAsk) -> (IncidentPreview, IncidentCommit) {
    let preview = who.preview_incident(ask).await.unwrap();
    let commit = all(ask, &preview);
    (preview, commit)
}

async fn send(who: &Client, commit: &IncidentCommit) -> Result<IncidentView, ClientError> {
    who.commit_incident(commit, &key()).await
}

/// Waits until nothing of an incident is left to wait for.
async fn done(world: &World, id: &str) -> IncidentView {
    let look = async || {
        let now = world.admin().incident(id).await.unwrap();
        now.done.then_some(now)
    };
    world.until(&format!("{id} is done"), look).await
}

/// The same token with one bit of its seal changed.
fn flipped(token: &str) -> String {
    let mut letters: Vec<char> = token.chars().collect();
    letters[50] = if letters[50] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

fn of<'a>(incident: &'a IncidentView, id: &str) -> &'a IncidentReceipt {
    incident.items.iter().find(|item| item.id == id).unwrap()
}

async fn extend(world: &World, grant: &GrantView) {
    let extension = NewExtension {
        by: "5m".to_owned(),
        reason: "still at it".to_owned(),
    };
    let root = world.admin();
    root.extend(&grant.id, grant.version, &extension, &key())
        .await
        .unwrap();
}

on_both! {
    async fn what_was_shown_is_taken_away_and_its_target_says_when(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (first, second) = (world.granted(&ada).await, world.granted(&ben).await);
        let pending = submit(&ada).await;
        let mut ask = bastion();
        ask.deny_pending = true;
        let (preview, commit) = shown(world.admin(), &ask).await;
        assert_eq!(preview.grants.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), [first.id.as_str(), second.id.as_str()]);
        assert_eq!((preview.requests[0].id.as_str(), preview.people, preview.items.len()), (pending.id.as_str(), 2, 3));
        assert_eq!(preview.good_until, preview.as_of + TimeDelta::minutes(5));
        assert!(preview.locks.is_empty());
        assert_eq!(world.admin().grant(&first.id).await.unwrap().state, "active", "a dry run changes nothing");
        let started = send(world.admin(), &commit).await.unwrap();
        assert_eq!((started.started_by.as_str(), started.reason.as_str(), started.items.len()), ("root", "INC-1 leak", 3));
        let over = done(&world, &started.id).await;
        for grant in [&first, &second] {
            let receipt = of(&over, &grant.id);
            assert_eq!((receipt.outcome.as_str(), receipt.state.as_str()), ("revoked", "revoked"));
            assert!(receipt.blocked_at.is_some() && receipt.read_back_at >= receipt.blocked_at && receipt.last_error.is_none());
        }
        let denied = of(&over, &pending.id);
        assert_eq!((denied.outcome.as_str(), denied.state.as_str()), ("denied", "denied"));
        let request = ada.request(&pending.id).await.unwrap();
        assert_eq!((request.reviews[0].reviewer.as_str(), request.reviews[0].comment.as_deref()), ("root", Some("INC-1 leak")));
        let log = world.audit().await;
        let began = log.iter().find(|event| event.event == "incident.started").unwrap();
        assert_eq!(began.sentence, "root started an incident on `bastion`: INC-1 leak");
        assert_eq!((began.details["revoked"].as_i64(), began.details["denied"].as_i64()), (Some(2), Some(1)));
        for code in ["grant.closing", "request.denied"] {
            let event = log.iter().find(|event| event.event == code).unwrap();
            assert_eq!(event.details["incident"].as_str(), Some(over.id.as_str()), "{code}");
            assert_eq!(event.trace, began.trace);
        }
        // One event for each change.
        assert_eq!(world.events(&["incident.started", "grant.closing", "request.denied", "grant.revoked"]).await, [1, 2, 1, 2]);
        let list = world.admin().incidents(None).await.unwrap().items;
        assert_eq!((list[0].id.as_str(), list[0].items, list[0].revoking, list[0].done), (over.id.as_str(), 3, 0, true));
    }
}

on_both! {
    async fn what_changed_since_is_reported_and_stays(world: World) {
        let ada = world.engineer("ada").await;
        let (extended, returned, same) = (world.granted(&ada).await, world.granted(&ada).await, world.granted(&ada).await);
        let pending = submit(&ada).await;
        let mut ask = bastion();
        ask.deny_pending = true;
        let (_, commit) = shown(world.admin(), &ask).await;
        extend(&world, &extended).await;
        ada.give_back(&returned.id, returned.version, &key()).await.unwrap();
        world.grant_in(&returned.id, &["returned"]).await;
        ada.withdraw(&pending.id, 1, &key()).await.unwrap();
        let (late, asked) = (world.granted(&ada).await, submit(&ada).await);
        let started = send(world.admin(), &commit).await.unwrap();
        let over = done(&world, &started.id).await;
        let stays = of(&over, &extended.id);
        assert_eq!((stays.outcome.as_str(), stays.state.as_str(), stays.blocked_at), ("changed", "active", None));
        assert!(stays.changed.as_deref().unwrap().starts_with("it was extended to 20"), "{:?}", stays.changed);
        let gone = of(&over, &returned.id);
        assert_eq!((gone.outcome.as_str(), gone.state.as_str(), gone.changed.as_deref()), ("already_over", "returned", Some("it was returned")));
        assert_eq!(of(&over, &same.id).outcome, "revoked");
        let withdrawn = of(&over, &pending.id);
        assert_eq!((withdrawn.outcome.as_str(), withdrawn.changed.as_deref()), ("already_over", Some("ada withdrew it")));
        let mut appeared = vec![late.id.clone(), asked.id.clone()];
        appeared.sort();
        assert_eq!(over.appeared, appeared);
        for id in [&late.id, &extended.id] {
            assert_eq!(world.admin().grant(id).await.unwrap().state, "active");
        }
        assert_eq!(ada.request(&asked.id).await.unwrap().state, "pending");
    }
}

on_both! {
    async fn with_a_lock_nothing_in_the_scope_stays_open(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (shown_one, changed) = (world.granted(&ada).await, world.granted(&ada).await);
        let mut ask = scope(|scope| { scope.tags.insert("env".to_owned(), "prod".to_owned()); });
        ask.lock = true;
        let (preview, mut commit) = shown(world.admin(), &ask).await;
        assert_eq!(preview.locks, ["every target with `env=prod`"]);
        extend(&world, &changed).await;
        let late = world.granted(&ben).await;
        commit.keep = vec![shown_one.id.clone()];
        commit.count -= 1;
        assert_eq!(refused(send(world.admin(), &commit).await), "bad-input");
        commit.keep.clear();
        commit.count += 1;
        let started = send(world.admin(), &commit).await.unwrap();
        let over = done(&world, &started.id).await;
        assert_eq!(over.appeared, std::slice::from_ref(&late.id));
        for id in [&shown_one.id, &changed.id] {
            assert_eq!(of(&over, id).outcome, "revoked");
        }
        assert!(of(&over, &changed.id).changed.is_some());
        let gone = world.grant_in(&late.id, &["revoked"]).await;
        let [lock] = &over.locks[..] else { panic!("one lock") };
        assert_eq!(gone.close_reason, Some(format!("lock {}: INC-1 leak", lock.id)));
        assert_eq!((lock.grants_closed, lock.incident.as_deref(), lock.state.as_str()), (3, Some(over.id.as_str()), "in_force"));
        assert_eq!(lock.on, LockOn::Tag { name: "env".to_owned(), value: "prod".to_owned() });
        assert_eq!(refused(ben.submit(&crate::support::world::ask(), &key()).await), "locked");
        // A second incident of the same scope places no second lock.
        let (preview, commit) = shown(world.admin(), &ask).await;
        assert!(preview.locks.is_empty() && preview.items.is_empty());
        assert!(send(world.admin(), &commit).await.unwrap().locks.is_empty());
    }
}

on_both! {
    async fn a_token_is_good_once_for_its_own_list_and_person(world: World) {
        let (ada, rita) = (world.engineer("ada").await, world.reviewer("rita").await);
        let (kept, gone) = (world.granted(&ada).await, world.granted(&ada).await);
        let ask = scope(|scope| scope.principals.push("ada".to_owned()));
        let (preview, commit) = shown(&rita, &ask).await;
        let forged = IncidentCommit { token: flipped(&commit.token), ..commit.clone() };
        let mut shorter = all(&ask, &preview);
        shorter.items.pop();
        shorter.count -= 1;
        let mut newer = commit.clone();
        newer.items[0].version += 1;
        let wider = IncidentCommit { ask: everything(), ..commit.clone() };
        let locked = IncidentCommit { ask: IncidentPreviewAsk { lock: true, ..ask.clone() }, ..commit.clone() };
        for other in [forged, shorter, newer, wider, locked] {
            assert_eq!(refused(send(&rita, &other).await), "preview-not-valid");
        }
        assert_eq!(refused(send(world.admin(), &commit).await), "preview-not-valid", "somebody else's");
        // The count is what would go, and what stays was shown.
        for wrong in [0, 1, 3] {
            assert_eq!(refused(send(&rita, &IncidentCommit { count: wrong, ..commit.clone() }).await), "bad-input");
        }
        let stranger = IncidentCommit { keep: vec!["G-0000000000".to_owned()], ..commit.clone() };
        assert_eq!(refused(send(&rita, &stranger).await), "bad-input");
        let keeping = IncidentCommit { keep: vec![kept.id.clone()], count: 1, ..commit.clone() };
        let once = key();
        let started = rita.commit_incident(&keeping, &once).await.unwrap();
        let again = rita.commit_incident(&keeping, &once).await.unwrap();
        assert_eq!((started.id.as_str(), again.items.len()), (again.id.as_str(), 1));
        assert_eq!(refused(send(&rita, &keeping).await), "preview-not-valid", "a token is good once");
        world.grant_in(&gone.id, &["revoked"]).await;
        assert_eq!(world.admin().grant(&kept.id).await.unwrap().state, "active");
        assert_eq!(world.events(&["incident.started"]).await, [1]);
    }
}

on_both! {
    async fn a_dry_run_is_good_for_five_minutes_of_the_servers_clock(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let (_, commit) = shown(world.admin(), &bastion()).await;
        world.pass(TimeDelta::minutes(5));
        assert_eq!(refused(send(world.admin(), &commit).await), "preview-not-valid");
        let (_, commit) = shown(world.admin(), &bastion()).await;
        world.pass(TimeDelta::minutes(5) - TimeDelta::milliseconds(1));
        send(world.admin(), &commit).await.unwrap();
        // A certificate that is out ends first.
        world.grant_in(&grant.id, &["revoked", "closing"]).await;
    }
}

#[test]
fn a_version_is_a_whole_number_however_json_writes_it() {
    let read = |version: &str| {
        let text = format!(r#"{{"id":"G-7k3qm2xd0v","version":{version}}}"#);
        serde_json::from_str::<IncidentItem>(&text).map(|item| item.version)
    };
    assert_eq!(read("3").unwrap(), 3);
    assert_eq!(read("3.0").unwrap(), 3);
    for wrong in ["3.5", "1e300", "99999999999999999999", "\"3\""] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

on_both! {
    async fn a_scope_that_nobody_can_have_meant_is_refused(world: World) {
        let (root, rita) = (world.admin(), world.reviewer("rita").await);
        let code = async |who: &Client, ask: &IncidentPreviewAsk| refused(who.preview_incident(ask).await);
        assert_eq!(code(root, &IncidentPreviewAsk::default()).await, "bad-input");
        let both = scope(|scope| { scope.everything = true; scope.targets.push("bastion".to_owned()); });
        assert_eq!(code(root, &both).await, "bad-input");
        assert_eq!(code(root, &scope(|scope| scope.targets.push("bastoin".to_owned()))).await, "unknown-target");
        assert_eq!(code(root, &scope(|scope| scope.principals.push("nobody".to_owned()))).await, "not-found");
        assert_eq!(code(root, &scope(|scope| { scope.tags.insert("env".to_owned(), "pord".to_owned()); })).await, "not-found");
        assert_eq!(code(root, &scope(|scope| scope.targets.push("Bastion!".to_owned()))).await, "bad-input");
        let long = scope(|scope| scope.filter = Some("a".repeat(501)));
        assert_eq!(code(root, &long).await, "bad-input");
        let lock = |ask: IncidentPreviewAsk| IncidentPreviewAsk { lock: true, ..ask };
        assert_eq!(code(&rita, &lock(everything())).await, "not-allowed");
        assert_eq!(code(root, &lock(scope(|scope| scope.principals.push("root".to_owned())))).await, "self-lock");
        let mixed = scope(|scope| { scope.principals.push("rita".to_owned()); scope.targets.push("bastion".to_owned()); });
        assert_eq!(code(root, &lock(mixed)).await, "bad-input");
        let ada = world.engineer("ada").await;
        assert_eq!(code(&ada, &bastion()).await, "not-allowed");
        assert_eq!(refused(ada.incidents(None).await), "not-allowed");
        let (_, commit) = shown(root, &bastion()).await;
        assert_eq!(refused(send(root, &IncidentCommit { reason: " ".to_owned(), ..commit }).await), "bad-reason");
    }
}

on_both! {
    async fn a_filter_narrows_what_is_taken_away(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (adas, bens) = (world.granted(&ada).await, world.granted(&ben).await);
        let ask = scope(|scope| scope.filter = Some("principal:ada state:active".to_owned()));
        let (preview, commit) = shown(world.admin(), &ask).await;
        assert_eq!(preview.grants.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), [adas.id.as_str()]);
        let incident = done(&world, &send(world.admin(), &commit).await.unwrap().id).await;
        assert_eq!((of(&incident, &adas.id).outcome.as_str(), incident.appeared.len()), ("revoked", 0));
        assert_eq!(world.admin().grant(&bens.id).await.unwrap().state, "active");
        let code = async |text: &str| { refused(world.admin().preview_incident(&scope(|scope| scope.filter = Some(text.to_owned()))).await) };
        for nonsense in ["left:<soon", "no_field:x", "", "  "] {
            let code = code(nonsense).await;
            assert!(["bad-input", "bad-filter"].contains(&code.as_str()), "{nonsense:?}: {code}");
        }
    }
}

on_both! {
    async fn only_what_a_revoke_would_change_is_listed(world: World) {
        let ada = world.engineer("ada").await;
        let start = world.now().await + TimeDelta::hours(2);
        let later = NewRequest { not_before: Some(start), ..ask() };
        let request = ada.submit(&later, &key()).await.unwrap();
        let approved = world.admin().approve(&request.id, 1, &Approval::default(), &key()).await.unwrap();
        let scheduled = approved.grant.unwrap();
        let over = world.granted(&ada).await;
        ada.give_back(&over.id, over.version, &key()).await.unwrap();
        world.grant_in(&over.id, &["returned"]).await;
        let (preview, commit) = shown(world.admin(), &everything()).await;
        assert_eq!(preview.grants.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), [scheduled.as_str()]);
        let incident = done(&world, &send(world.admin(), &commit).await.unwrap().id).await;
        assert_eq!(of(&incident, &scheduled).outcome, "revoked");
    }
}

on_both! {
    async fn a_request_is_denied_whoever_asked_and_whoever_reviewed_it(world: World) {
        // `admin` takes two approvals: root has given one, and asked for something, too.
        let amy = world.person("amy", &["admin", "requester"], &["engineers", "reviewers"]).await;
        world.reviewer("rita").await;
        let own = amy.submit(&ask(), &key()).await.unwrap();
        let ada = world.engineer("ada").await;
        let admin = NewRequest { role: "admin".to_owned(), ..ask() };
        let reviewed = ada.submit(&admin, &key()).await.unwrap();
        amy.approve(&reviewed.id, 1, &Approval::default(), &key()).await.unwrap();
        let mut ask = everything();
        ask.deny_pending = true;
        let (_, commit) = shown(&amy, &ask).await;
        let incident = send(&amy, &commit).await.unwrap();
        for id in [&own.id, &reviewed.id] {
            assert_eq!(of(&incident, id).outcome, "denied");
            assert_eq!(world.admin().request(id).await.unwrap().state, "denied");
        }
        assert!(incident.done);
    }
}

/// Grants that nobody has to make one after the other: copies of one, far in the future.
async fn many(world: &World, count: usize) {
    let ada = world.engineer("ada").await;
    let start = world.now().await + TimeDelta::hours(2);
    let later = NewRequest {
        not_before: Some(start),
        ..ask()
    };
    let request = ada.submit(&later, &key()).await.unwrap();
    let approval = Approval::default();
    let approve = world
        .admin()
        .approve(&request.id, 1, &approval, &key())
        .await;
    approve.unwrap();
    let numbers = (1..count).map(|nth| format!("('G-{nth:010}')"));
    let columns = "request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, starts_at, expires_at, max_expires_at, attempts, extensions, epoch, created_at, version";
    let sql = format!(
        "with more (id) as (values {}) insert into grants (id, {columns}) select more.id, {columns} from grants cross join more",
        numbers.collect::<Vec<_>>().join(", "),
    );
    world.execute(&sql).await;
}

on_both! {
    async fn an_incident_takes_five_thousand_grants_in_one_call(world: World) {
        many(&world, 5_000).await;
        let (preview, commit) = shown(world.admin(), &everything()).await;
        assert_eq!(preview.items.len(), 5_000);
        // A machine that is busy with other tests may need more time than the client has; the same call again is the
        // same incident.
        let (once, began) = (key(), std::time::Instant::now());
        let started = loop {
            match world.admin().commit_incident(&commit, &once).await {
                Err(ClientError::OutcomeUnknown | ClientError::Unreachable { .. }) => {}
                other => break other.unwrap(),
            }
        };
        println!("committed after {:?}", began.elapsed());
        assert_eq!(started.items.len(), 5_000);
        assert!(started.items.iter().all(|item| item.blocked_at.is_some() && item.state != "scheduled"));
        assert_eq!(world.number("select count(*) from grants where state not in ('closing', 'revoked')").await, 0);
        assert_eq!(world.on_record("code = 'grant.closing'").await, 5_000);
    }
}

on_both! {
    async fn one_more_than_fits_is_refused_with_what_to_do(world: World) {
        many(&world, 5_001).await;
        let error = world.admin().preview_incident(&everything()).await.unwrap_err();
        assert_eq!(error.code(), Some("too-many-items"));
        assert_eq!(error.to_string(), "these are 5001 grants and requests, and one incident takes 5000");
    }
}
