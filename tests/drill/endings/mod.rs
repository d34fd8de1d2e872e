//! Endings: many real grants on three kinds of targets with somebody in each of them, ended in every way while targets,
//! ways and nodes fail. In the end nothing is left, and nobody was in for too long.

mod blows;
mod book;
mod check;
mod figures;
mod holder;
mod place;
mod prober;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::book::{Book, Ending, Ends};
use self::holder::{Day, Pace, Ticket, hold};
use self::place::{Kind, Place};
use super::fleet::{Finding, Fleet, Ground};
use super::history::Recorder;
use super::truth;
use crate::support::postgres::{Cluster, Database};

/// After the last blow everything that is due ends within a lease and some.
const PATIENCE: Duration = Duration::from_mins(3);

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Show {
    seed: u64,
    /// Each of them is used by somebody.
    grants: usize,
    /// People who hold one at a time.
    holders: usize,
    pace: Pace,
}

const SHORT: Show = Show {
    seed: 1,
    grants: 60,
    holders: 24,
    pace: Pace {
        short: 3,
        long: 5,
        afterwards: Duration::from_millis(1_500),
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_any_grant_while_targets_and_nodes_fail() {
    run(SHORT).await;
}

/// The long form, which `.ci/drill` runs.
pub(super) async fn run_long(seed: u64, grants: usize, holders: usize) {
    run(Show {
        seed,
        grants,
        holders,
        pace: Pace {
            short: 4,
            long: 9,
            afterwards: Duration::from_secs(4),
        },
    })
    .await;
}

async fn run(show: Show) {
    eprintln!("{show:?}");
    let began = Instant::now();
    let truth = Cluster::start(&[]);
    let database = truth.database().await;
    let people: Vec<String> = (0..show.holders)
        .map(|nth| format!("holder-{nth}"))
        .collect();
    let place = Place::start(&people).await;
    let ground = Ground {
        ports: vec![truth.port],
        database: database.name.clone(),
        durability: "available",
        finding: Finding::Hosts,
        spaces: None,
    };
    let fleet = Arc::new(Fleet::start(2, ground, |password| place.catalogue(password)).await);
    let (tell, ends) = watch::channel(Ends::new());
    let day = Arc::new(Day {
        place,
        book: Book::default(),
        ends,
        tickets: Mutex::new(tickets(show.grants)),
        passes: Mutex::default(),
        pace: show.pace,
        over: AtomicBool::new(false),
    });
    let recorder = Arc::new(Recorder::new());
    let reviewer = fleet
        .person("rex", "reviewer", "reviewers", &recorder)
        .await;
    let reviewer = Arc::new(reviewer);
    let mut callers = Vec::new();
    for who in &people {
        let caller = fleet.person(who, "requester", "engineers", &recorder);
        callers.push(caller.await);
    }
    eprintln!("everybody is there after {:?}", began.elapsed());

    let looking = tokio::spawn(look(database.clone(), tell));
    let mut holders = JoinSet::new();
    for (nth, caller) in (0..).zip(callers) {
        let (day, reviewer) = (Arc::clone(&day), Arc::clone(&reviewer));
        holders.spawn(hold(day, caller, reviewer, show.seed * 1_000 + nth));
    }
    let mut strikes = JoinSet::new();
    for (nth, kind) in (0..).zip(Kind::ALL) {
        let day = Arc::clone(&day);
        strikes.spawn(blows::strike_target(day, kind, show.seed * 7 + nth));
    }
    strikes.spawn(blows::strike_nodes(
        Arc::clone(&day),
        Arc::clone(&fleet),
        show.seed * 11,
    ));
    while let Some(held) = holders.join_next().await {
        assert!(held.is_ok(), "{held:?}\n{}", fleet.logs());
    }
    day.over.store(true, Ordering::Relaxed);
    while let Some(struck) = strikes.join_next().await {
        struck.unwrap();
    }
    all_over(&database, &fleet).await;
    looking.abort();
    fleet.said(&["audit", "verify"]).await;

    let mut left = day.place.left().await;
    left.extend(still_in(&day).await);
    let notes = day.book.finish();
    let ends = book::ends(&mut database.connect().await).await;
    let verdict = check::check(&notes, &ends);
    let table = figures::table(&notes, &ends, &verdict, &left);
    eprintln!("{table}after {:?} with seed {}", began.elapsed(), show.seed);
    let wrong: Vec<&String> = verdict.late.iter().chain(&verdict.otherwise).collect();
    assert!(
        wrong.is_empty() && left.is_empty(),
        "{} things are wrong: {:#?}\nleft on the targets: {left:#?}\n{}",
        wrong.len(),
        wrong.iter().take(20).collect::<Vec<_>>(),
        fleet.logs()
    );
}

/// Every grant that still lets somebody in, now that all of them are over and everything works again.
async fn still_in(day: &Day) -> Vec<String> {
    let passes = std::mem::take(&mut *day.passes.lock().unwrap());
    let tried = futures_util::stream::iter(passes).map(async |(grant, pass)| {
        let enters = pass.enters().await;
        enters.then(|| format!("somebody gets in with {grant}"))
    });
    let found = tried.buffer_unordered(8).filter_map(std::future::ready);
    found.collect().await
}

/// Every kind in every way, in turn.
fn tickets(count: usize) -> VecDeque<Ticket> {
    let kinds = Kind::ALL.len();
    let ticket = |nth: usize| Ticket {
        kind: Kind::ALL[nth % kinds],
        ending: Ending::ALL[nth / kinds % Ending::ALL.len()],
        tries: 0,
    };
    (0..count).map(ticket).collect()
}

/// Tells again and again which grants are over.
async fn look(database: Database, tell: watch::Sender<Ends>) {
    let mut connection = database.connect().await;
    loop {
        tell.send_replace(book::ends(&mut connection).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until no grant is open and every event has its place.
async fn all_over(database: &Database, fleet: &Fleet) {
    let began = Instant::now();
    while truth::unfinished(database).await != Some((0, 0)) {
        assert!(
            began.elapsed() < PATIENCE,
            "grants and events that are not finished: {:?}\n{}",
            truth::unfinished(database).await,
            fleet.logs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
