//! Moments and lengths as people write them in filters, resolved against the clock of whoever keeps the rows.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};

/// Ten years: more than any record holds, and far from where calendars overflow.
const LONGEST: i64 = 3_660 * 86_400;

/// Units from large to small.
const UNITS: [(i64, char); 5] = [
    (7 * 86_400, 'w'),
    (86_400, 'd'),
    (3_600, 'h'),
    (60, 'm'),
    (1, 's'),
];

/// A length of time, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub i64);

impl Length {
    /// Reads `90s`, `30m`, `2h30m`, `1d` or `2w`.
    pub fn read(text: &str) -> Option<Self> {
        let mut total = 0_i64;
        let mut rest = text;
        let mut before = i64::MAX;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at_checked(digits)?;
            let unit = after.chars().next()?;
            let (seconds, _) = UNITS.iter().find(|(_, word)| *word == unit)?;
            if *seconds >= before {
                return None;
            }
            before = *seconds;
            total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(*seconds)?)?;
            rest = after.strip_prefix(unit)?;
        }
        (total <= LONGEST).then_some(Self(total))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        // Weeks are read but not written: `10d` says more than `1w3d`.
        for (seconds, word) in UNITS.into_iter().filter(|(_, word)| *word != 'w') {
            if rest >= seconds {
                write!(f, "{}{word}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

/// A moment, or a stretch of time that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// All of RFC 3339.
    At(DateTime<Utc>),
    /// A whole day.
    Day(NaiveDate),
    /// A minute of the day, or a second of it where `exact`: the last one that has begun.
    Clock {
        at: NaiveTime,
        exact: bool,
    },
    /// So long before now; after now where it is negative.
    Ago(i64),
    Now,
    Today,
    Yesterday,
}

/// From a moment on, and before another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

impl Bounds {
    /// Says whether a moment is inside.
    pub fn holds(self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// What wire bodies tell apart.
const TICK: TimeDelta = TimeDelta::milliseconds(1);

impl When {
    /// Reads a moment.
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "now" => return Some(Self::Now),
            "today" => return Some(Self::Today),
            "yesterday" => return Some(Self::Yesterday),
            _ => {}
        }
        if let Some(after) = text.strip_prefix("now") {
            if let Some(length) = after.strip_prefix('-') {
                return Length::read(length).map(|length| Self::Ago(length.0));
            }
            let length = after.strip_prefix('+').and_then(Length::read)?;
            return (length.0 > 0).then_some(Self::Ago(-length.0));
        }
        if let Some(length) = Length::read(text.strip_prefix('-').unwrap_or(text)) {
            return Some(Self::Ago(length.0));
        }
        if text.len() == 10
            && text
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
        {
            return NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .map(Self::Day);
        }
        let clock = |format: &str| NaiveTime::parse_from_str(text, format).ok();
        if text.len() <= 5
            && let Some(at) = clock("%H:%M")
        {
            return Some(Self::Clock { at, exact: false });
        }
        if text.len() <= 8
            && let Some(at) = clock("%H:%M:%S")
        {
            return Some(Self::Clock { at, exact: true });
        }
        DateTime::parse_from_rfc3339(&text.to_ascii_uppercase())
            .ok()
            .map(|at| Self::At(at.with_timezone(&Utc)))
    }

    /// Beginning and end of what is meant; the same moment twice where it has no length.
    fn stretch(self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let day = |date: NaiveDate| {
            let start = date.and_time(NaiveTime::MIN).and_utc();
            (start, start.checked_add_days(Days::new(1)).unwrap_or(start))
        };
        match self {
            Self::At(at) if at.timestamp_subsec_nanos() == 0 => (at, at + TimeDelta::seconds(1)),
            Self::At(at) => (at, at + TICK),
            Self::Day(date) => day(date),
            Self::Today => day(now.date_naive()),
            Self::Yesterday => day(now.date_naive().pred_opt().unwrap_or(now.date_naive())),
            Self::Clock { at, exact } => {
                let mut start = now.date_naive().and_time(at).and_utc();
                // At ten past midnight, `23:50` is twenty minutes ago and not tonight.
                if start > now {
                    start = start.checked_sub_days(Days::new(1)).unwrap_or(start);
                }
                let length = if exact { 1 } else { 60 };
                (start, start + TimeDelta::seconds(length))
            }
            Self::Ago(seconds) => {
                let at = now
                    .checked_sub_signed(TimeDelta::seconds(seconds))
                    .unwrap_or(now);
                (at, at)
            }
            Self::Now => (now, now),
        }
    }

    /// What `field:when` means: all of the day or the minute, and everything since a moment that was so long ago.
    pub fn within(self, now: DateTime<Utc>) -> Bounds {
        let (from, until) = self.stretch(now);
        let since = matches!(self, Self::Ago(_) | Self::Now);
        Bounds {
            from: Some(from),
            until: (!since).then_some(until),
        }
    }

    /// What `field:>when` and its relatives mean.
    pub fn compared(self, greater: bool, or_equal: bool, now: DateTime<Utc>) -> Bounds {
        let (start, end) = self.stretch(now);
        let end = end.max(start + TICK);
        match (greater, or_equal) {
            (true, true) => Bounds {
                from: Some(start),
                until: None,
            },
            (true, false) => Bounds {
                from: Some(end),
                until: None,
            },
            (false, true) => Bounds {
                from: None,
                until: Some(end),
            },
            (false, false) => Bounds {
                from: None,
                until: Some(start),
            },
        }
    }

    /// What `a..b` means: both ends are inside, a day with all of it.
    pub fn between(from: Option<Self>, until: Option<Self>, now: DateTime<Utc>) -> Bounds {
        let start = from.map(|from| from.stretch(now).0);
        let end = until.map(|until| {
            let (first, last) = until.stretch(now);
            let last = last.max(first + TICK);
            // `23:00..01:00` goes past midnight.
            match (until, start) {
                (Self::Clock { .. }, Some(start)) if first < start => {
                    last.checked_add_days(Days::new(1)).unwrap_or(last)
                }
                _ => last,
            }
        });
        Bounds {
            from: start,
            until: end,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Day(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            Self::Clock { at, exact: false } => write!(f, "{}", at.format("%H:%M")),
            Self::Clock { at, exact: true } => write!(f, "{}", at.format("%H:%M:%S")),
            Self::Ago(seconds) if *seconds < 0 => write!(f, "now+{}", Length(-seconds)),
            Self::Ago(seconds) => write!(f, "-{}", Length(*seconds)),
            Self::Now => f.write_str("now"),
            Self::Today => f.write_str("today"),
            Self::Yesterday => f.write_str("yesterday"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T03:12:09Z".parse().unwrap()
    }

    fn shown(bounds: Bounds) -> String {
        let side = |side: Option<DateTime<Utc>>| {
            side.map_or_else(String::new, |at| {
                at.format("%m-%d %H:%M:%S%.3f").to_string()
            })
        };
        format!("{}..{}", side(bounds.from), side(bounds.until))
    }

    #[test]
    fn a_moment_alone_means_the_day_the_minute_or_everything_since() {
        let cases = [
            ("today", "11-20 00:00:00.000..11-21 00:00:00.000"),
            ("yesterday", "11-19 00:00:00.000..11-20 00:00:00.000"),
            ("2026-11-18", "11-18 00:00:00.000..11-19 00:00:00.000"),
            ("-2h", "11-20 01:12:09.000.."),
            ("30d", "10-21 03:12:09.000.."),
            ("now-1d", "11-19 03:12:09.000.."),
            ("now", "11-20 03:12:09.000.."),
            ("03:10", "11-20 03:10:00.000..11-20 03:11:00.000"),
            ("23:50", "11-19 23:50:00.000..11-19 23:51:00.000"),
            ("03:12:01", "11-20 03:12:01.000..11-20 03:12:02.000"),
            (
                "2026-11-20t03:00:00+01:00",
                "11-20 02:00:00.000..11-20 02:00:01.000",
            ),
            (
                "2026-11-20T03:00:00.250Z",
                "11-20 03:00:00.250..11-20 03:00:00.251",
            ),
        ];
        for (text, bounds) in cases {
            let when = When::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(shown(when.within(now())), bounds, "{text}");
        }
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let cases = [
            (
                "2026-11-18",
                "2026-11-19",
                "11-18 00:00:00.000..11-20 00:00:00.000",
            ),
            ("now-1d", "now", "11-19 03:12:09.000..11-20 03:12:09.001"),
            ("23:00", "01:00", "11-19 23:00:00.000..11-20 01:01:00.000"),
            ("01:00", "23:00", "11-20 01:00:00.000..11-20 23:01:00.000"),
            ("", "today", "..11-21 00:00:00.000"),
            ("-1h", "", "11-20 02:12:09.000.."),
        ];
        for (from, until, bounds) in cases {
            let is = When::between(When::read(from), When::read(until), now());
            assert_eq!(shown(is), bounds, "{from}..{until}");
        }
    }

    #[test]
    fn after_a_day_is_after_all_of_it() {
        let compared = |text: &str, greater, or_equal| {
            shown(When::read(text).unwrap().compared(greater, or_equal, now()))
        };
        assert_eq!(compared("today", true, false), "11-21 00:00:00.000..");
        assert_eq!(compared("today", true, true), "11-20 00:00:00.000..");
        assert_eq!(compared("today", false, false), "..11-20 00:00:00.000");
        assert_eq!(compared("-1h", false, true), "..11-20 02:12:09.001");
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "soon",
            "25:00",
            "2026-13-01",
            "1x",
            "now-",
            "h",
            "2h1d",
            "-now",
        ] {
            assert_eq!(When::read(text), None, "{text}");
        }
        assert_eq!(Length::read("2w"), Some(Length(1_209_600)));
        assert_eq!(Length::read("99999999999d"), None);
        assert_eq!(Length(93_600).to_string(), "1d2h");
    }

    proptest! {
        #[test]
        fn moments_read_back_as_written(text in "[-+now0-9dhmsTZ:.]{0,25}|\\PC*") {
            if let Some(when) = When::read(&text) {
                prop_assert_eq!(When::read(&when.to_string()), Some(when));
                let bounds = when.within(now());
                prop_assert!(bounds.until.is_none_or(|until| bounds.from.is_some_and(|from| from < until)));
            }
        }

        #[test]
        fn before_and_not_before_are_opposites(seconds in -100_000_i64..100_000, text in "-[1-9]h|today|0[0-9]:1[0-9]|2026-11-2[0-9]") {
            let at = now() + TimeDelta::seconds(seconds);
            let when = When::read(&text).unwrap();
            for or_equal in [true, false] {
                prop_assert_ne!(
                    when.compared(true, or_equal, now()).holds(at),
                    when.compared(false, !or_equal, now()).holds(at)
                );
            }
        }
    }
}
