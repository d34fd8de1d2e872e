//! Fills the audit table of a stopped server: always the same events for the same number, a million in seconds.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, query, query_as};

/// Spreads consecutive numbers, so that neighbours differ.
const SPREAD: &str = "((i * 2654435761) % 4294967296)";

/// Adds events up to this number, the last of them a minute ago.
pub(crate) async fn audit(data: &Path, events: i64) -> anyhow::Result<()> {
    let mut connection = SqliteConnectOptions::new()
        .filename(data.join("portcullis.db"))
        .connect()
        .await?;
    let (from,): (i64,) = query_as("select size from log_head where id = 1")
        .fetch_one(&mut connection)
        .await?;
    if from >= events {
        return Ok(());
    }
    // Building an index at once is several times faster than keeping it up row by row.
    let indexes: Vec<(String, String)> = query_as(
        "select name, sql from sqlite_master where type = 'index' and tbl_name = 'audit' and sql is not null",
    )
    .fetch_all(&mut connection)
    .await?;
    connection
        .execute("pragma cache_size = -200000; begin immediate")
        .await?;
    for (name, _) in &indexes {
        connection
            .execute(AssertSqlSafe(format!("drop index {name}")))
            .await?;
    }
    let insert = format!(
        "with recursive
            n(i) as (select $1 union all select i + 1 from n where i + 1 < $2),
            spread(i, s) as (select i, {SPREAD} from n),
            event(i, code, outcome, actor, actor_id, principal, target, request, grant_id, reason) as (select i,
                case i % 5 when 0 then 'request.submitted' when 1 then 'request.approved' when 2 then 'grant.activated'
                    when 3 then 'credential.issued' else 'grant.ended' end,
                case when s % 97 = 0 then 'denied' else 'success' end,
                printf('engineer-%d', s % 211), printf('P-%010d', s % 211), printf('engineer-%d', s % 211),
                printf('host-%d', s % 53), printf('R-%010d', i / 5), printf('G-%010d', i / 5),
                printf('INC-%04d stuck orders in batch %d', s % 9973, s % 577) from spread)
         insert into audit (event_id, at, idx, code, outcome, actor, principal, target, request_id, grant_id, reason, body)
         select printf('00000000-0000-7000-8000-%012x', i),
            cast(unixepoch('subsec') * 1000 as integer) - 60000 - ($2 - i) * 500, i,
            code, outcome, actor, principal, target, request, grant_id, reason,
            json_object('code', code, 'outcome', outcome, 'actor', json_object('kind', 'principal', 'id', actor_id, 'name', actor),
                'principal', principal, 'target', target, 'role', 'readonly', 'request', request, 'grant', grant_id, 'reason', reason,
                'trace', printf('%032x', i), 'channel', 'api')
         from event"
    );
    query(AssertSqlSafe(insert))
        .bind(from)
        .bind(events)
        .execute(&mut connection)
        .await?;
    for (_, sql) in indexes {
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    query("update log_head set size = $1 where id = 1")
        .bind(events)
        .execute(&mut connection)
        .await?;
    connection.execute("commit").await?;
    connection
        .execute("pragma wal_checkpoint(truncate)")
        .await?;
    Ok(())
}
