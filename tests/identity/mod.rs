//! Signing in at an identity provider: a real one, a hostile one, and a person with a browser.

mod browser;
mod confirm;
mod console;
mod device;
pub(crate) mod hostile;
mod lapsed;
mod passkey;
mod real;
mod step_up;
mod tls;
