//! The console without a screen, for screen readers, slow lines and pipes: lines are only ever added, choices have
//! numbers, and what changes is told. It is the same application behind the same questions; [`Talk`] turns typed
//! lines into what keys would do, and what changed into lines.
//!
//! It never moves the cursor, uses no colour and shows no state that is not a word.
//!
//! To add a command: an arm in `command.rs`, or in `change.rs` when it changes something, and its line in [`HELP`]. A question of another shape: `many.rs`.

mod answer;
mod awaited;
mod change;
mod command;
mod detail;
mod echo;
mod list;
mod many;
mod named;
mod rows;
mod run;
mod secrets;
mod sentence;
mod sign_in;
mod talk;
mod tell;

pub use run::run;
pub use talk::{Heard, Talk};

/// What can be typed. An id works wherever a number does.
pub const HELP: &[&str] = &[
    "requests            list what waits for a decision; `requests all` with what was decided",
    "grants              list who has access; `grants all` with what is over",
    "sessions            list who is connected at this moment",
    "locks               list what is locked; `locks all` with what is over",
    "sign-ins, services  list who is signed in, and the service accounts",
    "standing            list access that no grant backs, to import, ignore or reopen: `ignore 1`",
    "                    after each of these a filter, as `grants user:bob left:<15m`",
    "audit               list the last events; `export` writes the record to a file",
    "as of 14:32         who had access at that moment; `as of -2h`, `as of 2026-11-20`, `as of now`",
    "show 2              everything about number 2 of the last list",
    "approve 2           approve it; `approve 2 30m` for no longer than 30 minutes",
    "deny 2              deny it, and say why",
    "claim 2             say that you are on it, or no longer",
    "extend 2            extend it by 15 minutes; `extend 2 1h` by an hour",
    "revoke 2            take it away at once, and say why; a sign-in is ended",
    "return 2            give your own grant back",
    "end 2               cut that session, and say why",
    "lock bob            lock a person out; also `lock target`, `lock role readonly on`, `lock tag env=prod`,",
    "                    `lock everything`, and `for 2h` at the end",
    "revoke all 2        end every sign-in of that person, but not the one in use here",
    "delete 2            delete that service account",
    "lift 2              lift that lock, and say why",
    "break-glass         list what waits for its sign-off; `break-glass all` with what has one",
    "sign-off 2          find that break-glass justified, and say what you looked at; `object 2` not",
    "mark 1 3-5          mark rows of the last list; `mark all`, `unmark`, `marks`",
    "approve marked      the same to every marked row, after one list to look at; works for each of these",
    "incident target:a,b take much away at once; also tag:env=prod, user:bob, everything, filter role:admin;",
    "                    with `lock` nothing new begins, with `deny` what is asked for is denied",
    "undo                undo the last change, within 30 seconds",
    "messages            everything that was said, with its time",
    "whoami, sign-in     who you are and how that is known; sign in: browser, code for another machine, password",
    "retry, give up      about changes that were not answered",
    "status              who you are, and how the connection is",
    "help, quit          your keys work as words, too: `?`, or `x 2` where `x` revokes",
];
