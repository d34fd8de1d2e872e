//! The console without a screen, for screen readers, slow lines and pipes: lines are only ever added, choices have
//! numbers, and what changes is told. It is the same application behind the same questions; [`Talk`] turns typed
//! lines into what keys would do, and what changed into lines.
//!
//! It never moves the cursor, uses no colour and shows no state that is not a word.
//!
//! To add a command: a word in `talk.rs`, and its line in [`HELP`].

mod run;
mod talk;
mod tell;

pub use run::run;
pub use talk::{Heard, Talk};

/// What can be typed.
pub const HELP: &[&str] = &[
    "requests            list what waits for a decision; `requests all` with what was decided",
    "grants              list who has access; `grants all` with what is over",
    "audit               list the last events",
    "show 2              everything about number 2 of the last list; an id works as well, here and below",
    "approve 2           approve it; `approve 2 30m` for no longer than 30 minutes",
    "deny 2              deny it, and say why",
    "extend 2            extend it by 15 minutes; `extend 2 1h` by an hour",
    "revoke 2            take it away at once, and say why",
    "status              who you are, and how the connection is",
    "help, quit",
];
