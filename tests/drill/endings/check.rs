//! Whether anybody got in or stayed in past a bound. Pure: what was seen in, every contradiction out.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{Ends, Fault, Held, Notes, Use};
use super::place::Kind;
use crate::drill::check::bounds;

/// What was found, with the figures that people want to see even when nothing is wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) late: Vec<String>,
    /// Grants that are over in another way than somebody was told.
    pub(super) otherwise: Vec<String>,
    /// By how many milliseconds the latest use outlived its end; the last says whether that was early.
    pub(super) worst: BTreeMap<(Kind, Use, bool), i64>,
    /// Grants with a session that was alive when they ended.
    pub(super) live: BTreeSet<String>,
}

/// Looks at everything.
pub(super) fn check(notes: &Notes, ends: &Ends) -> Verdict {
    let mut verdict = Verdict::default();
    for (grant, held) in &notes.held {
        match ends.get(grant) {
            None => verdict.otherwise.push(format!("{grant} is not over")),
            Some(end)
                if held.taken.is_some_and(|taken| taken < end.expires)
                    && end.state != held.ending.state() =>
            {
                let text = format!(
                    "{grant} was ended {}, and is {}",
                    held.ending.name(),
                    end.state
                );
                verdict.otherwise.push(text);
            }
            Some(_) => {}
        }
    }
    for seen in &notes.seen {
        let (Some(held), Some(end)) = (notes.held.get(&seen.grant), ends.get(&seen.grant)) else {
            let text = format!("somebody used {}, which is not there", seen.grant);
            verdict.otherwise.push(text);
            continue;
        };
        // A session on a host is cut by the host, when the grant was to end.
        let by_host = held.kind == Kind::Ssh && seen.by == Use::Session;
        if seen.at > end.ended && !by_host {
            verdict.late.push(format!(
                "{:?} with {} {} ms after its end was confirmed",
                seen.by,
                seen.grant,
                seen.at - end.ended
            ));
        }
        let taken = held.taken.filter(|_| !by_host);
        let due = taken.map_or(end.expires, |taken| taken.min(end.expires));
        let past = seen.at - due;
        let early = due < end.expires;
        let worst = verdict.worst.entry((held.kind, seen.by, early));
        let worst = worst.or_insert(past);
        *worst = past.max(*worst);
        // Sessions are asked again after a tenth of a second, and on a host they say when they were cut.
        if seen.by == Use::Session && past > -1_000 {
            verdict.live.insert(seen.grant.clone());
        }
        let bound = bound(held, seen.by, due, end.expires, seen.at, &notes.faults);
        if past > bound {
            verdict.late.push(format!(
                "{:?} with {} {past} ms past its end; {bound} ms are the bound",
                seen.by, seen.grant
            ));
        }
    }
    verdict
}

/// How long after it is due such a use is allowed, with these faults until it was seen.
fn bound(held: &Held, by: Use, due: i64, expires: i64, at: i64, faults: &[Fault]) -> i64 {
    let ours = match outage(held.kind, due, at, faults) {
        Some(outage) => bounds::SESSION_AFTER_FAULT + outage,
        None => bounds::SESSION,
    };
    // What the target ends by itself needs nobody of us.
    let itself = match (held.kind, by) {
        (Kind::Postgres, Use::Login) => Some(expires + bounds::LOGIN),
        (Kind::Ssh, Use::Login) => held.certified.map(|until| until + bounds::LOGIN),
        (Kind::Ssh, Use::Session) => held.certified.map(|until| until + bounds::SESSION),
        _ => None,
    };
    itself.map_or(ours, |moment| ours.min(moment - due))
}

/// How long nodes could not reach the target in this time; none where nothing was broken, then or shortly before.
fn outage(kind: Kind, from: i64, to: i64, faults: &[Fault]) -> Option<i64> {
    let near = faults
        .iter()
        .filter(|fault| fault.of.is_none_or(|of| of == kind))
        .filter(|fault| fault.from <= to && fault.to + 1_000 >= from);
    near.fold(None, |outage, fault| {
        let away = if fault.of.is_some() {
            (fault.to.min(to) - fault.from.max(from)).max(0)
        } else {
            0
        };
        Some(outage.unwrap_or(0) + away)
    })
}

#[cfg(test)]
mod tests {
    use super::super::book::{End, Ending, Seen};
    use super::*;

    /// A grant of this kind that expires at 100 s, was taken at 50 s, and was confirmed at `ended`; used at these moments.
    fn verdict(kind: Kind, ended: i64, seen: &[(i64, Use)], faults: Vec<Fault>) -> Verdict {
        let held = Held {
            kind,
            ending: Ending::Revoke,
            taken: Some(50_000),
            certified: (kind == Kind::Ssh).then_some(100_000),
        };
        let end = End {
            state: "revoked".to_owned(),
            expires: 100_000,
            ended,
        };
        let seen = seen.iter().map(|&(at, by)| Seen {
            at,
            grant: "G".to_owned(),
            by,
        });
        let notes = Notes {
            held: [("G".to_owned(), held)].into(),
            seen: seen.collect(),
            faults,
            ..Notes::default()
        };
        check(&notes, &[("G".to_owned(), end)].into())
    }

    fn fault(from: i64, to: i64, of: Option<Kind>) -> Fault {
        let what = "links cut";
        Fault { from, to, of, what }
    }

    #[test]
    fn whoever_is_in_after_the_end_was_confirmed_is_late() {
        for kind in Kind::ALL {
            let in_time = verdict(kind, 52_000, &[(51_999, Use::Login)], Vec::new());
            assert_eq!(in_time.late, [""; 0]);
            let late = verdict(kind, 52_000, &[(52_001, Use::Login)], Vec::new());
            assert_eq!(late.late.len(), 1, "{late:?}");
        }
    }

    #[test]
    fn a_session_on_a_host_may_last_until_the_grant_was_to_end() {
        let fine = verdict(Kind::Ssh, 52_000, &[(103_000, Use::Session)], Vec::new());
        assert_eq!(fine.late, [""; 0]);
        let late = verdict(Kind::Ssh, 52_000, &[(112_000, Use::Session)], Vec::new());
        assert_eq!(late.late.len(), 1, "{late:?}");
    }

    #[test]
    fn without_a_fault_eleven_seconds_are_the_bound_and_an_outage_is_added_with_one() {
        let use_at = |at, faults| verdict(Kind::Ldap, 200_000, &[(at, Use::Session)], faults).late;
        assert_eq!(use_at(60_900, Vec::new()), [""; 0]);
        assert_eq!(use_at(61_100, Vec::new()).len(), 1);
        let away = |of| vec![fault(50_000, 55_000, of)];
        assert_eq!(use_at(95_000, away(Some(Kind::Ldap))), [""; 0]);
        assert_eq!(use_at(96_100, away(Some(Kind::Ldap))).len(), 1);
        assert_eq!(
            use_at(61_100, away(Some(Kind::Ssh))).len(),
            1,
            "another target"
        );
        assert_eq!(use_at(90_900, away(None)), [""; 0]);
        assert_eq!(use_at(91_100, away(None)).len(), 1, "the other node is up");
    }

    #[test]
    fn a_login_ends_with_the_target_s_own_clock_whatever_is_broken() {
        let faults = vec![fault(50_000, 200_000, Some(Kind::Postgres))];
        let late = verdict(
            Kind::Postgres,
            200_000,
            &[(105_100, Use::Login)],
            faults.clone(),
        );
        assert_eq!(late.late.len(), 1);
        let fine = verdict(Kind::Postgres, 200_000, &[(104_900, Use::Login)], faults);
        assert_eq!(fine.late, [""; 0]);
    }

    #[test]
    fn a_grant_that_ended_otherwise_or_not_at_all_is_told() {
        let held = Held {
            kind: Kind::Ldap,
            ending: Ending::Return,
            taken: Some(50_000),
            certified: None,
        };
        let end = End {
            state: "ended".to_owned(),
            expires: 100_000,
            ended: 101_000,
        };
        let notes = Notes {
            held: [("G".to_owned(), held.clone()), ("H".to_owned(), held)].into(),
            ..Notes::default()
        };
        let verdict = check(&notes, &[("G".to_owned(), end)].into());
        assert_eq!(verdict.otherwise.len(), 2, "{verdict:?}");
    }
}
