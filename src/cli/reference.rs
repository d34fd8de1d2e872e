//! Every command and flag as Markdown, for the README; made from what clap knows, so it cannot be wrong.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::cli::{command_line, exit};

/// All commands with their flags, and the exit codes.
pub fn reference() -> String {
    let mut line = command_line();
    line.build();
    let mut out = String::new();
    for command in line
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        describe(&mut out, "portcullis", command);
    }
    out.push_str("#### Flags of every command\n\n| flag | meaning |\n|---|---|\n");
    for arg in line.get_arguments().filter(|arg| arg.is_global_set()) {
        row(&mut out, arg);
    }
    let _ = write!(out, "\n#### Exit codes\n\n```text\n{}\n```\n", exit::HELP);
    out
}

fn describe(out: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    let nested: Vec<&Command> = command
        .get_subcommands()
        .filter(|nested| nested.get_name() != "help")
        .collect();
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if nested.is_empty() || !own.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim();
        // Commands that are also groups have a second line, and the group's own commands follow anyway.
        let usage = usage.lines().next().unwrap_or_default();
        let _ = write!(out, "#### `{}`\n\n{}.\n\n", usage, about(command));
        if !own.is_empty() {
            out.push_str("| argument | meaning |\n|---|---|\n");
            for arg in own {
                row(out, arg);
            }
            out.push('\n');
        }
    }
    for command in nested {
        describe(out, &name, command);
    }
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(|about| about.to_string().trim_end_matches('.').to_owned())
        .unwrap_or_default()
}

fn row(out: &mut String, arg: &Arg) {
    let value = arg
        .get_value_names()
        .and_then(|names| names.first())
        .map_or_else(
            || arg.get_id().to_string().to_uppercase(),
            ToString::to_string,
        );
    let name = match (arg.get_long(), arg.get_action().takes_values()) {
        (Some(long), true) => format!("--{long} {value}"),
        (Some(long), false) => format!("--{long}"),
        (None, _) => value,
    };
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if arg.get_action().takes_values() && !choices.is_empty() {
        let _ = write!(meaning, ": {}", choices.join(", "));
    }
    let default = arg.get_default_values().first();
    if let Some(default) = default.filter(|_| arg.get_action().takes_values()) {
        let _ = write!(meaning, " (default `{}`)", default.to_string_lossy());
    }
    if let Some(env) = arg.get_env() {
        let _ = write!(meaning, " (also `{}`)", env.to_string_lossy());
    }
    let (name, meaning) = (cell(&name), cell(&meaning));
    let _ = writeln!(out, "| `{name}` | {meaning} |");
}

/// Text that stays in its cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
