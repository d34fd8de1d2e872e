//! The disk of the database is full: changes are refused and say why, what is there can be read, and everything goes on by
//! itself once there is room.

use std::path::Path;
use std::process::Command;

use portcullis::config::Durability;
use portcullis::store::ring::Service;

use crate::support::disk::Disk;
use crate::support::http::Answer;
use crate::support::node::Node;
use crate::support::postgres::{Cluster, Database, PASSWORD, SUPERUSER, fresh};
use crate::support::world::{CATALOGUE, POLICY, World, submit};

use super::place;

const MIB: u64 = 1 << 20;

/// Says why this was not tried, where there is no disk that can be filled.
fn tried(disk: Result<Disk, String>) -> Option<Disk> {
    disk.map_err(|why| eprintln!("a full disk was not tried: {why}"))
        .ok()
}

/// A server of which `part` of the files, or all of them, is on a disk of its own.
fn cluster_on(size: u64, part: &str) -> Option<(Disk, Cluster)> {
    let mut disk = None;
    let cluster = Cluster::start_with(&["min_wal_size=32MB", "max_wal_size=32MB"], |data| {
        if part == "data" {
            disk = tried(Disk::mount(data, size));
        }
        fresh(data);
        // What is written first is somewhere else than the tables.
        let (log, elsewhere) = (data.join("pg_wal"), data.with_file_name("wal"));
        if part == "wal" {
            disk = tried(Disk::mount(&elsewhere, size));
        }
        let made = Command::new("sh")
            .args(["-c", "cp -aT \"$1\" \"$2\" && chown --reference=\"$3\" \"$2\" && rm -r \"$1\" && ln -s \"$2\" \"$1\"", "move"])
            .args([&log, &elsewhere, &data.join("base")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    });
    Some((disk?, cluster))
}

async fn world_on(cluster: &Cluster) -> (Database, World) {
    let database = cluster.database().await;
    let name = &database.name;
    let password = PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{name}?sslmode=disable",
        cluster.port
    );
    let world = World::on_hosts(url, Durability::Available).await;
    (database, world)
}

/// How many changes there are.
async fn changes(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let counted = sqlx::query_scalar("select count(*) from locks");
    counted.fetch_one(&mut connection).await.unwrap()
}

/// Changes something again and again until that is refused; answers which keys were acknowledged.
async fn until_refused(world: &World) -> (Vec<String>, Answer) {
    let mut kept = Vec::new();
    for nth in 0..20_000 {
        let key = format!("until-full-{nth}");
        let answer = place(world, &key).await;
        match answer.status.as_u16() {
            201 => kept.push(key),
            _ => return (kept, answer),
        }
    }
    panic!("the disk is never full");
}

/// Repeats a change until there is an answer.
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
async fn postgres_without_room_for_its_tables_refuses_changes_and_shows_everything() {
    let Some((disk, cluster)) = cluster_on(256 * MIB, "data") else {
        return;
    };
    let (database, world) = world_on(&cluster).await;
    let ada = world.engineer("ada").await;
    let before = submit(&ada).await;
    disk.fill(MIB);
    let (kept, refused) = until_refused(&world).await;
    assert_eq!(refused.problem(), (503, "no-writable-store".to_owned()));
    assert!(
        refused.text.contains("the disk of the database is full"),
        "{}",
        refused.text
    );
    assert!(refused.headers.contains_key("retry-after"));
    let who = world.http(world.admin());
    let read = who.get(&format!("/v1/requests/{}", before.id)).await;
    assert_eq!(read.status, 200, "{read:?}");
    assert_eq!(who.get("/v1/requests").await.status, 200);
    disk.clear();
    // What was refused is done now, and what was acknowledged is there, once.
    placed(&world, &format!("until-full-{}", kept.len())).await;
    for key in kept.iter().rev().take(3) {
        placed(&world, key).await;
    }
    let expected = i64::try_from(kept.len()).unwrap() + 1;
    assert_eq!(changes(&database).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_without_room_for_its_log_goes_down_and_nothing_that_it_kept_is_lost() {
    let Some((disk, cluster)) = cluster_on(64 * MIB, "wal") else {
        return;
    };
    let (database, world) = world_on(&cluster).await;
    disk.fill(0);
    let (kept, refused) = until_refused(&world).await;
    assert_eq!(refused.problem().0, 503, "{refused:?}");
    for nth in 0..20 {
        let answer = place(&world, &format!("while-full-{nth}")).await;
        assert_eq!(answer.problem().0, 503, "{answer:?}");
    }
    disk.clear();
    // Where it gave up, somebody starts it again, as a service manager does.
    world
        .until("the server is back", async || {
            if cluster.gave_up() {
                cluster.start_again();
            }
            (world.gate().store().service() == Service::Full).then_some(())
        })
        .await;
    for key in &kept {
        placed(&world, key).await;
    }
    for nth in 0..20 {
        placed(&world, &format!("while-full-{nth}")).await;
    }
    let refused = format!("until-full-{}", kept.len());
    placed(&world, &refused).await;
    let expected = i64::try_from(kept.len()).unwrap() + 21;
    assert_eq!(changes(&database).await, expected);
}

/// A node whose data is on this disk.
fn node_on(size: u64) -> Option<(Disk, Node)> {
    let node = Node::prepare(CATALOGUE, POLICY);
    let data = node.folder().join("data");
    let disk = tried(Disk::mount(&data, size))?;
    own(&data);
    Some((disk, node))
}

/// The node runs as whoever runs the tests.
fn own(data: &Path) {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    std::os::unix::fs::chown(data, Some(user.as_raw()), Some(group.as_raw())).unwrap();
}

#[test]
fn sqlite_without_room_refuses_changes_shows_everything_and_goes_on() {
    let Some((disk, mut node)) = node_on(64 * MIB) else {
        return;
    };
    node.start();
    node.sign_in_root();
    let lock = |nth: usize| {
        let reason = format!("only to change something, {nth}");
        node.run(
            "root",
            &["lock", "target", "bastion", "--reason", &reason, "--json"],
        )
    };
    assert!(lock(0).status.success(), "{:?}", lock(0));
    disk.fill(0);
    let refused = (1..20_000)
        .map(|nth| (nth, lock(nth)))
        .find(|(_, output)| !output.status.success());
    let (kept, refused) = refused.expect("the disk is full at some time");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("the disk of the database is full"), "{said}");
    let locks = |node: &Node| {
        node.json("root", &["locks"])["items"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(locks(&node), Some(kept));
    disk.clear();
    assert!(lock(20_000).status.success());
    assert_eq!(locks(&node), Some(kept + 1));
    // Also after a crash.
    node.kill();
    node.start();
    assert_eq!(locks(&node), Some(kept + 1));
}
