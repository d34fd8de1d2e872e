//! Fills the audit table of a stopped server: always the same events for the same number, a million in seconds. Or that
//! of a running one, at a pace.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, query, query_as};

/// Spreads consecutive numbers, so that neighbours differ.
const SPREAD: &str = "((i * 2654435761) % 4294967296)";

/// How many events the server has numbered.
pub(crate) async fn size(data: &Path) -> anyhow::Result<i64> {
    let mut connection = open(data).await?;
    let (size,): (i64,) = query_as("select size from log_head where id = 1")
        .fetch_one(&mut connection)
        .await?;
    Ok(size)
}

async fn open(data: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(data.join("portcullis.db"));
    Ok(options
        .busy_timeout(Duration::from_secs(10))
        .connect()
        .await?)
}

/// Adds events to the table of a running server, as another node on the same database does: in each transaction as
/// many as are missing to so many every second. The server numbers them and tells its streams.
pub(crate) async fn pour(data: PathBuf, rate: f64, time: Duration) -> anyhow::Result<()> {
    const PACE: Duration = Duration::from_millis(20);
    let mut connection = open(&data).await?;
    let first = size(&data).await?;
    let began = Instant::now();
    let mut ticks = tokio::time::interval(PACE);
    let codes = [
        "request.submitted",
        "request.approved",
        "grant.activated",
        "credential.issued",
        "grant.ended",
    ];
    let mut number = 0_usize;
    while began.elapsed() < time {
        ticks.tick().await;
        let made = {
            let (size,): (i64,) = query_as(
                "select size + (select count(*) from audit_waiting) from log_head where id = 1",
            )
            .fetch_one(&mut connection)
            .await?;
            i32::try_from(size - first)?
        };
        let missing = rate * began.elapsed().as_secs_f64() - f64::from(made);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some dozens"
        )]
        let missing = missing.max(0.0) as u32;
        connection.execute("begin immediate").await?;
        for _ in 0..missing {
            let (who, host) = (number % 211, number % 53);
            let code = codes.get(number % codes.len()).copied();
            query(
                "insert into audit_waiting (event_id, at, code, outcome, actor, principal, target, request_id, grant_id, reason, body)
                 values ($1, cast(unixepoch('subsec') * 1000 as integer), $2, 'success', $3, $3, $4, $5, $6, $7,
                    json_object('actor_id', $8, 'role', 'readonly', 'trace', $9, 'channel', 'api'))",
            )
            .bind(uuid::Uuid::now_v7().as_bytes().to_vec())
            .bind(code)
            .bind(format!("engineer-{who}"))
            .bind(format!("host-{host}"))
            .bind(format!("R-{:010}", number / 5))
            .bind(format!("G-{:010}", number / 5))
            .bind(format!("INC-{} stuck orders in batch {number}", number % 9_973))
            .bind(format!("P-{who:010}"))
            .bind(format!("{number:032x}"))
            .execute(&mut connection)
            .await?;
            number += 1;
        }
        connection.execute("commit").await?;
    }
    Ok(())
}

/// Adds events up to this number, the last of them a minute ago.
pub(crate) async fn audit(data: &Path, events: i64) -> anyhow::Result<()> {
    let mut connection = open(data).await?;
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
         select unhex(printf('0000000000007000800000%010x', i)),
            cast(unixepoch('subsec') * 1000 as integer) - 60000 - ($2 - i) * 500, i,
            code, outcome, actor, principal, target, request, grant_id, reason,
            json_object('actor_id', actor_id, 'role', 'readonly', 'trace', printf('%032x', i), 'channel', 'api')
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
