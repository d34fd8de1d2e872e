//! The rules, and the words they are written in. Everything a security reviewer has to trust is in this folder.
//!
//! It never does I/O, never waits, never reads a clock and never draws a random number: moments and
//! identifiers come in as arguments, and a transition returns its new state with the one audit event that explains it.

pub mod allowed;
pub mod break_glass;
pub mod change;
pub mod claim;
pub mod event;
pub mod extent;
pub mod grant;
pub mod hours;
pub mod ids;
pub mod incident;
pub mod lock;
pub mod nearest;
pub mod notice;
pub mod permit;
pub mod policy;
pub mod principal;
pub mod provider;
pub mod refusal;
pub mod report;
pub mod request;
pub mod review;
pub mod roles;
pub mod second_factor;
pub mod service;
pub mod session;
pub mod sign_in;
pub mod signal;
pub mod span;
pub mod standing;
pub mod target;
pub mod zone;
