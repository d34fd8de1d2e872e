//! The end: sessions, what the holder made, several databases, and nodes that come late.

use portcullis::targets::postgres::Login;
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Made, PostgresStand, open, reads};
use crate::support::postgres::{Cluster, cluster};
use crate::targets::{Case, Stand as _};

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

#[tokio::test]
async fn an_end_that_waits_for_a_beginning_closes_what_that_made() {
    let stand = PostgresStand::set_up().await;
    stand.connector.observe().await.unwrap();
    let case = Case::on(&stand).await;
    let object = stand.object(&case);
    // The beginning of another node, which has not committed yet.
    let mut beginning = stand.database.connect().await;
    beginning
        .execute(AssertSqlSafe(format!(
            "begin;
             insert into portcullis_{}.fence (grant_digits, epoch, role) values ('{}', 1, 'readonly');
             create role {object} login",
            stand.environment.installation,
            case.grant.digits()
        )))
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut beginning)
        .await
        .unwrap();
    let waiting = format!(
        "select count(*)::text from pg_stat_activity where {pid} = any(pg_blocking_pids(pid))"
    );
    let (receipt, ()) = tokio::join!(stand.end(&case), async {
        while stand.text(&waiting).await == "0" {
            tokio::task::yield_now().await;
        }
        beginning.execute("commit").await.unwrap();
    });
    assert_eq!(
        receipt.steps[0].what,
        format!("closed the login of `{object}` and forgot its password")
    );
    assert_eq!(stand.traces().await, [""; 0]);
}
