//! What a person wants of notices: where to, which, and when not.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use super::Kind;
use crate::domain::hours::minutes;
use crate::domain::zone::Zone;

/// Longer than any address that mail goes to (RFC 5321).
const ADDRESS_MAX: usize = 254;
/// Longer than any name before the `@`.
const LOCAL_MAX: usize = 64;
/// Minutes of a day.
const DAY: u32 = 24 * 60;

/// What was wrong with a wish, as a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WishError(String);

/// A part of every day in which nothing comes that can wait; it may go over midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    from: u32,
    to: u32,
    zone: Zone,
}

impl Quiet {
    /// Reads `22:00-07:00` in a time zone.
    pub fn parse(times: &str, zone: &str) -> Result<Self, WishError> {
        let zone: Zone = zone
            .parse()
            .map_err(|error| WishError(format!("{error}: write one like `Europe/Berlin`")))?;
        let wrong = || {
            WishError(format!(
                "`{}` is not a part of a day: write it like `22:00-07:00`",
                times.escape_debug()
            ))
        };
        let (from, to) = times
            .split_once('-')
            .and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)))
            .ok_or_else(wrong)?;
        if from % DAY == to % DAY {
            return Err(WishError(
                "quiet hours cannot be the whole day: notices would never come".to_owned(),
            ));
        }
        Ok(Self {
            from: from % DAY,
            to: to % DAY,
            zone,
        })
    }

    /// The part of the day, as it is written.
    pub fn times(&self) -> String {
        let (from, to) = (self.from, self.to);
        let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{}-{}", clock(from), clock(to))
    }

    /// The time zone that it is in.
    pub fn zone(&self) -> String {
        self.zone.to_string()
    }

    /// When these hours end, if they are at this moment. A clock that is put forward or back meanwhile is found out then.
    pub fn until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let minute = self.zone.minute_of_day(at);
        let inside = if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        };
        let left = (self.to + DAY - minute) % DAY;
        let whole = at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at);
        inside.then(|| whole + TimeDelta::minutes(i64::from(left)))
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.times(), self.zone)
    }
}

/// What a person wants of notices. Whoever never said anything gets them all, at once, by every channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Where mail goes, where it is not the usual place.
    pub address: Option<String>,
    /// By which channels; any where nothing is said.
    pub channels: Option<BTreeSet<String>>,
    /// What is not wanted.
    pub off: BTreeSet<Kind>,
    pub quiet: Option<Quiet>,
}

/// What a notice waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It goes at this moment or later.
    From(DateTime<Utc>),
    /// It does not go to this person by this channel.
    Not,
}

impl Wishes {
    /// Whether and when a notice goes to this person by this channel. INVARIANT: what is urgent goes at once and cannot be
    /// turned off, and quiet hours hold back and never drop (`quiet_hours_hold_back_and_never_drop`).
    pub fn on(&self, kind: Kind, channel: &str, now: DateTime<Utc>) -> Wanted {
        if kind.is_urgent() {
            return Wanted::From(now);
        }
        let chosen = self.channels.as_ref();
        if self.off.contains(&kind) || chosen.is_some_and(|chosen| !chosen.contains(channel)) {
            return Wanted::Not;
        }
        let quiet = self.quiet.as_ref().and_then(|quiet| quiet.until(now));
        Wanted::From(quiet.unwrap_or(now))
    }
}

/// Checks an address that mail goes to: one name, one host, plain letters, so that nothing in it means anything else.
pub fn check_address(text: &str) -> Result<&str, WishError> {
    let wrong = || {
        WishError(format!(
            "`{}` is not an address that mail can go to",
            text.escape_debug()
        ))
    };
    let (name, host) = text.split_once('@').ok_or_else(wrong)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric();
    let named = name
        .bytes()
        .all(|byte| letter(byte) || b"._%+-".contains(&byte))
        && !name.starts_with(['.', '-'])
        && !name.ends_with('.')
        && !name.contains("..");
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| letter(byte) || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = text.len() <= ADDRESS_MAX && (1..=LOCAL_MAX).contains(&name.len());
    (fits && named && host.split('.').all(label))
        .then_some(text)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_follow_daylight_saving() {
        let quiet = Quiet::parse("22:00-07:00", "Europe/Berlin").unwrap();
        let until = |text| quiet.until(at(text)).map(|end| end.to_rfc3339());
        assert_eq!(until("2026-01-05T20:59:59Z"), None, "21:59 there");
        assert_eq!(
            until("2026-01-05T21:00:30Z").as_deref(),
            Some("2026-01-06T06:00:00+00:00")
        );
        assert_eq!(
            until("2026-07-06T04:59:59Z").as_deref(),
            Some("2026-07-06T05:00:00+00:00")
        );
        assert_eq!(until("2026-07-06T05:00:00Z"), None);
        assert_eq!(quiet.to_string(), "22:00-07:00 Europe/Berlin");
        let noon = Quiet::parse("12:00-13:00", "UTC").unwrap();
        assert!(noon.until(at("2026-07-06T12:30:00Z")).is_some());
        assert!(noon.until(at("2026-07-06T13:00:00Z")).is_none());
    }

    #[test]
    fn quiet_hours_hold_back_and_never_drop() {
        let wishes = Wishes {
            off: BTreeSet::from([Kind::Active, Kind::BreakGlass]),
            channels: Some(BTreeSet::from(["mail".to_owned()])),
            quiet: Some(Quiet::parse("22:00-07:00", "UTC").unwrap()),
            ..Wishes::default()
        };
        let (night, morning) = (at("2026-01-05T23:00:00Z"), at("2026-01-06T07:00:00Z"));
        assert_eq!(
            wishes.on(Kind::Review, "mail", night),
            Wanted::From(morning)
        );
        assert_eq!(
            wishes.on(Kind::Review, "mail", morning),
            Wanted::From(morning)
        );
        assert_eq!(wishes.on(Kind::Active, "mail", morning), Wanted::Not);
        assert_eq!(wishes.on(Kind::Review, "pager", morning), Wanted::Not);
        for kind in [Kind::BreakGlass, Kind::Overdue] {
            assert_eq!(wishes.on(kind, "pager", night), Wanted::From(night));
        }
        assert_eq!(
            Wishes::default().on(Kind::Active, "mail", night),
            Wanted::From(night)
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (times, zone) in [
            ("22-7", "UTC"),
            ("22:00", "UTC"),
            ("22:00-22:00", "UTC"),
            ("00:00-24:00", "UTC"),
            ("25:00-07:00", "UTC"),
            ("22:00-07:00", "Mars/Base"),
        ] {
            assert!(Quiet::parse(times, zone).is_err(), "{times} {zone}");
        }
    }

    #[test]
    fn an_address_has_nothing_in_it_that_means_something_else() {
        for good in ["ada@example.com", "a.b+pc@mail.example.co", "x@localhost"] {
            assert_eq!(check_address(good), Ok(good));
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com,eve@example.com",
            "ada <ada@example.com>",
            "\"a b\"@example.com",
            "ada@exa mple.com",
            "ada@-example.com",
            "ada@example..com",
            ".ada@example.com",
            "ädä@example.com",
            "ada@[127.0.0.1]",
            "-oQ/tmp@example.com",
        ] {
            assert!(check_address(bad).is_err(), "{bad:?}");
        }
        assert!(check_address(&format!("{}@x", "a".repeat(65))).is_err());
    }
}
