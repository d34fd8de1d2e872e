//! Signing in at an identity provider: a real one, a hostile one, and a person with a browser.

mod browser;
mod hostile;
mod real;
