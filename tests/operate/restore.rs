//! A backup is put back: the server refuses, an operator goes on, and nothing that was taken away comes back.

use std::process::{Command, Output};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::support::node::Node;
use crate::support::postgres::{Database, PASSWORD, SUPERUSER, cluster};

use super::{
    beside, field, fresh, gone, grant, granted, lets_in, on_record, prepared, seen_by, wait_on,
    with_people,
};

/// Where the truth of a node is, and how an operator saves it and puts it back.
enum Truth {
    File,
    Server(String),
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).env("PGPASSWORD", PASSWORD);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

impl Truth {
    async fn new(node: &mut Node, server: bool) -> Self {
        if !server {
            return Self::File;
        }
        let (url, name) = fresh().await;
        node.use_database(&url);
        Self::Server(name)
    }

    fn paths(node: &Node) -> (String, String) {
        let path = |name: &str| node.folder().join(name).to_str().unwrap().to_owned();
        (path("data/portcullis.db"), path("backup"))
    }

    fn server() -> [String; 6] {
        let cluster = cluster();
        let port = cluster.port.to_string();
        ["-h", cluster.host, "-p", &port, "-U", SUPERUSER].map(str::to_owned)
    }

    /// As the README says.
    fn save(&self, node: &Node) {
        let (database, backup) = Self::paths(node);
        let _ = std::fs::remove_file(&backup);
        match self {
            Self::File => run("sqlite3", &[&database, &format!(".backup {backup}")]),
            Self::Server(name) => {
                let server = Self::server();
                let mut arguments: Vec<&str> = server.iter().map(String::as_str).collect();
                arguments.extend(["-Fc", "-f", &backup, name]);
                run("pg_dump", &arguments);
            }
        }
    }

    /// As the README says, while no server runs.
    async fn put_back(&self, node: &Node) {
        let (database, backup) = Self::paths(node);
        match self {
            Self::File => {
                for end in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{database}{end}"));
                }
                std::fs::copy(&backup, &database).unwrap();
            }
            Self::Server(name) => {
                let mut admin = cluster().options("postgres").connect().await.unwrap();
                for sql in [
                    format!("drop database {name} with (force)"),
                    format!("create database {name}"),
                ] {
                    admin.execute(AssertSqlSafe(sql)).await.unwrap();
                }
                let server = Self::server();
                let mut arguments: Vec<&str> = server.iter().map(String::as_str).collect();
                arguments.extend(["-d", name, &backup]);
                run("pg_restore", &arguments);
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn recover(node: &Node, more: &[&str]) -> Output {
    let ask = [
        "recover",
        "--yes",
        "--json",
        "--reason",
        "INC-7 the disk failed",
    ];
    node.here(&[&ask[..], more].concat())
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_brings_back_lets_nobody_in() {
    for server in [false, true] {
        let (node, target) = prepared().await;
        put_back(node, &target, server).await;
    }
}

async fn put_back(mut node: Node, target: &Database, server: bool) {
    let truth = Truth::new(&mut node, server).await;
    with_people(&mut node, &["ada", "ben", "cyd"]);
    let (revoked_since, revoked_dsn) = granted(&node, "ada", "1h");
    let (extended_since, extended_dsn) = granted(&node, "ben", "30m");
    let invitation = node.json("root", &["token", "invite", "dan", "--role", "auditor"]);
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
    truth.save(&node);

    // Life goes on, and the server sees it.
    node.said("root", &["revoke", &revoked_since, "--reason", "a leak"]);
    gone(target, &revoked_since).await;
    let more = ["--by", "15m", "--reason", "not done yet"];
    node.said("root", &[&["extend", &extended_since], &more[..]].concat());
    let (made_since, made_dsn) = granted(&node, "cyd", "1h");
    node.said("root", &["audit", "verify"]);
    let seen = seen_by(&node);
    node.kill();
    truth.put_back(&node).await;

    // It does not start, and says what to do.
    let refused = node.here(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(7), "{said}");
    assert!(said.contains("\"code\":\"database-restored\""), "{said}");
    assert!(said.contains("portcullis recover --reason"), "{said}");
    let unasked = node.here(&["recover", "--reason", "INC-7 the disk failed"]);
    assert_eq!(unasked.status.code(), Some(2), "{}", text(&unasked.stderr));
    assert!(lets_in(&made_dsn) && lets_in(&extended_dsn) && !lets_in(&revoked_dsn));

    let done = answer(&recover(&node, &[]));
    assert_eq!(
        (&done["epoch"], &done["grants_closed"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&done["grants_kept"], &done["targets"]),
        (&0.into(), &1.into())
    );
    assert_eq!((&done["codes"], field(&done, "admin")), (&1.into(), "root"));
    assert!(done["sign_ins"].as_u64().unwrap() >= 4, "{done}");
    let again = recover(&node, &[]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(
        text(&again.stderr).contains("nothing-to-recover"),
        "{again:?}"
    );

    // Nobody is signed in, and no code of before is good.
    node.start();
    for who in ["root", "ada", "ben", "cyd"] {
        let refused = node.run(who, &["grants"]);
        assert_eq!(refused.status.code(), Some(4), "{who}: {refused:?}");
    }
    let refused = node.run("dan", &["login", "--code", field(&invitation, "code")]);
    assert!(
        text(&refused.stderr).contains("unknown, already used"),
        "{refused:?}"
    );
    node.said("root", &["login", "--code", field(&done, "code")]);

    // What no grant backs is gone, and so is what the backup said was live.
    for id in [&revoked_since, &extended_since, &made_since] {
        gone(target, id).await;
    }
    assert!(!lets_in(&made_dsn) && !lets_in(&extended_dsn) && !lets_in(&revoked_dsn));
    while on_record(&node, "target.reconciled").is_empty() {}
    for id in [&revoked_since, &extended_since] {
        let closed = loop {
            let grant = grant(&node, id);
            if field(&grant, "state") == "revoked" {
                break grant;
            }
        };
        assert!(
            field(&closed, "close_reason").contains("restored"),
            "{closed}"
        );
    }
    let orphans = on_record(&node, "target.orphan_removed");
    assert_eq!(field(&orphans[0], "grant"), made_since);
    let told = on_record(&node, "server.recovered");
    assert_eq!(
        (told.len(), field(&told[0], "reason")),
        (1, "INC-7 the disk failed")
    );

    // Whoever checks the record is told what was lost, and by whom.
    let verified = node.said("root", &["audit", "verify"]);
    assert!(
        verified.contains("HISTORY WAS LOST in epoch 1"),
        "{verified}"
    );
    assert!(verified.contains(&format!("{seen}")), "{seen}: {verified}");
    assert!(verified.contains("INC-7 the disk failed"), "{verified}");
    let told = on_record(&node, "audit.recovered");
    let told = &told[0]["details"];
    assert!(
        !field(told, "operator").is_empty() && told["signed_size"] == seen,
        "{told}"
    );

    // It goes on as ever.
    node.invite("eve", "requester", "engineers");
    let (id, dsn) = granted(&node, "eve", "1h");
    node.kill();
    node.start();
    node.said("root", &["revoke", &id, "--reason", "done"]);
    gone(target, &id).await;
    assert!(!lets_in(&dsn));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_knows_better_keeps_grants_as_the_backup_has_them() {
    let (mut node, target) = prepared().await;
    let truth = Truth::File;
    with_people(&mut node, &["ada"]);
    let (id, dsn) = granted(&node, "ada", "1h");
    let ends = field(&grant(&node, &id), "expires_at").to_owned();
    truth.save(&node);
    let more = ["--by", "15m", "--reason", "not done yet"];
    node.said("root", &[&["extend", &id], &more[..]].concat());
    node.said("root", &["audit", "verify"]);
    node.kill();
    truth.put_back(&node).await;
    let done = answer(&recover(&node, &["--keep-grants", "--admin", "root"]));
    assert_eq!(
        (&done["grants_closed"], &done["grants_kept"]),
        (&0.into(), &1.into())
    );
    node.start();
    node.said("root", &["login", "--code", field(&done, "code")]);
    assert!(lets_in(&dsn));
    // The target has seen a later change of the grant, and is told the end of the backup all the same.
    let told = format!(
        "select count(*) = 1 from pg_roles where rolname like '{}' and rolvaliduntil = '{ends}'::timestamptz",
        super::role_of(&id)
    );
    wait_on(&target, &told).await;
    assert_eq!(on_record(&node, "grant.kept").len(), 1);
    node.said("root", &["revoke", &id, "--reason", "done"]);
    gone(&target, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_seen_nothing_takes_an_operators_word() {
    let (mut node, _target) = prepared().await;
    with_people(&mut node, &[]);
    node.said("root", &["audit", "verify"]);
    node.kill();
    // The whole data folder was put back.
    std::fs::remove_file(node.folder().join("data/checkpoint")).unwrap();
    let refused = recover(&node, &[]);
    assert!(
        text(&refused.stderr).contains("nothing-to-recover"),
        "{refused:?}"
    );
    assert!(
        text(&refused.stderr).contains("--after-restore"),
        "{refused:?}"
    );
    let done = answer(&recover(&node, &["--after-restore"]));
    assert_eq!(done["epoch"], 2);
    node.start();
    assert_eq!(node.run("root", &["grants"]).status.code(), Some(4));
    node.said("root", &["login", "--code", field(&done, "code")]);
    let verified = node.said("root", &["audit", "verify"]);
    assert!(verified.contains("INC-7 the disk failed"), "{verified}");
    // While a server runs, its data folder is not to be had.
    let refused = recover(&node, &["--after-restore"]);
    assert!(
        text(&refused.stderr).contains("another server already uses"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_seen_more_than_the_one_that_went_on_adds_that_to_the_record() {
    let (mut node, _target) = prepared().await;
    let (url, name) = fresh().await;
    let truth = Truth::Server(name);
    node.use_database(&url);
    with_people(&mut node, &[]);
    let mut second = beside(&node, &url);
    truth.save(&node);
    let own = node.json("root", &["token", "invite", "root"]);
    node.said("root", &["audit", "verify"]);
    node.kill();
    second.start();
    second.said("root", &["login", "--code", field(&own, "code")]);
    second.invite("ben", "requester", "engineers");
    second.said("root", &["audit", "verify"]);
    assert!(seen_by(&second) > seen_by(&node));
    second.kill();
    truth.put_back(&node).await;

    let done = answer(&recover(&node, &[]));
    assert_eq!(done["epoch"], 2);
    node.start();
    node.said("root", &["login", "--code", field(&done, "code")]);
    let refused = second.here(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    assert!(
        text(&refused.stderr).contains("database-restored"),
        "{refused:?}"
    );
    node.kill();
    let done = answer(&recover(&second, &[]));
    assert_eq!((&done["epoch"], &done["sign_ins"]), (&3.into(), &0.into()));
    // Both of them go on, and who signed in since stays signed in.
    second.start();
    node.start();
    node.said("root", &["audit", "verify"]);
    node.invite("cyd", "requester", "engineers");
}
