//! The console without a screen: what is read out, and what it takes to change something.

mod anything;
mod lists;
mod many;
mod program;
mod questions;

use portcullis::console::confirm::Mutation;
use portcullis::console::linear::{Heard, Talk};
use portcullis::console::msg::{Effect, Msg, Receipt, Trip};

use crate::console::desk::Desk;

/// A conversation over a desk.
pub(super) struct Line {
    pub(super) desk: Desk,
    pub(super) talk: Talk,
    pub(super) changes: Vec<Mutation>,
}

impl Line {
    pub(super) fn new(keyboard: bool) -> Self {
        Self::over(Desk::live(120, 40), keyboard)
    }

    pub(super) fn over(desk: Desk, keyboard: bool) -> Self {
        let mut line = Self {
            desk,
            talk: Talk::new(keyboard),
            changes: Vec::new(),
        };
        line.look();
        line
    }

    /// Types a line and gives what is read out then.
    pub(super) fn say(&mut self, text: &str) -> String {
        self.hear(text, true)
    }

    /// The same, with what the server answers.
    pub(super) fn asks(&mut self, text: &str) -> String {
        let said = self.say(text);
        format!("{said}{}", self.wait(20))
    }

    /// Waits until an answer counts, and gives it.
    pub(super) fn answers(&mut self, text: &str) -> String {
        self.wait(400);
        self.asks(text)
    }

    /// The server says that the last change was done.
    pub(super) fn done(&mut self, receipt: Receipt) -> String {
        let change = self.changes.last().unwrap().clone();
        let trip = Trip {
            sent: self.desk.now.steady,
            received: self.desk.now.steady,
        };
        self.desk.send(Msg::Acted(change, Ok(receipt), trip));
        self.wait(20)
    }

    pub(super) fn hear(&mut self, text: &str, alone: bool) -> String {
        let heard = Heard {
            text: text.to_owned(),
            typed: self.desk.now.steady,
            at: self.desk.now,
            alone,
        };
        let effects = self.talk.hear(&mut self.desk.app, &heard);
        self.take(effects);
        self.said()
    }

    pub(super) fn said(&mut self) -> String {
        let mut out = String::new();
        for line in self.talk.said() {
            out.push_str(line.as_str());
            out.push('\n');
        }
        out
    }

    /// Time passes, and what has changed is told.
    pub(super) fn wait(&mut self, millis: u64) -> String {
        self.desk.wait(millis);
        self.look();
        self.said()
    }

    pub(super) fn look(&mut self) {
        let effects = self.talk.look(&mut self.desk.app, self.desk.now);
        self.take(effects);
    }

    pub(super) fn take(&mut self, effects: Vec<Effect>) {
        let changes = effects.iter().filter_map(|effect| match effect {
            Effect::Mutate(change) => Some(change.clone()),
            _ => None,
        });
        self.changes.extend(changes);
        self.desk.perform(effects);
    }
}
