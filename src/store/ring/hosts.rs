//! The hosts that a connection string names, each with how to connect to it.

use std::str::FromStr;

use anyhow::{Context, anyhow};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::config::database;
use crate::secret::distrust;

/// One host of the database.
#[derive(Debug, Clone)]
pub(in crate::store) struct Host {
    /// As people know it: `db-a:5432`.
    pub(in crate::store) place: String,
    pub(in crate::store) options: PgConnectOptions,
}

/// The hosts of a connection string, in its order.
pub(in crate::store) fn hosts(url: &str) -> anyhow::Result<Vec<Host>> {
    database::hosts(url)
        .iter()
        .map(|url| Host::of(url))
        .collect()
}

impl Host {
    fn of(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url).context("reading the database URL")?;
        let here = options.get_socket().is_some()
            || options.get_host().starts_with('/')
            || options.get_host() == "localhost"
            || options
                .get_host()
                .trim_matches(['[', ']'])
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        // Over a network only the safe mode counts: the driver's own goes on in clear text when it is asked to, and
        // `PGSSLMODE` in the environment could say the same. On this machine what is not said is no encryption.
        let mode = match options.get_ssl_mode() {
            _ if !here => PgSslMode::VerifyFull,
            PgSslMode::Prefer => PgSslMode::Disable,
            said => said,
        };
        Ok(Self {
            place: format!("{}:{}", options.get_host(), options.get_port()),
            options: options.ssl_mode(mode).options([
                ("statement_timeout", "5000"),
                ("lock_timeout", "2000"),
                ("idle_in_transaction_session_timeout", "10000"),
            ]),
        })
    }

    /// Says what is wrong where somebody may sit in between, and leaves the rest to the driver.
    pub(in crate::store) fn not_connected(&self, error: sqlx::Error) -> anyhow::Error {
        let (text, place) = (error.to_string(), &self.place);
        if let Some(why) = distrust(&text) {
            return anyhow!(
                "the database at `{place}` cannot prove who it is: {why}; for an authority of your own add `sslrootcert=FILE`"
            );
        }
        match error {
            sqlx::Error::Tls(_) if text.contains("does not support TLS") => anyhow!(
                "the database at `{place}` offers no encrypted connection, and nothing is sent to another machine without one"
            ),
            sqlx::Error::Io(error) => {
                anyhow!("the database at `{place}` cannot be reached: {error}")
            }
            error => {
                anyhow::Error::from(error).context(format!("connecting to PostgreSQL at `{place}`"))
            }
        }
    }
}
