//! An installation moves from its file to PostgreSQL, and everything goes along.

use std::collections::BTreeSet;
use std::process::Output;

use portcullis::store::migrate::known;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::support::node::Node;

use super::{
    field, fresh, gone, grant, granted, lets_in, on_record, prepared, url_of, wait_on, with_people,
};

fn copy(node: &Node, url: &str) -> Output {
    node.here(&["copy-database", "--to", url, "--json"])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every table that a migration makes and none takes away.
fn tables() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut found = BTreeSet::new();
    for path in files {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let name = |rest: &str| {
                rest.trim_end_matches(';')
                    .split([' ', '('])
                    .next()
                    .unwrap()
                    .to_owned()
            };
            if let Some(rest) = line.strip_prefix("create table ") {
                found.insert(name(rest));
            }
            if let Some(rest) = line.strip_prefix("drop table ") {
                found.remove(&name(rest));
            }
            if let Some((old, new)) = line
                .strip_prefix("alter table ")
                .and_then(|rest| rest.split_once(" rename to "))
            {
                found.remove(old);
                found.insert(name(new));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_to_postgres_and_nobody_notices() {
    let (mut node, target) = prepared().await;
    with_people(&mut node, &["ada", "ben", "cyd"]);
    let (live, dsn) = granted(&node, "ada", "1h");
    let (ends, ends_dsn) = granted(&node, "ben", "25s");
    let (over, _) = granted(&node, "cyd", "1h");
    node.said("root", &["revoke", &over, "--reason", "done"]);
    gone(&target, &over).await;
    let lock = node.json(
        "root",
        &["lock", "principal", "cyd", "--reason", "INC-3 a leak"],
    );
    node.said(
        "root",
        &[
            "service-account",
            "create",
            "bot",
            "--owner",
            "ada",
            "--scope",
            "read",
        ],
    );
    node.said("root", &["audit", "verify"]);
    let (url, name) = fresh().await;

    // Not while a server runs.
    let refused = copy(&node, &url);
    assert!(
        text(&refused.stderr).contains("another server already uses"),
        "{refused:?}"
    );
    node.kill();
    let file = node.folder().join("data/portcullis.db");
    let output = copy(&node, &url);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let copied = said["tables"].as_array().unwrap().iter();
    let copied: BTreeSet<String> = copied
        .map(|table| field(table, "table").to_owned())
        .collect();
    assert_eq!(copied, tables(), "a table that was forgotten");
    assert_eq!(field(&said, "root").len(), 44, "{said}");
    // Not over what is there.
    let refused = copy(&node, &url);
    assert!(
        text(&refused.stderr).contains("the target is not empty"),
        "{refused:?}"
    );

    // The same people are signed in, the same grants are live, and the record goes on.
    assert!(file.exists());
    node.use_database(&url);
    node.start();
    let verified = node.said("root", &["audit", "verify"]);
    assert!(
        verified.contains("it continues what was seen of it before"),
        "{verified}"
    );
    assert_eq!(field(&grant(&node, &live), "state"), "active");
    assert!(lets_in(&dsn));
    assert!(!on_record(&node, "grant.revoked").is_empty());
    let locks = node.json("root", &["locks"]);
    assert_eq!(
        field(&locks["items"][0], "id"),
        field(&lock, "id"),
        "{locks}"
    );
    gone(&target, &ends).await;
    assert!(!lets_in(&ends_dsn));
    while field(&grant(&node, &ends), "state") != "ended" {}
    node.said("ada", &["return", &live]);
    gone(&target, &live).await;
    let (_, later) = granted(&node, "ben", "1h");
    assert!(lets_in(&later));
    wait_on(&target, "select true").await;
    assert_eq!(
        known(),
        node.json_here(&["migrate", "--check"])["schema"]
            .as_i64()
            .unwrap(),
        "{name}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_broken_off_is_no_database_and_can_be_made_again() {
    let (mut node, _target) = prepared().await;
    with_people(&mut node, &["ada"]);
    node.kill();
    let (url, name) = fresh().await;
    let mut admin = PgConnection::connect(&url_of(&name)).await.unwrap();
    // What somebody else has there is not touched.
    admin
        .execute("create table theirs (id bigint)")
        .await
        .unwrap();
    let refused = copy(&node, &url);
    assert!(text(&refused.stderr).contains("`theirs`"), "{refused:?}");
    admin.execute("drop table theirs").await.unwrap();
    // It breaks off in the middle: the database takes no events.
    let (other, _) = fresh().await;
    assert!(copy(&node, &other).status.success());
    admin
        .execute("create table copy_in_progress (at bigint not null)")
        .await
        .unwrap();
    let trigger = "create function no() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
        create function hinder() returns event_trigger language plpgsql as $$ begin
            if to_regclass('audit') is not null and to_regclass('audit_before') is null and to_regclass('schema_reach') is not null then
                create or replace trigger no before insert on audit for each row execute function no();
            end if; end $$;
        create event trigger hinder on ddl_command_end when tag in ('CREATE TABLE') execute function hinder();";
    admin.execute(AssertSqlSafe(trigger)).await.unwrap();
    let broken = copy(&node, &url);
    assert!(
        text(&broken.stderr).contains("the disk is full"),
        "{broken:?}"
    );
    node.use_database(&url);
    for command in [
        &["serve", "--listen", "127.0.0.1:0", "--json"][..],
        &["migrate", "--json"],
    ] {
        let refused = node.here(command);
        assert!(!refused.status.success());
        assert!(
            text(&refused.stderr).contains("\"code\":\"copy-not-whole\""),
            "{refused:?}"
        );
    }
    admin
        .execute("drop event trigger hinder; drop trigger no on audit")
        .await
        .unwrap();
    let output = copy(&node, &url);
    assert!(output.status.success(), "{}", text(&output.stderr));
    node.start();
    node.said("root", &["audit", "verify"]);
}
