//! Whether the terminal shows what is typed: not while it is a secret, and as before once the program ends.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal's settings from before, while what is typed does not show.
#[derive(Debug, Default)]
pub(super) struct Echo {
    before: Option<Termios>,
}

impl Echo {
    /// Hides what is typed from now on, or shows it again. Where there is no terminal, nothing shows anyway.
    pub(super) fn hide(&mut self, hide: bool) {
        match (&self.before, hide) {
            (None, true) => {
                let Ok(before) = tcgetattr(rustix::stdio::stdin()) else {
                    return;
                };
                let mut silent = before.clone();
                silent.local_modes.remove(LocalModes::ECHO);
                silent.local_modes.insert(LocalModes::ECHONL);
                // What was typed ahead was not meant as a secret, or was seen already.
                let set = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent);
                self.before = set.is_ok().then_some(before);
            }
            (Some(before), false) => {
                let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, before);
                self.before = None;
            }
            _ => {}
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.hide(false);
    }
}
