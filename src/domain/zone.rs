//! A time zone: whose clock a policy means by hours and weekdays, daylight saving included.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A zone of the IANA database, such as `Europe/Berlin`. The database is part of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that is no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone")]
pub struct ZoneError(String);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The hour of the day and the day of the week (0 is Monday) at a moment.
    pub fn hour_and_weekday(&self, at: DateTime<Utc>) -> (u32, usize) {
        // Every moment of chrono that people meet is one of jiff; the epoch stands for the others.
        let stamp = Timestamp::from_second(at.timestamp()).unwrap_or_default();
        let local = self.0.to_datetime(stamp);
        let hour = u32::try_from(local.hour()).unwrap_or_default();
        let day = local.weekday().to_monday_zero_offset();
        (hour, usize::try_from(day).unwrap_or_default())
    }

    /// The minute of the day at a moment.
    pub fn minute_of_day(&self, at: DateTime<Utc>) -> u32 {
        let stamp = Timestamp::from_second(at.timestamp()).unwrap_or_default();
        let local = self.0.to_datetime(stamp);
        let [hour, minute] =
            [local.hour(), local.minute()].map(|part| u32::try_from(part).unwrap_or_default());
        hour * 60 + minute
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self::default());
        }
        TimeZone::get(text)
            .map(Self)
            .map_err(|_| ZoneError(text.escape_debug().to_string()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_follow_daylight_saving() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let read = |at: &str| berlin.hour_and_weekday(at.parse().unwrap());
        assert_eq!(read("2026-01-05T22:30:00Z"), (23, 0));
        assert_eq!(read("2026-07-06T22:30:00Z"), (0, 1));
        assert_eq!(
            Zone::default().hour_and_weekday("2026-07-06T22:30:00Z".parse().unwrap()),
            (22, 0)
        );
        assert_eq!(berlin.to_string(), "Europe/Berlin");
    }

    #[test]
    fn what_is_no_zone_is_said() {
        assert_eq!(
            "Mars/Base".parse::<Zone>().unwrap_err().to_string(),
            "`Mars/Base` is not a time zone"
        );
    }
}
