//! Live sessions through the API: real connections to a real PostgreSQL, seen and ended by those who may.

use chrono::TimeDelta;
use portcullis::client::Client;
use portcullis::wire::{
    Approval, CredentialAsk, CredentialView, GrantView, NewRequest, Revocation, SessionEnd,
    SessionEnded, SessionView, Sessions,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Executor as _};

use super::refused;
use crate::support::node::orders_db;
use crate::support::postgres::{Cluster, cluster};
use crate::support::world::{Backend, CATALOGUE, World, ask, key};

/// A world with the host `bastion` and the database `orders-db`.
async fn world(backend: Backend, cluster: &Cluster) -> (World, tempfile::TempDir) {
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.database().await);
    let catalogue = orders_db(cluster, &database.name, &folder.path().join("password"));
    let world = World::with_targets(backend, &format!("{CATALOGUE}\n{catalogue}")).await;
    (world, folder)
}

/// An active grant of `readonly` on this target.
async fn grant_on(world: &World, who: &Client, target: &str) -> GrantView {
    let new = NewRequest {
        target: target.to_owned(),
        ..ask()
    };
    let request = who.submit(&new, &key()).await.unwrap();
    let approved = world
        .admin()
        .approve(&request.id, request.version, &Approval::default(), &key())
        .await
        .unwrap();
    world.grant_in(&approved.grant.unwrap(), &["active"]).await
}

/// The holder connects.
async fn connect(who: &Client, grant: &GrantView, program: &str) -> PgConnection {
    let (ask, key) = (CredentialAsk::default(), key());
    let CredentialView::Postgres {
        host,
        port,
        database,
        user,
        password,
        ..
    } = who.credential(&grant.id, &ask, &key).await.unwrap()
    else {
        panic!("a database gives a password")
    };
    PgConnectOptions::new_without_pgpass()
        .host(&host)
        .port(port)
        .database(&database)
        .username(&user)
        .password(&password)
        .application_name(program)
        .ssl_mode(PgSslMode::Disable)
        .connect()
        .await
        .unwrap()
}

/// Waits until somebody sees as many sessions; a target's answer may be two seconds old.
async fn seen(world: &World, who: &Client, count: usize) -> Sessions {
    world
        .until(&format!("{count} sessions"), async || {
            let sessions = who.sessions().await.unwrap();
            (sessions.items.len() == count).then_some(sessions)
        })
        .await
}

fn may_end(session: &SessionView) -> bool {
    let mut all = session.allowed_actions.iter();
    all.find(|known| known.action == "end").unwrap().allowed
}

fn too_long() -> SessionEnd {
    SessionEnd {
        reason: "it holds a lock for an hour".to_owned(),
    }
}

async fn end(
    who: &Client,
    session: &SessionView,
) -> Result<SessionEnded, portcullis::client::ClientError> {
    who.end_session(&session.grant, &session.id, &too_long(), &key())
        .await
}

async fn works(session: &mut PgConnection) -> bool {
    session.execute("select 1").await.is_ok()
}

/// As `on_both`, with the database as a target.
macro_rules! on_both_with_a_database {
    (async fn $name:ident($world:ident: World) $body:block) => {
        mod $name {
            use super::*;

            async fn body($world: World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let (world, _folder) = world(Backend::Sqlite, cluster()).await;
                body(world).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let (world, _folder) = world(Backend::Postgres, cluster()).await;
                body(world).await;
            }
        }
    };
}

on_both_with_a_database! {
    async fn who_is_connected_is_seen_by_those_who_may(world: World) {
        let (ada, bob) = (world.engineer("ada").await, world.engineer("bob").await);
        let none = world.admin().sessions().await.unwrap();
        assert_eq!((none.items.len(), none.sources.len()), (0, 0), "nobody has a grant");
        let (adas, bobs) = (grant_on(&world, &ada, "orders-db").await, grant_on(&world, &bob, "orders-db").await);
        let mut one = connect(&ada, &adas, "psql").await;
        one.execute("select 42 as answer").await.unwrap();
        let _other = connect(&bob, &bobs, "report").await;
        let all = seen(&world, world.admin(), 2).await;
        assert_eq!(all.sources.len(), 1);
        assert_eq!((all.sources[0].target.as_str(), &all.sources[0].problem), ("orders-db", &None));
        assert!(world.now().await - all.sources[0].as_of < TimeDelta::minutes(1));
        let session = all.items.iter().find(|session| session.holder == "ada").unwrap();
        assert_eq!((&session.grant, session.role.as_str(), session.target.as_str()), (&adas.id, "readonly", "orders-db"));
        assert_eq!((session.program.as_deref(), session.address.as_deref()), (Some("psql"), Some("127.0.0.1")));
        assert_eq!((session.activity.as_deref(), session.command.as_deref()), (Some("idle"), Some("select 42 as answer")));
        assert!(all.items.iter().all(may_end));
        // The holder sees their own and may end it; an auditor sees everything and may end nothing.
        let own = seen(&world, &bob, 1).await;
        assert_eq!(own.items[0].holder, "bob");
        assert!(may_end(&own.items[0]));
        let auditor = world.person("olga", &["auditor"], &[]).await;
        let audited = seen(&world, &auditor, 2).await;
        assert!(!audited.items.iter().any(may_end));
        assert_eq!(refused(end(&auditor, &audited.items[0]).await), "not-allowed");
    }
}

on_both_with_a_database! {
    async fn ending_one_cuts_exactly_it_and_is_on_record(world: World) {
        let (ada, bob) = (world.engineer("ada").await, world.engineer("bob").await);
        let grant = grant_on(&world, &ada, "orders-db").await;
        let (mut one, mut other) = (connect(&ada, &grant, "one").await, connect(&ada, &grant, "other").await);
        let all = seen(&world, world.admin(), 2).await.items;
        let target = all.iter().find(|session| session.program.as_deref() == Some("one")).unwrap();
        // Of somebody else's grant nobody may know.
        assert_eq!(refused(end(&bob, target).await), "not-found");
        assert!(works(&mut one).await);
        let same = key();
        let ended = world.admin().end_session(&grant.id, &target.id, &too_long(), &same).await.unwrap();
        assert_eq!((ended.outcome.as_str(), &ended.session), ("ended", &target.id));
        assert!(!works(&mut one).await);
        assert!(works(&mut other).await);
        // It is gone from the list at once, whatever the target said two seconds ago.
        assert_eq!(ada.sessions().await.unwrap().items.len(), 1);
        let last = world.audit().await.pop().unwrap();
        assert_eq!((last.event.as_str(), last.outcome.as_str()), ("session.ended", "success"));
        assert_eq!(last.sentence, "root ended a session of readonly on orders-db for ada: it holds a lock for an hour");
        assert_eq!((last.grant.as_ref(), last.details["session"].as_str()), (Some(&grant.id), Some(target.id.as_str())));
        // What was about to be done was on record before.
        assert_eq!(world.events(&["session.ending", "session.end_ignored"]).await, [1, 0]);
        // The same call again answers the same; another call finds it gone, and so says the record.
        let again = world.admin().end_session(&grant.id, &target.id, &too_long(), &same).await.unwrap();
        assert_eq!(again, ended);
        assert_eq!(end(world.admin(), target).await.unwrap().outcome, "gone");
        assert_eq!(world.events(&["session.ending", "session.ended", "session.end_ignored"]).await, [2, 1, 1]);
        let last = world.audit().await.pop().unwrap();
        assert_eq!(last.sentence, "root asked to end a session that was already gone: readonly on orders-db for ada: it holds a lock for an hour");
        assert_eq!(refused(world.admin().end_session(&grant.id, "1-1", &too_long(), &same).await), "idempotency-key-reused");
        // The holder ends the other one, and connects again: the grant is as it was.
        let rest = seen(&world, &ada, 1).await.items;
        assert_eq!(end(&ada, &rest[0]).await.unwrap().outcome, "ended");
        assert!(!works(&mut other).await);
        assert!(works(&mut connect(&ada, &grant, "again").await).await);
        assert_eq!(world.admin().grant(&grant.id).await.unwrap().version, grant.version);
    }
}

on_both_with_a_database! {
    async fn what_makes_no_sense_is_refused_and_touches_nothing(world: World) {
        let ada = world.engineer("ada").await;
        let grant = grant_on(&world, &ada, "orders-db").await;
        let mut session = connect(&ada, &grant, "psql").await;
        let live = seen(&world, &ada, 1).await.items.remove(0);
        let (pid, _) = live.id.split_once('-').unwrap();
        for wrong in [format!("{pid}-1"), "1-1".to_owned(), "nonsense".to_owned()] {
            let ended = ada.end_session(&grant.id, &wrong, &too_long(), &key()).await.unwrap();
            assert_eq!(ended.outcome, "gone", "{wrong}");
        }
        assert_eq!(refused(ada.end_session(&grant.id, "a b", &too_long(), &key()).await), "not-found");
        let empty = SessionEnd { reason: " ".to_owned() };
        assert_eq!(refused(ada.end_session(&grant.id, &live.id, &empty, &key()).await), "bad-reason");
        assert!(works(&mut session).await);
        // Once the grant is over there is nothing left to end.
        let revocation = Revocation { reason: "leaving".to_owned() };
        world.admin().revoke(&grant.id, grant.version, &revocation, &key()).await.unwrap();
        world.grant_in(&grant.id, &["revoked"]).await;
        assert_eq!(refused(end(world.admin(), &live).await), "grant-not-active");
        assert_eq!(world.admin().sessions().await.unwrap().items, []);
        assert_eq!(world.events(&["session.ended"]).await, [0]);
    }
}

on_both_with_a_database! {
    async fn a_target_that_does_not_tell_is_named(world: World) {
        let ada = world.engineer("ada").await;
        let (host, database) = (world.granted(&ada).await, grant_on(&world, &ada, "orders-db").await);
        let _session = connect(&ada, &database, "psql").await;
        let seen = seen(&world, &ada, 1).await;
        let told: Vec<_> = seen.sources.iter().map(|source| (source.target.as_str(), source.problem.as_deref())).collect();
        assert_eq!(told, [("bastion", Some("this kind of target does not report sessions")), ("orders-db", None)]);
        assert_eq!(refused(ada.end_session(&host.id, "1-1", &too_long(), &key()).await), "unsupported");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_away_is_named_and_holds_up_nobody() {
    let cluster = Cluster::start(&[]);
    let (world, _folder) = world(Backend::Sqlite, &cluster).await;
    let ada = world.engineer("ada").await;
    let grant = grant_on(&world, &ada, "orders-db").await;
    let host = world.granted(&ada).await;
    cluster.stop();
    let away = world
        .until("the target is away", async || {
            let sessions = ada.sessions().await.unwrap();
            let source = sessions.sources.iter().find(|of| of.target == "orders-db");
            source.unwrap().problem.clone()
        })
        .await;
    assert!(away.contains("cannot be reached"), "{away}");
    let ended = ada.end_session(&grant.id, "1-1", &too_long(), &key()).await;
    assert_eq!(refused(ended), "target-failed");
    assert_eq!(
        world
            .events(&["session.ending", "session.end_failed", "session.ended"])
            .await,
        [1, 1, 0]
    );
    let failed = world.audit().await.pop().unwrap();
    assert_eq!(failed.outcome, "error");
    assert!(failed.sentence.contains("cannot be reached"), "{failed:?}");
    assert_eq!(ada.grant(&host.id).await.unwrap().state, "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_it_ends_a_session_has_said_so() {
    let cluster = Cluster::start(&[]);
    let (world, _folder) = world(Backend::Sqlite, &cluster).await;
    let ada = world.engineer("ada").await;
    let grant = grant_on(&world, &ada, "orders-db").await;
    let mut session = connect(&ada, &grant, "psql").await;
    let live = seen(&world, world.admin(), 1).await.items.remove(0);
    // The target hangs: nobody can look a role up.
    let mut blocker = cluster.options("postgres").connect().await.unwrap();
    blocker
        .execute("begin; lock table pg_authid in access exclusive mode")
        .await
        .unwrap();
    let (client, id, of, same) = (
        world.admin().clone(),
        live.id.clone(),
        grant.id.clone(),
        key(),
    );
    let call = {
        let same = same.clone();
        tokio::spawn(async move { client.end_session(&of, &id, &too_long(), &same).await })
    };
    world
        .until("the intent is on record", async || {
            (world.events(&["session.ending"]).await == [1]).then_some(())
        })
        .await;
    assert!(works(&mut session).await, "nothing was done before");
    assert_eq!(world.events(&["session.ended"]).await, [0]);
    call.abort();
    blocker.execute("rollback").await.unwrap();
    // Whoever asks again with the same key gets an answer, and one intent is on record.
    let done = world
        .admin()
        .end_session(&grant.id, &live.id, &too_long(), &same)
        .await
        .unwrap();
    assert!(["ended", "gone"].contains(&done.outcome.as_str()));
    assert!(!works(&mut session).await);
    assert_eq!(world.events(&["session.ending"]).await, [1]);
}
