//! The console: what it stands on, and its screens.

mod backends;
mod commandline;
mod desk;
mod display;
mod filter;
mod help;
mod hostile;
mod keymap;
mod linear;
mod many;
mod messages;
mod notice;
mod palette;
mod program;
mod pty;
mod questions;
mod run;
mod safety;
mod sample;
mod screens;
mod survival;
mod term;
mod theme;
mod tutor;
mod views;
mod widget;
