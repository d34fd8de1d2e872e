//! Servers that one person works with, by name: each with the environment that the header must show.

use crate::config::document::Table;
use crate::config::problem::Notes;
use crate::config::server;
use crate::domain::nearest::nearest;

/// What breaks when somebody is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Production,
    Staging,
    Development,
}

impl Environment {
    const ALL: [Self; 3] = [Self::Production, Self::Staging, Self::Development];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }

    /// The word on the badge.
    pub fn badge(self) -> &'static str {
        match self {
            Self::Production => "PROD",
            Self::Staging => "STAGING",
            Self::Development => "DEV",
        }
    }
}

/// A server to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub name: String,
    /// Without a slash at its end; several addresses of one installation have commas between them.
    pub url: String,
    pub environment: Option<Environment>,
    /// The console changes nothing there, unless it was started with `--readonly=false`.
    pub readonly: bool,
}

impl Backend {
    /// The environment as a word, or nothing.
    pub fn environment_word(&self) -> &'static str {
        self.environment.map_or("", Environment::word)
    }
}

const KEYS: [&str; 4] = ["name", "url", "environment", "readonly"];

/// What the keys are for, for the README.
pub(super) const ABOUT: [(&str, &str); 4] = [
    (
        "name",
        "What `--backend`, the header and the palette call it.",
    ),
    (
        "url",
        "The server to talk to, or the addresses of its nodes with commas between them.",
    ),
    (
        "environment",
        "`production`, `staging` or `development`: a word and a colour in the header.",
    ),
    (
        "readonly",
        "The console changes nothing there; `--readonly=false` wins.",
    ),
];

/// Reads one `[[backend]]`; what is wrong is noted.
pub(super) fn read<'t>(mut table: Table<'t>, notes: &mut Notes<'t>) -> Option<Backend> {
    let at = table.at;
    let before = notes.count();
    let name = table.take("name");
    let name_at = name.as_ref().map_or(at, super::document::Entry::value_at);
    let name = name.and_then(|entry| entry.into_text(notes));
    let url = table.take("url");
    let url_at = url.as_ref().map_or(at, super::document::Entry::value_at);
    let url = url.and_then(|entry| entry.into_text(notes));
    let environment = table.take("environment").and_then(|entry| {
        let at = entry.value_at();
        Some((at, entry.into_text(notes)?))
    });
    let readonly = table.take("readonly").and_then(|entry| {
        let at = entry.value_at();
        Some((at, entry.into_setting(notes)?))
    });
    table.refuse_rest(notes, "[[backend]]", &KEYS);
    if notes.count() > before {
        return None;
    }
    let Some(name) = name else {
        notes.error(
            at,
            "[[backend]] has no `name`",
            Some("add `name = \"eu-1\"` below it".to_owned()),
        );
        return None;
    };
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        let message = format!("`{}` is not a name for a backend", name.escape_debug());
        notes.error(
            name_at,
            message,
            Some("use letters, digits, `-`, `_` and `.`".to_owned()),
        );
        return None;
    }
    let Some(url) = url else {
        let hint = "add `url = \"https://…\"` below it".to_owned();
        notes.error(at, format!("backend `{name}` has no `url`"), Some(hint));
        return None;
    };
    let url = match server::urls(&url) {
        Ok(url) => url,
        Err(wrong) => {
            notes.error(url_at, wrong.message, Some(wrong.hint));
            return None;
        }
    };
    let environment = match environment {
        None => None,
        Some((at, text)) => {
            let known = Environment::ALL
                .into_iter()
                .find(|known| known.word() == text);
            if known.is_none() {
                let words = Environment::ALL.map(Environment::word);
                let hint = nearest(&text, words.iter().copied()).map_or_else(
                    || "write `production`, `staging` or `development`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                notes.error(
                    at,
                    format!("`{}` is no environment", text.escape_debug()),
                    Some(hint),
                );
                return None;
            }
            known
        }
    };
    let readonly = match readonly {
        None => false,
        Some((at, text)) => match super::console::yes_or_no(&text) {
            Ok(value) => value,
            Err(wrong) => {
                notes.error(at, wrong.message, Some(wrong.hint));
                return None;
            }
        },
    };
    Some(Backend {
        name,
        url,
        environment,
        readonly,
    })
}
