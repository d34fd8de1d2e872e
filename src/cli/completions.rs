//! `portcullis completions`: the script that makes a shell complete commands and flags.

use clap_complete::Shell;

use crate::cli::{Context, Exit, Failure, command_line};

/// Print the script that completes commands and flags in a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis"
)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "zsh", "fish"]))]
    shell: String,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let shell = match arguments.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "portcullis", &mut script);
    context.printer.script(&String::from_utf8_lossy(&script))?;
    Ok(Exit::DONE)
}
