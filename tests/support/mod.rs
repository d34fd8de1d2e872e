//! What the tests share.

pub(crate) mod postgres;
mod process;
pub(crate) mod sshd;
pub(crate) mod hostile;
pub(crate) mod screen;
