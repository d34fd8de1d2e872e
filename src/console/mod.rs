//! The full-screen console. Everything that happens is a [`msg::Msg`]; [`app::App::update`] is a pure function from
//! it to [`msg::Effect`]s; [`view::view`] draws what the application is; only [`effects`] talks to the server and only
//! [`term`] to the terminal.
//!
//! A change can begin in one place, [`confirm`], and is shown as done only when the server has said so.
//!
//! To add a screen see [`screen`], to add a key see [`keymap`], to add a change see [`confirm`].

pub mod app;
pub mod command;
pub mod confirm;
mod desk;
pub mod doc;
mod effects;
pub mod export;
pub mod fate;
pub mod keymap;
pub mod layout;
pub mod linear;
pub mod link;
pub mod msg;
pub mod notice;
pub mod overlay;
pub mod picture;
pub mod record;
pub mod refresh;
pub mod run;
pub mod screen;
pub mod show;
pub mod sign_in;
mod start;
pub mod store;
pub mod term;
pub mod theme;
pub mod view;
pub mod widget;
pub mod world;

pub use effects::Connect;
pub use start::{CannotStart, Options, run};

/// How the console calls somebody who looks elsewhere, and when not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calling {
    pub way: crate::config::Notify,
    /// Minutes of the local day.
    pub quiet: Option<(u16, u16)>,
}

impl Calling {
    /// Says whether nobody is called at this minute of the day.
    pub fn is_quiet(self, minute: u16) -> bool {
        self.quiet.is_some_and(|(from, until)| {
            if from <= until {
                (from..until).contains(&minute)
            } else {
                minute >= from || minute < until
            }
        })
    }
}
