//! What is special about PostgreSQL, on a real server.

mod access;
mod databases;
mod ending;
mod guard;
mod names;
mod observing;
mod presets;
mod sessions;
mod wire;

use chrono::{DateTime, Utc};
use portcullis::domain::target::TargetKind;
use portcullis::secret::{Secret, create_private};
use portcullis::targets::postgres::Login;
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole,
    KindSettings, Receipt, SettingsProblem, connector,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tokio::sync::Mutex;

use super::{Case, Stand, environment};
use crate::support::postgres::{Cluster, Database, PASSWORD, SUPERUSER, cluster};

pub(crate) struct PostgresStand {
    connector: Box<dyn Connector>,
    database: Database,
    environment: Environment,
    /// A superuser's connection, to look at the server.
    look: Mutex<PgConnection>,
}

/// Settings for a role of the server that reads the table `canary`.
struct Made {
    /// How to reach the server, but for the port.
    server: String,
    port: u16,
    user: String,
    password: String,
    /// The first is called `readonly`, the others `role-1` and so on.
    roles: Vec<String>,
}

impl Made {
    fn on(cluster: &Cluster) -> Self {
        Self {
            server: "host = \"127.0.0.1\"\nsslmode = \"disable\"".to_owned(),
            port: cluster.port,
            user: SUPERUSER.to_owned(),
            password: PASSWORD.to_owned(),
            roles: vec!["privileges = [{ schema = \"public\", tables = [\"select\"] }]".to_owned()],
        }
    }

    fn connector(
        &self,
        database: &str,
        environment: &Environment,
    ) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        // The file is read at each new connection; it goes when the server does.
        let password_file = cluster()
            .socket_dir
            .join(format!("password of {}", self.user));
        create_private(&password_file, &Secret::new(self.password.clone())).unwrap();
        let mut settings: toml::Table = self.server.parse().unwrap();
        settings.insert("port".to_owned(), i64::from(self.port).into());
        settings.insert("database".to_owned(), database.into());
        settings.insert("user".to_owned(), self.user.as_str().into());
        settings.insert(
            "password_file".to_owned(),
            password_file.to_str().unwrap().into(),
        );
        let settings =
            KindSettings::read(TargetKind::Postgres, toml::Value::Table(settings)).unwrap();
        let name = |index| {
            if index == 0 {
                "readonly".to_owned()
            } else {
                format!("role-{index}")
            }
        };
        let roles = self.roles.iter().enumerate().map(|(index, role)| {
            let role = toml::Value::Table(role.parse().unwrap());
            (
                name(index).parse().unwrap(),
                KindRole::read(TargetKind::Postgres, role).unwrap(),
            )
        });
        connector(settings, roles.collect(), environment)
    }
}

impl PostgresStand {
    async fn on(cluster: &Cluster, database: Database, change: impl FnOnce(&mut Made)) -> Self {
        let mut look = database.connect().await;
        look.execute("create table canary (id int); insert into canary values (1)")
            .await
            .unwrap();
        let environment = environment();
        let mut made = Made::on(cluster);
        change(&mut made);
        let connector = made.connector(&database.name, &environment).unwrap();
        Self {
            connector,
            database,
            environment,
            look: Mutex::new(look),
        }
    }

    async fn login(&self, access: Access<'_>) -> Login {
        match self
            .connector
            .credential(access, CredentialAsk::Password)
            .await
            .unwrap()
        {
            Credential::Postgres(login) => login,
            _ => unreachable!("a database gives passwords"),
        }
    }

    /// Makes the access and logs in with it.
    async fn session(&self, case: &Case) -> PgConnection {
        self.connector.up(case.access(1)).await.unwrap();
        open(&self.login(case.access(1)).await).await.unwrap()
    }

    async fn end(&self, case: &Case) -> Receipt {
        gone(self.connector.down(case.end(2, None)).await)
    }

    async fn admin(&self, sql: &str) {
        self.look
            .lock()
            .await
            .execute(AssertSqlSafe(sql))
            .await
            .unwrap();
    }

    async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *self.look.lock().await)
            .await
            .unwrap()
    }

    fn object(&self, case: &Case) -> String {
        self.connector.plan(&case.access(1)).object.unwrap()
    }
}

impl Stand for PostgresStand {
    async fn set_up() -> Self {
        Self::on(cluster(), cluster().database().await, |_| {}).await
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        Made {
            port: 1,
            ..Made::on(cluster())
        }
        .connector("postgres", &environment())
        .unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        self.text("select to_char(clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS.USOF:00')")
            .await
            .parse()
            .unwrap()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::Password
    }

    async fn opens(&self, credential: &Credential) -> bool {
        let Credential::Postgres(login) = credential else {
            return false;
        };
        match open(login).await {
            Ok(mut session) => reads(&mut session).await.is_ok(),
            Err(_) => false,
        }
    }

    async fn traces(&self) -> Vec<String> {
        let ours = format!("pcl\\_{}%", self.environment.installation);
        let left = "select 'role ' || rolname from pg_roles where rolname like $1
            union all select 'session ' || pid from pg_stat_activity where usename like $1
            union all select 'grant on ' || c.relname from pg_class c, aclexplode(c.relacl) a
                where not exists (select from pg_roles where oid = a.grantee) and a.grantee <> 0";
        sqlx::query_scalar(left)
            .bind(ours)
            .fetch_all(&mut *self.look.lock().await)
            .await
            .unwrap()
    }
}

async fn open(login: &Login) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&login.host)
        .port(login.port)
        .database(&login.database)
        .username(&login.user)
        .password(login.password.expose())
        .ssl_mode(PgSslMode::Disable);
    options.connect().await
}

async fn reads(session: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select id from public.canary")
        .fetch_one(session)
        .await
}

fn gone(ended: Result<Down, Failure>) -> Receipt {
    match ended.unwrap() {
        Down::Gone(receipt) => receipt,
        Down::Until(..) => unreachable!("a database can take everything back"),
    }
}
