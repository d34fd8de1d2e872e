//! `portcullis console`: opens the full-screen console.

use std::path::{Path, PathBuf};

use crate::cli::{Context, Exit, Failure};
use crate::client::{Channel, Client, Session, ShelfFile};
use crate::config::{COLORS, ConsoleSettings, Notify, Problem};
use crate::console::keymap::remap;
use crate::console::term::caps::Depth;
use crate::console::{self, Calling, Options};

/// Open the full-screen console
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// The colours: a name from `portcullis theme list`, or the path of a theme's file
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// How many colours the terminal has
    #[arg(long, value_name = "DEPTH", value_parser = COLORS)]
    pub color: Option<String>,
    /// How to call you while you look elsewhere
    #[arg(long, value_name = "HOW", value_parser = ["off", "bell", "desktop"])]
    pub notify: Option<String>,
    /// Print lines instead of drawing a screen, and take commands: for screen readers and pipes
    #[arg(long)]
    pub linear: bool,
    /// Write a picture of each view into this folder instead of opening the console
    #[arg(long, value_name = "DIR", conflicts_with = "linear")]
    pub snapshot: Option<PathBuf>,
    /// The size of the pictures, as columns and rows
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "120x40", value_parser = size, requires = "snapshot")]
    pub size: (u16, u16),
    /// Draw with plain characters only
    #[arg(long)]
    pub ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Without any key that changes something; `--readonly=false` where console.toml says so
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub readonly: Option<bool>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let servers = context.servers()?;
    let state = context.state()?;
    let shelf = ShelfFile::of(&state);
    let shown = servers.first().to_string();
    let backend = context.backend()?;
    let (keymap, problems) = remap(&settings.keys);
    let backends = settings.backends.clone();
    let place = settings.device_key;
    let connect = move |name: Option<&str>| {
        let named = name.and_then(|name| backends.iter().find(|backend| backend.name == name));
        let servers = match named {
            Some(backend) => backend.url.parse()?,
            None => servers.clone(),
        };
        Client::new(Session::open_with(&servers, &state, place)?, Channel::Tui)
    };
    let mut calling = calling(&settings);
    if let Some(way) = arguments.notify {
        calling.way = match way.as_str() {
            "off" => Notify::Off,
            "bell" => Notify::Bell,
            _ => Notify::Desktop,
        };
    }
    let options = Options {
        connect: Box::new(connect),
        server: shown,
        theme: arguments.theme.or(Some(settings.theme)),
        library: super::theme::library(),
        calling,
        depth: depth(arguments.color.as_deref().unwrap_or(&settings.color)),
        ascii: arguments.ascii || settings.ascii,
        mouse: settings.mouse && !arguments.no_mouse,
        readonly: arguments
            .readonly
            .or_else(|| settings.read_only.then_some(true)),
        keymap,
        backends: settings.backends,
        backend,
        complaints: complaints(&problems),
        shelf: Some(shelf),
    };
    if let Some(folder) = arguments.snapshot {
        return pictures(context, options, &folder, arguments.size).await;
    }
    let ended = if arguments.linear {
        console::linear::run(options).await
    } else {
        console::run(options).await
    };
    let code = ended.map_err(|error| Failure::here(error.text, error.hint))?;
    Ok(Exit(code))
}

/// Takes pictures and says where they are.
pub(super) async fn pictures(
    context: &Context<'_>,
    options: Options,
    folder: &Path,
    size: (u16, u16),
) -> Result<Exit, Failure> {
    let names = console::picture::take(options, folder, size)
        .await
        .map_err(|error| Failure::here(error.text, error.hint))?;
    let body = serde_json::json!({ "folder": folder, "pictures": names });
    context.printer.answer(&body, |printer| {
        let (count, folder) = (names.len(), folder.display());
        printer.line(&format!(
            "{count} pictures in {folder}: {}",
            names.join(", ")
        ))
    })?;
    Ok(Exit::DONE)
}

/// `120x40`, within what anybody's screen can show.
pub(super) fn size(text: &str) -> Result<(u16, u16), String> {
    text.split_once('x')
        .and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)))
        .filter(|(columns, rows)| (20..=400).contains(columns) && (5..=200).contains(rows))
        .ok_or_else(|| "write for example `120x40`".to_owned())
}

/// What was wrong with the keys, for the person who looks at the shipped ones instead.
pub(super) fn complaints(problems: &[Problem]) -> Vec<String> {
    let mut said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if !said.is_empty() {
        said.push(
            "the keys are the shipped ones until `portcullis config check` is content".to_owned(),
        );
    }
    said
}

/// How the settings say to call people.
pub(super) fn calling(settings: &ConsoleSettings) -> Calling {
    Calling {
        way: settings.notify,
        quiet: settings.quiet_hours,
    }
}

/// The number of colours by its name in settings; nothing for `auto`.
pub(super) fn depth(name: &str) -> Option<Depth> {
    match name {
        "truecolor" => Some(Depth::TrueColor),
        "256" => Some(Depth::Indexed),
        "16" => Some(Depth::Ansi16),
        "none" => Some(Depth::Mono),
        _ => None,
    }
}
