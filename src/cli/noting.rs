//! Tells on standard error what the client has to say besides the result: that it is old, or asked for again.

use std::sync::{Mutex, PoisonError};

use crate::cli::Printer;
use crate::client::{Listener, Note};

/// Says each thing once, however many calls a command makes.
#[derive(Debug)]
pub(super) struct Noting {
    /// Whether a program reads standard error, which understands errors only.
    quiet: bool,
    said: Mutex<Vec<std::mem::Discriminant<Note>>>,
}

impl Noting {
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            said: Mutex::default(),
        }
    }
}

impl Listener for Noting {
    fn tell(&self, note: Note) {
        let kind = std::mem::discriminant(&note);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if self.quiet || said.contains(&kind) {
            return;
        }
        said.push(kind);
        Printer::remark(&format!("note: {}", note.text()));
    }
}
