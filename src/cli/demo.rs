//! `portcullis demo`: everything at once on this machine, and nothing left behind.

use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Context, Exit, Failure};
use crate::demo::{Demo, Options};

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
    /// The address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let options = Options {
        seed: arguments.seed,
        postgres: !arguments.no_postgres,
        listen: arguments.listen,
    };
    let until_told_to_stop = signals()?;
    tokio::pin!(until_told_to_stop);
    let started = tokio::select! {
        started = Demo::start(&options) => started,
        () = &mut until_told_to_stop => return Ok(Exit::DONE),
    };
    let demo = started.map_err(|error| {
        Failure::here(format!("the demonstration did not start: {error:#}"), "")
    })?;
    let shown = show(context, &demo);
    if shown.is_ok() {
        until_told_to_stop.await;
    }
    demo.stop().await;
    shown?;
    Ok(Exit::DONE)
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
