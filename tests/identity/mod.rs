//! Signing in at an identity provider: a real one, a hostile one, and a person with a browser.

mod browser;
mod confirm;
mod hostile;
mod real;
mod step_up;
