//! What is seen on a server: ours, changed by others, or left behind.

use sqlx::Executor as _;
use tokio::sync::Mutex;

use super::{Made, PostgresStand};
use crate::support::postgres::{Cluster, cluster};
use crate::targets::{Case, Stand as _, environment};

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
