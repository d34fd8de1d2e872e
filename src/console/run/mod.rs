//! When to draw, and what time it is.
//!
//! Everything here is a value that is told the moment; nothing sleeps and only `Moment::now` reads a clock.

pub mod clock;
pub mod sched;
