//! Several hosts of PostgreSQL: a primary goes, another comes, and nobody loses what was acknowledged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis::config::Durability;
use portcullis::store::ring::Service;
use portcullis::store::{Clock, Location, Store};
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::task::block_in_place;

use crate::support::link::{Link, Way};
use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};
use crate::support::replicas::{Rejoin, Replicas};
use crate::support::sse::Stream;
use crate::support::world::{World, ask, submit};

use super::place;

/// Servers that follow one another, and a node that knows them all.
async fn start(standbys: usize, durability: Durability) -> (Replicas, World) {
    let replicas = match durability {
        Durability::Strict => Replicas::start(standbys).await,
        Durability::Available => Replicas::start_loose(standbys).await,
    };
    let name = replicas.database().await.name;
    let hosts: Vec<String> = replicas
        .ports()
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let password = PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://{SUPERUSER}:{password}@{}/{name}?sslmode=disable",
        hosts.join(",")
    );
    let world = World::on_hosts(url, durability).await;
    (replicas, world)
}

fn service(world: &World) -> Service {
    world.gate().store().service()
}

async fn until_full(world: &World) {
    world
        .until("changes are taken", async || {
            (service(world) == Service::Full).then_some(())
        })
        .await;
}

async fn until_read_only(world: &World) -> String {
    world
        .until("the database is read only", async || match service(world) {
            Service::ReadOnly { why, .. } => Some(why),
            Service::Full | Service::None { .. } => None,
        })
        .await
}

/// The same, as somebody does who repeats the call until there is an answer.
async fn placed(world: &World, key: &str) {
    let answer = world
        .until(key, async || {
            let answer = place(world, key).await;
            (answer.status != 503).then_some(answer)
        })
        .await;
    assert_eq!(answer.status, 201, "{key}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_primary_is_found_and_until_then_everything_can_be_read() {
    let (mut replicas, world) = start(2, Durability::Strict).await;
    let ada = world.engineer("ada").await;
    let before = submit(&ada).await;
    let who = world.http(world.admin());
    let (mut stream, hello) = Stream::open(&who, None).await;
    assert_eq!(hello.data["durability"], "strict");
    assert_eq!(hello.data.get("stale"), None);
    assert!(
        !who.get("/v1/requests")
            .await
            .headers
            .contains_key("portcullis-stale")
    );

    replicas.kill_primary();
    let why = until_read_only(&world).await;
    assert!(
        why.contains("cannot be reached") || why.contains("did not answer"),
        "{why}"
    );
    // A standby answers, and says how old that may be.
    let read = who.get(&format!("/v1/requests/{}", before.id)).await;
    assert_eq!(
        (read.status.as_u16(), &read.json()["id"]),
        (200, &before.id.clone().into())
    );
    let age: u64 = read.headers["portcullis-stale"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(age < 60, "{age}");
    assert!(
        who.get("/readyz")
            .await
            .text
            .starts_with("degraded: nothing can be changed")
    );
    // Whoever looks is told at once.
    let told = loop {
        let frame = stream.next().await.unwrap();
        if frame.event == "heartbeat" {
            break frame;
        }
    };
    assert!(told.data["stale"].is_u64(), "{told:?}");
    let refused = place(&world, "while-there-is-none").await;
    assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
    assert!(refused.headers.contains_key("retry-after"));

    replicas.promote().await;
    until_full(&world).await;
    assert_eq!(who.get("/readyz").await.text, "ready\n");
    placed(&world, "while-there-is-none").await;
    // The stream goes on where it was, on the same connection or on another.
    let told = loop {
        let frame = stream.next().await.unwrap();
        if frame.event == "heartbeat" && frame.data.get("stale").is_none() {
            break frame;
        }
    };
    assert!(told.data["now"].is_string());
    world.recorded("database.switched", 1).await;
    let audit = world.audit().await;
    assert!(
        audit
            .iter()
            .any(|event| event.request.as_ref() == Some(&before.id))
    );
    let kept: Vec<i64> = audit.iter().map(|event| event.index).collect();
    assert_eq!(
        kept,
        (0..i64::try_from(kept.len()).unwrap()).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_before_a_primary_went_or_came_is_never_proved_afterwards() {
    let (mut replicas, world) = start(2, Durability::Strict).await;
    let store = world.gate().store();
    let with_primary = store.footing();
    assert!(store.prove(&with_primary).await.is_ok());

    replicas.kill_primary();
    until_read_only(&world).await;
    assert!(store.prove(&with_primary).await.is_err());
    // While there is none, everything is as old as the standby says.
    let without = store.footing();
    assert!(store.prove(&without).await.is_ok());

    replicas.promote().await;
    until_full(&world).await;
    assert!(store.prove(&with_primary).await.is_err());
    assert!(store.prove(&without).await.is_err());
    assert!(store.prove(&store.footing()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_comes_back_is_not_taken() {
    let (mut replicas, world) = start(2, Durability::Strict).await;
    let old = replicas.primary_place();
    replicas.freeze(old);
    replicas.promote().await;
    until_full(&world).await;
    placed(&world, "on-the-new-one").await;
    // Now both answer, and then the old one alone.
    replicas.thaw(old);
    placed(&world, "with-both").await;
    replicas.freeze(replicas.primary_place());
    let why = until_read_only(&world).await;
    assert!(why.contains("it is an old primary"), "{why}");
    let refused = place(&world, "on-the-old-one").await;
    assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
    replicas.thaw(replicas.primary_place());
    until_full(&world).await;
    replicas.rejoin(old, Rejoin::Rewound).await;
    placed(&world, "on-the-old-one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_standby_nothing_is_acknowledged_and_the_key_tells_what_became_of_it() {
    let (replicas, world) = start(1, Durability::Strict).await;
    let began = Instant::now();
    replicas.freeze(1);
    let unknown = place(&world, "the-first").await;
    assert_eq!(unknown.problem(), (503, "outcome-unknown".to_owned()));
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let why = until_read_only(&world).await;
    assert!(why.contains("no standby has them"), "{why}");
    let refused = place(&world, "the-second").await;
    assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
    replicas.thaw(1);
    until_full(&world).await;
    let known = place(&world, "the-first").await;
    assert_eq!(known.status, 201, "{known:?}");
    assert_eq!(world.events(&["lock.placed"]).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_without_what_was_seen_is_not_taken() {
    let (mut replicas, world) = start(1, Durability::Available).await;
    let (_, hello) = Stream::open(&world.http(world.admin()), None).await;
    assert_eq!(hello.data["durability"], "available");
    replicas.all_follow().await;
    block_in_place(|| replicas.member(1).kill());
    placed(&world, "it-is-lost").await;
    world.audit().await;
    replicas.kill_primary();
    replicas.start_again(1);
    replicas.promote().await;
    let why = world
        .until("the new primary is refused", async || {
            match service(&world) {
                Service::None { why } | Service::ReadOnly { why, .. }
                    if why.contains("was seen already") =>
                {
                    Some(why)
                }
                _ => None,
            }
        })
        .await;
    assert!(why.contains("portcullis recover"), "{why}");
    let refused = place(&world, "another").await;
    assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_owns_its_database_and_may_nothing_else_is_enough() {
    let mut replicas = Replicas::start(1).await;
    let mut connection = replicas
        .primary()
        .options("postgres")
        .connect()
        .await
        .unwrap();
    for sql in [
        format!("create role plain login password '{PASSWORD}'"),
        "create database plain owner plain".to_owned(),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    connection.close().await.unwrap();
    let [first, second] = replicas.ports()[..] else {
        panic!("one primary and one standby were started");
    };
    let password = PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://plain:{password}@127.0.0.1:{first},127.0.0.1:{second}/plain?sslmode=disable"
    );
    let world = World::on_hosts(url, Durability::Strict).await;
    placed(&world, "on-the-first").await;
    let old = replicas.primary_place();
    replicas.kill_primary();
    until_read_only(&world).await;
    replicas.promote().await;
    replicas.rejoin(old, Rejoin::Rewound).await;
    placed(&world, "on-the-second").await;
    assert_eq!(world.events(&["lock.placed"]).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_while_a_transaction_begins_leaves_none_behind() {
    let database = cluster().database().await;
    let link = Link::to(SocketAddr::from(([127, 0, 0, 1], cluster().port))).await;
    let password = PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{}?sslmode=disable",
        link.port, database.name
    );
    let location = Location::Postgres(url);
    let store = Store::open(&location, Clock::Database).await.unwrap();
    for _ in 0..5 {
        // Nobody hears that it has begun.
        link.set(Way::Deaf);
        let patience = Duration::from_millis(50);
        let begun = tokio::time::timeout(patience, store.write()).await;
        assert!(begun.is_err());
        link.set(Way::Open);
        // Whoever comes next on that connection is alone on it.
        for _ in 0..3 {
            let mut looked = store.glance().await.unwrap();
            looked.log_head().await.unwrap();
            drop(looked);
            drop(store.read().await.unwrap());
        }
    }
    let open = "select count(*) from pg_stat_activity where datname = current_database() \
                and state like 'idle in transaction%'";
    let began = Instant::now();
    let mut connection = database.connect().await;
    while sqlx::query_scalar::<_, i64>(open)
        .fetch_one(&mut connection)
        .await
        .unwrap()
        > 0
    {
        // Nobody uses the store any more, so that nothing else ends what was left.
        assert!(began.elapsed() < Duration::from_secs(5), "left open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_knows_only_the_old_primary_calls_nothing_current_and_refuses_nothing_by_it() {
    let mut replicas = Replicas::start(1).await;
    let name = replicas.database().await.name;
    let (password, port) = (PASSWORD.replace(' ', "%20"), replicas.primary().port);
    let url = format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{name}?sslmode=disable");
    let world = World::on_hosts(url, Durability::Strict).await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let who = world.http(world.admin());
    let address = format!("/v1/requests/{}", request.id);
    let look = async || {
        let shown = who.get(&address).await;
        (
            shown.status.as_u16(),
            shown.headers.contains_key("portcullis-stale"),
        )
    };
    let asks = world.http(&ada);
    let again = async || {
        let call = asks.call(Method::POST, "/v1/requests").key("again");
        call.json(&json!(ask())).send().await.problem()
    };
    assert_eq!(look().await, (200, false));
    assert_eq!(again().await, (409, "duplicate-pending".to_owned()));
    // Nobody tells the old one, which answers as before.
    replicas.promote().await;
    let (shown, refused) = tokio::join!(look(), again());
    assert_eq!(shown, (200, true));
    assert_eq!(refused, (503, "no-writable-store".to_owned()));
}
