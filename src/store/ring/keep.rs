//! The keeper: looks after the primary in use every second, and for another one when it is lost.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Durability;

use super::choose::{Choice, Seen};
use super::listen;
use super::member::Member;
use super::probe::{Probe, Report, Silent, vouch};
use super::{Ring, Standing};

/// How often the primary in use is asked whether it still is.
const LOOK: Duration = Duration::from_secs(1);
/// How often hosts are asked while there is no primary.
const SEARCH: Duration = Duration::from_millis(250);
/// Every so many looks the other hosts are asked too: one of them may have been promoted.
const AROUND: u32 = 5;
/// A primary that takes longer than this to answer may have stood still.
const SLOW: Duration = Duration::from_millis(500);
/// How long a new primary may take to show that its standby follows, before it is used to read only.
const VOUCHED: Duration = Duration::from_secs(2);
/// Why a primary in strict mode is used to read only.
const UNANSWERED: &str = "its commits are not answered, because no standby has them";

pub(super) fn spawn(ring: &Arc<Ring>, stop: CancellationToken) {
    let mut keeper = Keeper {
        ring: Arc::downgrade(ring),
        probes: ring.hosts.iter().map(|_| Probe::default()).collect(),
        seen: Seen::default(),
        vouching: None,
        looks: 0,
    };
    tokio::spawn(async move {
        // The ring is dropped when nobody uses it any more, also while this task waits.
        stop.run_until_cancelled(async { while keeper.turn().await {} })
            .await;
    });
}

struct Keeper {
    ring: Weak<Ring>,
    probes: Vec<Probe>,
    seen: Seen,
    /// A commit on this host that waits for its standby; it is never given up, because it ends when the standby is back.
    vouching: Option<(usize, AbortOnDropHandle<anyhow::Result<()>>)>,
    looks: u32,
}

impl Keeper {
    /// One look; `false` when there is nobody to look for any more.
    async fn turn(&mut self) -> bool {
        let Some(ring) = self.ring.upgrade() else {
            return false;
        };
        let standing = ring.standing.borrow().0.clone();
        let in_use = match standing {
            Standing::Primary(member) => self.look(&ring, &member).await,
            Standing::ReadOnly { .. } | Standing::Nothing { .. } => false,
        };
        if !in_use {
            self.search(&ring).await;
        }
        let found = matches!(ring.standing.borrow().0, Standing::Primary(_));
        let (doubts, pause) = (Arc::clone(&ring.doubts), if found { LOOK } else { SEARCH });
        // Waiting keeps no ring alive that nobody uses.
        drop(ring);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = doubts.notified(), if found => {}
        }
        true
    }

    /// Asks the primary in use whether it still is, and now and then the others whether one of them is newer.
    async fn look(&mut self, ring: &Ring, member: &Arc<Member>) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let began = Instant::now();
        let wrong = match self.ask_one(ring, member.host).await {
            Ok(report) if !is_as_before(&report, member) => {
                Some("it is not the primary that it was".to_owned())
            }
            // What no standby has yet is shown after a crash, so that it is looked at as if it were a new one.
            Ok(report) if report.is_anew && ring.durability == Durability::Strict => {
                Some("its connections broke".to_owned())
            }
            Ok(report) => {
                self.seen.note(&report, Instant::now());
                compare_clocks(ring, &report);
                None
            }
            Err(silent) => Some(silent.why),
        };
        let wrong = match wrong {
            // One that stood still may have been replaced meanwhile.
            None if ring.hosts.len() > 1
                && (began.elapsed() > SLOW || self.looks.is_multiple_of(AROUND)) =>
            {
                self.look_around(ring, member).await
            }
            other => other,
        };
        let wrong = match wrong {
            None if ring.durability == Durability::Strict && member.hangs() => {
                let vouched = self.is_vouched(ring, member.host).await;
                (!vouched).then(|| UNANSWERED.to_owned())
            }
            other => other,
        };
        let Some(why) = wrong else {
            return true;
        };
        tracing::warn!(host = member.place, why, "the database's primary is lost");
        metrics::gauge!("portcullis_database_writable").set(0.0);
        metrics::counter!("portcullis_database_losses_total").increment(1);
        replace(ring, Standing::nothing(why));
        false
    }

    /// Why another host is to be used now, if so.
    async fn look_around(&mut self, ring: &Ring, member: &Member) -> Option<String> {
        // What is seen while they are asked is not to be found in what they say.
        let head = *ring.head.borrow();
        let reports = self.ask_all(ring).await;
        match self
            .seen
            .choose(&reports, head, ring.durability, Instant::now())
        {
            Choice::Primary(host) if host == member.host => None,
            Choice::Primary(_) => Some("another host is the primary".to_owned()),
            Choice::Standby(_, _, why) => Some(why),
            Choice::Nothing(silent) => Some(silent.why),
        }
    }

    /// Looks for a primary among all hosts.
    async fn search(&mut self, ring: &Ring) {
        let head = *ring.head.borrow();
        let (reports, now) = (self.ask_all(ring).await, Instant::now());
        match self.seen.choose(&reports, head, ring.durability, now) {
            Choice::Primary(host) => {
                let Some(Ok(report)) = reports.get(host) else {
                    return;
                };
                if ring.durability == Durability::Strict && !self.is_vouched(ring, host).await {
                    // It can be read. What a crash made visible that no standby has may still be lost, so that nothing is
                    // decided or signed by it.
                    Self::read_only(ring, host, None, UNANSWERED);
                    return;
                }
                self.seen.note(report, now);
                compare_clocks(ring, report);
                self.take(ring, host, report);
            }
            Choice::Standby(host, fresh, why) => {
                Self::read_only(ring, host, Some(fresh), &why);
            }
            Choice::Nothing(silent) => nothing(ring, silent),
        }
    }

    async fn ask_all(&mut self, ring: &Ring) -> Vec<Result<Report, Silent>> {
        let asked = self.probes.iter_mut().zip(&ring.hosts);
        join_all(asked.map(|(probe, host)| probe.ask(host))).await
    }

    async fn ask_one(&mut self, ring: &Ring, host: usize) -> Result<Report, Silent> {
        match (self.probes.get_mut(host), ring.hosts.get(host)) {
            (Some(probe), Some(host)) => probe.ask(host).await,
            _ => Err(anyhow::anyhow!("there is no such host").into()),
        }
    }

    /// Whether a commit on this host is answered within a moment. What is visible on it then is on a standby too, also
    /// what a crash of the primary made visible before.
    async fn is_vouched(&mut self, ring: &Ring, host: usize) -> bool {
        let Some(at) = ring.hosts.get(host) else {
            return false;
        };
        let mut vouching = match self.vouching.take() {
            Some((before, vouching)) if before == host => vouching,
            _ => AbortOnDropHandle::new(tokio::spawn(vouch(at.clone()))),
        };
        match tokio::time::timeout(VOUCHED, &mut vouching).await {
            Ok(Ok(Ok(()))) => true,
            Ok(Ok(Err(error))) => {
                tracing::debug!(
                    host = at.place,
                    error = format!("{error:#}"),
                    "a primary could not be tried"
                );
                false
            }
            Ok(Err(_)) => false,
            Err(_) => {
                self.vouching = Some((host, vouching));
                false
            }
        }
    }

    fn take(&self, ring: &Ring, host: usize, report: &Report) {
        let Some(at) = ring.hosts.get(host) else {
            return;
        };
        let member = Arc::new(Member::new(
            (host, at),
            (report.timeline, report.is_synchronous),
            ring.durability,
            Arc::clone(&ring.doubts),
        ));
        tracing::info!(
            host = member.place,
            timeline = member.timeline,
            "the database's primary is in use"
        );
        metrics::gauge!("portcullis_database_writable").set(1.0);
        listen::spawn(self.ring.clone(), Arc::clone(&member));
        replace(ring, Standing::Primary(member));
    }

    fn read_only(ring: &Ring, host: usize, as_of: Option<Instant>, why: &str) {
        let Some(at) = ring.hosts.get(host) else {
            return;
        };
        let why: Arc<str> = why.into();
        let before = ring.standing.borrow().0.clone();
        let member = match before {
            Standing::ReadOnly {
                member,
                why: before,
                ..
            } if member.host == host => {
                // How old it is changes all the time, and wakes nobody.
                if before == why {
                    ring.standing.send_if_modified(|(standing, _)| {
                        *standing = Standing::ReadOnly { member, as_of, why };
                        false
                    });
                    return;
                }
                member
            }
            _ => {
                tracing::warn!(host = at.place, %why, "the database is read only");
                Arc::new(Member::new(
                    (host, at),
                    (0, false),
                    Durability::Available,
                    Arc::clone(&ring.doubts),
                ))
            }
        };
        replace(ring, Standing::ReadOnly { member, as_of, why });
    }
}

/// Takes note of what the clock of the primary says, and tells once when it is another than this machine's.
fn compare_clocks(ring: &Ring, report: &Report) {
    const APART: i64 = 30_000;
    let before = ring.ahead.swap(report.ahead, Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "no clock is 2^52 ms ahead")]
    metrics::gauge!("portcullis_clock_ahead_seconds").set(report.ahead as f64 / 1_000.0);
    match (before.abs() > APART, report.ahead.abs() > APART) {
        (false, true) => tracing::error!(
            seconds = report.ahead / 1_000,
            "the clock of the database is ahead of this machine's by so much: nothing is given until they agree; what ends access goes on"
        ),
        (true, false) => {
            tracing::warn!("the clocks of the database and of this machine agree again");
        }
        _ => {}
    }
}

fn is_as_before(report: &Report, member: &Member) -> bool {
    !report.is_standby
        && report.timeline == member.timeline
        && report.is_synchronous == member.is_synchronous
}

fn nothing(ring: &Ring, silent: Silent) {
    let why: Arc<str> = silent.why.into();
    let known = matches!(&ring.standing.borrow().0, Standing::Nothing { why: before, .. } if *before == why);
    if !known {
        tracing::warn!(%why, "the database cannot be used");
        let is_hopeless = silent.is_hopeless;
        replace(ring, Standing::Nothing { why, is_hopeless });
    }
}

/// Puts another standing in the place of the one before, whose host is left if it is another one. How long there has been
/// no primary counts from its loss.
fn replace(ring: &Ring, standing: Standing) {
    let mut left = None;
    ring.standing.send_modify(|(now, since)| {
        let without = |standing: &Standing| !matches!(standing, Standing::Primary(_));
        if !(without(now) && without(&standing)) {
            *since = Instant::now();
        }
        let before = std::mem::replace(now, standing);
        left = before
            .member()
            .filter(|before| now.member().is_none_or(|now| !Arc::ptr_eq(now, before)))
            .cloned();
    });
    if let Some(left) = left {
        left.leave();
    }
}
