//! The console: what it stands on, and its screens.

mod desk;
mod display;
mod pty;
mod run;
mod screens;
mod term;
mod theme;
mod widget;
