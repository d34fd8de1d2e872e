//! `portcullis demo`: everything at once on this machine, and nothing left behind.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Context, Exit, Failure};
use crate::client::{Channel, Client, ServerUrl, Session, StateDir};
use crate::console;
use crate::console::keymap::remap;
use crate::demo::{Demo, Options};

/// How long the demonstration runs before pictures are taken of it.
const LIVED_IN: Duration = Duration::from_secs(12);

/// Try everything on this machine: a server, colleagues who ask for access, targets, and the console on top
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Makes the same things happen again
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Without the PostgreSQL target
    #[arg(long)]
    pub no_postgres: bool,
    /// Without the console: print how to reach the server and wait
    #[arg(long)]
    pub headless: bool,
    /// Write a picture of each view of the console into this folder, and end
    #[arg(long, value_name = "DIR", conflicts_with = "headless")]
    pub snapshot: Option<PathBuf>,
    /// The size of the pictures, as columns and rows
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "120x40", value_parser = super::console::size, requires = "snapshot")]
    pub size: (u16, u16),
    /// The address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !arguments.headless && arguments.snapshot.is_none() && !terminal {
        return Err(Failure::here(
            "the console needs a terminal for keys and screen",
            "add `--headless` to have everything but the console",
        ));
    }
    let options = Options {
        seed: arguments.seed,
        postgres: !arguments.no_postgres,
        listen: arguments.listen,
    };
    let until_told_to_stop = signals()?;
    tokio::pin!(until_told_to_stop);
    context
        .printer
        .note("starting a server, targets and colleagues …");
    let started = tokio::select! {
        started = Demo::start(&options) => started,
        () = &mut until_told_to_stop => return Ok(Exit::DONE),
    };
    let demo = started.map_err(|error| {
        Failure::here(
            format!("the demonstration did not start: {error:#}"),
            "`--no-postgres` leaves the database out",
        )
    })?;
    let done = if arguments.headless {
        show(context, &demo).map(|()| Exit::DONE)
    } else {
        look(
            context,
            &demo,
            arguments.snapshot.as_deref(),
            arguments.size,
        )
        .await
    };
    if arguments.headless && done.is_ok() {
        until_told_to_stop.await;
    }
    demo.stop().await;
    done
}

/// Opens the console as the admin of the demonstration.
async fn look(
    context: &Context<'_>,
    demo: &Demo,
    snapshot: Option<&Path>,
    size: (u16, u16),
) -> Result<Exit, Failure> {
    for missing in demo.missing() {
        context.printer.note(missing);
    }
    let settings = context.settings()?;
    let (keymap, problems) = remap(&settings.keys);
    let (server, (_, home)) = (demo.url(), demo.admin());
    let url: ServerUrl = server.parse()?;
    let connect = move |_: Option<&str>| {
        let session = Session::open(&url, &StateDir::at(home.clone()))?;
        Client::new(session, Channel::Tui)
    };
    let options = console::Options {
        connect: Box::new(connect),
        server,
        library: super::theme::library(),
        calling: super::console::calling(&settings),
        theme: Some(settings.theme),
        depth: super::console::depth(&settings.color),
        ascii: settings.ascii,
        mouse: settings.mouse,
        readonly: settings.read_only.then_some(true),
        keymap,
        backends: Vec::new(),
        backend: None,
        complaints: super::console::complaints(&problems),
        shelf: None,
    };
    if let Some(folder) = snapshot {
        // Colleagues need a moment until there is something to see.
        tokio::time::sleep(LIVED_IN).await;
        return super::console::pictures(context, options, folder, size).await;
    }
    let code = console::run(options)
        .await
        .map_err(|error| Failure::here(error.text, error.hint))?;
    Ok(Exit(code))
}

/// Waits for whatever usually ends a program.
fn signals() -> Result<impl Future<Output = ()>, Failure> {
    let watch = |kind| {
        signal(kind)
            .map_err(|error| Failure::here(format!("signals cannot be waited for: {error}"), ""))
    };
    let (mut term, mut int) = (
        watch(SignalKind::terminate())?,
        watch(SignalKind::interrupt())?,
    );
    let mut hup = watch(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hup.recv() => {}
        }
    })
}

/// Says where everything is and what to try in another terminal.
fn show(context: &Context<'_>, demo: &Demo) -> Result<(), Failure> {
    let printer = context.printer;
    let ((admin, admin_home), (guest, guest_home)) = (demo.admin(), demo.guest());
    printer.line(&format!(
        "A demonstration of Portcullis runs at {}",
        demo.url()
    ))?;
    for missing in demo.missing() {
        printer.line(&format!("  ({missing})"))?;
    }
    printer.line("")?;
    printer.line(&format!("In another terminal, as {admin}, an admin:"))?;
    printer.line(&format!(
        "  export PORTCULLIS_SERVER={} PORTCULLIS_HOME={}",
        demo.url(),
        admin_home.display()
    ))?;
    printer.line("  portcullis console")?;
    printer.line("  portcullis requests")?;
    printer.line("  portcullis audit --follow")?;
    printer.line("")?;
    printer.line(&format!("As {guest}, an engineer:"))?;
    printer.line(&format!(
        "  export PORTCULLIS_SERVER={} PORTCULLIS_HOME={}",
        demo.url(),
        guest_home.display()
    ))?;
    printer
        .line("  portcullis request bastion readonly --for 10m --reason \"a first look\" --wait")?;
    printer.line("  portcullis connect bastion")?;
    printer.line("")?;
    printer.line("Ctrl-C ends it; nothing is left behind.")
}
