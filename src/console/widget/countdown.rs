//! Time left, as exact as its length deserves: coarse texts change rarely, so a screen full of them costs nothing.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// From here on every second counts.
const SECONDS_BELOW: u64 = 5 * MINUTE;
/// From here on it is shown strongly.
const URGENT_BELOW: Duration = Duration::from_secs(MINUTE);

/// The time left in at most seven columns: `2d 4h`, `3h12m`, `42m`, `4:59`. Never more than there is.
pub fn text(left: Duration) -> String {
    let seconds = left.as_secs();
    match unit(seconds) {
        HOUR => format!("{}d {}h", seconds / DAY, seconds % DAY / HOUR),
        MINUTE if seconds >= HOUR => format!("{}h{:02}m", seconds / HOUR, seconds % HOUR / MINUTE),
        MINUTE => format!("{}m", seconds / MINUTE),
        _ => format!("{}:{:02}", seconds / MINUTE, seconds % MINUTE),
    }
}

/// The same while the data may be old.
pub fn stale_text(left: Duration) -> String {
    format!("~{}", text(left))
}

/// How long the text stays right; `None` when it has reached zero and stays there.
pub fn next_change(left: Duration) -> Option<Duration> {
    if left.as_secs() == 0 {
        return None;
    }
    let unit = unit(left.as_secs());
    let into = Duration::new(left.as_secs() % unit, left.subsec_nanos());
    Some(into + Duration::from_nanos(1))
}

/// Says whether so little is left that it is shown strongly.
pub fn is_urgent(left: Duration) -> bool {
    left < URGENT_BELOW
}

/// The seconds one step of the text stands for.
fn unit(seconds: u64) -> u64 {
    match seconds {
        DAY.. => HOUR,
        SECONDS_BELOW.. => MINUTE,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_length_has_its_precision() {
        let cases = [
            (187_200, "2d 4h"),
            (86_400, "1d 0h"),
            (86_399, "23h59m"),
            (11_520, "3h12m"),
            (3_600, "1h00m"),
            (3_599, "59m"),
            (2_520, "42m"),
            (300, "5m"),
            (299, "4:59"),
            (61, "1:01"),
            (9, "0:09"),
            (0, "0:00"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(text(Duration::from_secs(seconds)), shown, "{seconds} s");
        }
    }

    proptest! {
        #[test]
        fn the_text_changes_exactly_when_announced(millis in 1_000_u64..400_000_000) {
            let left = Duration::from_millis(millis);
            let after = left.saturating_sub(next_change(left).unwrap());
            let before = after + Duration::from_nanos(1);
            prop_assert_eq!(text(before), text(left));
            prop_assert_ne!(text(after), text(left));
        }
    }
}
