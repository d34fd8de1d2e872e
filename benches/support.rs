//! The private PostgreSQL server of the tests, and their ways that can be broken.

#[path = "../tests/support/link.rs"]
pub(crate) mod link;
#[path = "../tests/support/postgres.rs"]
pub(crate) mod postgres;
#[path = "../tests/support/process.rs"]
mod process;
