//! `portcullis keys`: the keys of the console as they are for this person, and a file to change them from.

use crate::cli::context::environment;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure};
use crate::config::{ConsoleSettings, paths};
use crate::console::keymap::{Chord, Danger, Keymap, as_toml, remap};

/// Show every action of the console with its keys
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Print them as a commented `[keys]` for console.toml
    #[arg(long, conflicts_with = "json")]
    toml: bool,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = paths::config_dir(None, &environment);
    let settings = ConsoleSettings::load(&folder, &environment, &[])
        .map_err(|problems| unusable(&problems))?;
    let (keymap, problems) = remap(&settings.keys);
    if !problems.is_empty() {
        return Err(unusable(&problems));
    }
    if arguments.toml {
        context.printer.script(&as_toml(&keymap))?;
        return Ok(Exit::DONE);
    }
    context.printer.answer(&json(&keymap), |printer| {
        let mut table = Table::new(&[
            ("ACTION", Cut::Never),
            ("KEYS", Cut::Never),
            ("WHERE", Cut::Never),
            ("WHAT IT DOES", Cut::End),
        ]);
        for (binding, keys) in keymap.all() {
            let changed = if keys == binding.keys { "" } else { " (yours)" };
            table.row([
                binding.name.to_owned(),
                format!("{}{changed}", texts(keys).join(" ")),
                binding.place.title().to_owned(),
                binding.doc.to_owned(),
            ]);
        }
        printer.table(&table, "no keys")
    })?;
    Ok(Exit::DONE)
}

fn json(keymap: &Keymap) -> serde_json::Value {
    keymap
        .all()
        .map(|(binding, keys)| {
            serde_json::json!({
                "action": binding.name,
                "where": binding.place.title(),
                "keys": texts(keys),
                "shipped": texts(binding.keys),
                "asks_first": binding.danger > Danger::None,
                "about": binding.doc,
            })
        })
        .collect()
}

fn texts(keys: &[Chord]) -> Vec<String> {
    keys.iter().map(|key| key.text()).collect()
}

fn unusable(problems: &[crate::config::Problem]) -> Failure {
    let text = problems
        .first()
        .map_or_else(String::new, ToString::to_string);
    Failure::refused(text, "run `portcullis config check` to see every problem")
}
