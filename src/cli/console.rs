//! `portcullis console`: opens the full-screen console.

use crate::cli::{Context, Exit, Failure};

/// Open the full-screen console
#[derive(Debug, Clone, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub(super) struct Arguments {
    /// The colours: portcullis-dark, portcullis-light, mono, or a file in the themes folder
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// How many colours the terminal has
    #[arg(long, value_name = "DEPTH", value_parser = ["auto", "truecolor", "256", "16", "none"], default_value = "auto")]
    pub color: String,
    /// Draw with plain characters only
    #[arg(long)]
    pub ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Without any key that changes something
    #[arg(long)]
    pub readonly: bool,
}

pub(super) async fn run(_context: &Context<'_>, _arguments: Arguments) -> Result<Exit, Failure> {
    Err(Failure::here("the console is not part of this build", ""))
}
