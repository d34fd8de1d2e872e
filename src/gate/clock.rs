//! When the clock of this machine and that of the database differ: one of them was set, or is wrong. What gives access is
//! decided by the database's clock, and enforced by the clocks of targets, so nothing is given until they agree.

use chrono::TimeDelta;

use crate::domain::refusal::Refusal;

use super::Gate;

/// Clocks that differ by more than this are not both right (`reliability.md` §3.3).
const APART: TimeDelta = TimeDelta::seconds(30);

impl Gate {
    /// Says no where the clocks differ. INVARIANT: only what gives access asks this; what ends it goes on
    /// (`nothing_is_given_while_the_clocks_differ_and_everything_ends`).
    pub(super) fn clocks_agree(&self) -> Result<(), Refusal> {
        let ahead = self.store.clock_ahead();
        if ahead.abs() > APART {
            return Err(Refusal::ClocksDiffer {
                seconds: ahead.num_seconds(),
            });
        }
        Ok(())
    }
}
