//! What fails: the way from the nodes to a target, the target itself, and nodes.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::book::Fault;
use super::holder::Day;
use super::place::Kind;
use crate::drill::fleet::Fleet;
use crate::drill::history::wall_now;
use crate::support::link::Way;
use crate::support::random::Random;

/// What befalls a target.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Link(Way),
    StandsStill,
    Refuses,
    Dies,
}

const BLOWS: [(Blow, &str); 8] = [
    (Blow::Link(Way::Cut), "links cut"),
    (Blow::Link(Way::Silent), "links silent"),
    (Blow::Link(Way::Mute), "links mute"),
    (Blow::Link(Way::Deaf), "links deaf"),
    (
        Blow::Link(Way::Slow(Duration::from_millis(200))),
        "links slow",
    ),
    (Blow::StandsStill, "targets that stood still"),
    (Blow::Refuses, "targets that refused"),
    (Blow::Dies, "targets killed"),
];

/// Breaks one target again and again. The seed says how, and for how long.
pub(super) async fn strike_target(day: Arc<Day>, kind: Kind, seed: u64) {
    let mut random = Random::new(seed);
    while day.goes_on() {
        tokio::time::sleep(millis(&mut random, 1_500, 4_000)).await;
        let time = millis(&mut random, 500, 3_000);
        let (blow, what) = BLOWS[random.below(BLOWS.len())];
        let from = wall_now();
        match blow {
            Blow::Link(way) => day.place.set(kind, way),
            Blow::StandsStill => day.place.signal(kind, Signal::STOP),
            Blow::Refuses => day.place.refuse(kind, true).await,
            Blow::Dies => tokio::task::block_in_place(|| day.place.kill(kind)),
        }
        tokio::time::sleep(time).await;
        match blow {
            Blow::Link(_) => day.place.set(kind, Way::Open),
            Blow::StandsStill => day.place.signal(kind, Signal::CONT),
            Blow::Refuses => day.place.refuse(kind, false).await,
            Blow::Dies => tokio::task::block_in_place(|| day.place.start_again(kind)),
        }
        note(&day, from, Some(kind), what);
    }
}

/// Kills one node or the other, or stops it as it stands; the other one goes on meanwhile.
pub(super) async fn strike_nodes(day: Arc<Day>, fleet: Arc<Fleet>, seed: u64) {
    let mut random = Random::new(seed);
    while day.goes_on() {
        tokio::time::sleep(millis(&mut random, 3_000, 8_000)).await;
        let nth = random.below(fleet.count());
        let from = wall_now();
        if random.chance(3) {
            fleet.signal(nth, Signal::STOP);
            tokio::time::sleep(millis(&mut random, 1_000, 3_000)).await;
            fleet.signal(nth, Signal::CONT);
            note(&day, from, None, "nodes that stood still");
        } else {
            fleet.kill(nth).await;
            note(&day, from, None, "nodes killed");
        }
    }
}

fn note(day: &Day, from: i64, of: Option<Kind>, what: &'static str) {
    let to = wall_now();
    let fault = Fault { from, to, of, what };
    day.book.note(|notes| notes.faults.push(fault));
}

fn millis(random: &mut Random, least: usize, most: usize) -> Duration {
    let millis = least + random.below(most - least);
    Duration::from_millis(u64::try_from(millis).unwrap())
}
