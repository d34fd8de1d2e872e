//! The rules, and the words they are written in. Everything a security reviewer has to trust is in this folder.
//!
//! It never does I/O, never waits, never reads a clock and never draws a random number: moments and
//! identifiers come in as arguments, and a transition returns its new state with the one audit event that explains it.

pub mod ids;
pub mod nearest;
pub mod policy;
pub mod span;
pub mod target;
