//! One test binary: folders mirror URLs, screens and commands.

mod config;
mod support;
mod targets;
