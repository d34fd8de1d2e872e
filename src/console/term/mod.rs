//! The terminal: its modes, what is written to it and what comes from it.
//!
//! Everything here knows bytes, keys and moments; it never knows requests, grants or the network, and nothing
//! outside this folder writes to or reads from the terminal.
//!
//! To add a mode: one line in `guard.rs` to switch it on and one to switch it off.

pub mod burst;
pub mod caps;
pub mod decode;
pub mod guard;
mod hand;
pub mod input;
mod keys;
pub mod osc;
mod paint;
mod pen;
pub mod probe;
pub mod signals;
pub mod writer;
