//! What people type in at a question: a line, or a secret that does not show.

use std::io::IsTerminal as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cli::{Failure, Printer};
use crate::secret::Secret;

/// Says whether somebody sits there who can be asked.
pub(super) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line. Where nobody can be asked it is read all the same: a program may write it.
pub(super) async fn line(question: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        Printer::prompt(question);
    }
    read().await
}

/// As `line`; what is typed does not show.
pub(super) async fn hidden(question: &str) -> Result<Secret, Failure> {
    let Ok(before) = tcgetattr(rustix::stdio::stdin()) else {
        return Ok(Secret::new(read().await?));
    };
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    let set = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent);
    set.map_err(|error| unreadable(&error.into()))?;
    let _back = Back(before);
    // Only now: whoever answers at once must not see it.
    Printer::prompt(question);
    Ok(Secret::new(read().await?))
}

/// Gives the terminal back as it was, also when somebody presses ctrl-c at a library's whim.
struct Back(Termios);

impl Drop for Back {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

async fn read() -> Result<String, Failure> {
    let mut line = String::new();
    tokio::select! {
        // Gives the terminal back before the process goes.
        _ = tokio::signal::ctrl_c() => return Err(Failure::here("nothing was done", "")),
        read = read_line(&mut line) => read.map_err(|error| unreadable(&error))?,
    };
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Byte by byte, so that nothing is taken that belongs to the next question.
async fn read_line(line: &mut String) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(1, tokio::io::stdin());
    input.read_line(line).await.map(|_| ())
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::here(format!("what you type cannot be read: {error}"), "")
}
