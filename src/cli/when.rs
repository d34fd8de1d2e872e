//! Moments as people type them: `2026-11-22`, `14:30`, `today`, `-2h`, `+15m`, or RFC 3339.

use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use crate::domain::span::Span;

/// A moment that may depend on what time it is, or on where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// An exact moment.
    Exact(DateTime<Utc>),
    /// So long before or after now.
    Away(TimeDelta),
    /// A date and time on the reader's clock.
    Local(NaiveDateTime),
    /// Midnight of the day that lies so many days back.
    DaysAgo(u64),
    /// A time of day: the next one, or for a search the last one.
    Clock(NaiveTime),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || {
            format!(
                "`{}` is not a moment: write it like `2026-11-22`, `2026-11-22 14:30`, `14:30`, `today`, `-2h`, `+15m` or `2026-11-22T14:30:00Z`",
                text.escape_debug()
            )
        };
        match text {
            "now" => return Ok(Self::Away(TimeDelta::zero())),
            "today" => return Ok(Self::DaysAgo(0)),
            "yesterday" => return Ok(Self::DaysAgo(1)),
            _ => {}
        }
        if let Some(back) = text.strip_prefix('-') {
            return back
                .parse::<Span>()
                .map(|span| Self::Away(-span.to_chrono()))
                .map_err(|error| error.to_string());
        }
        if let Some(ahead) = text.strip_prefix('+') {
            return ahead
                .parse::<Span>()
                .map(|span| Self::Away(span.to_chrono()))
                .map_err(|error| error.to_string());
        }
        if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Exact(exact.to_utc()));
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::Local(date.and_time(NaiveTime::MIN)));
        }
        for format in [
            "%Y-%m-%d %H:%M",
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%d %H:%M:%S",
            "%Y-%m-%dT%H:%M:%S",
        ] {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
                return Ok(Self::Local(local));
            }
        }
        NaiveTime::parse_from_str(text, "%H:%M")
            .map(Self::Clock)
            .map_err(|_| wrong())
    }
}

/// Which of several moments is meant by a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    Future,
    Past,
}

impl When {
    /// The moment itself, for a reader whose clocks show `zone`.
    pub fn resolve<Z: TimeZone>(
        self,
        now: DateTime<Utc>,
        zone: &Z,
        toward: Toward,
    ) -> Result<DateTime<Utc>, String> {
        let today = now.with_timezone(zone).date_naive();
        let local = match self {
            Self::Exact(exact) => return Ok(exact),
            Self::Away(delta) => {
                return now
                    .checked_add_signed(delta)
                    .ok_or_else(|| "this moment is too far away".to_owned());
            }
            Self::Local(local) => local,
            Self::DaysAgo(days) => today
                .checked_sub_days(Days::new(days))
                .unwrap_or(today)
                .and_time(NaiveTime::MIN),
            Self::Clock(time) => {
                let at = today.and_time(time);
                let here = now.with_timezone(zone).naive_local();
                let day = Days::new(1);
                match toward {
                    Toward::Future if at <= here => at.checked_add_days(day).unwrap_or(at),
                    Toward::Past if at > here => at.checked_sub_days(day).unwrap_or(at),
                    _ => at,
                }
            }
        };
        // Twice a year an hour happens twice or not at all; the first is taken, and what does not exist is said.
        let found = zone.from_local_datetime(&local).earliest();
        found
            .map(|moment| moment.to_utc())
            .ok_or_else(|| format!("`{local}` does not exist: the clocks are changed then"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn resolve(text: &str, toward: Toward) -> String {
        let now = "2026-11-22T13:00:00Z".parse().unwrap();
        let zone = FixedOffset::east_opt(3_600).unwrap();
        text.parse::<When>()
            .unwrap()
            .resolve(now, &zone, toward)
            .unwrap()
            .to_rfc3339()
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        let cases = [
            ("now", "2026-11-22T13:00:00+00:00"),
            ("-2h", "2026-11-22T11:00:00+00:00"),
            ("+15m", "2026-11-22T13:15:00+00:00"),
            ("today", "2026-11-21T23:00:00+00:00"),
            ("yesterday", "2026-11-20T23:00:00+00:00"),
            ("2026-11-20", "2026-11-19T23:00:00+00:00"),
            ("2026-11-20 09:30", "2026-11-20T08:30:00+00:00"),
            ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00+00:00"),
            ("2026-11-20T09:30:00-05:00", "2026-11-20T14:30:00+00:00"),
        ];
        for (text, moment) in cases {
            assert_eq!(resolve(text, Toward::Past), moment, "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_next_one_or_the_last_one() {
        assert_eq!(
            resolve("15:30", Toward::Future),
            "2026-11-22T14:30:00+00:00"
        );
        assert_eq!(
            resolve("09:00", Toward::Future),
            "2026-11-23T08:00:00+00:00"
        );
        assert_eq!(resolve("09:00", Toward::Past), "2026-11-22T08:00:00+00:00");
        assert_eq!(resolve("15:30", Toward::Past), "2026-11-21T14:30:00+00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_examples() {
        for text in [
            "",
            "soon",
            "25:00",
            "2026-13-01",
            "-",
            "-2",
            "2h",
            "\u{1b}[31m",
        ] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
