//! `portcullis config`: writes, checks and shows the configuration.

use std::path::PathBuf;

use crate::catalog;
use crate::cli::context::environment;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, prepare};
use crate::config::{self, ConsoleSettings, Problem, Severity, paths};
use crate::console::keymap::remap;
use crate::domain::ids::TargetName;

/// Write, check and show the configuration
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The folder of the configuration
    #[arg(long, global = true, value_name = "DIR")]
    config_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write commented files where there are none yet
    Init {
        /// Write the settings of the console and the commands instead of those of the server
        #[arg(long)]
        console: bool,
    },
    /// Look for mistakes in all files; ends with 1 when there are any
    Check,
    /// Show the server's settings, and who set each
    Show,
    /// Say what the owner of a target does once before access can be made there
    Prepare {
        /// The target, as the catalogue names it
        target: TargetName,
    },
    /// Print every setting as Markdown
    Reference,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = paths::config_dir(arguments.config_dir.as_deref(), &environment);
    match &arguments.command {
        Command::Prepare { target } => prepare::run(context, &folder, target),
        &Command::Init { console } => {
            let written = if console {
                config::console_init(&folder)
            } else {
                config::config_init(&folder)
            };
            let written = written.map_err(|problem| Failure {
                hint: problem.hint.clone(),
                ..Failure::here(said(&folder, &problem), "")
            })?;
            context.printer.answer(
                &serde_json::json!({ "folder": folder, "written": written }),
                |printer| {
                    for path in &written {
                        printer.line(&format!("wrote {}", path.display()))?;
                    }
                    if written.is_empty() {
                        printer.line(&format!(
                            "everything is there already in {}",
                            folder.display()
                        ))?;
                    }
                    Ok(())
                },
            )?;
            Ok(Exit::DONE)
        }
        Command::Check => {
            let mut report = catalog::check(&folder, &environment);
            // Which actions have keys only the console knows.
            if let Ok(settings) = ConsoleSettings::load(&folder, &environment, &[]) {
                report.problems.extend(remap(&settings.keys).1);
            }
            // The catalogue may be good where what the server needs for its provider is not there.
            if let Ok(server) = config::server(&folder, &environment, &[])
                && let Some(identity) = &server.settings.identity
            {
                report.problems.extend(identity.check_files());
            }
            context.printer.answer(&report, |printer| {
                for problem in &report.problems {
                    printer.line(&said(&folder, problem))?;
                    if let Some(hint) = &problem.hint {
                        printer.line(&format!("  hint: {hint}"))?;
                    }
                }
                let state = if report.is_ok() { "ok" } else { "not usable" };
                printer.line(&format!(
                    "{state}: {} in {}",
                    counts(report.targets, report.policies),
                    folder.display()
                ))
            })?;
            Ok(if report.is_ok() {
                Exit::DONE
            } else {
                Exit::REFUSED
            })
        }
        Command::Show => {
            let server = config::server(&folder, &environment, &[]).map_err(|problems| {
                let text = problems
                    .first()
                    .map_or_else(String::new, |problem| said(&folder, problem));
                Failure::refused(text, "run `portcullis config check` to see every problem")
            })?;
            context.printer.answer(&server.shown, |printer| {
                let mut table = Table::new(&[
                    ("SETTING", Cut::Never),
                    ("VALUE", Cut::Middle),
                    ("SET BY", Cut::Never),
                ]);
                for setting in &server.shown {
                    table.row([
                        setting.name.to_owned(),
                        setting.value.clone(),
                        setting.origin.clone(),
                    ]);
                }
                printer.table(&table, "no settings")
            })?;
            Ok(Exit::DONE)
        }
        Command::Reference => {
            let reference = config::reference();
            context
                .printer
                .answer(&serde_json::json!({ "markdown": reference }), |printer| {
                    printer.script(&reference)
                })?;
            Ok(Exit::DONE)
        }
    }
}

/// A problem as editors understand it: file, line and column, then the sentence.
fn said(folder: &std::path::Path, problem: &Problem) -> String {
    let file = folder.join(&problem.origin);
    let origin = if file.exists() {
        file.display().to_string()
    } else {
        problem.origin.clone()
    };
    let place = problem.place.map_or_else(String::new, |place| {
        format!(":{}:{}", place.line, place.column)
    });
    let warning = if problem.severity == Severity::Warning {
        "warning: "
    } else {
        ""
    };
    format!("{origin}{place}: {warning}{}", problem.message)
}

fn counts(targets: usize, policies: usize) -> String {
    let target = if targets == 1 { "target" } else { "targets" };
    let policy = if policies == 1 { "policy" } else { "policies" };
    format!("{targets} {target}, {policies} {policy}")
}
