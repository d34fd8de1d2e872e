//! PostgreSQL: psql with the password in its environment, or a connection string for another program.

use std::ffi::OsString;

use chrono::{DateTime, Utc};
use tokio::process::Command;

use crate::cli::connect::child;
use crate::cli::{Context, Exit, Failure, words};

/// Variables of psql that say nothing about where to connect; all others are taken away, so that the password goes
/// nowhere but to the target.
const HARMLESS: [&str; 8] = [
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATESTYLE",
    "PGGEQO",
    "PGOPTIONS",
    "PGSSLCRL",
    "PGSSLROOTCERT",
    "PGTZ",
];

/// What psql logs in with.
pub(super) struct Login {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) dsn: String,
    pub(super) ends_at: DateTime<Utc>,
}

impl Login {
    /// Runs psql until it ends. The target itself cuts the session when the grant does.
    pub(super) async fn run(
        &self,
        context: &Context<'_>,
        rest: &[OsString],
    ) -> Result<Exit, Failure> {
        let mut command = Command::new("psql");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("PG") && !HARMLESS.contains(&name.as_ref()) {
                command.env_remove(name.as_ref());
            }
        }
        command
            .env("PGHOST", &self.host)
            .env("PGPORT", self.port.to_string())
            .env("PGDATABASE", &self.database)
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGAPPNAME", "portcullis connect");
        if let Some(mode) = sslmode(&self.dsn) {
            command.env("PGSSLMODE", mode);
        }
        command.args(rest);
        let missing = "install the PostgreSQL client, or use another program with `portcullis connect --print`";
        context.printer.note(&format!(
            "as {} until {}",
            self.user,
            words::exact(self.ends_at)
        ));
        child::run(&mut command, "psql", missing, std::future::pending()).await
    }

    /// Prints a connection string for another program.
    pub(super) fn print(&self, context: &Context<'_>) -> Result<Exit, Failure> {
        context.printer.verbatim(&self.dsn)?;
        context
            .printer
            .note(&format!("good until {}", words::exact(self.ends_at)));
        Ok(Exit::DONE)
    }
}

/// How the connection is to be encrypted; only the connection string says it.
fn sslmode(dsn: &str) -> Option<&str> {
    let (_, query) = dsn.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("sslmode="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psql_is_as_strict_about_encryption_as_the_connection_string() {
        assert_eq!(
            sslmode("postgresql://u:p@db/orders?a=b&sslmode=verify-full"),
            Some("verify-full")
        );
        assert_eq!(sslmode("postgresql://u:p@/orders?host=%2Frun&port=1"), None);
    }
}
