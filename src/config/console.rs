//! The settings of the console and the commands, from `console.toml`, the environment and flags.

use std::path::Path;

use crate::config::document;
use crate::config::keys::{CONSOLE, Env, Layers, Wrong};
use crate::config::problem::{Notes, Problem};
use crate::config::{files, paths, server};

/// What the console and the commands start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// The server, without a slash at its end.
    pub url: String,
    /// The name of a theme, not yet looked up.
    pub theme: String,
    pub ascii: bool,
    pub mouse: bool,
    pub read_only: bool,
}

impl ConsoleSettings {
    /// Reads `console.toml` in `folder`, which need not exist, then the environment, then the flags.
    pub fn load(
        folder: &Path,
        env: Env<'_>,
        flags: &[(&str, String)],
    ) -> Result<Self, Vec<Problem>> {
        let text = files::read(folder, paths::CONSOLE_FILE)
            .map_err(|problem| vec![problem])?
            .unwrap_or_default();
        let mut notes = Notes::new(paths::CONSOLE_FILE, &text);
        let table = document::parse(&text, &mut notes);
        let layers = Layers::collect(&CONSOLE, "`console.toml`", table, env, flags, &mut notes);
        let local = format!("http://127.0.0.1:{}", server::PORT);
        let (url, _) = layers.understand("url", local, &mut notes, |text, _| server::url(text));
        let (theme, _) = layers.understand(
            "theme",
            "portcullis-dark".to_owned(),
            &mut notes,
            |text, _| theme(text),
        );
        let (ascii, _) = layers.understand("ascii", false, &mut notes, |text, _| yes_or_no(text));
        let (mouse, _) = layers.understand("mouse", false, &mut notes, |text, _| yes_or_no(text));
        let (read_only, _) =
            layers.understand("read_only", false, &mut notes, |text, _| yes_or_no(text));
        let problems = notes.into_sorted();
        if problems.is_empty() {
            Ok(Self {
                url,
                theme,
                ascii,
                mouse,
                read_only,
            })
        } else {
            Err(problems)
        }
    }
}

fn theme(text: &str) -> Result<String, Wrong> {
    // Only the form is checked here: which themes there are is the console's to know.
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Ok(text.to_owned());
    }
    let hint = "write for example `portcullis-dark`".to_owned();
    Err(Wrong {
        message: format!("`{}` is not the name of a theme", text.escape_debug()),
        hint,
    })
}

fn yes_or_no(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Wrong {
            message: format!("`{}` is neither yes nor no", text.escape_debug()),
            hint: "write `true` or `false`".to_owned(),
        }),
    }
}
