//! Bringing a database to the present schema, and who may go on with it: nodes of two versions work on one database
//! while the newer ones come up.
//!
//! Each migration from [`FIRST_TOLD`] on writes into `schema_reach` which schema a node has to know to go on with the
//! database. So a node goes on with a newer schema than it knows where that says so, and refuses otherwise.
//!
//! To add a migration: it only adds (a table, a column that is null or has a default, an index), so that the version
//! before goes on. What nothing uses any more is taken away by a later release, in a migration that begins with
//! `-- contract` and raises `oldest`.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Location, Tx, open};

static ALL: Migrator = sqlx::migrate!("src/store/migrations");

/// The first migration that says who may go on with its schema; nobody goes on with one before it.
const FIRST_TOLD: i64 = 18;
/// How long a node waits for another that migrates, or for whoever holds a table.
const PATIENCE: u32 = 60;
/// The pause between two attempts, in which others go on with what they wait for.
const PAUSE: Duration = Duration::from_secs(1);
/// The table that a database has until all of it was copied there.
pub(in crate::store) const MARK: &str = "copy_in_progress";
/// What PostgreSQL calls a lock that was not free in time.
const NOT_FREE: &str = "55P03";

/// One connection to either database.
pub(in crate::store) enum On<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// Runs one query on either.
macro_rules! ask {
    ($on:expr, $c:ident => $query:expr) => {
        match $on {
            On::Sqlite(connection) => {
                let $c = &mut **connection;
                $query.await
            }
            On::Postgres(connection) => {
                let $c = &mut **connection;
                $query.await
            }
        }
    };
}

/// A database that this node cannot go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its schema is newer, and says that it is not for this node.
    #[error(
        "the database has a newer schema, for nodes that know schema {needs} or a later one, and this node knows schema {knows}: update it"
    )]
    TooNew { needs: i64, knows: i64 },
    /// A migration that it went through is another one than this program has.
    #[error("migration {0} of the database is not the one that this program has")]
    Altered(i64),
    /// Somebody copies another database into it, or has broken that off.
    #[error("the database is a copy that is not whole: start `portcullis copy-database` again")]
    Unfinished,
}

impl Unfit {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooNew { .. } => "schema-too-new",
            Self::Altered(_) => "schema-altered",
            Self::Unfinished => "copy-not-whole",
        }
    }
}

/// A migration that a database has yet to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    pub version: i64,
    pub what: String,
    /// What a node has to know to go on with the database afterwards.
    pub oldest: i64,
}

/// How the schema of a database compares with what this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The newest migration that the database went through; 0 where it is empty.
    pub version: i64,
    /// What a node has to know to go on with it.
    pub oldest: i64,
    pub outstanding: Vec<Outstanding>,
    /// It is a copy that is not whole.
    pub unfinished: bool,
}

impl Schema {
    /// Whether nodes that know no more than the present schema go on while it is brought further.
    pub fn others_go_on(&self) -> bool {
        let oldest = self.outstanding.iter().map(|next| next.oldest).max();
        self.version >= oldest.unwrap_or(self.oldest)
    }

    /// Says no where this node cannot go on with the database.
    pub fn fits(&self) -> Result<(), Unfit> {
        if self.unfinished {
            return Err(Unfit::Unfinished);
        }
        if self.oldest > known() {
            return Err(Unfit::TooNew {
                needs: self.oldest,
                knows: known(),
            });
        }
        Ok(())
    }
}

/// The newest schema that this program knows.
pub fn known() -> i64 {
    ALL.iter().map(|next| next.version).max().unwrap_or(0)
}

/// What a migration says that a node has to know to go on after it.
fn oldest_after(migration: &Migration) -> i64 {
    if migration.version < FIRST_TOLD {
        return migration.version;
    }
    let told = migration.sql.as_str().lines().find_map(|line| {
        let (_, values) = line.split_once("insert into schema_reach (version, oldest) values (")?;
        let (_, oldest) = values.strip_suffix(");")?.split_once(", ")?;
        oldest.parse().ok()
    });
    told.unwrap_or(migration.version)
}

async fn has_table(on: &mut On<'_>, name: &str) -> anyhow::Result<bool> {
    let there: Option<(i64,)> = match on {
        On::Sqlite(connection) => {
            sqlx::query_as("select 1 from sqlite_master where type = 'table' and name = $1")
                .bind(name)
                .fetch_optional(&mut **connection)
                .await
        }
        On::Postgres(connection) => {
            sqlx::query_as("select 1::bigint where to_regclass($1) is not null")
                .bind(name)
                .fetch_optional(&mut **connection)
                .await
        }
    }
    .context("looking what schema the database has")?;
    Ok(there.is_some())
}

/// Compares the schema of a database with what this program knows.
pub(in crate::store) async fn look(on: &mut On<'_>) -> anyhow::Result<Schema> {
    let gone_through: Vec<(i64, Vec<u8>, bool)> = if has_table(on, "_sqlx_migrations").await? {
        ask!(on, c => sqlx::query_as("select version, checksum, success from _sqlx_migrations order by version").fetch_all(c))
            .context("reading what schema the database has")?
    } else {
        Vec::new()
    };
    let mut left = Vec::new();
    for migration in ALL.iter() {
        match gone_through
            .iter()
            .find(|(version, ..)| *version == migration.version)
        {
            Some((version, sum, _)) if *sum != *migration.checksum => {
                return Err(Unfit::Altered(*version).into());
            }
            Some((.., true)) => {}
            Some((.., false)) | None => left.push(outstanding(migration)),
        }
    }
    let version = gone_through.last().map_or(0, |(version, ..)| *version);
    let told = if has_table(on, "schema_reach").await? {
        let (told,): (Option<i64>,) =
            ask!(on, c => sqlx::query_as("select max(oldest) from schema_reach").fetch_one(c))
                .context("reading who may go on with the database")?;
        told
    } else {
        None
    };
    Ok(Schema {
        version,
        oldest: told.unwrap_or(version.min(FIRST_TOLD - 1)),
        outstanding: left,
        unfinished: has_table(on, MARK).await?,
    })
}

/// Brings a database to the present schema, where this node can go on with it.
pub(in crate::store) async fn bring(mut on: On<'_>) -> anyhow::Result<Schema> {
    let before = look(&mut on).await?;
    before.fits()?;
    bring_from(before, on).await
}

/// Brings a database to the present schema that is about to become a copy.
pub(in crate::store) async fn bring_marked(mut on: On<'_>) -> anyhow::Result<Schema> {
    let before = look(&mut on).await?;
    let before = Schema {
        unfinished: false,
        ..before
    };
    before.fits()?;
    bring_from(before, on).await
}

async fn bring_from(before: Schema, mut on: On<'_>) -> anyhow::Result<Schema> {
    let Some(last) = before.outstanding.last() else {
        if before.version > known() {
            tracing::warn!(
                schema = before.version,
                known = known(),
                "the database has a newer schema than this node knows, which says that this node may go on"
            );
        }
        return Ok(before);
    };
    if before.version > 0 {
        tracing::info!(
            from = before.version,
            to = last.version,
            others_go_on = before.others_go_on(),
            "bringing the database to the present schema"
        );
    }
    // A database may be further than this program.
    let mut migrator = Migrator::with_migrations(ALL.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    match &mut on {
        On::Sqlite(connection) => migrator.run_direct(None, &mut **connection, false).await,
        On::Postgres(connection) => patiently(&migrator, connection).await,
    }
    .context("bringing the database to the present schema")?;
    look(&mut on).await
}

/// How the schema of a database compares with what this program knows, which leaves it as it is.
pub async fn compare(location: &Location) -> anyhow::Result<Schema> {
    match location {
        Location::Sqlite(path) if !path.exists() => Ok(Schema {
            version: 0,
            oldest: 0,
            outstanding: ALL.iter().map(outstanding).collect(),
            unfinished: false,
        }),
        Location::Sqlite(path) => {
            let mut connection = open::file(path).read_only(true).connect().await?;
            let schema = look(&mut On::Sqlite(&mut connection)).await;
            connection.close().await?;
            schema
        }
        Location::Postgres(url) => {
            let mut connection = open::patient(url).await?;
            let schema = look(&mut On::Postgres(&mut connection)).await;
            connection.close().await?;
            schema
        }
    }
}

/// Brings a database to the present schema and does nothing else with it.
pub async fn apply(location: &Location) -> anyhow::Result<Schema> {
    match location {
        Location::Sqlite(path) => {
            let mut connection = open::file(path).create_if_missing(true).connect().await?;
            let schema = bring(On::Sqlite(&mut connection)).await;
            connection.close().await?;
            schema
        }
        Location::Postgres(url) => {
            let mut connection = open::patient(url).await?;
            let schema = bring(On::Postgres(&mut connection)).await;
            connection.close().await?;
            schema
        }
    }
}

impl Tx {
    /// What a node has to know to go on with the database.
    pub async fn oldest_schema(&mut self) -> anyhow::Result<i64> {
        let (oldest,): (Option<i64>,) =
            on!(self, c => sqlx::query_as("select max(oldest) from schema_reach").fetch_one(c))
                .context("reading who may go on with the database")?;
        Ok(oldest.unwrap_or(0))
    }
}

fn outstanding(migration: &Migration) -> Outstanding {
    Outstanding {
        version: migration.version,
        what: migration.description.to_string(),
        oldest: oldest_after(migration),
    }
}

/// Waits for others a moment at a time: whoever waits for a whole table holds up everybody behind it.
async fn patiently(migrator: &Migrator, connection: &mut PgConnection) -> Result<(), MigrateError> {
    let mut left = PATIENCE;
    loop {
        let run = migrator.run_direct(None, &mut *connection, false).await;
        let Err(error) = run else {
            return Ok(());
        };
        let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = &error
        else {
            return Err(error);
        };
        let busy = cause
            .as_database_error()
            .is_some_and(|cause| cause.code().as_deref() == Some(NOT_FREE));
        left = left.saturating_sub(1);
        if !busy || left == 0 {
            return Err(error);
        }
        // It may be held from the attempt that has failed.
        sqlx::query("select pg_advisory_unlock_all()")
            .execute(&mut *connection)
            .await?;
        tracing::info!("another node migrates the database, or a table is in use: trying again");
        tokio::time::sleep(PAUSE).await;
    }
}
