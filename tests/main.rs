//! One test binary: folders mirror URLs, screens and commands.

mod support;
mod targets;
