//! The server's time, kept on this machine's steady clock: what is shown as time left must be right although the
//! local clock is wrong, and must notice that the machine slept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// Enough to outvote slow answers, few enough to follow a drifting clock.
const SAMPLES: usize = 8;
/// A steady clock and a wall clock apart by this much mean that the machine slept or its clock was set.
const JUMP: TimeDelta = TimeDelta::seconds(5);
/// From here on the difference between the clocks is shown …
const SKEW_SHOWN: TimeDelta = TimeDelta::seconds(2);
/// … and from here on it is a warning.
const SKEW_WARNED: TimeDelta = TimeDelta::seconds(30);

/// Both local clocks read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The steady clock.
    pub steady: Instant,
    /// The wall clock, as wrong as it may be.
    pub wall: DateTime<Utc>,
}

impl Moment {
    /// Reads the clocks.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the console that reads a clock"
    )]
    pub fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: Utc::now(),
        }
    }
}

/// How far the local clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// Not worth showing.
    Fine,
    /// Shown; positive when the local clock is behind the server's.
    Shown(TimeDelta),
    /// Shown as a warning.
    Warned(TimeDelta),
}

/// Knows the server's time from the answers it gave.
#[derive(Debug, Clone)]
pub struct Clock {
    base: Moment,
    checked: Moment,
    offsets: VecDeque<TimeDelta>,
}

impl Clock {
    /// Starts with the local time, which is all we know before the first answer.
    pub fn new(at: Moment) -> Self {
        Self {
            base: at,
            checked: at,
            offsets: VecDeque::new(),
        }
    }

    /// Learns from an answer: when it was asked for, when it came, and the server's time in it.
    pub fn observe(&mut self, sent: Instant, received: Instant, server: DateTime<Utc>) {
        let middle = sent + received.saturating_duration_since(sent) / 2;
        if self.offsets.len() == SAMPLES {
            self.offsets.pop_front();
        }
        self.offsets.push_back(server - self.local(middle));
    }

    /// Says whether any answer has come; before that times are the local ones.
    pub fn is_set(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// The server's time.
    pub fn at(&self, moment: Instant) -> DateTime<Utc> {
        self.local(moment) + self.offset()
    }

    /// The local clocks at a moment, to start another clock from.
    pub fn moment(&self, steady: Instant) -> Moment {
        Moment {
            steady,
            wall: self.local(steady),
        }
    }

    /// How long until a server time; nothing when it has passed.
    pub fn left(&self, until: DateTime<Utc>, moment: Instant) -> Duration {
        (until - self.at(moment)).to_std().unwrap_or_default()
    }

    /// When the server's clock next shows another second; everything that counts changes then, all at once.
    pub fn next_second(&self, moment: Instant) -> Instant {
        let into = u64::from(self.at(moment).timestamp_subsec_nanos()) % 1_000_000_000;
        moment + Duration::from_nanos(1_000_000_000 - into)
    }

    /// How far the local wall clock is off.
    pub fn skew(&self) -> Skew {
        let offset = self.offset();
        match offset.abs() {
            apart if apart > SKEW_WARNED => Skew::Warned(offset),
            apart if apart > SKEW_SHOWN => Skew::Shown(offset),
            _ => Skew::Fine,
        }
    }

    /// Says whether the machine slept or its clock was set since the last call. Everything known about the
    /// server's time is then forgotten, and everything shown must be fetched again.
    pub fn jumped(&mut self, now: Moment) -> bool {
        let steady = TimeDelta::from_std(now.steady.saturating_duration_since(self.checked.steady))
            .unwrap_or(TimeDelta::MAX);
        let wall = now.wall - self.checked.wall;
        self.checked = now;
        let jumped = (wall - steady).abs() > JUMP;
        if jumped {
            self.base = now;
            self.offsets.clear();
        }
        jumped
    }

    fn local(&self, moment: Instant) -> DateTime<Utc> {
        let since = TimeDelta::from_std(moment.saturating_duration_since(self.base.steady))
            .unwrap_or_default();
        let before = TimeDelta::from_std(self.base.steady.saturating_duration_since(moment))
            .unwrap_or_default();
        self.base.wall + since - before
    }

    /// The median, which one slow answer cannot move.
    fn offset(&self) -> TimeDelta {
        let mut offsets: Vec<TimeDelta> = self.offsets.iter().copied().collect();
        offsets.sort_unstable();
        match (
            offsets.get(offsets.len() / 2),
            offsets
                .len()
                .checked_sub(1)
                .and_then(|last| offsets.get(last / 2)),
        ) {
            (Some(upper), Some(lower)) => *lower + (*upper - *lower) / 2,
            _ => TimeDelta::zero(),
        }
    }
}
