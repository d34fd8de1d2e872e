//! One test binary: folders mirror URLs, screens and commands.

#[cfg(test)] // tells clippy that helpers outside test functions are tests, too
mod console;
#[cfg(test)]
mod support;
