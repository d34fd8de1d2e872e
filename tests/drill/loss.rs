//! Failovers that lose what was acknowledged, because nobody waited for a standby: that may happen, and what has to hold
//! is that it is said and never silent. A node that saw what is gone takes no such primary until an operator goes on with
//! `portcullis recover`, which begins another epoch of the record.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::check::{Event, Truth, subject};
use super::fleet::{Finding, Fleet, Ground};
use super::history::{History, Outcome, Recorder};
use super::prober::Tries;
use super::truth;
use super::work::{self, Day};
use crate::support::link::Way;
use crate::support::postgres::Database;
use crate::support::random::Random;
use crate::support::replicas::Replicas;
use crate::support::sshd::Sshd;
use crate::support::world::{CATALOGUE, authority};

/// Whatever does not happen by then does not happen.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many changes are acknowledged before a primary is lost, and after it was gone on.
const CHANGES: usize = 20;
/// What a node says of a primary that has less than it saw.
const SAID: &str = "was seen already";

/// What came of it, over all rounds.
#[derive(Debug, Default)]
struct Told {
    acknowledged: usize,
    /// Acknowledged, and gone with the primary.
    lost: usize,
    /// Rounds in which something was lost, and a node said so.
    said: usize,
    /// Rounds in which nothing was lost, and nobody said that it was.
    whole: usize,
    wrong: Vec<String>,
}

/// So many failovers, each from a beginning of its own.
pub(super) async fn run(seed: u64, rounds: usize) {
    let (began, mut random, mut told) = (Instant::now(), Random::new(seed), Told::default());
    for nth in 0..rounds {
        // Every fourth loses nothing: the standbys are not cut off before.
        round(nth % 4 != 3, &mut random, &mut told).await;
    }
    let mut table = String::new();
    for (what, figure) in [
        ("failovers without a wait", rounds),
        ("acknowledged changes", told.acknowledged),
        ("  gone with their primary", told.lost),
        ("failovers that lost and said so", told.said),
        ("failovers that lost nothing", told.whole),
        ("silent, or wrong after it", told.wrong.len()),
    ] {
        writeln!(table, "{what:<36}{figure:>24}").unwrap();
    }
    eprintln!("{table}after {:?} with seed {seed}", began.elapsed());
    assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
}

async fn round(loses: bool, random: &mut Random, told: &mut Told) {
    let mut replicas = Replicas::start_as(2, false, None).await;
    let name = replicas.database().await.name;
    let sshd = Arc::new(Sshd::start(&authority(), &["readonly"]));
    let ground = Ground {
        ports: replicas.ports(),
        database: name.clone(),
        durability: "available",
        finding: Finding::Hosts,
        spaces: None,
    };
    let fleet = Fleet::start(2, ground, |_| CATALOGUE.to_owned()).await;
    let before = Shift::begin(&fleet, &sshd, "before").await;
    before.until(CHANGES).await;
    if loses {
        for place in replicas.others() {
            replicas.between(place, Way::Silent);
        }
        before.until(before.recorder.acknowledged() + CHANGES).await;
        let more = u64::try_from(random.below(1_000)).unwrap();
        tokio::time::sleep(Duration::from_millis(more)).await;
    }
    replicas.kill_primary();
    before.day.over.store(true, Ordering::Relaxed);
    replicas.promote().await;
    let said = what_is_said(&fleet).await;
    let database = Database {
        options: replicas.primary().options(&name),
        name,
    };
    let recorder = Arc::clone(&before.recorder);
    let mut since = HashSet::new();
    if said.is_some() {
        // An operator goes on. Every sign-in is over, so that whoever still called is told so.
        fleet.recover().await;
        before.end().await;
        let after = Shift::begin(&fleet, &sshd, "after").await;
        after.until(CHANGES).await;
        after.day.over.store(true, Ordering::Relaxed);
        let recorder = Arc::clone(&after.recorder);
        after.end().await;
        since = acknowledged(&recorder.finish());
    } else {
        before.end().await;
    }
    let began = Instant::now();
    while truth::unfinished(&database).await != Some((0, 0)) {
        assert!(began.elapsed() < PATIENCE, "{}", fleet.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.said(&["audit", "verify"]).await;
    let held = truth::read(&database, &database).await;
    let earlier = acknowledged(&recorder.finish());
    let lost = missing(&earlier, &held);
    told.acknowledged += earlier.len() + since.len();
    told.lost += lost.len();
    match (lost.first(), &said) {
        (None, None) => told.whole += 1,
        (Some(lost), None) => {
            let text = format!("{lost:?} is gone and nobody said so: {}", fleet.logs());
            told.wrong.push(text);
        }
        // What nobody was told of yet may be gone, too.
        (_, Some(_)) => told.said += 1,
    }
    for lost in missing(&since, &held) {
        let text = format!("{lost:?} is gone after an operator went on");
        told.wrong.push(text);
    }
    let recovered = |event: &Event| event.code == "server.recovered";
    if said.is_some() && (held.epoch < 2 || !held.events.iter().any(recovered)) {
        let text = format!(
            "the record of epoch {} does not say that it went back",
            held.epoch
        );
        told.wrong.push(text);
    }
}

/// People who change things at the nodes.
struct Shift {
    recorder: Arc<Recorder>,
    day: Arc<Day>,
    people: JoinSet<()>,
}

impl Shift {
    async fn begin(fleet: &Fleet, sshd: &Arc<Sshd>, name: &str) -> Self {
        let recorder = Arc::new(Recorder::new());
        let day = Arc::new(Day {
            recorder: Arc::clone(&recorder),
            tries: Arc::new(Tries::default()),
            sshd: Arc::clone(sshd),
            over: AtomicBool::new(false),
            grants: AtomicUsize::new(0),
        });
        let reviewer = format!("reviewer-{name}");
        let reviewer = fleet.person(&reviewer, "reviewer", "reviewers", &recorder);
        let reviewer = Arc::new(reviewer.await);
        let mut people = JoinSet::new();
        for nth in 0..3 {
            let asker = format!("asker-{name}-{nth}");
            let asker = fleet.person(&asker, "requester", "engineers", &recorder);
            let asker = Arc::new(asker.await);
            people.spawn(work::ask(
                Arc::clone(&day),
                asker,
                Arc::clone(&reviewer),
                nth,
            ));
        }
        Self {
            recorder,
            day,
            people,
        }
    }

    /// Waits until so many changes are acknowledged.
    async fn until(&self, changes: usize) {
        let began = Instant::now();
        while self.recorder.acknowledged() < changes {
            assert!(began.elapsed() < PATIENCE, "no service");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) {
        while let Some(worked) = self.people.join_next().await {
            worked.unwrap();
        }
    }
}

/// What a node says of what is gone; nothing once all nodes take the new primary.
async fn what_is_said(fleet: &Fleet) -> Option<String> {
    let began = Instant::now();
    loop {
        let mut ready = 0;
        for nth in 0..fleet.count() {
            let says = fleet.ready(nth).await;
            if says.contains(SAID) {
                return Some(says);
            }
            ready += usize::from(says == "ready\n");
        }
        if ready == fleet.count() {
            return None;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "neither taken nor refused: {}",
            fleet.logs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What was acknowledged, by what the record has of it.
fn acknowledged(history: &History) -> HashSet<(&'static str, String)> {
    let done = history
        .calls
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Done { .. }));
    let each = done.flat_map(|call| {
        let codes = call.verb.codes().iter();
        codes.map(|code| (*code, call.subject.clone()))
    });
    each.collect()
}

/// What of it is not there.
fn missing(
    acknowledged: &HashSet<(&'static str, String)>,
    held: &Truth,
) -> Vec<(&'static str, String)> {
    let there: HashSet<(&str, &str)> = held.events.iter().filter_map(subject).collect();
    let gone = acknowledged
        .iter()
        .filter(|(code, subject)| !there.contains(&(*code, subject.as_str())));
    gone.cloned().collect()
}
