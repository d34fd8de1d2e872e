//! Decides when the next frame is drawn: at once for a person, at leisure for the stream, once a second at most
//! for texts that count, and never when nothing changes.

use std::time::{Duration, Instant};

/// Keys that come faster share a frame; nobody sees more of them, and a terminal that holds a key down would ask for more.
const INPUT_FLOOR: Duration = Duration::from_millis(4);
/// Changes nobody asked for; nobody reads more of them in a second, and each costs as much as a key.
const STREAM_FLOOR: Duration = Duration::from_millis(50);
/// The same when the link is slow, so that keys are not stuck behind pictures.
const SLOW_FLOOR: Duration = Duration::from_millis(100);
/// A write this long means that the terminal's buffer was full.
const SLOW_WRITE: Duration = Duration::from_millis(20);

/// When to draw next.
#[derive(Debug, Clone, Default)]
pub struct Sched {
    wanted: Option<Cause>,
    drawn: Option<Instant>,
    /// The last frame that answered a person.
    answered: Option<Instant>,
    tick: Option<Instant>,
    slow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Stream,
    Input,
}

impl Sched {
    /// A person did something, or the window changed.
    pub fn input(&mut self) {
        self.wanted = Some(Cause::Input);
    }

    /// Something arrived that nobody at this terminal asked for.
    pub fn stream(&mut self) {
        self.wanted = self.wanted.max(Some(Cause::Stream));
    }

    /// A text on screen changes at `at`. It is moved to the next of the seconds that pass at `second`, so that many
    /// texts wake us once; of several calls the earliest counts. Told anew after each frame.
    pub fn tick(&mut self, at: Instant, second: Instant) {
        const SECOND: Duration = Duration::from_secs(1);
        let late = at.saturating_duration_since(second);
        let whole = Duration::from_secs(late.as_secs());
        self.alarm(second + if whole == late { whole } else { whole + SECOND });
    }

    /// Something must be drawn at exactly `at`: a prompt becomes ready, a message goes. Told anew like the ticks.
    pub fn alarm(&mut self, at: Instant) {
        self.tick = Some(self.tick.map_or(at, |tick| tick.min(at)));
    }

    /// Until when to sleep, `now` when a frame is due; `None` is until something happens.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let wanted = self.wanted.map(|cause| {
            // A frame that nobody asked for keeps no key waiting.
            let last = match cause {
                Cause::Input => self.answered,
                Cause::Stream => self.drawn,
            };
            last.map_or(now, |drawn| drawn + self.floor(cause))
        });
        match (wanted, self.tick) {
            (Some(wanted), Some(tick)) => Some(wanted.min(tick)),
            (wanted, tick) => wanted.or(tick),
        }
    }

    /// Says whether to draw.
    pub fn due(&self, now: Instant) -> bool {
        self.deadline(now).is_some_and(|deadline| deadline <= now)
    }

    /// A frame was drawn and its write took that long. Afterwards tell the ticks of what is on screen.
    pub fn drawn(&mut self, now: Instant, took: Duration) {
        if self.wanted.take() == Some(Cause::Input) {
            self.answered = Some(now);
        }
        self.tick = None;
        self.drawn = Some(now);
        self.slow = took > SLOW_WRITE;
    }

    fn floor(&self, cause: Cause) -> Duration {
        match cause {
            Cause::Input => INPUT_FLOOR,
            Cause::Stream if self.slow => SLOW_FLOOR,
            Cause::Stream => STREAM_FLOOR,
        }
    }
}
