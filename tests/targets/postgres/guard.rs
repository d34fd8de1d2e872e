//! What the server does by itself while no node is up.

use chrono::TimeDelta;
use portcullis::domain::target::EnforcementClass;
use portcullis::targets::Access;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::{PostgresStand, open};
use crate::support::postgres::cluster;
use crate::targets::{Case, Stand as _};

const NEVER: &str =
    "its guard has never run, so open sessions may outlive their end while no node is up";
const NO_MORE: &str =
    "its guard does not run any more, so open sessions may outlive their end while no node is up";

async fn guarded(user: Option<&str>) -> PostgresStand {
    let database = cluster().database().await;
    PostgresStand::on(cluster(), database, |made| {
        made.server += "\nguard = true";
        if let Some(user) = user {
            made.user = user.to_owned();
        }
    })
    .await
}

async fn warnings(stand: &PostgresStand) -> Vec<String> {
    stand.connector.observe().await.unwrap().warnings
}

/// Logs in and waits for an end that nobody brings but the server.
async fn stays(stand: &PostgresStand, access: Access<'_>) -> PgConnection {
    stand.connector.up(access).await.unwrap();
    open(&stand.login(access).await).await.unwrap()
}

async fn cut_by_the_server(stand: &PostgresStand, user: &str) {
    let (short, long) = (Case::on(stand).await, Case::on(stand).await);
    let soon = Access {
        ends_at: short.now + TimeDelta::seconds(2),
        ..short.access(1)
    };
    let mut session = stays(stand, soon).await;
    let mut other = stays(stand, long.access(1)).await;
    let options = stand.database.options.clone().username(user);
    let mut keeper = options.connect().await.unwrap();
    let call = format!(
        "call portcullis_{}.guard('10 minutes')",
        stand.environment.installation
    );
    let keeps = tokio::spawn(async move { keeper.execute(AssertSqlSafe(call)).await });
    let ended = session.execute("select pg_sleep(600)").await.unwrap_err();
    let code = ended
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    assert_eq!(code.as_deref(), Some("57P01"), "{ended}");
    assert!(open(&stand.login(soon).await).await.is_err());
    assert!(other.execute("select 1").await.is_ok());
    assert_eq!(warnings(stand).await, [""; 0]);
    keeps.abort();
}

#[tokio::test]
async fn a_guard_on_the_server_cuts_sessions_at_their_end_while_every_node_is_down() {
    let stand = guarded(None).await;
    assert_eq!(stand.connector.class(), EnforcementClass::APlus);
    assert_eq!(warnings(&stand).await, [NEVER]);
    cut_by_the_server(&stand, "postgres").await;
}

#[tokio::test]
async fn a_guard_needs_no_more_rights_than_portcullis_has() {
    let user = format!("warden_{}", std::process::id());
    let mut admin = cluster().options("postgres").connect().await.unwrap();
    let make = format!("create role {user} login createrole password 'only for tests'");
    admin.execute(AssertSqlSafe(make)).await.unwrap();
    let stand = guarded(Some(&user)).await;
    let name = stand.database.name.clone();
    for right in [
        format!("grant create, connect on database {name} to {user}"),
        format!("grant select on canary to {user} with grant option"),
    ] {
        stand.admin(&right).await;
    }
    assert_eq!(warnings(&stand).await, [NEVER]);
    cut_by_the_server(&stand, &user).await;
}

#[tokio::test]
async fn a_guard_that_stopped_is_noticed_and_nobody_else_may_call_it() {
    let stand = guarded(None).await;
    assert_eq!(warnings(&stand).await, [NEVER]);
    let home = format!("portcullis_{}", stand.environment.installation);
    stand.admin(&format!("call {home}.guard()")).await;
    assert_eq!(warnings(&stand).await, [""; 0]);
    stand
        .admin(&format!(
            "update {home}.guarded set at = clock_timestamp() - interval '31 seconds'"
        ))
        .await;
    assert_eq!(warnings(&stand).await, [NO_MORE]);
    let case = Case::on(&stand).await;
    let mut session = stays(&stand, case.access(1)).await;
    let call = format!("call {home}.guard()");
    assert!(session.execute(AssertSqlSafe(call)).await.is_err());
    stand.end(&case).await;
}

#[tokio::test]
async fn without_a_guard_the_owner_is_told_nothing_of_it_and_with_one_how_to_keep_it() {
    let plain = PostgresStand::set_up().await;
    assert_eq!(plain.connector.class(), EnforcementClass::A);
    assert_eq!(plain.connector.preparation().len(), 1);
    let steps = guarded(None).await.connector.preparation();
    let text: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
    assert!(text[1].contains("cron.schedule_in_database"), "{}", text[1]);
    assert!(text[2].contains("Restart=always"), "{}", text[2]);
}
