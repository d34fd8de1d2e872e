//! `portcullis console`: opens the full-screen console.

use crate::cli::{Context, Exit, Failure};
use crate::client::{Channel, Client, Session};
use crate::console::term::caps::Depth;
use crate::console::{self, Options};

/// Open the full-screen console
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// The colours: portcullis-dark, portcullis-light, mono, or a file in the themes folder
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// How many colours the terminal has
    #[arg(long, value_name = "DEPTH", value_parser = ["auto", "truecolor", "256", "16", "none"], default_value = "auto")]
    pub color: String,
    /// Draw with plain characters only
    #[arg(long)]
    pub ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Without any key that changes something
    #[arg(long)]
    pub readonly: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let server = context.server()?;
    let state = context.state()?;
    let shown = server.to_string();
    let connect = move || Client::new(Session::open(&server, &state)?, Channel::Tui);
    // The default theme is for dark terminals; without a choice the terminal's background decides.
    let theme = arguments
        .theme
        .or_else(|| Some(settings.theme).filter(|theme| theme != "portcullis-dark"));
    let options = Options {
        connect: Box::new(connect),
        server: shown,
        theme,
        depth: depth(&arguments.color),
        ascii: arguments.ascii || settings.ascii,
        mouse: settings.mouse && !arguments.no_mouse,
        readonly: arguments.readonly || settings.read_only,
    };
    let code = console::run(options)
        .await
        .map_err(|error| Failure::here(error.text, error.hint))?;
    Ok(Exit(code))
}

fn depth(name: &str) -> Option<Depth> {
    match name {
        "truecolor" => Some(Depth::TrueColor),
        "256" => Some(Depth::Indexed),
        "16" => Some(Depth::Ansi16),
        "none" => Some(Depth::Mono),
        _ => None,
    }
}
