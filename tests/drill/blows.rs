//! Carries out what the plan says, and takes down when it began and when it was over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::fleet::Fleet;
use super::history::{Fault, Recorder};
use super::plan::{DatabaseBlow, NodeBlow, Return, Step};
use crate::support::link::Way;
use crate::support::replicas::{Rejoin, Replicas};

/// Service that has not come back by then does not come back.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many changes that were acknowledged are service.
const SERVICE: usize = 5;

/// How often each thing happened.
#[derive(Debug, Default)]
pub(super) struct Blows {
    pub(super) kills: AtomicUsize,
    pub(super) freezes: AtomicUsize,
    pub(super) cuts: AtomicUsize,
    pub(super) clocks: AtomicUsize,
    pub(super) failovers: AtomicUsize,
}

/// What blows are dealt with.
pub(super) struct Hand {
    pub(super) fleet: Fleet,
    pub(super) recorder: Arc<Recorder>,
    pub(super) blows: Blows,
}

impl Hand {
    /// Everything that happens to one node, one after the other.
    pub(super) async fn strike_node(&self, nth: usize, steps: Vec<Step<NodeBlow>>) {
        for (pause, blow) in steps {
            tokio::time::sleep(pause).await;
            let start = self.recorder.now();
            let count = match blow {
                NodeBlow::Kill => {
                    self.fleet.kill(nth).await;
                    &self.blows.kills
                }
                NodeBlow::Freeze(time) => {
                    self.fleet.signal(nth, Signal::STOP);
                    tokio::time::sleep(time).await;
                    self.fleet.signal(nth, Signal::CONT);
                    &self.blows.freezes
                }
                NodeBlow::Clients(way, time) => {
                    self.fleet.clients(nth, way);
                    tokio::time::sleep(time).await;
                    self.fleet.clients(nth, Way::Open);
                    &self.blows.cuts
                }
                NodeBlow::Database(way, time) => {
                    self.fleet.databases(nth, way);
                    tokio::time::sleep(time).await;
                    self.fleet.databases(nth, Way::Open);
                    &self.blows.cuts
                }
                NodeBlow::Clock(seconds, time) => {
                    if !self.fleet.turn_clock(nth, seconds) {
                        continue;
                    }
                    tokio::time::sleep(time).await;
                    self.fleet.turn_clock(nth, 0);
                    &self.blows.clocks
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
            self.over(start, format!("node {nth}: {blow:?}"), false);
        }
    }

    /// Everything that happens to the database, one after the other.
    pub(super) async fn strike_database(
        &self,
        replicas: &mut Replicas,
        steps: Vec<Step<DatabaseBlow>>,
    ) {
        for (pause, blow) in steps {
            tokio::time::sleep(pause).await;
            let (start, old) = (self.recorder.now(), replicas.primary_place());
            let back = match blow {
                DatabaseBlow::Kill(back) => {
                    replicas.kill_primary();
                    replicas.promote().await;
                    self.fleet.lead_to(replicas.primary().port);
                    self.service().await;
                    self.over(start, format!("{blow:?}"), true);
                    back
                }
                DatabaseBlow::Freeze(time, back) => {
                    replicas.freeze(old);
                    replicas.promote().await;
                    self.fleet.lead_to(replicas.primary().port);
                    self.service().await;
                    self.over(start, format!("{blow:?}"), true);
                    tokio::time::sleep(time).await;
                    // It goes on in the belief that it is the primary.
                    replicas.thaw(old);
                    tokio::time::sleep(time / 2).await;
                    back
                }
                DatabaseBlow::Standbys(time) => {
                    for place in replicas.others() {
                        replicas.freeze(place);
                    }
                    tokio::time::sleep(time).await;
                    for place in replicas.others() {
                        replicas.thaw(place);
                    }
                    self.service().await;
                    self.over(start, format!("{blow:?}"), true);
                    continue;
                }
            };
            self.blows.failovers.fetch_add(1, Ordering::Relaxed);
            let way = match back {
                Return::Rewound => Rejoin::Rewound,
                Return::Fresh => Rejoin::Fresh,
                Return::Second(time) => {
                    if !replicas.member(old).runs() {
                        replicas.start_again(old);
                    }
                    tokio::time::sleep(time).await;
                    Rejoin::Rewound
                }
            };
            replicas.rejoin(old, way).await;
            replicas.all_follow().await;
        }
    }

    /// Waits until changes are acknowledged again.
    async fn service(&self) {
        let (began, before) = (Instant::now(), self.recorder.acknowledged());
        while self.recorder.acknowledged() < before + SERVICE {
            assert!(
                began.elapsed() < PATIENCE,
                "no service after {PATIENCE:?}: {}\n{}",
                self.recorder
                    .note(|history| format!("{:?}", history.troubles)),
                self.fleet.logs()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn over(&self, start: u64, what: String, outage: bool) {
        let end = self.recorder.now();
        let fault = Fault {
            start,
            end,
            what,
            outage,
        };
        self.recorder.note(|history| history.faults.push(fault));
    }
}
