//! Signing in without leaving the console: what the server is asked for, and what it says. Nothing of it is kept, and
//! no secret in it can be printed.

use std::time::Duration;

use crate::console::msg::Failure;
use crate::secret::Secret;
use crate::wire::{Me, SignInWays};

/// How the list of sign-ins calls this program.
pub const PROGRAM: &str = "console";

/// What to do about the sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Ask the server what ways there are.
    Ask,
    /// At the identity provider, in a browser on this machine.
    Browser,
    /// There too, with a browser on another machine that is told a code.
    Device,
    /// In a local account.
    Password {
        name: String,
        password: Secret,
        /// Of its second factor, for whoever has one.
        code: Option<Secret>,
    },
    /// With a one-time code; `name` is for the first admin of a new server.
    Code { code: Secret, name: Option<String> },
    /// Wait no longer for what was begun.
    Stop,
}

/// What to type on the other machine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    pub code: String,
    pub address: String,
    /// The address with the code in it, where the provider has one.
    pub complete: Option<String>,
    /// For how long the code is good.
    pub lasts: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Said {
    /// The ways that the server offers.
    Ways(Result<SignInWays, Failure>),
    /// Where the browser has to go, and whether one was opened.
    GoTo { address: String, opened: bool },
    /// What to type on the other machine.
    TypeThere(DeviceCode),
    /// The server was asked whether somebody has done so, and nobody has; or, with the reason, it did not answer.
    NotYet(Option<String>),
    /// The server does not know the key of this machine. The command enrols it, where the person is signed in.
    NotEnrolled { command: String },
    /// Somebody is signed in, or nobody.
    Done(Result<Box<Me>, Failure>),
}
