//! A search that nobody waits for any more is stopped by its database, too.

use std::sync::Arc;
use std::time::Duration;

use portcullis::client::GrantsQuery;
use portcullis::store::audit::Filter;
use portcullis::store::{Clock, Location, Store};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::task::JoinHandle;

use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};
use crate::support::world::{Backend, World};

/// More searches than there are connections.
const ROUNDS: usize = 20;

/// Whoever reads the head of the log reads for ever.
const ENDLESS_ON_SQLITE: &str = "
    alter table log_head rename to kept;
    create view log_head as
    with recursive numbers (n) as (select 1 union all select n + 1 from numbers)
    select 1 as id, n as size from numbers where abs(n) < 0;
";

/// The same, and no timeout ends it.
const ENDLESS_ON_POSTGRES: &str = "
    alter table log_head rename to kept;
    create view log_head as select * from kept where set_config('statement_timeout', '0', true) is not null;
    alter table log_segments rename to kept_segments;
    create view log_segments as select kept_segments.* from
        (select pg_sleep(case when current_setting('transaction_read_only') = 'on' then 3600 else 0 end)) as nap
        left join kept_segments on true;
";

/// Whoever reads grants sleeps, and no timeout ends it.
const SLEEPY_GRANTS: &str = "
    alter table locks rename to kept_locks;
    create function for_ever() returns setof kept_locks language sql volatile as
        'select set_config(''statement_timeout'', ''0'', true); select * from kept_locks';
    create view locks as select * from for_ever();
    alter table grants rename to kept_grants;
    create function sleepy() returns setof kept_grants language sql volatile as
        'select pg_sleep(case when current_setting(''transaction_read_only'') = ''on'' then 3600 else 0 end);
         select * from kept_grants';
    create view grants as select * from sleepy();
";

async fn search(store: Arc<Store>) {
    let deadline = tokio::time::Instant::now() + Duration::from_hours(1);
    let filter = Filter {
        actor: Some("ada".to_owned()),
        ..Filter::default()
    };
    let mut tx = store.search().await.unwrap();
    tx.find(&filter, None, 10, deadline).await.unwrap();
    tx.found();
}

/// Waits until something is so, while a search goes on if there is one.
async fn until(what: &str, search: Option<&JoinHandle<()>>, mut so: impl AsyncFnMut() -> bool) {
    let waits = async {
        while !so().await {
            assert!(
                search.is_none_or(|search| !search.is_finished()),
                "{what}: the search ended by itself"
            );
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), waits).await;
    waited.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// Whether somebody reads an SQLite file: the log of its writes cannot be emptied.
async fn somebody_reads(other: &mut SqliteConnection) -> bool {
    // Whoever began after the log was emptied has to be in somebody's way, too.
    other
        .execute("update kept set size = 1 - size")
        .await
        .unwrap();
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(truncate)")
        .fetch_one(&mut *other)
        .await
        .unwrap();
    busy != 0
}

/// How many searches sleep in a database of PostgreSQL.
async fn asleep(other: &mut PgConnection) -> i64 {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    )
    .fetch_one(other)
    .await
    .unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_is_run_no_more_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.db");
    let location = Location::Sqlite(file.clone());
    let store = Arc::new(Store::open(&location, Clock::Database).await.unwrap());
    let mut other = SqliteConnectOptions::new()
        .filename(&file)
        .busy_timeout(Duration::ZERO)
        .connect()
        .await
        .unwrap();
    other.execute(ENDLESS_ON_SQLITE).await.unwrap();
    for _ in 0..ROUNDS {
        let waiting = tokio::spawn(search(Arc::clone(&store)));
        until("the search to begin", Some(&waiting), async || {
            somebody_reads(&mut other).await
        })
        .await;
        waiting.abort();
        until("the search to end", None, async || {
            !somebody_reads(&mut other).await
        })
        .await;
    }
    let back = "drop view log_head; alter table kept rename to log_head";
    other.execute(back).await.unwrap();
    for _ in 0..ROUNDS {
        search(Arc::clone(&store)).await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_is_run_no_more_on_postgres() {
    let database = cluster().database().await;
    let (password, cluster) = (PASSWORD.replace(' ', "%20"), cluster());
    let location = Location::Postgres(format!(
        "postgres://{SUPERUSER}:{password}@{}:{}/{}?sslmode=disable",
        cluster.host, cluster.port, database.name
    ));
    let store = Arc::new(Store::open(&location, Clock::Database).await.unwrap());
    let mut other = database.connect().await;
    sqlx::raw_sql(ENDLESS_ON_POSTGRES)
        .execute(&mut other)
        .await
        .unwrap();
    for _ in 0..ROUNDS {
        let waiting = tokio::spawn(search(Arc::clone(&store)));
        until("the search to begin", Some(&waiting), async || {
            asleep(&mut other).await == 1
        })
        .await;
        waiting.abort();
        until("the search to end", None, async || {
            asleep(&mut other).await == 0
        })
        .await;
    }
    let back = "drop view log_head, log_segments; alter table kept rename to log_head; alter table kept_segments rename to log_segments";
    sqlx::raw_sql(back).execute(&mut other).await.unwrap();
    for _ in 0..ROUNDS {
        search(Arc::clone(&store)).await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hangs_up_ends_the_search_that_they_asked_for() {
    let world = World::start(Backend::Postgres).await;
    let Location::Postgres(url) = &world.location else {
        unreachable!()
    };
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql(SLEEPY_GRANTS)
        .execute(&mut other)
        .await
        .unwrap();
    let ada = world.engineer("ada").await;
    let asks = tokio::spawn(async move {
        let query = GrantsQuery {
            q: Some("target:bastion".to_owned()),
            ..GrantsQuery::default()
        };
        drop(ada.grants(&query).await);
    });
    until("the search to begin", Some(&asks), async || {
        asleep(&mut other).await == 1
    })
    .await;
    asks.abort();
    until("the search to end", None, async || {
        asleep(&mut other).await == 0
    })
    .await;
}
