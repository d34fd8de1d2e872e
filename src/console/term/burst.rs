//! Marks keys that arrive faster than fingers move: pasted text on terminals without bracketed paste,
//! terminal replies, and pieces of broken escape sequences. A marked key never confirms anything.

use std::time::{Duration, Instant};

/// Nobody presses this many keys …
const KEYS: usize = 3;
/// … inside this time; measured replies need under 1 ms, key rolls of fast typists 20 ms and more.
const WINDOW: Duration = Duration::from_millis(8);

/// Remembers when the last keys came.
#[derive(Debug, Default)]
pub struct Burst {
    before: Vec<Instant>,
}

impl Burst {
    /// Says for each key of a batch, given by its arrival, whether it belongs to a burst.
    ///
    /// A batch is what one read delivered, so the first keys of a burst are marked too.
    pub fn mark(&mut self, batch: &[Instant]) -> Vec<bool> {
        let old = self.before.len();
        let times: Vec<Instant> = self.before.iter().chain(batch).copied().collect();
        let mut marks = vec![false; times.len()];
        for (times, marks) in times.windows(KEYS).zip(windows_of(&mut marks)) {
            if let [first, .., last] = times
                && last.saturating_duration_since(*first) <= WINDOW
            {
                for at in marks {
                    at.set(true);
                }
            }
        }
        self.before = times.iter().rev().take(KEYS - 1).rev().copied().collect();
        marks.split_off(old)
    }
}

/// Overlapping windows whose members can be set.
fn windows_of(marks: &mut [bool]) -> std::slice::Windows<'_, std::cell::Cell<bool>> {
    std::cell::Cell::from_mut(marks)
        .as_slice_of_cells()
        .windows(KEYS)
}
