//! Which of several hosts is the primary that this node may use. Pure: reports in, choice out.

use std::time::{Duration, Instant};

use crate::config::Durability;
use crate::store::sequence::Head;

use super::probe::{Report, Silent};

/// A standby that was further behind than this when the primary was lost shows nobody anything.
const BEHIND: Duration = Duration::from_secs(30);
/// Moments remembered of how far the primary had come: one each second, for longer than `BEHIND`.
const MARKS: usize = 64;

/// What this node has seen of the database. It never goes back behind that.
#[derive(Debug, Default)]
pub(super) struct Seen {
    system: Option<String>,
    timeline: i64,
    /// How far the primary had come, and when.
    marks: std::collections::VecDeque<(i64, Instant)>,
}

/// What to do with the hosts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// This one is the primary.
    Primary(usize),
    /// Nothing can be changed, but this one can be read; what it has is from this moment.
    Standby(usize, Instant, String),
    /// None can be used; asking again may change that, or not.
    Nothing(Silent),
}

impl Seen {
    /// Takes note of what the primary in use says.
    pub(super) fn note(&mut self, report: &Report, now: Instant) {
        self.system = Some(report.system.clone());
        self.timeline = self.timeline.max(report.timeline);
        if self.marks.len() >= MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((report.position, now));
    }

    /// Why this primary may not be used, if so.
    pub(super) fn objects(
        &self,
        report: &Report,
        head: Head,
        durability: Durability,
    ) -> Option<String> {
        if let Some(system) = &self.system
            && *system != report.system
        {
            return Some("it is a copy of another database system than the one in use before; if that is meant, restart this node".to_owned());
        }
        if report.timeline < self.timeline {
            return Some(format!(
                "it is an old primary: its timeline is {}, and {} was seen already",
                report.timeline, self.timeline
            ));
        }
        let has = report.head.unwrap_or_default();
        if has < head {
            return Some(format!(
                "its log ends at event {} of epoch {}, and {} of epoch {} was seen already; after a failover that lost changes run `portcullis recover`",
                has.size, has.epoch, head.size, head.epoch
            ));
        }
        (durability == Durability::Strict && !report.is_synchronous).then(|| {
            "its commits wait for no standby, and `durability` is `strict`: set `synchronous_standby_names`".to_owned()
        })
    }

    /// Until when a standby has everything.
    fn fresh(&self, report: &Report, now: Instant) -> Option<Instant> {
        let followed = self.marks.iter().rev();
        let followed = followed
            .filter(|(position, _)| *position <= report.position)
            .map(|(_, at)| *at)
            .next();
        let committed = report.behind.and_then(|behind| now.checked_sub(behind));
        followed.max(committed)
    }

    /// Chooses among the hosts that answered; `why` says what is wrong with the others.
    pub(super) fn choose(
        &self,
        reports: &[Result<Report, Silent>],
        head: Head,
        durability: Durability,
        now: Instant,
    ) -> Choice {
        let answered = || {
            let each = reports.iter().enumerate();
            each.filter_map(|(host, report)| Some((host, report.as_ref().ok()?)))
        };
        let newest = answered()
            .filter(|(_, report)| !report.is_standby)
            .map(|(_, report)| report.timeline)
            .max();
        let mut primaries =
            answered().filter(|(_, report)| !report.is_standby && Some(report.timeline) == newest);
        let why = match (primaries.next(), primaries.next()) {
            (Some((host, report)), None) => match self.objects(report, head, durability) {
                None => return Choice::Primary(host),
                Some(why) => why,
            },
            (Some(_), Some(_)) => {
                "two hosts say that they are the primary, and neither is older".to_owned()
            }
            (None, _) => reports
                .iter()
                .find_map(|report| Some(report.as_ref().err()?.why.clone()))
                .unwrap_or_else(|| "no host is a primary".to_owned()),
        };
        let standby = answered()
            .filter(|(_, report)| {
                report.is_standby && self.system.as_ref().is_none_or(|it| *it == report.system)
            })
            .filter_map(|(host, report)| Some((self.fresh(report, now)?, host)))
            .max();
        let lost = self.marks.back().map_or(now, |(_, at)| *at);
        match standby {
            Some((fresh, host)) if lost.saturating_duration_since(fresh) <= BEHIND => {
                Choice::Standby(host, fresh, why)
            }
            _ => Choice::Nothing(Silent {
                why,
                is_hopeless: reports
                    .iter()
                    .all(|report| report.as_ref().is_err_and(|silent| silent.is_hopeless)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(timeline: i64, size: i64) -> Report {
        Report {
            is_standby: false,
            system: "one".to_owned(),
            timeline,
            position: 100 + size,
            is_synchronous: true,
            behind: None,
            ahead: 0,
            head: Some(Head { epoch: 1, size }),
            is_anew: false,
        }
    }

    fn standby(position: i64) -> Report {
        Report {
            is_standby: true,
            position,
            ..primary(0, 0)
        }
    }

    fn silent() -> Result<Report, Silent> {
        Err(Silent {
            why: "`db` did not answer".to_owned(),
            is_hopeless: false,
        })
    }

    const HEAD: Head = Head { epoch: 1, size: 10 };

    fn choose(seen: &Seen, reports: &[Result<Report, Silent>]) -> Choice {
        seen.choose(reports, HEAD, Durability::Strict, Instant::now())
    }

    fn having_seen(timeline: i64) -> Seen {
        let mut seen = Seen::default();
        seen.note(&primary(timeline, 10), Instant::now());
        seen
    }

    #[test]
    fn the_primary_is_the_one_host_that_takes_writes() {
        let reports = [Ok(standby(110)), Ok(primary(1, 10)), silent()];
        assert_eq!(choose(&having_seen(1), &reports), Choice::Primary(1));
        assert_eq!(choose(&Seen::default(), &reports), Choice::Primary(1));
    }

    #[test]
    fn of_two_primaries_the_one_that_was_promoted_last_counts() {
        let reports = [Ok(primary(1, 10)), Ok(primary(2, 10))];
        assert_eq!(choose(&having_seen(1), &reports), Choice::Primary(1));
        let reports = [Ok(primary(2, 10)), Ok(primary(2, 11))];
        assert!(
            matches!(choose(&having_seen(1), &reports), Choice::Nothing(it) if it.why.contains("two hosts"))
        );
    }

    #[test]
    fn an_old_primary_a_shorter_log_and_another_system_are_not_taken() {
        let seen = having_seen(2);
        let refused = |report: Report| match choose(&seen, &[Ok(report)]) {
            Choice::Nothing(it) => it.why,
            other => panic!("{other:?}"),
        };
        assert!(refused(primary(1, 10)).contains("old primary"));
        assert!(refused(primary(3, 9)).contains("ends at event 9"));
        let mut other = primary(2, 10);
        other.system = "another".to_owned();
        assert!(refused(other).contains("another database system"));
        let mut alone = primary(2, 10);
        alone.is_synchronous = false;
        assert!(refused(alone).contains("synchronous_standby_names"));
        // A shorter log of another epoch was declared by an operator.
        let mut recovered = primary(2, 3);
        recovered.head = Some(Head { epoch: 2, size: 3 });
        assert_eq!(choose(&seen, &[Ok(recovered)]), Choice::Primary(0));
    }

    #[test]
    fn an_old_primary_does_not_take_the_place_of_a_new_one_that_lost_something() {
        let reports = [Ok(primary(1, 10)), Ok(primary(2, 8))];
        assert!(matches!(
            choose(&having_seen(1), &reports),
            Choice::Nothing(_)
        ));
    }

    #[test]
    fn without_a_primary_the_standby_that_has_most_is_read() {
        let mut seen = Seen::default();
        let long_ago = Instant::now();
        seen.note(&primary(1, 5), long_ago);
        let lately = long_ago + Duration::from_secs(20);
        seen.note(&primary(1, 10), lately);
        let reports = [silent(), Ok(standby(105)), Ok(standby(112))];
        let Choice::Standby(host, fresh, why) =
            seen.choose(&reports, HEAD, Durability::Strict, lately)
        else {
            panic!("there is a standby");
        };
        assert_eq!((host, fresh), (2, lately));
        assert_eq!(why, "`db` did not answer");
        let reports = [silent(), Ok(standby(105)), silent()];
        assert_eq!(
            seen.choose(&reports, HEAD, Durability::Strict, lately),
            Choice::Standby(1, long_ago, why)
        );
    }

    #[test]
    fn a_standby_that_had_fallen_behind_is_not_shown() {
        let mut seen = Seen::default();
        let long_ago = Instant::now();
        seen.note(&primary(1, 5), long_ago);
        let lately = long_ago + BEHIND + Duration::from_secs(1);
        seen.note(&primary(1, 10), lately);
        let of = |report| seen.choose(&[Ok(report)], HEAD, Durability::Available, lately);
        assert!(matches!(of(standby(105)), Choice::Nothing(_)));
        let mut quiet = standby(105);
        quiet.behind = Some(Duration::from_secs(2));
        assert!(matches!(of(quiet), Choice::Standby(0, ..)));
    }
}
