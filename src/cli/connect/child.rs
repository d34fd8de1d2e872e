//! Runs a program in the foreground: signals go to it, the terminal comes back as it was, and its status is ours.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::cli::{Exit, Failure};

/// How long a program may take to end after it was told.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs a program until it ends, or until `ended` says that it must not go on.
pub(super) async fn run(
    command: &mut Command,
    program: &str,
    missing: &str,
    ended: impl Future<Output = ()>,
) -> Result<Exit, Failure> {
    let terminal = Terminal::remember();
    // Before the program starts: a signal that came earlier would end us, and leave its secrets behind.
    let signals = |kind| {
        signal(kind)
            .map_err(|error| Failure::here(format!("signals cannot be received: {error}"), ""))
    };
    // The terminal sends these to the child as well, for which they may mean something else: psql ends a query.
    let (mut interrupt, mut quit) = (
        signals(SignalKind::interrupt())?,
        signals(SignalKind::quit())?,
    );
    let (mut terminate, mut hangup) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::hangup())?,
    );
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::here(
                format!("`{program}` is not installed on this machine"),
                missing,
            ),
            _ => Failure::here(format!("`{program}` cannot be started: {error}"), ""),
        })?;
    tokio::pin!(ended);
    let mut over = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut ended, if !over => {
                over = true;
                break end(&mut child).await;
            }
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => tell(&child, Signal::TERM),
            _ = hangup.recv() => tell(&child, Signal::HUP),
        }
    };
    if over {
        terminal.restore();
    }
    let status =
        status.map_err(|error| Failure::here(format!("`{program}` was lost: {error}"), ""))?;
    Ok(if over { Exit::REFUSED } else { exit_of(status) })
}

async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    tell(child, Signal::HUP);
    if let Ok(status) = timeout(PATIENCE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

fn tell(child: &Child, signal: Signal) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A child that is gone in this moment is what `wait` reports next.
        let _ = kill_process(pid, signal);
    }
}

/// The exit code that a shell would show.
fn exit_of(status: ExitStatus) -> Exit {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Exit(u8::try_from(code).unwrap_or(1))
}

/// The settings of the terminal, which a killed ssh would leave raw.
struct Terminal(Option<Termios>);

impl Terminal {
    fn remember() -> Self {
        Self(tcgetattr(std::io::stdin()).ok())
    }

    fn restore(&self) {
        if let Some(settings) = &self.0 {
            // The terminal may be gone, and then nothing needs to be restored.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
    }
}
