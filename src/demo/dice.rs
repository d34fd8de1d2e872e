//! Chance that comes out the same for the same seed.

use std::time::Duration;

/// A generator of the splitmix64 kind. It is for variety alone, never for secrets.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of several; none of none.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(from.len()).unwrap_or(1));
        from.get(usize::try_from(index).unwrap_or_default())
    }

    /// A time from `least` up to `most`.
    pub(super) fn pause(&mut self, least: Duration, most: Duration) -> Duration {
        let spread = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or_default();
        least + Duration::from_millis(self.below(spread + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let roll = |seed| {
            let mut dice = Dice::new(seed);
            (0..20).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
        assert!(roll(7).into_iter().all(|number| number < 6));
    }

    #[test]
    fn a_pause_stays_within_its_bounds() {
        let (least, most) = (Duration::from_secs(5), Duration::from_secs(15));
        let mut dice = Dice::new(1);
        assert!(
            (0..100)
                .map(|_| dice.pause(least, most))
                .all(|pause| (least..=most).contains(&pause))
        );
        assert_eq!(dice.pause(least, least), least);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
