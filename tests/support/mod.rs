//! What the tests share.

pub(crate) mod authenticator;
pub(crate) mod between;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod database;
pub(crate) mod desktop;
pub(crate) mod fake;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod infest;
pub(crate) mod installation;
pub(crate) mod link;
pub(crate) mod node;
pub(crate) mod passkey;
pub(crate) mod person;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod pty;
pub(crate) mod random;
pub(crate) mod replicas;
pub(crate) mod screen;
pub(crate) mod sse;
pub(crate) mod sshd;
pub(crate) mod tokens;
pub(crate) mod world;
