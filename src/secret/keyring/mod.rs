//! The keyring of the desktop: what lies there lies in no file of ours, and is locked together with the person's session.
//!
//! Nothing here ever asks a person to unlock it, and nothing waits longer than two seconds: a machine without a desktop
//! has to be as quick as if there were no keyrings. To add another system's, write a file beside `desktop.rs` with the
//! same four functions.

use std::fmt;

#[cfg(not(all(feature = "os-keyring", target_os = "linux")))]
mod absent;
#[cfg(all(feature = "os-keyring", target_os = "linux"))]
mod desktop;

#[cfg(not(all(feature = "os-keyring", target_os = "linux")))]
pub use absent::Keyring;
#[cfg(all(feature = "os-keyring", target_os = "linux"))]
pub use desktop::Keyring;

/// Why there is no keyring to use at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKeyring {
    /// This build has no support for one.
    NotBuilt,
    /// There is no session bus, or nobody on it keeps secrets.
    Absent,
    /// Somebody keeps secrets and has no place for them that is used by default.
    Empty,
    /// It has to be unlocked by the person first.
    Locked,
    /// It did not answer in time.
    Silent,
}

impl fmt::Display for NoKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBuilt => "this build of Portcullis has no support for one",
            Self::Absent => "no program on the session bus keeps secrets, or there is no such bus",
            Self::Empty => "it has no default collection",
            Self::Locked => "it is locked",
            Self::Silent => "it did not answer within two seconds",
        })
    }
}
