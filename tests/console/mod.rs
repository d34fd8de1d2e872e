//! The console: what it stands on, and its screens.

mod desk;
mod display;
mod filter;
mod linear;
mod many;
mod notice;
mod program;
mod pty;
mod questions;
mod run;
mod safety;
mod sample;
mod screens;
mod term;
mod theme;
mod widget;
