//! Whether a node goes on with a database that is further than it is.

use portcullis::store::migrate::{Unfit, known};
use portcullis::store::{Clock, Location, Store};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};

/// What the next version does to a database, and who goes on with it afterwards.
fn next(oldest: i64) -> String {
    let version = known() + 1;
    format!(
        "alter table grants add column turn bigint not null default 0;
         insert into schema_reach (version, oldest) values ({version}, {oldest});
         insert into _sqlx_migrations (version, description, success, checksum, execution_time) values ({version}, 'turn', true, '\\x00', 0);"
    )
}

async fn execute(location: &Location, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match location {
        Location::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
        Location::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

async fn goes_on_where_it_may(location: &Location) {
    let open = || Store::open(location, Clock::Database);
    open().await.unwrap().close().await;
    execute(location, &next(known())).await;
    let store = open().await.unwrap();
    assert_eq!(store.sequence().await.unwrap(), 0);
    store.close().await;
    let needs = known() + 1;
    let raise = format!("update schema_reach set oldest = {needs} where version = {needs}");
    execute(location, &raise).await;
    let Err(refused) = open().await else {
        panic!("it went on with a schema that is not for it")
    };
    let why = refused.downcast_ref::<Unfit>().unwrap();
    assert_eq!((why.code(), needs - 1), ("schema-too-new", known()));
    assert!(refused.to_string().contains("update it"), "{refused:#}");
    execute(
        location,
        "delete from schema_reach where oldest > version - 1; update _sqlx_migrations set checksum = 'x' where version = 3",
    )
    .await;
    let refused = open().await.err().unwrap();
    assert_eq!(
        refused.downcast_ref::<Unfit>(),
        Some(&Unfit::Altered(3)),
        "{refused:#}"
    );
}

async fn fresh() -> Location {
    let cluster = cluster();
    let name = cluster.database().await.name;
    let password = PASSWORD.replace(' ', "%20");
    Location::Postgres(format!(
        "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
        cluster.host, cluster.port
    ))
}

#[tokio::test]
async fn a_node_goes_on_with_a_newer_schema_that_says_so_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    goes_on_where_it_may(&Location::Sqlite(folder.path().join("portcullis.db"))).await;
}

#[tokio::test]
async fn a_node_goes_on_with_a_newer_schema_that_says_so_on_postgres() {
    goes_on_where_it_may(&fresh().await).await;
}

#[tokio::test]
async fn nodes_that_start_at_once_migrate_one_after_the_other() {
    let location = fresh().await;
    let open = || Store::open(&location, Clock::Database);
    let opened = futures_util::future::join_all((0..4).map(|_| open())).await;
    for store in opened {
        store.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_table_that_is_in_use_is_waited_for_a_moment_at_a_time() {
    let location = fresh().await;
    let Location::Postgres(url) = &location else {
        panic!("PostgreSQL")
    };
    let store = Store::open(&location, Clock::Database).await.unwrap();
    // Somebody else holds what migrations are written down in, for longer than one attempt waits.
    execute(
        &location,
        &format!(
            "drop table schema_reach; delete from _sqlx_migrations where version = {}",
            known().min(18)
        ),
    )
    .await;
    let mut other = PgConnection::connect(url).await.unwrap();
    other
        .execute("begin; lock table _sqlx_migrations in share mode")
        .await
        .unwrap();
    let opening = Store::open(&location, Clock::Database);
    let letting = async {
        let mut watcher = PgConnection::connect(url).await.unwrap();
        // The first attempt gives up, so that others go on, and there is a second.
        for wanted in [1, 0, 1] {
            let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
            loop {
                let (waits,): (i64,) = sqlx::query_as(waits).fetch_one(&mut watcher).await.unwrap();
                if waits == wanted {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(store.sequence().await.unwrap(), 0);
        other.execute("rollback").await.unwrap();
    };
    let (opened, ()) = tokio::join!(opening, letting);
    opened.unwrap().close().await;
    store.close().await;
}
