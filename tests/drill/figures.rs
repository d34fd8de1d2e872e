//! The figures of a drill, as people want to read them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::blows::Blows;
use super::check::Verdict;
use super::history::{Call, History, Outcome};
use super::prober::Tries;

/// What this machine does not let a drill do, and why.
#[derive(Debug, Default)]
pub(super) struct Lacks {
    pub(super) disks: Option<String>,
    pub(super) spaces: Option<String>,
}

/// A table of everything that was counted.
pub(super) fn table(
    history: &History,
    verdict: &Verdict,
    blows: &Blows,
    tries: &Tries,
    events: usize,
    lacks: &Lacks,
) -> String {
    let or = |lacks: &Option<String>, figure: String| match lacks {
        Some(_) => "not on this machine".to_owned(),
        None => figure,
    };
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed).to_string();
    let number = |count: &AtomicU64| count.load(Ordering::Relaxed).to_string();
    let done = |call: &&Call| matches!(call.outcome, Outcome::Done { .. });
    let acknowledged = history.calls.iter().filter(done).count();
    let resolved = history
        .calls
        .iter()
        .filter(done)
        .filter(|call| call.unknown)
        .count();
    let open = history
        .calls
        .iter()
        .filter(|call| call.outcome == Outcome::Open)
        .count();
    let mut silences = silences(history);
    silences.sort_unstable();
    let outages: Vec<u64> = silences.iter().map(|(silence, _)| *silence).collect();
    let called_old = history.looks.iter().filter(|look| look.stale).count();
    let frames: usize = history.frames.values().map(Vec::len).sum();
    let rows = [
        ("acknowledged changes", acknowledged.to_string()),
        ("  after more than one try", resolved.to_string()),
        ("  never answered", open.to_string()),
        ("looks at a request", history.looks.len().to_string()),
        ("  whose answer may be old, it says", called_old.to_string()),
        ("events in the record", events.to_string()),
        ("events read from streams", frames.to_string()),
        ("  told again after a break", verdict.told_again.to_string()),
        ("kills of nodes", of(&blows.kills)),
        ("  back after, p50 p99 max", percentiles(&restarts(history))),
        ("nodes that stood still", of(&blows.freezes)),
        ("broken links", of(&blows.cuts)),
        (
            "links down in namespaces",
            or(&lacks.spaces, of(&blows.links)),
        ),
        ("clocks that jumped", of(&blows.clocks)),
        ("failovers", of(&blows.failovers)),
        ("primaries without a standby", of(&blows.alone)),
        ("standbys cut off", of(&blows.apart)),
        (
            "full disks of a primary",
            or(&lacks.disks, of(&blows.disks)),
        ),
        ("time without service, p50 p99 max", percentiles(&outages)),
        ("logins tried on the target", number(&tries.logins)),
        ("  refused", number(&tries.refused)),
        ("sessions held open", number(&tries.sessions)),
        (
            "latest login past an end",
            format!("{} ms", verdict.worst_login),
        ),
        (
            "latest session past an end",
            format!("{} ms", verdict.worst_session),
        ),
        (
            "latest use past a revocation",
            format!("{} ms", verdict.worst_taken),
        ),
        ("logins tried on the host", number(&tries.certified)),
        ("sessions held open on it", number(&tries.hosted)),
        (
            "latest use past a certificate",
            format!("{} ms", verdict.worst_certificate),
        ),
        ("lost", verdict.lost.len().to_string()),
        ("duplicate", verdict.doubled.len().to_string()),
        ("torn", verdict.torn.len().to_string()),
        ("past bound", verdict.late.len().to_string()),
    ];
    let mut text = String::new();
    for (what, figure) in rows {
        writeln!(text, "{what:<36}{figure:>24}").unwrap();
    }
    for (what, why) in [("full disks", &lacks.disks), ("namespaces", &lacks.spaces)] {
        if let Some(why) = why {
            writeln!(text, "  {what}: not on this machine: {why}").unwrap();
        }
    }
    for (why, times) in &history.troubles {
        writeln!(text, "  not definite: {why:<34}{times:>8}").unwrap();
    }
    for (silence, what) in silences.iter().rev().take(3) {
        writeln!(text, "  without service: {silence:>6} ms at {what}").unwrap();
    }
    text
}

/// The longest time without an acknowledged change in each outage, in milliseconds.
fn silences(history: &History) -> Vec<(u64, &str)> {
    let done = |call: &&Call| matches!(call.outcome, Outcome::Done { .. });
    let mut ends: Vec<u64> = history
        .calls
        .iter()
        .filter(done)
        .map(|call| call.end)
        .collect();
    ends.sort_unstable();
    let outages = history.faults.iter().filter(|fault| fault.outage);
    outages
        .map(|fault| {
            let inside = ends
                .iter()
                .filter(|end| (fault.start..fault.end).contains(end));
            let mut last = fault.start;
            let mut longest = 0;
            for end in inside.copied().chain([fault.end]) {
                longest = longest.max(end - last);
                last = end;
            }
            (longest / 1000, fault.what.as_str())
        })
        .collect()
}

/// How long a node took to be killed and to listen again, in milliseconds.
fn restarts(history: &History) -> Vec<u64> {
    let faults = history.faults.iter();
    let kills =
        faults.filter(|fault| fault.what.starts_with("node") && fault.what.ends_with("Kill"));
    let mut took: Vec<u64> = kills
        .map(|fault| (fault.end - fault.start) / 1000)
        .collect();
    took.sort_unstable();
    took
}

fn percentiles(sorted: &[u64]) -> String {
    let at = |percent: usize| {
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    };
    format!("{} {} {} ms", at(50), at(99), at(100))
}
