//! `portcullis serve`: runs the server.

use std::path::PathBuf;

use crate::cli::{Context, Exit, Failure};

/// Run the server
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Where the server keeps its database and its keys
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The folder of portcullis.toml and policy.cedar
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// `sqlite`, or postgres://user@host/name for several nodes
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
}

pub(super) async fn run(_context: &Context<'_>, _arguments: Arguments) -> Result<Exit, Failure> {
    Err(Failure::here("the server is not part of this build", ""))
}
