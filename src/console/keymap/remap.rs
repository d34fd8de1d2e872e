//! Keys that a person chose, from the table `[keys]` of `console.toml`. One mistake and the shipped keys are used: a
//! keymap that is half of what was meant is worse than the known one.

use crate::config::{KeyRow, KeyRows, Problem, paths};
use crate::console::keymap::{Action, BINDINGS, Binding, Chord, Keymap, lint};
use crate::domain::nearest::nearest;
use crate::domain::policy::Place;

/// Without a key for these one could not answer, leave or go back.
const NEEDED: [Action; 5] = [
    Action::Yes,
    Action::No,
    Action::Back,
    Action::Confirm,
    Action::Interrupt,
];

/// The keymap with the rows in force, or the shipped one with what is wrong.
pub fn remap(rows: &KeyRows) -> (Keymap, Vec<Problem>) {
    let mut keymap = Keymap::default();
    let mut problems = rows.problems.clone();
    for row in &rows.rows {
        let Some(at) = BINDINGS
            .iter()
            .position(|binding| binding.name == row.action)
        else {
            problems.push(unknown(row));
            continue;
        };
        let mut chords: Vec<Chord> = Vec::new();
        for (text, place) in &row.keys {
            match Chord::parse(text) {
                Ok(chord) if !chords.contains(&chord) => chords.push(chord),
                Ok(_) => {}
                Err(why) => problems.push(problem(*place, why, None)),
            }
        }
        if let Some(keys) = keymap.keys.get_mut(at) {
            *keys = chords;
        }
    }
    for (binding, keys) in keymap.all() {
        if keys.is_empty() && NEEDED.contains(&binding.action) {
            let place = row_of(rows, binding).map_or(START, |row| row.place);
            let message = format!("`{}` must have a key", binding.name);
            let hint = format!("leave it out to have `{}`", text(binding.keys));
            problems.push(problem(place, message, Some(hint)));
        }
    }
    let bindings: Vec<_> = keymap.all().collect();
    for wrong in lint(&bindings) {
        // Of two that are in each other's way only the one that the person wrote is their mistake.
        let Some(row) = rows.rows.iter().find(|row| row.action == wrong.name) else {
            continue;
        };
        let written = row
            .keys
            .iter()
            .find(|(text, _)| Chord::parse(text) == Ok(wrong.chord));
        let place = written.map_or(row.place, |(_, place)| *place);
        problems.push(problem(place, wrong.text(), wrong.hint()));
    }
    problems.sort_by(|one, other| (one.place, &one.message).cmp(&(other.place, &other.message)));
    problems.dedup();
    if problems.is_empty() {
        (keymap, problems)
    } else {
        (Keymap::default(), problems)
    }
}

const START: Place = Place { line: 1, column: 1 };

fn row_of<'r>(rows: &'r KeyRows, binding: &Binding) -> Option<&'r KeyRow> {
    rows.rows.iter().find(|row| row.action == binding.name)
}

fn unknown(row: &KeyRow) -> Problem {
    let names = BINDINGS.iter().map(|binding| binding.name);
    let hint = nearest(&row.action, names).map_or_else(
        || "`portcullis keys` lists every action".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("there is no action `{}`", row.action.escape_debug());
    problem(row.place, message, Some(hint))
}

fn problem(place: Place, message: String, hint: Option<String>) -> Problem {
    Problem {
        place: Some(place),
        ..Problem::of(paths::CONSOLE_FILE, message, hint)
    }
}

/// A `[keys]` table with every action as it is at the moment, commented out where it is as shipped.
pub fn as_toml(keymap: &Keymap) -> String {
    let mut out = String::from(
        "# The keys of the console, for console.toml. Take away the `#` in front of a line to change it;\n\
         # `[]` takes every key away. `portcullis config check` says what would be dangerous.\n\n[keys]\n",
    );
    let mut place = None;
    for (binding, keys) in keymap.all() {
        if place != Some(binding.place) {
            place = Some(binding.place);
            out.push_str(&format!("\n# {}\n", binding.place.title()));
        }
        let mark = if keys == binding.keys { "# " } else { "" };
        out.push_str(&format!(
            "{mark}\"{}\" = {}  # {}\n",
            binding.name,
            toml_list(keys),
            binding.doc
        ));
    }
    out
}

fn toml_list(keys: &[Chord]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| {
            format!(
                "\"{}\"",
                key.text().replace('\\', "\\\\").replace('"', "\\\"")
            )
        })
        .collect();
    format!("[{}]", keys.join(", "))
}

fn text(keys: &[Chord]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.text()).collect();
    keys.join(", ")
}
