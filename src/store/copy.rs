//! Copying a whole installation from its SQLite file into an empty PostgreSQL database, and checking the copy.
//!
//! What there is to copy is read from the source itself, so that no table and no column can be forgotten. The target has
//! a mark until all of it was checked; a server starts on none that has it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use futures_util::TryStreamExt as _;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, QueryBuilder, Row};

use crate::tlog::{Frontier, WIDTH, leaf_hash};

use super::migrate::{self, MARK, On, known};
use super::open;
use super::row::{COLUMNS, Row as Event};

/// Values that one statement has at most; PostgreSQL numbers them with sixteen bits.
const VALUES: usize = 20_000;
/// Rows that one statement has at most.
const ROWS: usize = 500;

/// How far the copy is: table, rows that are done, rows in all.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);

/// Reads the head of the log on either side.
macro_rules! head {
    ($connection:expr) => {
        sqlx::query_as::<_, Head>(
            "select epoch, begins, tree_size, root, minimum from log_head where id = 1",
        )
        .fetch_one($connection)
        .await
        .context("reading the head of the log")
    };
}

/// One table, as it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    pub table: String,
    pub rows: u64,
    /// Over all rows, whatever their order.
    pub digest: String,
}

/// A copy that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    pub tables: Vec<Copied>,
    pub events: u64,
    /// Of the present epoch of the record, computed from the entries in the copy.
    pub root: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Small,
    Bytes,
}

struct Column {
    name: String,
    kind: Kind,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    /// The tables that its rows point at.
    points_at: Vec<String>,
    /// Columns that point at rows of the same table.
    at_itself: Vec<String>,
}

/// A value on its way, in the three types that the schema has.
enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Small(Option<i32>),
    Bytes(Option<Vec<u8>>),
}

/// Rows that were seen, and a digest of them that is the same in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    parts: [u64; 4],
}

impl Sum {
    fn add(&mut self, row: &[Value]) {
        let mut bytes = Vec::new();
        let mut put = |value: Option<&[u8]>| match value {
            None => bytes.push(0),
            Some(value) => {
                bytes.push(1);
                bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
                bytes.extend_from_slice(value);
            }
        };
        for value in row {
            match value {
                Value::Text(text) => put(text.as_deref().map(str::as_bytes)),
                Value::Bytes(bytes) => put(bytes.as_deref()),
                Value::Number(number) => put(number
                    .map(i64::to_be_bytes)
                    .as_ref()
                    .map(<[u8; 8]>::as_slice)),
                Value::Small(number) => {
                    put(number
                        .map(i64::from)
                        .map(i64::to_be_bytes)
                        .as_ref()
                        .map(<[u8; 8]>::as_slice));
                }
            }
        }
        let hash = digest(&SHA256, &bytes);
        for (part, bytes) in self.parts.iter_mut().zip(hash.as_ref().chunks_exact(8)) {
            let bytes: [u8; 8] = bytes.try_into().unwrap_or_default();
            *part = part.wrapping_add(u64::from_be_bytes(bytes));
        }
        self.rows += 1;
    }

    fn shown(&self) -> String {
        let [one, two, three, four] = self.parts;
        format!("{one:016x}{two:016x}{three:016x}{four:016x}")
    }
}

/// Copies the installation in this file into an empty database, and checks the copy.
pub async fn copy(from: &Path, to: &str, progress: Progress<'_>) -> anyhow::Result<Copy> {
    let mut source = SqliteConnectOptions::new()
        .filename(from)
        .read_only(true)
        .connect()
        .await
        .with_context(|| format!("opening {}", from.display()))?;
    let schema = migrate::look(&mut On::Sqlite(&mut source)).await?;
    schema.fits()?;
    ensure!(
        schema.outstanding.is_empty() && schema.version == known(),
        "the database to copy has another schema than this program: bring it there with `portcullis migrate`"
    );
    let mut target = open::patient(to).await?;
    make_ready(&mut target).await?;
    let tables = tables(&mut source, &mut target).await?;
    let copied = all_of_it(&mut source, &mut target, &tables, progress).await?;
    source.close().await.context("closing the source")?;
    target.close().await.context("closing the target")?;
    Ok(copied)
}

/// Marks an empty database, and gives it the schema. One with the mark is what is left of a copy that was broken off.
async fn make_ready(target: &mut PgConnection) -> anyhow::Result<()> {
    let there: Vec<(String,)> = sqlx::query_as(
        "select tablename::text from pg_tables where schemaname = current_schema() order by tablename",
    )
    .fetch_all(&mut *target)
    .await
    .context("looking whether the target is empty")?;
    let marked = there.iter().any(|(name,)| name == MARK);
    if !marked {
        if let Some((first,)) = there.first() {
            bail!(
                "the target is not empty: it has {} tables, `{first}` among them",
                there.len()
            );
        }
        let sql = format!("create table {MARK} (at bigint not null)");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut *target)
            .await
            .context("marking the target")?;
    }
    migrate::bring_marked(On::Postgres(target)).await?;
    Ok(())
}

/// Every table of the source, those first that others point at.
async fn tables(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> anyhow::Result<Vec<Table>> {
    let names: Vec<(String,)> = sqlx::query_as(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' and name <> '_sqlx_migrations' order by name",
    )
    .fetch_all(&mut *source)
    .await
    .context("listing what there is to copy")?;
    let mut waiting = Vec::new();
    for (name,) in names {
        let columns: Vec<(String,)> =
            sqlx::query_as("select name from pragma_table_info($1) order by cid")
                .bind(&name)
                .fetch_all(&mut *source)
                .await
                .with_context(|| format!("looking at `{name}`"))?;
        let kinds: Vec<(String, String)> = sqlx::query_as(
            "select column_name::text, data_type::text from information_schema.columns where table_schema = current_schema() and table_name = $1",
        )
        .bind(&name)
        .fetch_all(&mut *target)
        .await
        .with_context(|| format!("looking at `{name}`"))?;
        ensure!(
            kinds.len() == columns.len(),
            "`{name}` has other columns in the target than in the source"
        );
        let kinds: BTreeMap<String, String> = kinds.into_iter().collect();
        let columns = columns.into_iter().map(|(column,)| {
            let kind = match kinds.get(&column).map(String::as_str) {
                Some("text") => Kind::Text,
                Some("bigint") => Kind::Number,
                Some("integer") => Kind::Small,
                Some("bytea") => Kind::Bytes,
                other => bail!("nobody knows how to copy `{name}.{column}`: {other:?}"),
            };
            Ok(Column { name: column, kind })
        });
        let columns = columns.collect::<anyhow::Result<Vec<Column>>>()?;
        let pointers: Vec<(String, String)> =
            sqlx::query_as("select \"table\", \"from\" from pragma_foreign_key_list($1)")
                .bind(&name)
                .fetch_all(&mut *source)
                .await
                .with_context(|| format!("looking at `{name}`"))?;
        let (itself, others): (Vec<_>, Vec<_>) =
            pointers.into_iter().partition(|(table, _)| *table == name);
        waiting.push(Table {
            columns,
            points_at: others.into_iter().map(|(table, _)| table).collect(),
            at_itself: itself.into_iter().map(|(_, column)| column).collect(),
            name,
        });
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let (free, held): (Vec<Table>, Vec<Table>) = waiting.into_iter().partition(|table| {
            let done = |name: &String| ordered.iter().any(|done| done.name == *name);
            table.points_at.iter().all(done)
        });
        ensure!(held.len() < before, "tables point at each other in a ring");
        ordered.extend(free);
        waiting = held;
    }
    Ok(ordered)
}

/// Copies every row in one snapshot of the source and one transaction of the target, and reads it back.
async fn all_of_it(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    tables: &[Table],
    progress: Progress<'_>,
) -> anyhow::Result<Copy> {
    let mut snapshot = source.begin().await.context("reading the source")?;
    let mut whole = target.begin().await.context("writing the target")?;
    // What the schema brings itself, and what is left of a copy that was broken off.
    for table in tables.iter().rev() {
        sqlx::query(AssertSqlSafe(format!("delete from {}", table.name)))
            .execute(&mut *whole)
            .await
            .with_context(|| format!("emptying `{}`", table.name))?;
    }
    let mut copied = Vec::new();
    for table in tables {
        let name = &table.name;
        let count = sqlx::query_as(AssertSqlSafe(format!("select count(*) from {name}")));
        let (count,): (i64,) = count
            .fetch_one(&mut *snapshot)
            .await
            .with_context(|| format!("counting `{name}`"))?;
        let count = u64::try_from(count)?;
        let sum = rows_of(&mut snapshot, &mut whole, table, count, progress)
            .await
            .with_context(|| format!("copying `{name}`"))?;
        let back = read_back(&mut whole, table)
            .await
            .with_context(|| format!("reading `{name}` back"))?;
        ensure!(
            sum == back && sum.rows == count,
            "`{name}` has {} rows in the copy and {count} in the source, or they are other ones",
            back.rows
        );
        copied.push(Copied {
            table: name.clone(),
            rows: count,
            digest: sum.shown(),
        });
    }
    let (theirs, ours) = (head!(&mut *snapshot)?, head!(&mut *whole)?);
    let root = root_of(&mut whole, &ours).await?;
    for head in [&theirs, &ours] {
        // A log without entries has no root yet.
        let said = head.root.as_ref().is_none_or(|said| *said == root);
        ensure!(
            said && head.tree_size == ours.tree_size,
            "the entries in the copy lead to another root of the record than its head has"
        );
    }
    // With its last statement the copy is whole.
    sqlx::query(AssertSqlSafe(format!("drop table {MARK}")))
        .execute(&mut *whole)
        .await
        .context("saying that the copy is whole")?;
    whole.commit().await.context("writing the target")?;
    snapshot.rollback().await.context("reading the source")?;
    Ok(Copy {
        tables: copied,
        events: u64::try_from(ours.tree_size)?,
        root,
    })
}

async fn rows_of(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &Table,
    count: u64,
    progress: Progress<'_>,
) -> anyhow::Result<Sum> {
    let columns = names(table);
    // Rows that others of the same table point at come first.
    let order: Vec<String> = table
        .at_itself
        .iter()
        .map(|column| format!("{column} is not null"))
        .collect();
    let order = match order.as_slice() {
        [] => String::new(),
        some => format!(" order by {}", some.join(", ")),
    };
    let select = format!("select {columns} from {}{order}", table.name);
    let insert = format!("insert into {} ({columns}) ", table.name);
    let at_once = ROWS.min(VALUES / table.columns.len().max(1)).max(1);
    let mut sum = Sum::default();
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(source);
    let mut some: Vec<Vec<Value>> = Vec::new();
    progress(&table.name, 0, count);
    loop {
        let next = rows.try_next().await?;
        let last = next.is_none();
        if let Some(row) = next {
            let row = from_sqlite(&row, table)?;
            sum.add(&row);
            some.push(row);
        }
        if some.len() >= at_once || last && !some.is_empty() {
            let mut query: QueryBuilder<Postgres> = QueryBuilder::new(insert.as_str());
            query.push_values(some.drain(..), |mut place, row| {
                for value in row {
                    match value {
                        Value::Text(text) => place.push_bind(text),
                        Value::Number(number) => place.push_bind(number),
                        Value::Small(number) => place.push_bind(number),
                        Value::Bytes(bytes) => place.push_bind(bytes),
                    };
                }
            });
            query.build().execute(&mut *target).await?;
            progress(&table.name, sum.rows, count);
        }
        if last {
            return Ok(sum);
        }
    }
}

async fn read_back(target: &mut PgConnection, table: &Table) -> anyhow::Result<Sum> {
    let select = format!("select {} from {}", names(table), table.name);
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(target);
    let mut sum = Sum::default();
    while let Some(row) = rows.try_next().await? {
        sum.add(&from_postgres(&row, table)?);
    }
    Ok(sum)
}

fn names(table: &Table) -> String {
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    names.join(", ")
}

fn from_sqlite(row: &SqliteRow, table: &Table) -> anyhow::Result<Vec<Value>> {
    let values = table.columns.iter().enumerate().map(|(place, column)| {
        Ok(match column.kind {
            Kind::Text => Value::Text(row.try_get(place)?),
            Kind::Number => Value::Number(row.try_get(place)?),
            Kind::Small => Value::Small(row.try_get(place)?),
            Kind::Bytes => Value::Bytes(row.try_get_unchecked(place)?),
        })
    });
    values.collect()
}

fn from_postgres(row: &PgRow, table: &Table) -> anyhow::Result<Vec<Value>> {
    let values = table.columns.iter().enumerate().map(|(place, column)| {
        Ok(match column.kind {
            Kind::Text => Value::Text(row.try_get(place)?),
            Kind::Number => Value::Number(row.try_get(place)?),
            Kind::Small => Value::Small(row.try_get(place)?),
            Kind::Bytes => Value::Bytes(row.try_get(place)?),
        })
    });
    values.collect()
}

/// What the head of a log says of its present epoch.
#[derive(sqlx::FromRow)]
struct Head {
    epoch: i64,
    begins: i64,
    tree_size: i64,
    root: Option<String>,
    minimum: i64,
}

/// The root of the present epoch of the record, from the entries in the copy themselves.
async fn root_of(target: &mut PgConnection, head: &Head) -> anyhow::Result<String> {
    let mut frontier = Frontier::default();
    let (end, step) = (head.begins + head.tree_size, i64::try_from(WIDTH)?);
    let mut from = head.begins;
    while from < end {
        let to = end.min(from + step);
        // Of events that were pruned the hashes are there.
        let gone: Vec<(String,)> = sqlx::query_as(
            "select hash from log_nodes where epoch = $1 and level = 0 and idx >= $2 and idx < $3 order by idx",
        )
        .bind(head.epoch)
        .bind(from - head.begins)
        .bind(to.min(head.minimum) - head.begins)
        .fetch_all(&mut *target)
        .await
        .context("reading the leaves of pruned events")?;
        let rows: Vec<Event> = sqlx::query_as(AssertSqlSafe(format!(
            "select idx, {COLUMNS} from audit where idx >= $1 and idx < $2 order by idx"
        )))
        .bind(from)
        .bind(to)
        .fetch_all(&mut *target)
        .await
        .context("reading entries of the log")?;
        ensure!(
            i64::try_from(gone.len() + rows.len())? == to - from,
            "events from {from} on are not all there"
        );
        for (hash,) in gone {
            let hash = hash.parse().map_err(anyhow::Error::msg)?;
            frontier.push(hash, |_, _| {});
        }
        for row in rows {
            let entry = row.encode(u32::try_from(head.epoch)?)?;
            frontier.push(leaf_hash(&entry), |_, _| {});
        }
        from = to;
    }
    Ok(frontier.root().to_string())
}
