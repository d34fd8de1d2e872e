//! The figures of many endings, as people want to read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::book::{Ending, Ends, Notes, Use};
use super::check::Verdict;
use super::place::Kind;

/// A table of everything that was counted.
pub(super) fn table(notes: &Notes, ends: &Ends, verdict: &Verdict, left: &[String]) -> String {
    let used: BTreeSet<&str> = notes.seen.iter().map(|seen| seen.grant.as_str()).collect();
    let used: Vec<_> = notes
        .held
        .iter()
        .filter(|(grant, _)| used.contains(grant.as_str()))
        .map(|(grant, held)| {
            // Whoever came too late with another way has an end by time.
            let state = ends.get(grant).map(|end| end.state.as_str());
            let ending = if state == Some(held.ending.state()) {
                held.ending
            } else {
                Ending::Time
            };
            (held.kind, ending)
        })
        .collect();
    let mut text = format!("{:<36}", "");
    for kind in Kind::ALL {
        write!(text, "{:>12}", kind.name()).unwrap();
    }
    text.push('\n');
    let mut row = |what: &str, figure: &dyn Fn(Kind) -> String| {
        write!(text, "{what:<36}").unwrap();
        for kind in Kind::ALL {
            write!(text, "{:>12}", figure(kind)).unwrap();
        }
        text.push('\n');
    };
    row("grants that somebody used", &|kind| {
        used.iter()
            .filter(|(of, _)| *of == kind)
            .count()
            .to_string()
    });
    for ending in Ending::ALL {
        row(&format!("  ended {}", ending.name()), &|kind| {
            let such = used.iter().filter(|one| **one == (kind, ending));
            such.count().to_string()
        });
    }
    let count = |counts: &BTreeMap<Kind, u64>, kind| {
        counts.get(&kind).copied().unwrap_or_default().to_string()
    };
    row("  with a live session", &|kind| {
        let live = verdict.live.iter();
        live.filter(|grant| notes.held[*grant].kind == kind)
            .count()
            .to_string()
    });
    row("sessions opened again", &|kind| {
        count(&notes.reopened, kind)
    });
    row("logins tried", &|kind| count(&notes.tries, kind));
    row("  after a confirmed end", &|kind| {
        count(&notes.afterwards, kind)
    });
    for (by, name) in [(Use::Login, "login"), (Use::Session, "session")] {
        for (early, end) in [(false, "end"), (true, "early end")] {
            row(&format!("latest {name} past an {end}"), &|kind| {
                let worst = verdict.worst.get(&(kind, by, early));
                worst.map_or_else(|| "-".to_owned(), |past| format!("{} ms", (*past).max(0)))
            });
        }
    }
    let mut faults: BTreeMap<&str, BTreeMap<Option<Kind>, usize>> = BTreeMap::new();
    for fault in &notes.faults {
        let of = faults.entry(fault.what).or_default();
        *of.entry(fault.of).or_default() += 1;
    }
    for (what, counts) in &faults {
        if counts.contains_key(&None) {
            continue;
        }
        row(what, &|kind| {
            counts
                .get(&Some(kind))
                .copied()
                .unwrap_or_default()
                .to_string()
        });
    }
    let struck = faults.iter().filter_map(|(what, counts)| {
        let count = counts.get(&None)?;
        Some(((*what).to_owned(), count.to_string()))
    });
    for (what, figure) in struck {
        writeln!(text, "{what:<36}{figure:>12}").unwrap();
    }
    writeln!(
        text,
        "{} grants, {} of them used: residue {}, past bound {}, ended otherwise {}",
        notes.held.len(),
        used.len(),
        left.len(),
        verdict.late.len(),
        verdict.otherwise.len()
    )
    .unwrap();
    text
}
