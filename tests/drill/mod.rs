//! The drill: several nodes over replicated PostgreSQL and a real target, everything breaks again and again, and what
//! everybody saw is held against what is there in the end.

mod blows;
mod caller;
mod check;
mod endings;
mod figures;
mod fleet;
mod forged;
mod history;
mod loss;
mod plan;
mod prober;
mod reader;
mod truth;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::blows::{Blows, Hand};
use self::figures::Lacks;
use self::fleet::{Finding, Fleet, Ground};
use self::history::Recorder;
use self::prober::Tries;
use self::work::Day;
use crate::support::disk::Disk;
use crate::support::link::Link;
use crate::support::namespace::Namespaces;
use crate::support::node::orders_db_at;
use crate::support::postgres::{Cluster, Database};
use crate::support::replicas::Replicas;
use crate::support::sshd::Sshd;
use crate::support::world::{CATALOGUE, authority};

/// After the last blow everything that is due ends within a lease and some.
const PATIENCE: Duration = Duration::from_mins(3);

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Drill {
    seed: u64,
    nodes: usize,
    standbys: usize,
    failovers: usize,
    kills: usize,
    /// It goes on until so many are acknowledged.
    changes: usize,
    /// People who ask, and people who hold grants.
    askers: usize,
    holders: usize,
    grants: usize,
    finding: Finding,
}

const SHORT: Drill = Drill {
    seed: 1,
    nodes: 3,
    standbys: 2,
    failovers: 10,
    kills: 50,
    changes: 500,
    askers: 4,
    holders: 2,
    grants: 40,
    finding: Finding::Hosts,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_late_while_nodes_and_primaries_die() {
    run(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_loses_where_nobody_waits_is_said() {
    loss::run(1, 1).await;
}

/// The long form, which `.ci/drill` runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes hours; run `.ci/drill` before a release"]
async fn the_long_drill() {
    let told = |name: &str, usual: usize| {
        let name = format!("PORTCULLIS_DRILL_{name}");
        std::env::var(name).map_or(usual, |text| text.parse().unwrap())
    };
    let finding = match std::env::var("PORTCULLIS_DRILL_FINDING").as_deref() {
        Ok("address") => Finding::Address,
        _ => Finding::Hosts,
    };
    let seed = told("SEED", 1).try_into().unwrap();
    if std::env::var("PORTCULLIS_DRILL_DURABILITY").as_deref() == Ok("available") {
        return loss::run(seed, told("FAILOVERS", 20)).await;
    }
    let endings = told("ENDINGS", 0);
    if endings > 0 {
        return endings::run_long(seed, endings, told("HOLDERS", 24)).await;
    }
    run(Drill {
        finding,
        seed,
        failovers: told("FAILOVERS", 100),
        kills: told("KILLS", 1_000),
        changes: told("CHANGES", 1_000_000),
        grants: told("GRANTS", 2_000),
        askers: told("ASKERS", 12),
        holders: told("HOLDERS", 4),
        ..SHORT
    })
    .await;
}

async fn run(drill: Drill) {
    eprintln!("{drill:?}");
    let began = Instant::now();
    let target = Cluster::start(&[]);
    let orders = target.database().await;
    let sshd = Arc::new(Sshd::start(&authority(), &["readonly"]));
    let mut lacks = Lacks::default();
    let disk = match disk(drill) {
        Ok(size) => Some(size),
        Err(why) => {
            lacks.disks = Some(why);
            None
        }
    };
    let mut replicas = Replicas::start_as(drill.standbys, true, disk).await;
    let name = replicas.database().await.name;
    let spaces = Namespaces::start(drill.nodes).map_err(|why| lacks.spaces = Some(why));
    let ground = Ground {
        ports: replicas.ports(),
        database: name.clone(),
        durability: "strict",
        finding: drill.finding,
        spaces: spaces.ok(),
    };
    let here = ground.here();
    let way = Link::at(here, SocketAddr::from(([127, 0, 0, 1], target.port))).await;
    let catalogue = |password: &std::path::Path| {
        let database = orders_db_at(&here.to_string(), way.port, &orders.name, password);
        format!("{CATALOGUE}{}{database}", sshd.entry("host"))
    };
    let fleet = Fleet::start(drill.nodes, ground, catalogue).await;
    let recorder = Arc::new(Recorder::new());
    let day = Arc::new(Day {
        recorder: Arc::clone(&recorder),
        tries: Arc::new(Tries::default()),
        sshd: Arc::clone(&sshd),
        over: AtomicBool::new(false),
        grants: AtomicUsize::new(drill.grants),
    });
    let mut people = JoinSet::new();
    let (end, ends) = watch::channel(None);
    let mut readers = JoinSet::new();
    everybody(drill, &fleet, &day, &mut people, &mut readers, &ends).await;

    let plan = plan::plan(drill.seed, drill.nodes, drill.failovers, drill.kills);
    let hand = Arc::new(Hand {
        fleet,
        recorder: Arc::clone(&recorder),
        blows: Blows::default(),
    });
    let mut strikes = JoinSet::new();
    for (nth, steps) in plan.nodes.into_iter().enumerate() {
        let hand = Arc::clone(&hand);
        strikes.spawn(async move { hand.strike_node(nth, steps).await });
    }
    hand.strike_database(&mut replicas, plan.database).await;
    eprintln!("the last failover was over after {:?}", began.elapsed());
    while let Some(struck) = strikes.join_next().await {
        struck.unwrap();
    }
    while recorder.acknowledged() < drill.changes {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("everything is whole again after {:?}", began.elapsed());
    day.over.store(true, Ordering::Relaxed);
    while let Some(worked) = people.join_next().await {
        worked.unwrap();
    }
    let database = Database {
        options: replicas.primary().options(&name),
        name,
    };
    all_over(&database, &hand).await;
    // It reads the history, which is itself an event.
    hand.fleet.said(&["audit", "verify"]).await;
    all_over(&database, &hand).await;
    end.send_replace(Some(truth::size(&database).await));
    while let Some(read) = tokio::time::timeout(PATIENCE, readers.join_next())
        .await
        .unwrap()
    {
        read.unwrap();
    }
    let truth = truth::read(&database, &orders).await;
    let history = recorder.finish();
    let verdict = check::check(&history, &truth);
    let events = truth.events.len();
    let table = figures::table(&history, &verdict, &hand.blows, &day.tries, events, &lacks);
    eprintln!(
        "{table}after {:?} with seed {}",
        began.elapsed(),
        drill.seed
    );
    let wrong = verdict.wrong();
    if !wrong.is_empty() || !truth.left.is_empty() {
        let kept = history.keep(&drill.seed.to_string());
        panic!(
            "{} things are wrong; the history is in {}:\n{:#?}\nleft on the target: {:?}\n{}",
            wrong.len(),
            kept.display(),
            wrong.iter().take(20).collect::<Vec<_>>(),
            truth.left,
            hand.fleet.logs()
        );
    }
}

/// How many bytes the disk of each member gets; or why it gets none that can be filled. It is in memory.
fn disk(drill: Drill) -> Result<u64, String> {
    const LOG: u64 = 3 << 29;
    const CHANGE: u64 = 5 << 10;
    if let Some(why) = Disk::lacks() {
        return Err(why);
    }
    let size = LOG + CHANGE * u64::try_from(drill.changes).unwrap();
    let all = size * (1 + u64::try_from(drill.standbys).unwrap());
    let about = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = about.lines().find_map(|line| {
        let kilobytes = line.strip_prefix("MemAvailable:")?.trim();
        kilobytes.strip_suffix(" kB")?.parse::<u64>().ok()
    });
    if free.is_none_or(|kilobytes| kilobytes * 1024 < all) {
        return Err(format!(
            "disks in memory for so many changes take {} GiB",
            all >> 30
        ));
    }
    Ok(size)
}

/// Lets everybody begin their day.
async fn everybody(
    drill: Drill,
    fleet: &Fleet,
    day: &Arc<Day>,
    people: &mut JoinSet<()>,
    readers: &mut JoinSet<()>,
    ends: &watch::Receiver<Option<i64>>,
) {
    let recorder = &day.recorder;
    let reviewer = Arc::new(fleet.person("rex", "reviewer", "reviewers", recorder).await);
    let admin = fleet.person("chief", "admin", "admins", recorder).await;
    for nth in 0..fleet.count() {
        let name = format!("reader-{nth}");
        let reader = Arc::new(fleet.person(&name, "auditor", "auditors", recorder).await);
        for _ in 0..nth {
            reader.move_on();
        }
        readers.spawn(reader::follow(
            name,
            reader,
            Arc::clone(recorder),
            ends.clone(),
        ));
    }
    for nth in 0..drill.askers {
        let name = format!("asker-{nth}");
        // Every fourth is a machine.
        let asker = if nth % 4 == 3 {
            fleet.machine(&name, &admin, recorder).await
        } else {
            fleet
                .person(&name, "requester", "engineers", recorder)
                .await
        };
        let (day, reviewer) = (Arc::clone(day), Arc::clone(&reviewer));
        people.spawn(work::ask(
            day,
            Arc::new(asker),
            reviewer,
            drill.seed + nth as u64,
        ));
    }
    for nth in 0..drill.holders {
        let holder = fleet
            .person(&format!("holder-{nth}"), "requester", "engineers", recorder)
            .await;
        let (day, reviewer) = (Arc::clone(day), Arc::clone(&reviewer));
        people.spawn(work::hold(
            day,
            Arc::new(holder),
            reviewer,
            drill.seed * 7 + nth as u64,
        ));
    }
    for nth in 0..2 {
        let whom = format!("idle-{nth}");
        fleet.person(&whom, "requester", "idle", recorder).await;
        people.spawn(work::lock(Arc::clone(day), Arc::clone(&reviewer), whom));
    }
}

/// Waits until no grant is open and every event has its place.
async fn all_over(database: &Database, hand: &Hand) {
    let began = Instant::now();
    while truth::unfinished(database).await != Some((0, 0)) {
        assert!(
            began.elapsed() < PATIENCE,
            "grants and events that are not finished: {:?}\n{}",
            truth::unfinished(database).await,
            hand.fleet.logs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
