//! Where a value comes from: the file, then the environment, then a flag. Each is understood, also one that is overridden.

use std::fmt;

use crate::config::document::Table;
use crate::config::keys::Key;
use crate::config::problem::{Notes, Problem};

/// Looks up an environment variable; the process's own, or a test's.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Who set a value. Later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File,
    Environment(&'static str),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A value that cannot be used, as a sentence, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub message: String,
    pub hint: String,
}

/// All values of all settings from all places, before they are understood.
#[derive(Debug)]
pub(super) struct Layers {
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    name: &'static str,
    text: String,
    origin: Origin,
    at: usize,
}

impl Layers {
    /// Collects the values of `keys` from a table, then the environment, then flags.
    pub(super) fn collect<'t>(
        keys: &[Key],
        place: &str,
        table: Option<Table<'t>>,
        env: Env<'_>,
        flags: &[(&str, String)],
        notes: &mut Notes<'t>,
    ) -> Self {
        let mut found = Vec::new();
        if let Some(mut table) = table {
            for key in keys {
                let Some(entry) = table.take(key.name) else {
                    continue;
                };
                let at = entry.value_at();
                let Some(text) = entry.into_setting(notes) else {
                    continue;
                };
                found.push(Found {
                    name: key.name,
                    text,
                    origin: Origin::File,
                    at,
                });
            }
            let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
            table.refuse_rest(notes, place, &known);
        }
        for key in keys {
            // An empty variable is how many tools unset one.
            if !key.env.is_empty()
                && let Some(text) = env(key.env).filter(|text| !text.is_empty())
            {
                found.push(Found {
                    name: key.name,
                    text,
                    origin: Origin::Environment(key.env),
                    at: 0,
                });
            }
            if let Some((_, text)) = flags.iter().find(|(flag, _)| *flag == key.flag) {
                found.push(Found {
                    name: key.name,
                    text: text.clone(),
                    origin: Origin::Flag(key.flag),
                    at: 0,
                });
            }
        }
        Self { found }
    }

    /// Understands one setting. Every wrong value is noted, also one that a later place overrides.
    pub(super) fn understand<T>(
        &self,
        name: &str,
        default: T,
        notes: &mut Notes<'_>,
        read: impl Fn(&str, &Origin) -> Result<T, Wrong>,
    ) -> (T, Origin) {
        let mut last = (default, Origin::Default);
        for found in self.found.iter().filter(|found| found.name == name) {
            match read(&found.text, &found.origin) {
                Ok(value) => last = (value, found.origin.clone()),
                Err(wrong) => match &found.origin {
                    Origin::File | Origin::Default => {
                        notes.error(found.at, wrong.message, Some(wrong.hint));
                    }
                    origin => notes.push(Problem::of(
                        origin.to_string(),
                        wrong.message,
                        Some(wrong.hint),
                    )),
                },
            }
        }
        last
    }
}
