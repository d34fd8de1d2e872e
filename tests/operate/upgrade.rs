//! A newer version comes up beside the nodes of this one: what they may go on with, and what they refuse.

use std::time::{Duration, Instant};

use portcullis::store::migrate::known;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::support::node::Node;

use super::{beside, field, fresh, gone, grant, granted, lets_in, prepared, url_of, with_people};

/// What the next version does to the database, and who goes on with it afterwards.
async fn next_version(name: &str, oldest: i64) {
    let version = known() + 1;
    let sql = format!(
        "begin; alter table grants add column turn bigint not null default 0; create table turns (id bigint primary key);
         insert into schema_reach (version, oldest) values ({version}, {oldest});
         insert into _sqlx_migrations (version, description, success, checksum, execution_time) values ({version}, 'turns', true, '\\x00', 0); commit"
    );
    execute(name, &sql).await;
}

async fn execute(name: &str, sql: &str) {
    let mut connection = PgConnection::connect(&url_of(name)).await.unwrap();
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn ready(node: &Node) -> (u16, String) {
    let answer = reqwest::get(format!("{}/readyz", node.url()))
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Asks whether a node is ready until it answers so.
async fn wait_ready(node: &Node, wanted: u16) -> String {
    let began = Instant::now();
    loop {
        let (status, text) = ready(node).await;
        if status == wanted {
            return text;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{status} {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn check(node: &Node) -> (Option<i32>, Value) {
    let output = node.here(&["migrate", "--check", "--json"]);
    let said = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        said.unwrap_or_else(|_| panic!("{output:?}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_versions_work_on_one_database_with_live_grants() {
    let (mut node, target) = prepared().await;
    let (url, name) = fresh().await;
    node.use_database(&url);
    // Before the first start all of it is outstanding.
    let (code, said) = check(&node);
    assert_eq!((code, &said["schema"]), (Some(2), &0.into()), "{said}");
    let done = node.here(&["migrate"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(check(&node).0, Some(0));

    with_people(&mut node, &["ada", "ben"]);
    let mut second = beside(&node, &url);
    second.start();
    let (live, dsn) = granted(&node, "ada", "1h");
    next_version(&name, known()).await;

    // Both of them go on: what is asked of one is decided, ended and shown by it.
    let (code, said) = check(&node);
    assert_eq!(
        (code, &said["schema"]),
        (Some(0), &(known() + 1).into()),
        "{said}"
    );
    let (made, made_dsn) = granted(&node, "ben", "1h");
    node.said(
        "root",
        &["extend", &live, "--by", "5m", "--reason", "not done"],
    );
    node.said("root", &["revoke", &made, "--reason", "done"]);
    gone(&target, &made).await;
    assert!(!lets_in(&made_dsn) && lets_in(&dsn));
    // One of them is started again on the newer schema.
    node.kill();
    node.start();
    assert!(
        node.log().contains("newer schema than this node knows"),
        "{}",
        node.log()
    );
    assert_eq!(field(&grant(&node, &live), "state"), "active");
    let (last, _) = granted(&node, "ben", "1h");
    assert_eq!(ready(&second).await.0, 200);
    node.said("root", &["revoke", &last, "--reason", "done"]);
    gone(&target, &last).await;
    assert!(lets_in(&dsn));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_too_old_decides_nothing_and_everything_ends() {
    let (mut node, target) = prepared().await;
    let (url, name) = fresh().await;
    node.use_database(&url);
    with_people(&mut node, &["ada"]);
    let (live, dsn) = granted(&node, "ada", "1h");
    wait_ready(&node, 200).await;
    next_version(&name, known() + 1).await;

    let said = wait_ready(&node, 503).await;
    assert!(said.contains("decides nothing more"), "{said}");
    let ask = [
        "request",
        "orders-db",
        "readonly",
        "--for",
        "1h",
        "--reason",
    ];
    let refused = node.run("ada", &[&ask[..], &["INC-1 once more", "--json"]].concat());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("schema-too-new"), "{text}");
    // Who has access can lose it.
    node.said("root", &["revoke", &live, "--reason", "done"]);
    gone(&target, &live).await;
    assert!(!lets_in(&dsn));

    // It is not started again, and says why.
    node.kill();
    for command in [
        &["serve", "--listen", "127.0.0.1:0", "--json"][..],
        &["migrate", "--json"],
    ] {
        let refused = node.here(command);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{command:?}");
        assert!(text.contains("\"code\":\"schema-too-new\""), "{text}");
        assert!(text.contains("update it"), "{text}");
    }
    // Once it may, it goes on.
    execute(&name, "delete from schema_reach where oldest = version").await;
    node.start();
    granted(&node, "ada", "1h");
}
