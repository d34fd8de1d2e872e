//! A database whose primary Patroni names: the node asks nobody but the hosts, with a login that may nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::config::Durability;
use portcullis::store::ring::Service;

use crate::support::patroni::Patroni;
use crate::support::world::World;

use super::place;

async fn start() -> (Patroni, World) {
    let patroni = Patroni::start().await;
    let world = World::on_hosts(patroni.database().await, Durability::Strict).await;
    (patroni, world)
}

/// The host that the node uses as the primary, if there is one.
fn in_use(world: &World) -> Option<String> {
    Some(world.gate().store().survives()?.1)
}

fn is_read_only(world: &World) -> bool {
    matches!(world.gate().store().service(), Service::ReadOnly { .. })
}

/// Waits until the node uses this member as the primary, which takes no more than that.
async fn until_used(patroni: &Patroni, world: &World, member: usize) {
    let place = patroni.place(member);
    patroni
        .until(&format!("{place} is in use"), async || {
            (in_use(world)? == place).then_some(())
        })
        .await;
}

/// Does something while somebody places locks, one after the other, each again and again until there is an answer. What
/// was acknowledged is there in the end, once.
async fn while_changing<T>(
    patroni: &mut Patroni,
    world: &World,
    doing: impl AsyncFnOnce(&mut Patroni) -> T,
) -> T {
    let [before] = world.events(&["lock.placed"]).await[..] else {
        unreachable!("one number was asked for");
    };
    let is_done = AtomicBool::new(false);
    let changing = async {
        let mut acknowledged = before;
        while !is_done.load(Ordering::Relaxed) {
            let key = format!("lock-{acknowledged}");
            let answer = loop {
                let answer = place(world, &key).await;
                if answer.status != 503 {
                    break answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            assert_eq!(answer.status, 201, "{key}: {answer:?}");
            acknowledged += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        acknowledged
    };
    let doing = async {
        let done = doing(patroni).await;
        is_done.store(true, Ordering::Relaxed);
        done
    };
    let (done, acknowledged) = tokio::join!(doing, changing);
    assert!(acknowledged > before);
    assert_eq!(world.events(&["lock.placed"]).await, [acknowledged]);
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_is_replaced_by_patroni_and_comes_back_as_a_standby() {
    let (mut patroni, world) = start().await;
    let old = patroni.until_whole().await;
    until_used(&patroni, &world, old).await;
    while_changing(&mut patroni, &world, async |patroni| {
        // Something is on the old primary only, so that it cannot just follow when it is back.
        for standby in patroni.others(old) {
            patroni.freeze(standby);
        }
        let alone = "set synchronous_commit = local; \
            select pg_terminate_backend(pid, 10000) from pg_stat_replication; \
            create table on_nobody_else ()";
        patroni.execute(old, alone).await;
        patroni.kill(old);
        for standby in patroni.others(old) {
            patroni.thaw(standby);
        }
        let new = patroni
            .until("another host is in use", async || {
                in_use(&world).filter(|place| *place != patroni.place(old))
            })
            .await;
        assert_eq!(new, patroni.place(patroni.until_primary().await));

        patroni.start_member(old);
        patroni
            .until("the old primary follows the new one", async || {
                assert_ne!(in_use(&world), Some(patroni.place(old)));
                let log = patroni.log(old);
                let began = log.find("running pg_rewind")?;
                log.get(began..)?
                    .contains("started streaming WAL")
                    .then_some(())
            })
            .await;
        patroni.until_whole().await;
        let is_standby = "select pg_is_in_recovery() and to_regclass('on_nobody_else') is null";
        assert!(patroni.is(old, is_standby).await);
        assert_eq!(in_use(&world), Some(new));
    })
    .await;
    world.recorded("database.switched", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_with_a_planned_switchover_and_reads_on_while_patroni_has_no_etcd() {
    let (mut patroni, world) = start().await;
    let first = patroni.until_whole().await;
    until_used(&patroni, &world, first).await;
    while_changing(&mut patroni, &world, async |patroni| {
        patroni.switch_over(first);
        let second = patroni
            .until("another member leads", async || {
                Some(patroni.until_primary().await).filter(|leads| *leads != first)
            })
            .await;
        until_used(patroni, &world, second).await;
        patroni.until_whole().await;
    })
    .await;
    world.recorded("database.switched", 1).await;

    // Without etcd nobody knows whether somebody else was promoted, so the primary steps down.
    while_changing(&mut patroni, &world, async |patroni| {
        patroni.kill_etcd();
        patroni
            .until("the database is read only", async || {
                is_read_only(&world).then_some(())
            })
            .await;
        let who = world.http(world.admin());
        let read = who.get("/v1/requests").await;
        assert_eq!(read.status, 200, "{read:?}");
        assert!(
            read.headers.contains_key("portcullis-stale"),
            "{:?}",
            read.headers
        );
        let refused = place(&world, "while-there-is-none").await;
        assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
        patroni.start_etcd().await;
        patroni
            .until("changes are taken", async || in_use(&world))
            .await;
    })
    .await;
}
