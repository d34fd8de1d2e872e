//! `portcullis demo`: everything at once on this machine, and nothing left behind.

use crate::cli::{Context, Exit, Failure};

/// Try everything on this machine: a server, colleagues who ask for access, targets, and the console on top
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Makes the same things happen again
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Without the PostgreSQL target
    #[arg(long)]
    pub no_postgres: bool,
    /// Without the console: print how to reach the server and wait
    #[arg(long)]
    pub headless: bool,
}

pub(super) async fn run(_context: &Context<'_>, _arguments: Arguments) -> Result<Exit, Failure> {
    Err(Failure::here(
        "the demonstration is not part of this build",
        "",
    ))
}
