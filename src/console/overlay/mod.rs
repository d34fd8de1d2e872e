//! What lies over a screen and takes every key while it is open: help, palette, messages, the command line of a key,
//! the tutor. One is open at a time.
//!
//! An overlay never does anything: it wishes, and the application treats a wish as if the person had pressed the key
//! for it. So what changes something still comes to its question, and nothing here can say yes to one.
//!
//! To add one: a type that implements [`Overlay`], and a way to it in `app/keys.rs` or as a word in `palette`.

pub mod columns;
pub mod command;
pub mod help;
pub mod menu;
pub mod messages;
pub mod palette;
pub mod sign_in;
pub mod sort;
pub mod step_up;
pub mod token;
pub mod tutor;
pub mod who;
mod words;

use std::fmt;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::client::Chosen;
use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::msg::Wear;
use crate::console::screen::Sorting;
use crate::console::sign_in::Way;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::Theme;
use crate::console::widget::toast::Level;
use crate::query::List;
use crate::secret::Secret;

/// What an overlay asks the application for.
#[derive(Debug)]
pub enum Wish {
    /// Take it away.
    Close,
    /// As if the key of the action had been pressed on the screen behind.
    Run(Action),
    /// Show a screen, with a filter when one is given.
    Go(Place, Option<String>),
    /// Show the screen in front with a filter.
    Filter(String),
    /// Keep the filter in force under a name.
    SaveFilter(String),
    /// Show one row.
    Open(Subject),
    /// Show an event of the record, by its number.
    Event(i64),
    /// Show what an incident took away.
    Incident(String),
    /// Sort the list in front otherwise.
    Sort(Sorting),
    /// Show these columns of a list, in this order.
    Columns(List, Vec<String>),
    /// Other colours.
    Wear(Wear),
    /// Talk to another server.
    Switch(String),
    /// Put text on the clipboard.
    Copy(String),
    /// The same with text too long to repeat: these words tell of it.
    CopyAs(&'static str, String),
    /// Put a secret on the clipboard.
    CopySecret(Secret),
    /// Take it away, and clear the screen of what it showed.
    CloseSecret,
    /// Sign in, in this way.
    SignIn(Way),
    /// Sign nobody in.
    LeaveSignIn,
    /// Prove a second factor for what was confirmed.
    Prove(Chosen),
    /// Do nothing of what waits for a second factor.
    GiveUpFactor,
    /// Tell the person something.
    Say(Level, String),
    /// Open another one in its place.
    Show(Box<dyn Overlay>),
}

/// Something over the screen.
pub trait Overlay: fmt::Debug {
    /// Takes a key; whatever it is, it goes no further.
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish>;

    /// Takes pasted text, which never runs anything.
    fn paste(&mut self, _: &str, _: &App) -> Vec<Wish> {
        Vec::new()
    }

    /// The wheel turned.
    fn wheel(&mut self, _down: bool, _: &App) -> Vec<Wish> {
        Vec::new()
    }

    /// Time passed.
    fn tick(&mut self, _: &App) {}

    /// When what it shows changes by itself.
    fn next_change(&self) -> Option<Instant> {
        None
    }

    /// Says whether it needs the whole window and not only its body.
    fn is_whole(&self) -> bool {
        false
    }

    /// Says whether it asks for a second factor.
    fn is_step_up(&self) -> bool {
        false
    }

    /// What its keys do, for the last line.
    fn hints(&self, app: &App) -> Vec<(String, &'static str)>;

    /// Draws it over the window; gives where the terminal's cursor belongs.
    fn draw(&self, app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position>;
}

/// Hints for keys that nobody can change: those of lines being typed.
fn fixed(hints: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    hints
        .iter()
        .map(|(key, word)| ((*key).to_owned(), *word))
        .collect()
}

/// The middle of an area, at most this wide and high.
fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}
