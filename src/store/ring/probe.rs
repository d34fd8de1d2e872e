//! Asking one host what it is.

use std::time::Duration;

use anyhow::Context;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use crate::secret::distrust;
use crate::store::sequence::Head;
use crate::store::this_machine;

use super::Host;

/// How long a host may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

const ABOUT: &str = "select pg_is_in_recovery(), \
    (select system_identifier::text from pg_control_system()), \
    case when pg_is_in_recovery() then 0 else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 end, \
    (case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0') else pg_current_wal_lsn() end - '0/0')::int8, \
    current_setting('synchronous_standby_names') <> '', \
    (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::int8, \
    (extract(epoch from clock_timestamp()) * 1000)::int8, \
    to_regclass('log_head') is not null";

/// Writes something that nobody reads, and locks nothing: the commit of it says that a standby has everything before it.
pub(in crate::store) const VOUCH: &str = "select pg_logical_emit_message(true, 'portcullis', '')";

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) is_standby: bool,
    /// Which database system it is a copy of.
    pub(super) system: String,
    /// How often that system had another primary; nothing of a standby.
    pub(super) timeline: i64,
    /// How far it has written, or a standby has followed.
    pub(super) position: i64,
    pub(super) is_synchronous: bool,
    /// When what a standby has last was committed.
    pub(super) behind: Option<Duration>,
    /// By how many milliseconds its clock is ahead of this machine's, less what its answer took.
    pub(super) ahead: i64,
    /// How much of the log it has, if there is one yet.
    pub(super) head: Option<Head>,
    /// Whether it had to be connected to anew: it may have crashed since it was asked last.
    pub(super) is_anew: bool,
}

/// Why a host says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silent {
    pub(super) why: String,
    /// Asking again changes nothing: it is not trusted, or it does not let this node in.
    pub(super) is_hopeless: bool,
}

impl From<anyhow::Error> for Silent {
    fn from(error: anyhow::Error) -> Self {
        Self {
            why: format!("{error:#}"),
            is_hopeless: false,
        }
    }
}

/// A connection to one host that is kept for asking.
#[derive(Default)]
pub(super) struct Probe(Option<PgConnection>);

impl Probe {
    /// Asks a host. A connection of before that broke says nothing about the host, so that another one is made.
    pub(super) async fn ask(&mut self, host: &Host) -> Result<Report, Silent> {
        if let Some(mut connection) = self.0.take()
            && let Ok(Ok(report)) = timeout(ANSWER, about(&mut connection)).await
        {
            self.0 = Some(connection);
            return Ok(report);
        }
        let asked = timeout(ANSWER, first(host)).await;
        let (connection, mut report) = asked.unwrap_or_else(|_| {
            let (place, seconds) = (&host.place, ANSWER.as_secs());
            Err(Silent {
                why: format!("`{place}` did not answer within {seconds} s"),
                is_hopeless: false,
            })
        })?;
        self.0 = Some(connection);
        report.is_anew = true;
        Ok(report)
    }
}

async fn first(host: &Host) -> Result<(PgConnection, Report), Silent> {
    let connecting = host.options.clone().disable_statement_logging();
    let mut connection = connecting.connect().await.map_err(|error| {
        let is_hopeless = match &error {
            sqlx::Error::Tls(_) => true,
            // The user, the password, or the name of the database.
            sqlx::Error::Database(error) => error
                .code()
                .is_some_and(|code| code.starts_with("28") || code == "3D000"),
            error => distrust(&error.to_string()).is_some(),
        };
        let why = format!("{:#}", host.not_connected(error));
        Silent { why, is_hopeless }
    })?;
    let report = about(&mut connection).await?;
    Ok((connection, report))
}

async fn about(connection: &mut PgConnection) -> anyhow::Result<Report> {
    let before = this_machine()?;
    let (is_standby, system, timeline, position, is_synchronous, behind, clock, has_log): (
        bool,
        String,
        i64,
        i64,
        bool,
        Option<i64>,
        i64,
        bool,
    ) = sqlx::query_as(ABOUT)
        .fetch_one(&mut *connection)
        .await
        .context("asking a host of the database what it is")?;
    let after = this_machine()?;
    let head = if has_log {
        let head: Option<(i64, i64)> =
            sqlx::query_as("select epoch, size from log_head where id = 1")
                .fetch_optional(&mut *connection)
                .await
                .context("reading the head of the log")?;
        head.map(|(epoch, size)| Head { epoch, size })
    } else {
        None
    };
    Ok(Report {
        // Its clock was read at some moment in between.
        ahead: clock - clock.clamp(before.min(after), after.max(before)),
        is_standby,
        system,
        timeline,
        position,
        is_synchronous,
        behind: behind.map(|millis| Duration::from_millis(millis.max(0).cast_unsigned())),
        head,
        is_anew: false,
    })
}

/// Commits something that a standby has to have, and returns when it has. Nothing is locked meanwhile.
pub(super) async fn vouch(host: Host) -> anyhow::Result<()> {
    let options = host
        .options
        .clone()
        .options([("synchronous_commit", "on"), ("statement_timeout", "0")]);
    let mut connection = options.connect().await.context("connecting")?;
    sqlx::query(VOUCH)
        .execute(&mut connection)
        .await
        .context("committing")?;
    drop(connection.close().await);
    Ok(())
}
