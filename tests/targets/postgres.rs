//! What is special about PostgreSQL: open sessions, hostile names, objects left behind, and nodes that wake up late.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::target::TargetKind;
use portcullis::secret::{Secret, create_private};
use portcullis::targets::postgres::Login;
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole,
    KindSettings, Receipt, SettingsProblem, connector,
};
use proptest::prelude::{ProptestConfig, Strategy as _, any, proptest};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tokio::sync::Mutex;

use super::{Case, Stand, environment};
use crate::support::postgres::{Cluster, Database, PASSWORD, SUPERUSER, cluster, quoted};

/// Names that have broken other programs.
const HOSTILE: [&str; 10] = [
    "Robert'); drop table canary; --",
    "a\"b",
    "\"; drop table canary; --",
    "$$ drop table canary $$",
    "$do$; drop table canary; $do$",
    "back\\slash'",
    "new\nline\ttab",
    "%I %s %L %%",
    "ünïcödé \u{202e} 🏰",
    "sixty-three bytes äääääääääääääääääääääää",
];

pub(crate) struct PostgresStand {
    connector: Box<dyn Connector>,
    database: Database,
    environment: Environment,
    /// A superuser's connection, to look at the server.
    look: Mutex<PgConnection>,
}

/// Settings for a role of the server that reads the table `canary`.
struct Made {
    port: u16,
    user: String,
    password: String,
    /// The first is called `readonly`, the others `role-1` and so on.
    roles: Vec<String>,
}

impl Made {
    fn on(cluster: &Cluster) -> Self {
        Self {
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
        let mut settings: toml::Table = "host = \"127.0.0.1\"\nsslmode = \"disable\""
            .parse()
            .unwrap();
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
            Credential::Ssh(_) => unreachable!("a database gives passwords"),
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

#[tokio::test]
async fn open_sessions_are_cut_even_in_another_role_and_in_a_transaction() {
    let stand = PostgresStand::set_up().await;
    let group = format!("group_{}", stand.database.name);
    let made = Made {
        roles: vec![format!("member_of = [\"{group}\"]")],
        ..Made::on(cluster())
    };
    stand
        .admin(&format!(
            "create role {group}; grant all on canary to {group}"
        ))
        .await;
    let connector = made
        .connector(&stand.database.name, &stand.environment)
        .unwrap();
    let stand = PostgresStand { connector, ..stand };
    let case = Case::on(&stand).await;

    let mut idle = stand.session(&case).await;
    let mut other = stand.session(&case).await;
    other
        .execute(AssertSqlSafe(format!("set role {group}")))
        .await
        .unwrap();
    other
        .execute("begin; insert into canary values (2)")
        .await
        .unwrap();
    assert_eq!(
        stand.connector.observe().await.unwrap().objects[0].live_sessions,
        2
    );

    let receipt = stand.end(&case).await;
    assert_eq!(receipt.sessions_ended, 2);
    assert!(reads(&mut idle).await.is_err());
    assert!(other.execute("commit").await.is_err());
    assert_eq!(stand.text("select count(*)::text from canary").await, "1");
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn the_receipt_tells_what_was_done_in_order() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let session = stand.session(&case).await;
    let object = stand.object(&case);
    let receipt = stand.end(&case).await;
    drop(session);
    let steps: Vec<String> = receipt
        .steps
        .iter()
        .map(|step| step.what.replace(&object, "pcl_…"))
        .collect();
    assert_eq!(
        steps,
        [
            "closed the login of `pcl_…` and forgot its password",
            "ended 1 session",
            "dropped the role `pcl_…`",
            "read back: no role, no session",
        ]
    );
}

#[tokio::test]
async fn an_extension_moves_the_end_and_keeps_sessions() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    let later = Access {
        ends_at: case.now + TimeDelta::hours(3),
        ..case.access(2)
    };
    stand.connector.up(later).await.unwrap();
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(
        seen[0].valid_until.map(|end| end.timestamp()),
        Some(later.ends_at.timestamp())
    );
    assert!(reads(&mut session).await.is_ok());
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::permanent("a later change of this grant has been made on the target")
    );
}

#[tokio::test]
async fn the_server_itself_refuses_logins_after_the_end() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let soon = Access {
        ends_at: case.now + TimeDelta::seconds(2),
        ..case.access(1)
    };
    stand.connector.up(soon).await.unwrap();
    let login = stand.login(soon).await;
    let began = std::time::Instant::now();
    while open(&login).await.is_ok() {
        assert!(began.elapsed().as_secs() < 10, "it still opens");
    }
    assert!(stand.now().await >= soon.ends_at);
    let failure = stand
        .connector
        .up(Access { epoch: 2, ..soon })
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::permanent("the grant is over"));
}

#[tokio::test]
async fn a_target_with_a_wrong_clock_is_not_opened() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let skewed = Access {
        now: case.now + TimeDelta::seconds(40),
        ..case.access(1)
    };
    let failure = stand.connector.up(skewed).await.unwrap_err();
    assert!(
        failure
            .message
            .contains("seconds away from that of Portcullis"),
        "{failure}"
    );
    assert!(!failure.permanent);
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn a_role_may_do_what_it_says_and_nothing_else() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    assert_eq!(reads(&mut session).await.unwrap(), 1);
    let object = stand.object(&case);
    for refused in [
        "insert into canary values (2)".to_owned(),
        "drop table canary".to_owned(),
        "create role friend".to_owned(),
        "create database mine".to_owned(),
        "select * from pg_authid".to_owned(),
        format!("alter role {object} valid until 'infinity'"),
        format!("alter role {object} connection limit -1"),
        format!("grant {object} to postgres"),
        format!(
            "select * from portcullis_{}.fence",
            stand.environment.installation
        ),
    ] {
        assert!(
            session
                .execute(AssertSqlSafe(refused.as_str()))
                .await
                .is_err(),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn objects_in_several_databases_are_kept_and_lose_their_maker() {
    let stand = PostgresStand::set_up().await;
    let other = cluster()
        .database_named(&format!("other ' \" {}", stand.database.name))
        .await;
    stand.admin("grant create on schema public to public").await;
    other
        .connect()
        .await
        .execute("grant create on schema public to public")
        .await
        .unwrap();
    let case = Case::on(&stand).await;
    stand
        .session(&case)
        .await
        .execute("create table mine (id int); insert into mine values (7)")
        .await
        .unwrap();
    let login = Login {
        database: other.name.clone(),
        ..stand.login(case.access(1)).await
    };
    open(&login)
        .await
        .unwrap()
        .execute("create table mine (id int)")
        .await
        .unwrap();

    let receipt = stand.end(&case).await;
    let keeper = format!("pcl_{}_keeper", stand.environment.installation);
    assert!(
        receipt
            .steps
            .iter()
            .any(|step| step.what.ends_with(&format!("it had made to `{keeper}`"))),
        "{receipt:?}"
    );
    let owner = "select tableowner::text from pg_tables where tablename = 'mine'";
    assert_eq!(stand.text(owner).await, keeper);
    assert_eq!(stand.text("select id::text from mine").await, "7");
    let there: String = sqlx::query_scalar(owner)
        .fetch_one(&mut other.connect().await)
        .await
        .unwrap();
    assert_eq!(there, keeper);
}

#[tokio::test]
async fn what_a_holder_left_behind_has_no_rights() {
    let stand = PostgresStand::set_up().await;
    let outsider = format!("outsider_{}", stand.database.name);
    stand
        .admin(&format!(
            "grant create, usage on schema public to public; create role {outsider}"
        ))
        .await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    session
        .execute(
            "create view leak as select * from canary; grant select on leak to public;
             create function spy() returns bigint language sql security definer as 'select count(*) from public.canary';
             create view secrets as select rolpassword from pg_authid; grant select on secrets to public",
        )
        .await
        .unwrap();
    stand.end(&case).await;
    let mut outside = stand.database.connect().await;
    outside
        .execute(AssertSqlSafe(format!("set role {outsider}")))
        .await
        .unwrap();
    for leak in [
        "select * from leak",
        "select spy()",
        "select * from secrets",
    ] {
        let error = outside.execute(leak).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{leak}: {error}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_entered_keeps_the_end_open() {
    let stand = PostgresStand::set_up().await;
    let dead = cluster().database().await;
    dead.connect()
        .await
        .execute("grant create on schema public to public")
        .await
        .unwrap();
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let login = stand.login(case.access(1)).await;
    let inside = Login {
        database: dead.name.clone(),
        ..login.clone()
    };
    open(&inside)
        .await
        .unwrap()
        .execute("create table mine (id int)")
        .await
        .unwrap();
    stand
        .admin(&format!(
            "alter database {} allow_connections false",
            dead.name
        ))
        .await;

    let failure = stand.connector.down(case.end(2, None)).await.unwrap_err();
    assert!(
        failure
            .message
            .contains(&format!("but has something in database `{}`", dead.name)),
        "{failure}"
    );
    assert!(open(&login).await.is_err(), "but nobody gets in meanwhile");
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(seen[0].drift, ["its ending was begun and not finished"]);

    stand
        .admin(&format!(
            "alter database {} allow_connections true",
            dead.name
        ))
        .await;
    stand.end(&case).await;
    assert_eq!(stand.connector.observe().await.unwrap().objects, []);
}

#[tokio::test]
async fn sessions_of_a_role_that_somebody_dropped_are_found_and_cut() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let object = stand.object(&case);
    let mut session = stand.session(&case).await;
    // An end that came as far as closing the login, and a helpful colleague.
    let fence = format!("portcullis_{}.fence", stand.environment.installation);
    stand
        .admin(&format!(
            "update {fence} set closed = true, role_oid = '{object}'::regrole"
        ))
        .await;
    stand
        .admin(&format!("drop owned by {object}; drop role {object}"))
        .await;
    assert!(
        session.execute("select 1").await.is_ok(),
        "the session outlives its role"
    );
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(
        (seen[0].object.as_str(), seen[0].live_sessions),
        (object.as_str(), 1)
    );
    stand.connector.remove_orphan(&object).await.unwrap();
    assert!(session.execute("select 1").await.is_err());
    assert_eq!(stand.connector.observe().await.unwrap().objects, []);
}

#[tokio::test]
async fn changes_by_others_are_seen_as_drift() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let object = stand.object(&case);
    stand
        .admin(&format!(
            "alter role {object} createrole valid until 'infinity' connection limit 50"
        ))
        .await;
    stand
        .admin(&format!("grant pg_read_all_data to {object}"))
        .await;
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(
        seen[0].drift,
        [
            "it was given rights over the whole server",
            "it has no end",
            "its connection limit was changed",
            "it is a member of other roles than it was given",
        ]
    );
    stand.connector.up(case.access(1)).await.unwrap();
    let seen = stand.connector.observe().await.unwrap().objects;
    assert!(
        seen[0].valid_until.is_some(),
        "the next up puts the end back"
    );
}

#[tokio::test]
async fn two_installations_leave_each_other_alone() {
    let one = PostgresStand::set_up().await;
    let environment = environment();
    let connector = Made::on(cluster())
        .connector(&one.database.name, &environment)
        .unwrap();
    let other = PostgresStand {
        connector,
        environment,
        database: one.database.clone(),
        look: Mutex::new(one.database.connect().await),
    };
    let case = Case::on(&one).await;
    one.connector.up(case.access(1)).await.unwrap();
    other.connector.up(case.access(1)).await.unwrap();
    assert_eq!(one.connector.observe().await.unwrap().objects.len(), 1);
    let failure = other
        .connector
        .remove_orphan(&one.object(&case))
        .await
        .unwrap_err();
    assert!(failure.permanent, "{failure}");
    other.end(&case).await;
    assert_eq!(one.traces().await.len(), 1);
}

#[tokio::test]
async fn hostile_names_stay_names() {
    for (index, name) in HOSTILE.iter().enumerate() {
        let tag = format!("{}_{index}", std::process::id());
        let hostile: String = format!("{tag} {name}")
            .chars()
            .scan(0, |bytes, letter| {
                *bytes += letter.len_utf8();
                (*bytes <= 63).then_some(letter)
            })
            .collect();
        let database = cluster().database_named(&hostile).await;
        let q = quoted(&hostile);
        let make = format!(
            "create schema {q}; create table {q}.{q} (id int); create sequence {q}.seq; create role {q}"
        );
        database
            .connect()
            .await
            .execute(AssertSqlSafe(make))
            .await
            .unwrap();
        let role = toml::Value::from(hostile.as_str());
        let role = format!(
            "member_of = [{role}]\nprivileges = [{{ schema = {role}, tables = [\"select\", \"insert\"], only = [{role}], sequences = [\"usage\"] }}]"
        );
        let stand = PostgresStand::on(cluster(), database, |made| made.roles = vec![role]).await;
        let case = Case::on(&stand).await;
        let mut session = stand.session(&case).await;
        session
            .execute(AssertSqlSafe(format!(
                "insert into {q}.{q} values (nextval('{}.seq'))",
                q.replace('\'', "''")
            )))
            .await
            .unwrap();
        assert!(reads(&mut session).await.is_err(), "only what was named");
        stand.end(&case).await;
        assert_eq!(
            stand.text("select count(*)::text from canary").await,
            "1",
            "{name}"
        );
        assert_eq!(
            stand
                .text(&format!("select count(*)::text from {q}.{q}"))
                .await,
            "1"
        );
        assert_eq!(stand.traces().await, [""; 0]);
    }
}

#[test]
fn any_name_arrives_on_the_server_as_it_was_written() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stand = runtime.block_on(PostgresStand::set_up());
    let name = proptest::collection::vec(any::<char>(), 1..16)
        .prop_map(|letters| {
            letters
                .into_iter()
                .filter(|letter| *letter != '\0')
                .collect::<String>()
        })
        .prop_filter("1 to 63 bytes", |name| (1..=60).contains(&name.len()))
        .prop_map(|name| format!("no {name}"));
    proptest!(ProptestConfig::with_cases(2), |(names in proptest::collection::vec(name, 50))| {
        runtime.block_on(async {
            let role = |name: &String| format!("member_of = [{}]", toml::Value::from(name.as_str()));
            let made = Made { roles: names.iter().map(role).collect(), ..Made::on(cluster()) };
            let connector = made.connector(&stand.database.name, &stand.environment).unwrap();
            let case = Case::on(&stand).await;
            for (index, name) in names.iter().enumerate().skip(1) {
                let role = format!("role-{index}").parse().unwrap();
                let failure = connector.up(Access { role: &role, ..case.access(1) }).await.unwrap_err();
                assert_eq!(failure, Failure::permanent(format!("the target has no role `{name}`")));
            }
            assert_eq!(stand.traces().await, [""; 0]);
        });
    });
}

#[tokio::test]
async fn the_password_never_reaches_the_server() {
    let own = Cluster::start(&["log_statement=all", "log_min_messages=debug1"]);
    let stand = PostgresStand::on(&own, own.database().await, |_| {}).await;
    let case = Case::on(&stand).await;
    let session = stand.session(&case).await;
    stand.connector.observe().await.unwrap();
    stand.end(&case).await;
    drop(session);
    let login = stand.login(case.access(1)).await;
    let log = own.log();
    assert!(log.contains("portcullis.ask"), "statements are logged");
    // Statements travel as hexadecimal digits.
    let password = login.password.expose();
    let digits = password
        .bytes()
        .fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    assert!(!log.contains(password) && !log.contains(&digits), "{log}");
    assert!(!log.contains(PASSWORD));
}

#[tokio::test]
async fn a_server_that_was_restarted_is_reached_again() {
    let own = Cluster::start(&[]);
    let stand = PostgresStand::on(&own, own.database().await, |_| {}).await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    own.stop();
    let failure = stand.connector.down(case.end(2, None)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("cannot be reached"),
        "{failure}"
    );
    own.start_again();
    stand.end(&case).await;
    assert_eq!(stand.connector.observe().await.unwrap().objects, []);
}

#[tokio::test]
async fn an_admin_that_is_no_superuser_is_enough() {
    let stand = PostgresStand::set_up().await;
    let (admin, group) = (
        format!("admin_{}", stand.database.name),
        format!("app_{}", stand.database.name),
    );
    stand.admin(&format!("create role {group}; grant select on canary to {group}; grant create on schema public to {group}")).await;
    let roles = vec![format!("member_of = [\"{group}\"]")];
    let made = Made {
        user: admin.clone(),
        password: "admin".to_owned(),
        roles,
        ..Made::on(cluster())
    };
    let connector = made
        .connector(&stand.database.name, &stand.environment)
        .unwrap();
    // What we tell the target's owner to run is what is run here.
    let preparation = connector.preparation()[0].text.replace('…', "admin");
    stand.admin(&preparation).await;
    let stand = PostgresStand { connector, ..stand };
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    assert_eq!(reads(&mut session).await.unwrap(), 1);
    session.execute("create table mine (id int)").await.unwrap();
    assert_eq!(stand.end(&case).await.sessions_ended, 1);
    let left = stand.traces().await;
    assert_eq!(
        left,
        [format!(
            "role pcl_{}_keeper",
            stand.environment.installation
        )]
    );
}

#[tokio::test]
async fn a_fence_that_belongs_to_somebody_else_is_not_used() {
    let stand = PostgresStand::set_up().await;
    let schema = format!("portcullis_{}", stand.environment.installation);
    let attacker = format!("attacker_{}", stand.database.name);
    stand
        .admin(&format!(
            "create role {attacker}; create schema {schema} authorization {attacker}"
        ))
        .await;
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::permanent(format!(
            "the schema `{schema}` belongs to another user than `postgres`"
        ))
    );
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn a_connection_address_can_be_pasted() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let login = stand.login(case.access(1)).await;
    let options: PgConnectOptions = login.dsn.expose().parse().unwrap();
    assert_eq!(
        reads(&mut options.connect().await.unwrap()).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn a_late_up_never_leaves_access_in_a_race_with_the_end() {
    let stand = PostgresStand::set_up().await;
    for _ in 0..40 {
        let case = Case::on(&stand).await;
        let (up, down) = tokio::join!(
            stand.connector.up(case.access(1)),
            stand.connector.down(case.end(2, None))
        );
        drop(up);
        if down.is_err() {
            stand.end(&case).await;
        }
        assert_eq!(stand.traces().await, [""; 0]);
    }
}

#[test]
fn settings_that_are_not_safe_are_refused() {
    let environment = environment();
    let long = "x".repeat(64);
    let given = |settings: &str, role: &str| {
        let settings: toml::Table = settings.parse().unwrap();
        let settings =
            KindSettings::read(TargetKind::Postgres, toml::Value::Table(settings)).unwrap();
        let role: toml::Table = role.parse().unwrap();
        let role = KindRole::read(TargetKind::Postgres, toml::Value::Table(role)).unwrap();
        let problems = connector(
            settings,
            BTreeMap::from([("readonly".parse().unwrap(), role)]),
            &environment,
        )
        .err();
        problems
            .unwrap()
            .iter()
            .map(|problem| problem.key)
            .collect::<Vec<_>>()
    };
    let good = "host = \"db\"\ndatabase = \"app\"\nuser = \"admin\"\n";
    let role = "member_of = [\"app_ro\"]";
    assert_eq!(
        given(&format!("{good}sslmode = \"disable\""), role),
        ["sslmode"]
    );
    assert_eq!(
        given(&format!("{good}connection_limit = 0"), role),
        ["connection_limit"]
    );
    assert_eq!(
        given("host = \"\"\ndatabase = \"\"\nuser = \"admin\"", role),
        ["host", "database"]
    );
    assert_eq!(given(good, ""), ["member_of"]);
    assert_eq!(
        given(good, &format!("member_of = [\"{long}\"]")),
        ["member_of"]
    );
    assert_eq!(
        given(good, "privileges = [{ schema = \"a\\u0000b\" }]"),
        ["privileges"]
    );
    let prefer: toml::Table = format!("{good}sslmode = \"prefer\"").parse().unwrap();
    assert!(KindSettings::read(TargetKind::Postgres, toml::Value::Table(prefer)).is_err());
    let trigger: toml::Table = "privileges = [{ schema = \"a\", tables = [\"trigger\"] }]"
        .parse()
        .unwrap();
    assert!(KindRole::read(TargetKind::Postgres, toml::Value::Table(trigger)).is_err());
}

#[tokio::test]
async fn observe_warns_of_logins_that_ignore_the_end() {
    let own = Cluster::start(&[]);
    let stand = PostgresStand::on(&own, own.database().await, |_| {}).await;
    assert_eq!(stand.connector.observe().await.unwrap().warnings, [""; 0]);
    let rules = own.socket_dir.join("data/pg_hba.conf");
    std::fs::write(&rules, "host all all 10.0.0.0/8 trust\n").unwrap();
    assert_eq!(
        stand.connector.observe().await.unwrap().warnings,
        [
            "line 1 of pg_hba.conf lets people in by `trust`, which does not look at the end of a role"
        ]
    );
}
