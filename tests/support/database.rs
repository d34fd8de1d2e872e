//! The database of a world, as somebody has it who gets at it beside the server.

use portcullis::store::Location;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::world::World;

impl World {
    /// Runs statements beside the server.
    pub(crate) async fn execute(&self, sql: &str) {
        match &self.location {
            Location::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(std::time::Duration::from_secs(5));
                let mut connection = options.connect().await.unwrap();
                connection
                    .execute(AssertSqlSafe(sql.to_owned()))
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
            Location::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                connection
                    .execute(AssertSqlSafe(sql.to_owned()))
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// How many events fulfil a condition, those that wait for their index among them.
    pub(crate) async fn on_record(&self, such: &str) -> i64 {
        let count = |table: &str| format!("(select count(*) from {table} where {such})");
        let both = format!("select {} + {}", count("audit"), count("audit_waiting"));
        self.number(&both).await
    }

    /// One number from the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let query = || AssertSqlSafe(sql.to_owned());
        match &self.location {
            Location::Sqlite(path) => {
                let mut connection = SqliteConnectOptions::new()
                    .filename(path)
                    .connect()
                    .await
                    .unwrap();
                sqlx::query_scalar(query())
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
            Location::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(query())
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
        }
    }

    /// Somebody puts a database of before in the place of this one, with all that it says of itself: what follows these
    /// events is gone. `also` is done with it, in one transaction: a server numbers what comes meanwhile.
    pub(crate) async fn cut_back(&self, left: i64, also: Option<&str>) {
        let mut statements = vec![
            "begin".to_owned(),
            format!("delete from audit where idx >= {left}"),
            format!(
                "update log_head set size = {left}, tree_size = 0, frontier = '', root = null, checkpoint = null, checkpoint_size = 0"
            ),
            "delete from log_nodes".to_owned(),
        ];
        statements.extend(also.map(str::to_owned));
        statements.push("commit".to_owned());
        self.execute(&statements.join("; ")).await;
    }
}
