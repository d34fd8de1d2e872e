//! The settings of the console and the commands, from `console.toml`, the environment and flags.

use std::path::Path;

use crate::config::backend::{self, Backend};
use crate::config::document::{self, Entry, Table};
use crate::config::keys::CONSOLE;
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::problem::{Notes, Problem};
use crate::config::{files, paths, server};
use crate::domain::nearest::nearest;
use crate::domain::policy::{Place, place};

/// What the console and the commands start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// The server, without a slash at its end, or the addresses of its nodes with commas between them; that of the
    /// chosen backend unless something else was said.
    pub url: String,
    /// Every server that has a name, in the order of the file.
    pub backends: Vec<Backend>,
    /// The one whose `url` it is.
    pub backend: Option<String>,
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
    /// Where the key of this device belongs.
    pub device_key: DeviceKeyPlace,
    /// Keys that are to be others than the shipped ones; which actions there are is the console's to know.
    pub keys: KeyRows,
}

/// The table `[keys]` as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRows {
    pub rows: Vec<KeyRow>,
    /// What could not even be read. It does not keep the console from starting.
    pub problems: Vec<Problem>,
}

/// The keys of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// As written, such as `request.approve`.
    pub action: String,
    pub place: Place,
    pub keys: Vec<(String, Place)>,
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

/// Where the key of this device belongs: it signs every call, and a sign-in is worth nothing without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceKeyPlace {
    /// In the keyring where there is one that is unlocked, else in a file; a key that is there already stays there.
    #[default]
    Auto,
    /// In the keyring or nowhere.
    Keyring,
    /// In a file that nobody else can read.
    File,
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
        let mut table = document::parse(&text, &mut notes);
        let keys = table
            .as_mut()
            .and_then(|table| table.take("keys"))
            .map(|entry| key_rows(entry, &text))
            .unwrap_or_default();
        let entry = table.as_mut().and_then(|table| table.take("backend"));
        let backends = entry.map_or_else(Vec::new, |entry| backends(entry, &mut notes));
        let layers = Layers::collect(&CONSOLE, "`console.toml`", table, env, flags, &mut notes);
        let local = format!("http://127.0.0.1:{}", server::PORT);
        let (url, url_from) =
            layers.understand("url", local, &mut notes, |text, _| server::urls(text));
        let (chosen, _) = layers.understand("default_backend", None, &mut notes, |text, _| {
            known(text, &backends).map(Some)
        });
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
        let (device_key, _) = layers.understand(
            "device_key",
            DeviceKeyPlace::default(),
            &mut notes,
            |text, _| device_key(text),
        );
        // The first backend is what one means, unless a server is named without one.
        let chosen = chosen.or_else(|| {
            let first = backends.first().map(|backend| backend.name.clone());
            first.filter(|_| url_from == Origin::Default)
        });
        let backend = backends
            .iter()
            .find(|backend| Some(&backend.name) == chosen.as_ref())
            .cloned();
        let problems = notes.into_sorted();
        if problems.is_empty() {
            Ok(Self {
                url: backend
                    .as_ref()
                    .map_or(url, |backend: &Backend| backend.url.clone()),
                backend: backend.map(|backend| backend.name),
                backends,
                theme,
                color,
                notify,
                quiet_hours,
                ascii,
                mouse,
                read_only,
                device_key,
                keys,
            })
        } else {
            Err(problems)
        }
    }
}

fn theme(text: &str) -> Result<String, Wrong> {
    // Only the form is checked here: which themes there are is the console's to know.
    let path = text.contains('/') || Path::new(text).extension().is_some_and(|end| end == "toml");
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

fn backends<'t>(entry: Entry<'t>, notes: &mut Notes<'t>) -> Vec<Backend> {
    let mut backends: Vec<Backend> = Vec::new();
    let Some(tables) = entry.into_tables(notes, "[[backend]]") else {
        return backends;
    };
    for table in tables {
        let at = table.at;
        let Some(backend) = backend::read(table, notes) else {
            continue;
        };
        if backends.iter().any(|other| other.name == backend.name) {
            let message = format!("there are two backends with the name `{}`", backend.name);
            notes.error(at, message, Some("give one another name".to_owned()));
            continue;
        }
        backends.push(backend);
    }
    backends
}

fn known(text: &str, backends: &[Backend]) -> Result<String, Wrong> {
    let names = || backends.iter().map(|backend| backend.name.as_str());
    if names().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    let hint = match nearest(text, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if backends.is_empty() => {
            "add a table `[[backend]]` with its `name` and `url` to console.toml".to_owned()
        }
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Wrong {
        message: format!("there is no backend `{}`", text.escape_debug()),
        hint,
    })
}

/// Reads `[keys]`, where `request.approve = […]` is a table in a table to TOML and one name to people.
fn key_rows(entry: Entry<'_>, text: &str) -> KeyRows {
    let mut notes = Notes::new(paths::CONSOLE_FILE, text);
    let mut rows = Vec::new();
    if let Some(table) = entry.into_table(&mut notes, "[keys]") {
        collect_keys(table, "", text, &mut rows, &mut notes);
    }
    KeyRows {
        rows,
        problems: notes.into_sorted(),
    }
}

fn collect_keys<'t>(
    mut table: Table<'t>,
    before: &str,
    text: &str,
    rows: &mut Vec<KeyRow>,
    notes: &mut Notes<'t>,
) {
    for entry in table.take_all() {
        let action = format!("{before}{}", entry.key);
        let at = place(text, entry.at);
        if entry.is_table() {
            if let Some(table) = entry.into_table(notes, "[keys]") {
                collect_keys(table, &format!("{action}."), text, rows, notes);
            }
            continue;
        }
        if let Some(keys) = entry.into_texts(notes) {
            let keys = keys
                .into_iter()
                .map(|(at, key)| (key, place(text, at)))
                .collect();
            rows.push(KeyRow {
                action,
                place: at,
                keys,
            });
        }
    }
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

fn device_key(text: &str) -> Result<DeviceKeyPlace, Wrong> {
    match text {
        "auto" => Ok(DeviceKeyPlace::Auto),
        "keyring" => Ok(DeviceKeyPlace::Keyring),
        "file" => Ok(DeviceKeyPlace::File),
        _ => Err(Wrong {
            message: format!("`{}` is no place for a key", text.escape_debug()),
            hint: "write `auto`, `keyring` or `file`".to_owned(),
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

pub(super) fn yes_or_no(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Wrong {
            message: format!("`{}` is neither yes nor no", text.escape_debug()),
            hint: "write `true` or `false`".to_owned(),
        }),
    }
}
