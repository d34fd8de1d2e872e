//! One test binary: folders mirror URLs, screens and commands.

mod console;
mod support;
