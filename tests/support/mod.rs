//! What the tests share.

pub(crate) mod hostile;
pub(crate) mod pty;
pub(crate) mod screen;
