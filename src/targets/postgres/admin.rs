//! Our own connections to a target's server: opened when needed, kept for the next call, never trusted to be alive.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;

use super::settings::{Settings, SslMode};
use crate::secret::{distrust, read_private};
use crate::targets::Failure;

/// A server that is there answers a login in far less; one that is not should not use up the time of the call.
const CONNECT: Duration = Duration::from_secs(4);
/// Shorter than what firewalls between us and the server forget silently.
const KEEP: Duration = Duration::from_mins(2);
/// Enough for the few changes that happen at once on one target.
const IDLE: usize = 4;

/// The admin's connections to one server.
#[derive(Debug)]
pub(super) struct Admin {
    settings: Settings,
    /// The schema on the target that has our fence; made of letters that need no quoting.
    schema: String,
    idle: Mutex<Vec<(Instant, PgConnection)>>,
}

impl Admin {
    pub(super) fn new(settings: Settings, schema: String) -> Self {
        Self {
            settings,
            schema,
            idle: Mutex::default(),
        }
    }

    /// Runs one of our scripts in the target's main database. Every script may be run again.
    pub(super) async fn run<T: DeserializeOwned>(
        &self,
        script: &'static str,
        ask: &impl Serialize,
    ) -> Result<T, Failure> {
        if let Some(kept) = self.take_kept() {
            match self.run_and_keep(kept, script, ask).await {
                // The server may have restarted since; that shows only now.
                Err(error) if is_broken(&error) => {}
                done => return done.map_err(|error| self.failure(&error)),
            }
        }
        let mut fresh = self.connect(&self.settings.database).await?;
        let prepare = serde_json::json!({ "schema": self.schema });
        let prepared =
            run_on::<serde_json::Value>(&mut fresh, include_str!("prepare.sql"), &prepare).await;
        prepared.map_err(|error| self.failure(&error))?;
        self.run_and_keep(fresh, script, ask)
            .await
            .map_err(|error| self.failure(&error))
    }

    /// A refused script was rolled back whole, so its connection is as good as before. One whose call was given up is
    /// dropped with the call.
    async fn run_and_keep<T: DeserializeOwned>(
        &self,
        mut connection: PgConnection,
        script: &'static str,
        ask: &impl Serialize,
    ) -> Result<T, sqlx::Error> {
        let done = run_on(&mut connection, script, ask).await;
        if !done.as_ref().is_err_and(is_broken) {
            self.keep(connection);
        }
        done
    }

    /// Runs a script in another database of the same server.
    pub(super) async fn run_in<T: DeserializeOwned>(
        &self,
        database: &str,
        script: &'static str,
        ask: &impl Serialize,
    ) -> Result<T, Failure> {
        let mut connection = self.connect(database).await?;
        let answer = run_on(&mut connection, script, ask)
            .await
            .map_err(|error| self.failure(&error))?;
        // The answer is there; whether the goodbye arrives does not matter.
        drop(timeout(CONNECT, connection.close()).await);
        Ok(answer)
    }

    fn take_kept(&self) -> Option<PgConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.pop().map(|(_, connection)| connection)
    }

    fn keep(&self, connection: PgConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push((Instant::now(), connection));
        }
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, Failure> {
        let options = self.options(database)?;
        match timeout(CONNECT, options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => Err(Failure::passing(format!(
                "{} did not answer within {} seconds",
                self.settings.place(),
                CONNECT.as_secs()
            ))),
        }
    }

    /// Options are set as fields: no name can become part of a connection string.
    fn options(&self, database: &str) -> Result<PgConnectOptions, Failure> {
        let Settings {
            host,
            port,
            user,
            password_file,
            sslmode,
            ca_file,
            ..
        } = &self.settings;
        let search_path = format!("pg_catalog,{},pg_temp", self.schema);
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(*port)
            .username(user)
            .database(database)
            .application_name("portcullis")
            .ssl_mode(match sslmode {
                SslMode::VerifyFull => PgSslMode::VerifyFull,
                SslMode::Disable => PgSslMode::Disable,
            })
            // Nothing that others put into a schema may stand in for a function or operator of ours.
            .options([
                ("search_path", search_path.as_str()),
                ("lock_timeout", "5s"),
                ("statement_timeout", "9s"),
            ])
            .disable_statement_logging();
        if let Some(file) = password_file {
            let password =
                read_private(file).map_err(|error| Failure::passing(format!("{error:#}")))?;
            options = options.password(password.expose().trim_end_matches(['\r', '\n']));
        }
        if let Some(file) = ca_file {
            options = options.ssl_root_cert(file);
        }
        Ok(options)
    }

    fn failure(&self, error: &sqlx::Error) -> Failure {
        let place = self.settings.place();
        match error {
            sqlx::Error::Database(said) => {
                let code = said.code().unwrap_or_default().into_owned();
                let message = said.message();
                match code.as_str() {
                    // Our own scripts raise these with whole sentences.
                    "PCL01" | "PCL02" => Failure::permanent(message),
                    "PCL03" => Failure::passing(message),
                    _ if needs_somebody(&code) => {
                        Failure::permanent(format!("{place} refused: {message}"))
                    }
                    _ => Failure::passing(format!("{place} refused: {message}")),
                }
            }
            // This is how a certificate that was not accepted arrives.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let text = error.to_string();
                let why = distrust(&text).unwrap_or(&text);
                Failure::passing(format!("the encrypted connection to {place} failed: {why}"))
            }
            sqlx::Error::Io(error) => {
                Failure::passing(format!("{place} cannot be reached: {error}"))
            }
            sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS") => {
                Failure::passing(format!(
                    "{place} offers no encrypted connection, and nothing is sent without one"
                ))
            }
            sqlx::Error::Tls(error) => Failure::passing(format!(
                "the encrypted connection to {place} failed: {error}"
            )),
            other => Failure::passing(format!(
                "{place} gave an answer that makes no sense: {other}"
            )),
        }
    }
}

/// Sends a script in one round trip and one transaction, and reads its answer.
///
/// The question travels as hexadecimal digits: whatever names are in it, they cannot become SQL here, and the scripts
/// quote them on the server with `format('%I')`.
async fn run_on<T: DeserializeOwned>(
    connection: &mut PgConnection,
    script: &'static str,
    ask: &impl Serialize,
) -> Result<T, sqlx::Error> {
    let ask = serde_json::to_vec(ask).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let digits = hexadecimal(&ask);
    let batch = format!(
        "set local portcullis.ask = '{digits}';\n{script}\nselect current_setting('portcullis.answer');"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(batch))
        .fetch_all(connection)
        .await?;
    let answer: String = rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    serde_json::from_str(&answer).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Whether the same call may succeed on a fresh connection.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        // The server is stopping, somebody ended our session, or somebody removed the fence, which a fresh one puts back.
        sqlx::Error::Database(said) => said.code().is_some_and(|code| {
            ["57P", "08", "42P01"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

/// Whether a refusal stays until somebody changes the target or the catalogue: missing rights, missing objects, bad names.
fn needs_somebody(code: &str) -> bool {
    ["42", "3D", "3F", "0L", "0P", "22"]
        .iter()
        .any(|class| code.starts_with(class))
}
