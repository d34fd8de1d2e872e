//! Working hours: the days and times at which people usually ask, so that an ask at another time stands out.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, FixedOffset, Offset as _, Timelike as _, Utc, Weekday};

/// The week as it is written, Monday first.
const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];
/// Minutes of a day.
const DAY: u32 = 24 * 60;
/// No place on earth is further from UTC.
const OFFSET_MAX: i32 = 14 * 3_600;

/// What was wrong with a part of working hours, as a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HoursError(String);

/// Days of the week, as in `mon-fri` or `sun,tue-thu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    days: Vec<Weekday>,
    /// As it was written.
    text: String,
}

/// A part of a day, as in `07:00-19:00`; the end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    from: u32,
    to: u32,
}

/// The distance of a clock from UTC, as in `+01:00`. It does not follow daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcOffset(FixedOffset);

/// When people usually work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkingHours {
    pub days: Days,
    pub times: Times,
    pub offset: UtcOffset,
}

impl Default for Days {
    fn default() -> Self {
        Self {
            days: WEEK.into_iter().take(5).collect(),
            text: "mon-fri".to_owned(),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            from: 7 * 60,
            to: 19 * 60,
        }
    }
}

impl Default for UtcOffset {
    fn default() -> Self {
        Self(Utc.fix())
    }
}

impl WorkingHours {
    /// The moment as the clock on the wall of the office shows it.
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        at.with_timezone(&self.offset.0)
    }

    /// Whether people usually work at this moment.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        let local = self.local(at);
        let minute = local.hour() * 60 + local.minute();
        self.days.days.contains(&local.weekday())
            && (self.times.from..self.times.to).contains(&minute)
    }
}

impl fmt::Display for WorkingHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.days, self.times, self.offset)
    }
}

impl FromStr for Days {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let text = text.trim().to_ascii_lowercase();
        let day = |word: &str| {
            // Chrono reads whole names too; here each day has one spelling.
            let known = (word.len() == 3).then(|| word.parse().ok()).flatten();
            let shown = word.escape_default();
            known.ok_or_else(|| HoursError(format!("`{shown}` is not a day of the week")))
        };
        let mut days: Vec<Weekday> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first.trim())?, day(last.trim())?);
            days.push(at);
            while at != last {
                at = at.succ();
                days.push(at);
            }
        }
        Ok(Self { days, text })
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Times {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let shown = text.escape_default();
        let (from, to) = text
            .split_once('-')
            .and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)))
            .ok_or_else(|| HoursError(format!("`{shown}` is not a part of a day")))?;
        if from >= to {
            return Err(HoursError(format!(
                "`{shown}` ends before it begins: the times are of one day"
            )));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

impl FromStr for UtcOffset {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let trimmed = text.trim();
        let (sign, rest) = match (trimmed.strip_prefix('+'), trimmed.strip_prefix('-')) {
            (Some(rest), _) => (1, Some(rest)),
            (_, Some(rest)) => (-1, Some(rest)),
            _ => (1, None),
        };
        rest.and_then(minutes)
            .and_then(|minutes| i32::try_from(minutes).ok())
            .map(|minutes| sign * minutes * 60)
            .filter(|seconds| seconds.abs() <= OFFSET_MAX)
            .and_then(FixedOffset::east_opt)
            .map(Self)
            .ok_or_else(|| {
                HoursError(format!(
                    "`{}` is not a distance from UTC",
                    text.escape_default()
                ))
            })
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads `07:30` as minutes; `24:00` is the end of the day.
pub(in crate::domain) fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse::<u32>().ok())
            .flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &str, times: &str, offset: &str) -> WorkingHours {
        WorkingHours {
            days: days.parse().unwrap(),
            times: times.parse().unwrap(),
            offset: offset.parse().unwrap(),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_end_of_the_working_day_is_already_off_hours() {
        let hours = WorkingHours::default();
        // 2026-11-20 is a Friday.
        assert!(hours.contains(at("2026-11-20T07:00:00Z")));
        assert!(hours.contains(at("2026-11-20T18:59:59.999Z")));
        assert!(!hours.contains(at("2026-11-20T19:00:00Z")));
        assert!(!hours.contains(at("2026-11-20T06:59:59Z")));
        assert!(!hours.contains(at("2026-11-21T12:00:00Z")));
    }

    #[test]
    fn the_offset_decides_which_day_it_is() {
        let tokyo = hours("mon-fri", "07:00-19:00", "+09:00");
        assert!(tokyo.contains(at("2026-11-22T22:30:00Z")), "Monday there");
        assert!(
            !tokyo.contains(at("2026-11-20T22:30:00Z")),
            "Saturday there"
        );
    }

    #[test]
    fn days_may_go_round_the_end_of_the_week_and_be_listed() {
        let some = hours("sat-mon, wed", "00:00-24:00", "+00:00");
        let days = ["16", "17", "18", "19", "20", "21", "22"];
        let worked = days.map(|day| some.contains(at(&format!("2026-11-{day}T23:59:59Z"))));
        assert_eq!(worked, [true, false, true, false, false, true, true]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for days in ["", "monday", "mo", "mon-", "mon,,tue", "fri-xyz"] {
            assert!(days.parse::<Days>().is_err(), "{days}");
        }
        for times in [
            "",
            "7-19",
            "07:00",
            "19:00-07:00",
            "07:00-24:01",
            "07:60-08:00",
            "+7:00-08:00",
        ] {
            assert!(times.parse::<Times>().is_err(), "{times}");
        }
        for offset in ["", "01:00", "+1:00", "+14:01", "CET", "+-1:00"] {
            assert!(offset.parse::<UtcOffset>().is_err(), "{offset}");
        }
    }

    #[test]
    fn working_hours_are_written_as_they_are_read() {
        let text = hours("sun-thu", "08:30-17:00", "-05:30").to_string();
        assert_eq!(text, "sun-thu 08:30-17:00 -05:30");
        assert_eq!(
            WorkingHours::default().to_string(),
            "mon-fri 07:00-19:00 +00:00"
        );
    }
}
