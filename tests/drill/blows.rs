//! Carries out what the plan says, and takes down when it began and when it was over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::fleet::Fleet;
use super::history::{Fault, Recorder};
use super::plan::{DatabaseBlow, NodeBlow, Return, Step, Who};
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
    /// The link of a node's own network was down.
    pub(super) links: AtomicUsize,
    pub(super) clocks: AtomicUsize,
    pub(super) failovers: AtomicUsize,
    /// No standby answered.
    pub(super) alone: AtomicUsize,
    /// Standbys were cut off from the primary.
    pub(super) apart: AtomicUsize,
    /// The primary's disk was full.
    pub(super) disks: AtomicUsize,
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
                NodeBlow::Link(end, time) => {
                    if !self.fleet.link(nth, end, true) {
                        continue;
                    }
                    tokio::time::sleep(time).await;
                    self.fleet.link(nth, end, false);
                    &self.blows.links
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
            match blow {
                DatabaseBlow::Kill(_) | DatabaseBlow::Freeze(..) | DatabaseBlow::Behind(..) => {
                    self.fail_over(replicas, blow).await;
                }
                DatabaseBlow::Standbys(_) | DatabaseBlow::Apart(..) | DatabaseBlow::Disk(..) => {
                    self.hold_up(replicas, blow).await;
                }
            }
            replicas.all_follow().await;
        }
    }

    /// Takes the primary away until another one is in its place, and brings it back.
    async fn fail_over(&self, replicas: &mut Replicas, blow: DatabaseBlow) {
        let (start, old) = (self.recorder.now(), replicas.primary_place());
        let (back, frozen) = match blow {
            DatabaseBlow::Freeze(time, back) => {
                replicas.freeze(old);
                (back, Some(time))
            }
            DatabaseBlow::Behind(way, time, back) => {
                let behind = replicas.others()[0];
                replicas.between(behind, way);
                tokio::time::sleep(time).await;
                replicas.kill_primary();
                (back, None)
            }
            DatabaseBlow::Kill(back) => {
                replicas.kill_primary();
                (back, None)
            }
            other => panic!("{other:?} takes no primary away"),
        };
        replicas.promote().await;
        for place in replicas.others() {
            replicas.between(place, Way::Open);
        }
        self.fleet.lead_to(replicas.primary().port);
        self.service(replicas).await;
        self.over(start, format!("{blow:?}"), true);
        if let Some(time) = frozen {
            tokio::time::sleep(time).await;
            // It goes on in the belief that it is the primary.
            replicas.thaw(old);
            tokio::time::sleep(time / 2).await;
        }
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
    }

    /// Hinders the database for a while; the primary stays the one that it is.
    async fn hold_up(&self, replicas: &Replicas, blow: DatabaseBlow) {
        let start = self.recorder.now();
        let count = match blow {
            DatabaseBlow::Standbys(time) => {
                for place in replicas.others() {
                    replicas.freeze(place);
                }
                tokio::time::sleep(time).await;
                for place in replicas.others() {
                    replicas.thaw(place);
                }
                &self.blows.alone
            }
            DatabaseBlow::Apart(who, way, time) => {
                let others = replicas.others();
                let some = match who {
                    Who::One => &others[..1],
                    Who::All => &others[..],
                };
                for place in some {
                    replicas.between(*place, way);
                }
                tokio::time::sleep(time).await;
                for place in some {
                    replicas.between(*place, Way::Open);
                }
                &self.blows.apart
            }
            DatabaseBlow::Disk(room, time) => {
                let Some(disk) = replicas.disk(replicas.primary_place()) else {
                    return;
                };
                disk.fill(room * 1024);
                tokio::time::sleep(time).await;
                disk.clear();
                &self.blows.disks
            }
            other => panic!("{other:?} takes the primary away"),
        };
        self.service(replicas).await;
        count.fetch_add(1, Ordering::Relaxed);
        self.over(start, format!("{blow:?}"), true);
    }

    /// Waits until changes are acknowledged again. A primary that gave up meanwhile is started again, as a service
    /// manager does.
    async fn service(&self, replicas: &Replicas) {
        let (began, before) = (Instant::now(), self.recorder.acknowledged());
        while self.recorder.acknowledged() < before + SERVICE {
            assert!(
                began.elapsed() < PATIENCE,
                "no service after {PATIENCE:?}: {}\n{}",
                self.recorder
                    .note(|history| format!("{:?}", history.troubles)),
                self.fleet.logs()
            );
            if replicas.primary().gave_up() {
                replicas.start_again(replicas.primary_place());
            }
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
