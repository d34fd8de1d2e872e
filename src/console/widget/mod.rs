//! Pieces of a screen that know nothing of what they show: they are told, and draw.
//!
//! What they must remember (an order of rows, a line being typed, messages) is a value that the screen owns.
//! Nothing here reads a clock, and every text comes in as `DisplayText` or leaves through it.
//!
//! To add a piece: a file of its own, drawn from values, with a test on a buffer.

pub mod big;
pub mod countdown;
pub mod frame;
pub mod hidden;
pub mod input;
pub mod levels;
pub mod offers;
pub mod order;
pub mod status;
pub mod toast;
pub mod vtable;
