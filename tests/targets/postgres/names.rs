//! Names that have broken other programs stay names, in settings and on the server.

use std::collections::BTreeMap;

use portcullis::domain::target::TargetKind;
use portcullis::targets::{Access, Failure, KindRole, KindSettings, connector};
use proptest::prelude::{ProptestConfig, Strategy as _, any, proptest};
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Made, PostgresStand, reads};
use crate::support::postgres::{cluster, quoted};
use crate::targets::{Case, Stand as _, environment};

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
