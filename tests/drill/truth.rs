//! What is there in the end, read from the database itself and from the target.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};

use super::check::{End, Event, Row, Truth};
use crate::support::postgres::Database;

/// Every role that a Portcullis made on the target.
const OURS: &str =
    "select rolname::text from pg_roles where rolname ~ '^pcl_[a-z0-9]{6}_[0-9a-z]{10}$'";
const EVENTS: &str =
    "select idx, event_id, code, actor, request_id, grant_id, reason from audit order by idx";
const REQUESTS: &str = "select id, state, version from requests";
const EXTENSIONS: &str =
    "select count(*) from requests where kind = 'extend' and state = 'approved'";
const GRANTS: &str = "select id, state, version, expires_at, ended_at from grants";
const LOCKS: &str =
    "select id, case when lifted_at is null then 'in_force' else 'lifted' end, version from locks";

/// Reads everything, once nobody changes anything any more.
pub(super) async fn read(database: &Database, target: &Database) -> Truth {
    let mut connection = database.connect().await;
    let connection = &mut connection;
    let mut truth = Truth {
        epoch: number(connection, "select epoch from log_head").await,
        requests: rows(connection, REQUESTS).await,
        locks: rows(connection, LOCKS).await,
        reviews: usize::try_from(number(connection, "select count(*) from reviews").await).unwrap(),
        extensions: usize::try_from(number(connection, EXTENSIONS).await).unwrap(),
        left: sqlx::query_scalar(OURS)
            .fetch_all(&mut target.connect().await)
            .await
            .unwrap(),
        ..Truth::default()
    };
    let mut events = sqlx::query(EVENTS).fetch(&mut *connection);
    while let Some(row) = events.try_next().await.unwrap() {
        truth.events.push(event(&row));
    }
    drop(events);
    let mut ends = BTreeMap::new();
    for row in sqlx::query(GRANTS).fetch_all(connection).await.unwrap() {
        let (expires, ended) = (row.get("expires_at"), row.get("ended_at"));
        ends.insert(row.get("id"), End { expires, ended });
        truth.grants.push(Row {
            id: row.get("id"),
            state: row.get("state"),
            version: row.get("version"),
        });
    }
    truth.ends = ends;
    truth
}

/// How many grants are not over, and how many events wait for their place.
pub(super) async fn unfinished(database: &Database) -> Option<(i64, i64)> {
    let mut connection = database.options.connect().await.ok()?;
    let row = sqlx::query(
        "select (select count(*) from grants where state not in ('ended', 'returned', 'revoked', 'activation_failed')), (select count(*) from audit_waiting)",
    );
    let row = row.fetch_one(&mut connection).await.ok()?;
    Some((row.get(0), row.get(1)))
}

/// How many events there are.
pub(super) async fn size(database: &Database) -> i64 {
    number(&mut database.connect().await, "select size from log_head").await
}

fn event(row: &PgRow) -> Event {
    let id: Option<Vec<u8>> = row.get("event_id");
    Event {
        index: row.get("idx"),
        id: u128::from_be_bytes(id.unwrap().try_into().unwrap()),
        code: row.get("code"),
        actor: row.get("actor"),
        request: row.get("request_id"),
        grant: row.get("grant_id"),
        reason: row.get("reason"),
    }
}

async fn rows(connection: &mut PgConnection, sql: &'static str) -> Vec<Row> {
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    let read = |row: PgRow| Row {
        id: row.get(0),
        state: row.get(1),
        version: row.get(2),
    };
    rows.into_iter().map(read).collect()
}

async fn number(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}
