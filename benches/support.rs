//! The private PostgreSQL server of the tests.

#[path = "../tests/support/postgres.rs"]
pub(crate) mod postgres;
#[path = "../tests/support/process.rs"]
mod process;
