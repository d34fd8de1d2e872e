//! `portcullis policy`: checks, tests, explains and compares policies, puts them into use, and prints ones to start
//! from.

mod apply;
mod cases;
mod check;
mod diff;
mod explain;
mod replay;
mod show;
mod starter;
mod status;

use std::path::Path;

use crate::cli::{Context, Exit, Failure};
use crate::domain::policy::{Policy, PolicyProblem};

/// Check, test, explain and compare policies, and put them into use
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Arguments),
    Test(cases::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Replay(replay::Arguments),
    Status(status::Arguments),
    Show(show::Arguments),
    Apply(apply::Arguments),
    Starter(starter::Arguments),
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Test(arguments) => cases::run(context, &arguments),
        Command::Explain(arguments) => explain::run(context, arguments).await,
        Command::Diff(arguments) => diff::run(context, &arguments),
        Command::Replay(arguments) => replay::run(context, &arguments).await,
        Command::Status(_) => status::run(context).await,
        Command::Show(arguments) => show::run(context, &arguments).await,
        Command::Apply(arguments) => apply::run(context, arguments).await,
        Command::Starter(arguments) => starter::run(context, &arguments),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::here(format!("{} cannot be read: {error}", path.display()), ""))
}

/// Reads a policy, or says what is wrong first.
fn policy(path: &Path) -> Result<Policy, Failure> {
    Policy::parse(&text(path)?).map_err(|problems| {
        let first = problems.first().map(|problem| said(path, problem));
        Failure::refused(
            first.unwrap_or_default(),
            format!(
                "`portcullis policy check {}` shows all of it",
                path.display()
            ),
        )
    })
}

/// A problem as editors understand it.
fn said(path: &Path, problem: &PolicyProblem) -> String {
    let PolicyProblem {
        line,
        column,
        message,
        ..
    } = problem;
    format!("{}:{line}:{column}: {message}", path.display())
}
