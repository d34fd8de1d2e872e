//! Roles that hold in several databases of one server.

use sqlx::Executor as _;
use sqlx::postgres::PgConnection;

use super::{Made, PostgresStand, open, reads};
use crate::support::postgres::{Database, cluster};
use crate::targets::Case;

/// A server with a database of its own besides that of the target, which has a table `canary` as well.
async fn stand(databases: impl Fn(&str, &str) -> Vec<String>) -> (PostgresStand, Database) {
    let cluster = cluster();
    let (home, other) = (cluster.database().await, cluster.database().await);
    let mut inside = other.connect().await;
    inside
        .execute("create table canary (id int); insert into canary values (2)")
        .await
        .unwrap();
    let names = databases(&home.name, &other.name);
    let stand = PostgresStand::on(cluster, home, |made: &mut Made| {
        made.roles[0] = format!("databases = {names:?}\n{}", made.roles[0]);
    })
    .await;
    (stand, other)
}

async fn session_in(stand: &PostgresStand, case: &Case, database: &str) -> PgConnection {
    let mut login = stand.login(case.access(1)).await;
    database.clone_into(&mut login.database);
    open(&login).await.unwrap()
}

/// On whose rights there is something in this database, of roles of ours.
async fn rights_left(stand: &PostgresStand, database: &Database) -> i64 {
    sqlx::query_scalar("select count(*) from pg_class c, aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee where a.grantee <> 0 and (r.oid is null or r.rolname like $1)")
        .bind(format!("pcl\\_{}%", stand.environment.installation))
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_role_of_two_databases_reads_in_both_and_leaves_nothing_in_either() {
    let (stand, other) = stand(|home, other| vec![other.to_owned(), home.to_owned()]).await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    assert_eq!(stand.login(case.access(1)).await.database, other.name);
    let mut there = session_in(&stand, &case, &other.name).await;
    let mut home = session_in(&stand, &case, &stand.database.name).await;
    assert_eq!(reads(&mut there).await.unwrap(), 2);
    assert_eq!(reads(&mut home).await.unwrap(), 1);
    assert!(rights_left(&stand, &other).await > 0);
    let receipt = stand.end(&case).await;
    assert_eq!(receipt.sessions_ended, 2);
    assert!(reads(&mut there).await.is_err() && reads(&mut home).await.is_err());
    assert_eq!(rights_left(&stand, &other).await, 0);
    assert_eq!(rights_left(&stand, &stand.database).await, 0);
}

#[tokio::test]
async fn a_role_of_another_database_has_no_rights_in_that_of_the_target() {
    let (stand, other) = stand(|_, other| vec![other.to_owned()]).await;
    let case = Case::on(&stand).await;
    let mut there = stand.session(&case).await;
    assert_eq!(reads(&mut there).await.unwrap(), 2);
    let mut home = session_in(&stand, &case, &stand.database.name).await;
    assert!(reads(&mut home).await.is_err());
    let plan = stand.connector.plan(&case.access(1)).steps.join("\n");
    assert!(
        plan.contains(&format!("let it connect to `{}`", other.name)),
        "{plan}"
    );
    stand.end(&case).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_and_the_grant_can_be_ended() {
    let (stand, _other) = stand(|home, _| vec![home.to_owned(), "no such".to_owned()]).await;
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(failure.message.contains("database `no such`"), "{failure}");
    stand.end(&case).await;
    assert_eq!(rights_left(&stand, &stand.database).await, 0);
}

#[tokio::test]
async fn databases_are_named_once_and_some_are() {
    let cluster = cluster();
    for list in ["[]", "[\"a\", \"a\"]", "[\"\"]"] {
        let mut made = Made::on(cluster);
        made.roles[0] = format!("databases = {list}\n{}", made.roles[0]);
        let problems = made.connector("orders", &crate::targets::environment());
        let problems = problems.err().unwrap_or_default();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["databases"], "{list}");
    }
}
