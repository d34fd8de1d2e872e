//! Live sessions: told with their last command, and ended one by one.

use chrono::TimeDelta;
use portcullis::targets::{Activity, Live, Reported, SessionOutcome};
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Made, PostgresStand, open, reads};
use crate::support::postgres::{PASSWORD, cluster};
use crate::targets::{Case, Stand as _};

async fn told(stand: &PostgresStand) -> Vec<Live> {
    let Reported {
        sessions,
        incomplete,
    } = stand.connector.sessions().await.unwrap();
    assert_eq!(incomplete, None);
    sessions
}

#[tokio::test]
async fn an_open_session_is_told_with_what_it_did_last() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    assert_eq!(told(&stand).await, []);
    let mut session = open(&stand.login(case.access(1)).await).await.unwrap();
    session
        .execute("set application_name = 'look at this'; begin; select id as stuck from canary")
        .await
        .unwrap();
    let [live] = &told(&stand).await[..] else {
        panic!("one session")
    };
    assert_eq!(live.grant, case.grant);
    assert_eq!(live.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(live.program.as_deref(), Some("look at this"));
    assert_eq!(live.activity, Some(Activity::IdleInTransaction));
    assert!(
        live.command
            .as_ref()
            .unwrap()
            .ends_with("stuck from canary")
    );
    let began = live.started_at.unwrap();
    assert!((case.now - began).abs() < TimeDelta::minutes(5), "{began}");
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut session)
        .await
        .unwrap();
    assert_eq!(live.id, format!("{pid}-{}", began.timestamp_millis()));
}

#[tokio::test]
async fn long_and_hostile_commands_are_cut_and_kept_as_they_are() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    let command = format!("select '\u{1b}[31m{}'", "ü".repeat(700));
    session
        .execute(AssertSqlSafe(command.clone()))
        .await
        .unwrap();
    let live = told(&stand).await.remove(0);
    let expected: String = command.chars().take(500).collect();
    assert_eq!(live.command, Some(expected));
}

#[tokio::test]
async fn a_command_in_another_encoding_hides_no_session() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    let other = format!("latin_{}", stand.database.name);
    stand
        .admin(&format!(
            "create database {other} template template0 encoding 'LATIN1' locale 'C'"
        ))
        .await;
    let login = portcullis::targets::postgres::Login {
        database: other,
        ..stand.login(case.access(1)).await
    };
    let mut elsewhere = open(&login).await.unwrap();
    elsewhere.execute("select 'für'").await.unwrap();
    reads(&mut session).await.unwrap();
    let commands: Vec<_> = told(&stand)
        .await
        .into_iter()
        .filter_map(|live| live.command)
        .collect();
    assert!(
        commands.contains(&"select 'f\u{fffd}r'".to_owned()),
        "{commands:?}"
    );
    assert_eq!(commands.len(), 2);
}

#[tokio::test]
async fn ending_a_session_cuts_exactly_it() {
    let stand = PostgresStand::set_up().await;
    let (case, other) = (Case::on(&stand).await, Case::on(&stand).await);
    let mut first = stand.session(&case).await;
    let mut second = open(&stand.login(case.access(1)).await).await.unwrap();
    let mut foreign = stand.session(&other).await;
    first
        .execute("set application_name = 'first'")
        .await
        .unwrap();
    let live = told(&stand).await;
    assert_eq!(live.len(), 3);
    let named = |live: &&Live| live.program.as_deref() == Some("first");
    let id = &live.iter().find(named).unwrap().id;
    let ended = stand.connector.end_session(case.access(1), id).await;
    assert_eq!(ended, Ok(SessionOutcome::Ended));
    assert!(reads(&mut first).await.is_err());
    assert!(reads(&mut second).await.is_ok());
    assert!(reads(&mut foreign).await.is_ok());
    assert_eq!(told(&stand).await.len(), 2);
    let again = stand.connector.end_session(case.access(1), id).await;
    assert_eq!(again, Ok(SessionOutcome::Gone), "it may be repeated");
    // The grant stays: its holder may connect again.
    assert!(open(&stand.login(case.access(1)).await).await.is_ok());
}

#[tokio::test]
async fn a_wrong_or_stale_session_touches_nothing() {
    let stand = PostgresStand::set_up().await;
    let (case, other) = (Case::on(&stand).await, Case::on(&stand).await);
    let mut session = stand.session(&case).await;
    let mut foreign = stand.session(&other).await;
    let live = told(&stand).await;
    let of = |case: &Case| {
        let mut all = live.iter();
        all.find(|live| live.grant == case.grant)
            .unwrap()
            .id
            .clone()
    };
    let (mine, theirs) = (of(&case), of(&other));
    let (pid, started) = mine.split_once('-').unwrap();
    let earlier = started.parse::<i64>().unwrap() - 1;
    let ours = sqlx::query_scalar::<_, i32>("select pg_backend_pid()")
        .fetch_one(&mut *stand.look.lock().await)
        .await
        .unwrap();
    for wrong in [
        // The same process, had it been another session before; a session of another grant; no session of ours.
        format!("{pid}-{earlier}"),
        theirs,
        format!("{ours}-{started}"),
        pid.to_owned(),
        format!("{pid}-{started} or true"),
        String::new(),
    ] {
        let ended = stand.connector.end_session(case.access(1), &wrong).await;
        assert_eq!(ended, Ok(SessionOutcome::Gone), "{wrong}");
    }
    assert!(reads(&mut session).await.is_ok());
    assert!(reads(&mut foreign).await.is_ok());
    assert_eq!(told(&stand).await.len(), 2);
}

#[tokio::test]
async fn an_admin_who_is_no_superuser_sees_and_ends_sessions() {
    let stand = PostgresStand::set_up().await;
    let name = &stand.database.name;
    let admin = format!("lesser_{name}");
    stand
        .admin(&format!(
            "create role {admin} login createrole password '{PASSWORD}'; \
             grant create, connect on database {name} to {admin}; \
             create role group_{name}; grant select on canary to group_{name}; \
             grant group_{name} to {admin} with admin option"
        ))
        .await;
    let made = Made {
        user: admin,
        roles: vec![format!("member_of = [\"group_{name}\"]")],
        ..Made::on(cluster())
    };
    let connector = made.connector(name, &stand.environment).unwrap();
    let stand = PostgresStand { connector, ..stand };
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    reads(&mut session).await.unwrap();
    let live = told(&stand).await;
    assert_eq!(
        live[0].command.as_deref(),
        Some("select id from public.canary")
    );
    let ended = stand
        .connector
        .end_session(case.access(1), &live[0].id)
        .await;
    assert_eq!(ended, Ok(SessionOutcome::Ended));
    assert!(reads(&mut session).await.is_err());
    assert_eq!(told(&stand).await, []);
    stand.end(&case).await;
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn sessions_of_others_are_none_of_ours() {
    let stand = PostgresStand::set_up().await;
    let name = &stand.database.name;
    // A name that looks like one of ours in another installation.
    let alike = "pcl_zzzzzz_0123456789";
    stand
        .admin(&format!(
            "drop role if exists {alike}; create role {alike} login password '{PASSWORD}'"
        ))
        .await;
    let options = cluster()
        .options(name)
        .username(alike)
        .application_name("alike");
    let foreign = sqlx::ConnectOptions::connect(&options).await.unwrap();
    assert_eq!(told(&stand).await, []);
    drop(foreign);
}
