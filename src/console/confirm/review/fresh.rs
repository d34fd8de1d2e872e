//! Keeping the rows of a review fresh: which are read again, when, and what came of it.

use std::time::{Duration, Instant};

use crate::console::confirm::{READ_AGAIN, facts};
use crate::console::store::Subject;
use crate::console::world::World;

use super::{Item, Review};

/// Rows read in one call.
const READS: usize = 100;

/// The least between two calls.
const READS_APART: Duration = Duration::from_millis(500);

/// A list that only takes away shows what has changed, and waits for nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(8);

impl Review {
    /// Looks at the rows again: what differs is shown, and the pause begins anew.
    pub fn look_again(&mut self, world: &World) {
        if self.sent {
            return;
        }
        let before = self.kept();
        let mut changed = false;
        for item in &mut self.items {
            let Some(seen) = world
                .store
                .get(&item.subject)
                .filter(|seen| *seen != item.seen)
            else {
                continue;
            };
            let differences = facts::differences(&item.seen, &seen);
            if !differences.is_empty() || seen.version() != item.seen.version() {
                item.changes = differences;
                changed = true;
            }
            item.seen = seen;
        }
        self.judge(world);
        if changed || self.kept() != before {
            self.rearm(world.now);
            self.count.set("");
        }
    }

    /// Which rows to read again at this moment, in one call: all of them as soon as one is old, so that they stay
    /// as old as each other.
    pub fn to_read(&mut self, world: &World) -> Vec<Subject> {
        let due = self.read_again_at(world).is_some_and(|at| at <= world.now);
        if !due {
            return Vec::new();
        }
        self.hurried = false;
        self.asked_at = Some(world.now);
        let mut old: Vec<&mut Item> = self
            .items
            .iter_mut()
            .filter(|item| !item.dropped && item.subject.can_be_read())
            .collect();
        old.sort_by_key(|item| world.store.read_at(&item.subject));
        old.into_iter()
            .take(READS)
            .map(|item| {
                item.reading = true;
                item.subject.clone()
            })
            .collect()
    }

    /// When a row will be old enough to be read again.
    pub fn read_again_at(&self, world: &World) -> Option<Instant> {
        if self.sent || world.link.decidable(world.now).is_err() {
            return None;
        }
        if self.items.iter().any(|item| item.reading) {
            return None;
        }
        let every = match (self.hurried, self.kind.takes_away()) {
            (true, _) => Duration::ZERO,
            (false, true) => LOOK_AGAIN,
            (false, false) => READ_AGAIN,
        };
        let kept = self
            .items
            .iter()
            .filter(|item| !item.dropped && item.subject.can_be_read());
        let oldest = kept
            .map(|item| world.store.read_at(&item.subject))
            .map(|read| read.map_or(world.now, |read| read + every))
            .min()?;
        // A row that never comes is not asked for without a pause.
        Some(
            self.asked_at
                .map_or(oldest, |asked| oldest.max(asked + READS_APART)),
        )
    }

    /// An answer about a row came, or failed to come.
    pub fn was_read(&mut self, subject: &Subject) {
        for item in self
            .items
            .iter_mut()
            .filter(|item| item.subject == *subject)
        {
            item.reading = false;
        }
    }
}
