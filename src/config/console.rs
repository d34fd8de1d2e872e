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
    /// The name of a theme or the path of its file, not yet looked up; `auto` for what suits the terminal.
    pub theme: String,
    /// How many colours to use; `auto` leaves it to the terminal.
    pub color: String,
    /// How to call somebody who looks elsewhere.
    pub notify: Notify,
    /// When not to, as minutes of the local day; may go past midnight.
    pub quiet_hours: Option<(u16, u16)>,
    pub ascii: bool,
    pub mouse: bool,
    pub read_only: bool,
}

/// How the console calls somebody who looks elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notify {
    /// Not at all.
    Off,
    /// With the terminal's bell.
    Bell,
    /// With a notice on the desktop, or the bell where the terminal cannot make one.
    #[default]
    Desktop,
}

/// How many colours to use, by name.
pub const COLORS: [&str; 5] = ["auto", "truecolor", "256", "16", "none"];

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
        let (theme, _) = layers.understand("theme", "auto".to_owned(), &mut notes, |text, _| {
            theme(text)
        });
        let (color, _) = layers.understand("color", "auto".to_owned(), &mut notes, |text, _| {
            color(text)
        });
        let (notify, _) = layers.understand("notify", Notify::default(), &mut notes, |text, _| {
            notify(text)
        });
        let (quiet_hours, _) =
            layers.understand("quiet_hours", None, &mut notes, |text, _| quiet_hours(text));
        let (ascii, _) = layers.understand("ascii", false, &mut notes, |text, _| yes_or_no(text));
        let (mouse, _) = layers.understand("mouse", false, &mut notes, |text, _| yes_or_no(text));
        let (read_only, _) =
            layers.understand("read_only", false, &mut notes, |text, _| yes_or_no(text));
        let problems = notes.into_sorted();
        if problems.is_empty() {
            Ok(Self {
                url,
                theme,
                color,
                notify,
                quiet_hours,
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
    let path = text.contains('/') || text.ends_with(".toml");
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.is_empty() && (text.bytes().all(fits) || (path && !text.chars().any(char::is_control)))
    {
        return Ok(text.to_owned());
    }
    let hint = "write for example `portcullis-dark`".to_owned();
    Err(Wrong {
        message: format!("`{}` is not the name of a theme", text.escape_debug()),
        hint,
    })
}

fn color(text: &str) -> Result<String, Wrong> {
    if COLORS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Wrong {
        message: format!("`{}` is no number of colours", text.escape_debug()),
        hint: format!("write one of {}", COLORS.join(", ")),
    })
}

fn notify(text: &str) -> Result<Notify, Wrong> {
    match text {
        "off" => Ok(Notify::Off),
        "bell" => Ok(Notify::Bell),
        "desktop" => Ok(Notify::Desktop),
        _ => Err(Wrong {
            message: format!("`{}` is no way to call anybody", text.escape_debug()),
            hint: "write `off`, `bell` or `desktop`".to_owned(),
        }),
    }
}

/// `22:00-07:00`, or nothing.
fn quiet_hours(text: &str) -> Result<Option<(u16, u16)>, Wrong> {
    let minutes = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    if text.is_empty() || text == "none" {
        return Ok(None);
    }
    text.split_once('-')
        .and_then(|(from, until)| Some(Some((minutes(from)?, minutes(until)?))))
        .ok_or_else(|| Wrong {
            message: format!("`{}` are no hours", text.escape_debug()),
            hint: "write for example `22:00-07:00`, or `none`".to_owned(),
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
