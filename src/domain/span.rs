//! Lengths of time as people write them: `90m`, `2h30m`, `1d`. Never nothing, never negative, never beyond thirty days.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units from large to small, with every spelling that is read; the first one is what is written.
const UNITS: [(u64, &[&str]); 4] = [
    (86_400, &["d", "day", "days"]),
    (3_600, &["h", "hr", "hrs", "hour", "hours"]),
    (60, &["m", "min", "mins", "minute", "minutes"]),
    (1, &["s", "sec", "secs", "second", "seconds"]),
];

/// What was wrong with a length of time, as a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpanError(String);

/// A length of time between one second and thirty days, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u32);

impl Span {
    /// One minute.
    pub const MINUTE: Self = Self(60);
    /// One hour.
    pub const HOUR: Self = Self(3_600);
    /// One day.
    pub const DAY: Self = Self(86_400);
    /// The longest length there is: access that needs more than thirty days is not temporary.
    pub const MAX: Self = Self(30 * 86_400);

    /// Makes a length from whole seconds, refusing nothing at all and more than thirty days.
    pub fn from_seconds(seconds: u64) -> Result<Self, SpanError> {
        match u32::try_from(seconds) {
            Ok(0) => Err(SpanError(
                "a length of time must be at least `1s`".to_owned(),
            )),
            Ok(some) if some <= Self::MAX.0 => Ok(Self(some)),
            _ => Err(SpanError(format!(
                "a length of time cannot be more than `{}`",
                Self::MAX
            ))),
        }
    }

    /// Makes a length from the difference of two moments, rounded up to a whole second so that nothing is lost.
    pub fn from_chrono(delta: TimeDelta) -> Result<Self, SpanError> {
        let rounded = delta
            .num_seconds()
            .saturating_add(i64::from(delta.subsec_nanos() > 0));
        Self::from_seconds(u64::try_from(rounded).unwrap_or(0))
    }

    /// The length as a difference of two moments.
    pub fn to_chrono(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }

    /// The length in whole seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The length in minutes, rounded up: a policy that allows 60 minutes does not allow 60 minutes and a second.
    pub fn minutes(self) -> u32 {
        self.0.div_ceil(60)
    }

    /// Both lengths together, unless that is more than thirty days.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_seconds(u64::from(self.0) + u64::from(other.0)).ok()
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let shown = text.escape_default();
        let wrong = || {
            SpanError(format!(
                "`{shown}` is not a length of time: write it like `45s`, `90m`, `2h30m` or `1d`"
            ))
        };
        let mut rest = text.trim();
        if rest.is_empty() || !rest.is_ascii() {
            return Err(wrong());
        }
        let mut total = 0_u64;
        let mut largest_left = 0;
        while !rest.is_empty() {
            let (number, after) = split_where(rest, |byte| !byte.is_ascii_digit());
            let (word, next) = split_where(after.trim_start(), |byte| !byte.is_ascii_alphabetic());
            rest = next.trim_start();
            let known = |(_, (_, words)): &(usize, &(u64, &[&str]))| words.contains(&word);
            let Some((index, (seconds, _))) = UNITS.iter().enumerate().find(known) else {
                return Err(wrong());
            };
            // Each unit once and from large to small: `30m2h` is more often a slip than a wish.
            if number.is_empty() || index < largest_left {
                return Err(wrong());
            }
            largest_left = index + 1;
            // Digits that do not fit are a very long time; the limit below refuses them with the right sentence.
            let count = number.parse::<u64>().unwrap_or(u64::MAX);
            total = total.saturating_add(count.saturating_mul(*seconds));
        }
        match total {
            0 => Err(SpanError(format!(
                "`{shown}` is no time at all: the shortest length is `1s`"
            ))),
            long if long > u64::from(Self::MAX.0) => Err(SpanError(format!(
                "`{shown}` is too long: the longest length is `{}`",
                Self::MAX
            ))),
            seconds => Self::from_seconds(seconds),
        }
    }
}

fn split_where(text: &str, end: fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(end).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::from(self.0);
        let mut out = String::new();
        for (seconds, words) in UNITS {
            if let Some(word) = words.first()
                && rest >= seconds
            {
                out = format!("{out}{}{word}", rest / seconds);
                rest %= seconds;
            }
        }
        f.pad(&out)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let cases = [
            ("45s", 45),
            ("90m", 5_400),
            ("2h30m", 9_000),
            ("1d", 86_400),
            ("1d12h", 129_600),
            (" 1h 30m ", 5_400),
            ("30 min", 1_800),
            ("2hours", 7_200),
            ("30d", 2_592_000),
        ];
        for (text, seconds) in cases {
            assert_eq!(
                text.parse::<Span>().map(Span::seconds),
                Ok(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_length_is_refused_with_a_sentence() {
        let like = "write it like `45s`, `90m`, `2h30m` or `1d`";
        let cases = [
            ("", format!("`` is not a length of time: {like}")),
            ("4", format!("`4` is not a length of time: {like}")),
            ("h", format!("`h` is not a length of time: {like}")),
            ("-4h", format!("`-4h` is not a length of time: {like}")),
            ("1.5h", format!("`1.5h` is not a length of time: {like}")),
            ("30m2h", format!("`30m2h` is not a length of time: {like}")),
            ("1h1h", format!("`1h1h` is not a length of time: {like}")),
            ("1w", format!("`1w` is not a length of time: {like}")),
            (
                "４h",
                format!("`\\u{{ff14}}h` is not a length of time: {like}"),
            ),
            (
                "0m",
                "`0m` is no time at all: the shortest length is `1s`".to_owned(),
            ),
            (
                "31d",
                "`31d` is too long: the longest length is `30d`".to_owned(),
            ),
            (
                "99999999999999999999h",
                "`99999999999999999999h` is too long: the longest length is `30d`".to_owned(),
            ),
        ];
        for (text, sentence) in cases {
            assert_eq!(text.parse::<Span>().unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn a_difference_of_moments_is_rounded_up() {
        assert_eq!(
            Span::from_chrono(TimeDelta::milliseconds(1_001))
                .unwrap()
                .seconds(),
            2
        );
        assert!(Span::from_chrono(TimeDelta::seconds(-5)).is_err());
        assert_eq!("61s".parse::<Span>().unwrap().minutes(), 2);
    }

    proptest! {
        #[test]
        fn every_length_reads_back_as_written(seconds in 1_u64..=2_592_000) {
            let span = Span::from_seconds(seconds).unwrap();
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
            prop_assert_eq!(Span::from_chrono(span.to_chrono()), Ok(span));
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = text.parse::<Span>();
        }
    }
}
