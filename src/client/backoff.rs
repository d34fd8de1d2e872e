//! How long to wait before trying again: longer each time, and never in step with other clients.

use std::time::Duration;

use crate::secret;

/// A random pause between half of and the whole of `first` doubled for each failed try, at most `longest`.
pub(super) fn jitter(first: Duration, tried: u32, longest: Duration) -> Duration {
    let ceiling = first
        .saturating_mul(1 << tried.saturating_sub(1).min(16))
        .min(longest);
    ceiling.mul_f64(0.5 + 0.5 * fraction())
}

/// A random pause between `least` and `least` doubled for each failed try, at most `longest`.
pub(super) fn full_jitter(least: Duration, tried: u32, longest: Duration) -> Duration {
    let ceiling = least.saturating_mul(1 << tried.min(16)).min(longest);
    least + ceiling.saturating_sub(least).mul_f64(fraction())
}

/// A number from 0 to 1. Without random numbers the longer pause is the safer one.
fn fraction() -> f64 {
    secret::random::<4>().map_or(1.0, |bytes| {
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds() {
        let (least, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        for tried in 0..40 {
            let pause = full_jitter(least, tried, longest);
            assert!(least <= pause && pause <= longest, "{tried}: {pause:?}");
            let pause = jitter(least, tried, longest);
            assert!(least / 2 <= pause && pause <= longest, "{tried}: {pause:?}");
        }
    }
}
