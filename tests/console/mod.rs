//! The console: what it stands on, and its screens.

mod display;
mod pty;
mod run;
mod term;
mod theme;
mod widget;
