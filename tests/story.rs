//! The main job, end to end: ask, approve, use on a real PostgreSQL, extend, revoke, gone by itself, on the record.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use portable_pty::CommandBuilder;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::support::node::{Node, orders_db};
use crate::support::postgres::{Database, cluster};
use crate::support::pty::Pty;
use crate::support::world::POLICY;

/// A server with the catalogue of one PostgreSQL, `root` and the engineer `ada`.
async fn set_up() -> (Node, Database) {
    let database = cluster().database().await;
    let mut admin = connect(&database).await;
    admin
        .execute("create table orders (id int, what text)")
        .await
        .unwrap();
    admin
        .execute("insert into orders values (1, 'stuck')")
        .await
        .unwrap();
    let mut node = Node::prepare("", POLICY);
    let catalogue = orders_db(cluster(), &database.name, &node.folder().join("password"));
    std::fs::write(node.folder().join("config/portcullis.toml"), catalogue).unwrap();
    node.start();
    node.sign_in_root();
    node.invite("ada", "requester", "engineers");
    (node, database)
}

async fn connect(database: &Database) -> sqlx::PgConnection {
    use sqlx::ConnectOptions as _;
    database.options.connect().await.unwrap()
}

/// The login roles of ours on the server that belong to this node's grants.
async fn roles(database: &Database, grant: &str) -> i64 {
    let like = format!(
        "select count(*) from pg_roles where rolname like 'pcl%{}'",
        grant.trim_start_matches("G-")
    );
    connect(database)
        .await
        .fetch_one(AssertSqlSafe(like))
        .await
        .unwrap()
        .get(0)
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A psql of the engineer that stays open; it answers each line that it is given.
fn open_psql(node: &Node) -> Child {
    let mut psql = node
        .command("ada", &["connect", "orders-db", "--", "-qAt"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin
        .as_mut()
        .unwrap()
        .write_all(b"select what from orders;\n")
        .unwrap();
    let mut first = [0; 6];
    std::io::Read::read_exact(psql.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"stuck\n");
    psql
}

/// Whether the psql that was open has lost its session: it notices when it asks the next time.
fn was_cut(mut psql: Child) -> bool {
    // Writing fails when psql has already noticed by itself.
    let _ = psql
        .stdin
        .take()
        .unwrap()
        .write_all(b"select what from orders;\n");
    let output = psql.wait_with_output().unwrap();
    !output.status.success()
        && String::from_utf8_lossy(&output.stderr).contains("terminating connection")
}

fn try_dsn(dsn: &str) -> bool {
    Command::new("psql")
        .args([dsn, "-c", "select 1"])
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .status
        .success()
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_asked_for_approved_used_extended_and_revoked() {
    let (node, database) = set_up().await;
    let waiting = node
        .command(
            "ada",
            &[
                "request",
                "orders-db",
                "readonly",
                "--for",
                "1h",
                "--reason",
                "INC-4127 stuck orders",
                "--wait",
            ],
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let request = loop {
        let page = node.json("root", &["requests"]);
        if let Some(first) = page["items"].as_array().and_then(|items| items.first()) {
            break first.clone();
        }
    };
    assert_eq!(
        (field(&request, "requester"), field(&request, "reason")),
        ("ada", "INC-4127 stuck orders")
    );
    node.said("root", &["approve", field(&request, "id")]);
    let waited = waiting.wait_with_output().unwrap();
    assert!(
        waited.status.success(),
        "{}",
        String::from_utf8_lossy(&waited.stdout)
    );

    let grant = node.json("ada", &["grants"])["items"][0].clone();
    let id = field(&grant, "id").to_owned();
    assert_eq!(field(&grant, "state"), "active");
    assert_eq!(
        node.said(
            "ada",
            &[
                "connect",
                "orders-db",
                "--",
                "-qAtc",
                "select what from orders"
            ]
        )
        .trim(),
        "stuck"
    );
    let written = node.run(
        "ada",
        &[
            "connect",
            "orders-db",
            "--",
            "-c",
            "insert into orders values (2, 'x')",
        ],
    );
    assert!(
        !written.status.success()
            && String::from_utf8_lossy(&written.stderr).contains("permission denied")
    );
    let dsn = node.said("ada", &["connect", "orders-db", "--print"]);
    assert!(try_dsn(dsn.trim()));

    node.said(
        "root",
        &[
            "extend",
            &id,
            "--by",
            "15m",
            "--reason",
            "the query is long",
        ],
    );
    let extended = node.json("root", &["grants"])["items"][0].clone();
    assert!(field(&extended, "expires_at") > field(&grant, "expires_at"));

    let psql = open_psql(&node);
    let revoked = node.said("root", &["revoke", &id, "--reason", "incident over"]);
    assert!(revoked.contains("revoked"), "{revoked}");
    // Only after the target was read back does anybody say revoked, so it is already true here.
    assert_eq!(roles(&database, &id).await, 0);
    assert!(was_cut(psql), "the open session goes on");
    assert!(!try_dsn(dsn.trim()));
    record_is_complete(&node, &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_psql_is_listed_with_its_last_command_and_ended_alone() {
    let (node, _database) = set_up().await;
    let ask = [
        "request",
        "orders-db",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "INC-4127 stuck orders",
    ];
    let request = node.json("ada", &ask);
    node.said("root", &["approve", field(&request, "id")]);
    let grant = loop {
        let grant = node.json("ada", &["grants"])["items"][0].clone();
        if field(&grant, "state") == "active" {
            break grant;
        }
    };
    let (first, mut second) = (open_psql(&node), open_psql(&node));
    // A target's answer is good for two seconds, so the second may be missing at first.
    let sessions = loop {
        let sessions = node.json("root", &["sessions"])["items"].clone();
        if sessions.as_array().unwrap().len() == 2 {
            break sessions;
        }
    };
    for session in sessions.as_array().unwrap() {
        assert_eq!(field(session, "command"), "select what from orders;");
        assert_eq!(
            (field(session, "program"), field(session, "activity")),
            ("portcullis connect", "idle")
        );
        assert_eq!(field(session, "grant"), field(&grant, "id"));
    }
    let listed = node.said("root", &["sessions"]);
    assert!(listed.contains("select what from orders;"), "{listed}");

    // Sessions are listed newest first, so the last one is that of the first psql.
    let end = |session: &Value| {
        let arguments = [
            "sessions",
            "end",
            field(&grant, "id"),
            field(session, "id"),
            "--reason",
            "it holds a lock",
        ];
        node.said("root", &arguments)
    };
    let ended = end(&sessions[1]);
    assert!(ended.contains("ended: confirmed by the target"), "{ended}");
    assert!(was_cut(first), "the first psql goes on");
    assert!(end(&sessions[1]).contains("nothing was done"));
    let mut stdin = second.stdin.take().unwrap();
    stdin.write_all(b"select 'still ' || 'here';\n").unwrap();
    drop(stdin);
    let rest = second.wait_with_output().unwrap();
    assert!(rest.status.success());
    assert_eq!(String::from_utf8_lossy(&rest.stdout), "still here\n");
    let record = node.said("root", &["audit", "--event", "session.ended"]);
    assert_eq!(record.matches("it holds a lock").count(), 1, "{record}");
}

/// Every step is in the audit, with actor, reason, target, outcome and ids that belong together.
fn record_is_complete(node: &Node, grant: &str) {
    let lines = node.said(
        "root",
        &["audit", "--grant", grant, "--limit", "50", "--json"],
    );
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let codes: Vec<&str> = events.iter().map(|event| field(event, "event")).collect();
    for code in [
        "request.approved",
        "grant.scheduled",
        "grant.activating",
        "grant.activated",
        "credential.issued",
        "grant.extended",
        "grant.closing",
        "grant.revoked",
    ] {
        assert!(codes.contains(&code), "{code} is missing in {codes:?}");
    }
    let of = |code: &str| {
        events
            .iter()
            .find(|event| field(event, "event") == code)
            .unwrap()
    };
    let closing = of("grant.closing");
    assert_eq!(
        (
            field(&closing["actor"], "name"),
            field(closing, "reason"),
            field(closing, "target"),
            field(closing, "outcome")
        ),
        ("root", "incident over", "orders-db", "success")
    );
    assert_eq!(
        field(closing, "trace"),
        field(of("grant.revoked"), "trace"),
        "the end belongs to the call that asked for it"
    );
    assert_eq!(
        field(of("request.approved"), "trace"),
        field(of("grant.activated"), "trace")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_cuts_live_sessions_and_its_receipt_says_so() {
    let (node, database) = set_up().await;
    let ask = |reason: &str| {
        let words = [
            "request",
            "orders-db",
            "readonly",
            "--for",
            "1h",
            "--reason",
        ];
        node.said("ada", &[&words[..], &[reason]].concat());
        let request = node.json("root", &["requests"])["items"][0].clone();
        node.said("root", &["approve", field(&request, "id")]);
    };
    ask("INC-4127 stuck orders");
    let grant = loop {
        let grant = node.json("ada", &["grants"])["items"][0].clone();
        if field(&grant, "state") == "active" {
            break grant;
        }
    };
    let id = field(&grant, "id").to_owned();
    let dsn = node.said("ada", &["connect", "orders-db", "--print"]);
    let (one, other) = (open_psql(&node), open_psql(&node));

    let start = [
        "incident",
        "--target",
        "orders-db",
        "--lock",
        "--reason",
        "INC-1 leak",
    ];
    let said = node.said("root", &[&start[..], &["--count", "1"]].concat());
    assert!(said.ends_with("all of it is off\n"), "{said}");
    // It says so only after the target was read back.
    assert_eq!(roles(&database, &id).await, 0);
    assert!(was_cut(one) && was_cut(other), "an open session goes on");
    assert!(!try_dsn(dsn.trim()));
    let incidents = node.json("root", &["incidents"]);
    let incident = node.json(
        "root",
        &["incident", "show", field(&incidents["items"][0], "id")],
    );
    let receipt = &incident["items"][0];
    assert_eq!(
        (field(receipt, "id"), field(receipt, "outcome")),
        (id.as_str(), "revoked")
    );
    assert_eq!(receipt["sessions_ended"], 2, "{receipt}");
    assert!(field(receipt, "read_back_at") >= field(receipt, "blocked_at"));
    let steps: Vec<&str> = receipt["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(steps.len() > 1, "{steps:?}");

    // The lock stays, and nobody gets in until it is lifted.
    let refused = node.run(
        "ada",
        &[
            "request",
            "orders-db",
            "readonly",
            "--for",
            "1h",
            "--reason",
            "INC-4127 again",
        ],
    );
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("there is a lock on target `orders-db`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_by_itself_though_the_server_was_killed() {
    let (mut node, database) = set_up().await;
    node.said(
        "ada",
        &[
            "request",
            "orders-db",
            "readonly",
            "--for",
            "6s",
            "--reason",
            "a short look",
        ],
    );
    let request = node.json("root", &["requests"])["items"][0].clone();
    node.said("root", &["approve", field(&request, "id")]);
    let grant = loop {
        let grant = node.json("ada", &["grants"])["items"][0].clone();
        if field(&grant, "state") == "active" {
            break grant;
        }
    };
    let id = field(&grant, "id").to_owned();
    let dsn = node.said("ada", &["connect", "orders-db", "--print"]);
    let psql = open_psql(&node);
    node.kill();

    // Nobody watches, and still the target itself lets nobody in after the end.
    wait_on_target(
        &database,
        &format!(
            "select now() >= '{}'::timestamptz",
            field(&grant, "expires_at")
        ),
    )
    .await;
    assert!(!try_dsn(dsn.trim()), "a new login works past the end");
    assert_eq!(
        roles(&database, &id).await,
        1,
        "nobody was there to remove the role"
    );

    node.start();
    wait_on_target(
        &database,
        &format!(
            "select count(*) = 0 from pg_roles where rolname like 'pcl%{}'",
            id.trim_start_matches("G-")
        ),
    )
    .await;
    assert!(was_cut(psql), "the open session goes on");
    let ended = loop {
        let grant = node.json("root", &["grants", "--all"])["items"][0].clone();
        if field(&grant, "state") == "ended" {
            break grant;
        }
        assert_eq!(field(&grant, "state"), "closing");
    };
    assert_eq!(field(&ended, "close_kind"), "end");
}

/// Asks the target itself until it says yes; the statement waits on the server, not here.
async fn wait_on_target(database: &Database, question: &str) {
    let mut admin = connect(database).await;
    let answered = async {
        while !admin
            .fetch_one(AssertSqlSafe(question.to_owned()))
            .await
            .unwrap()
            .get::<bool, _>(0)
        {
            admin.execute("select pg_sleep(0.05)").await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), answered)
        .await
        .unwrap_or_else(|_| panic!("the target never said yes to {question}"));
}

/// A console of `root` in a terminal of this size.
fn console(node: &Node, rows: u16, columns: u16) -> Pty {
    let typed = node.command("root", &["console", "--theme", "mono"]);
    let mut command = CommandBuilder::new(typed.get_program());
    command.args(typed.get_args());
    command.env("TERM", "xterm-256color");
    for (name, value) in typed.get_envs() {
        command.env(name, value.unwrap());
    }
    Pty::spawn(command, rows, columns)
}

/// Presses a key as a person does who looks whether it worked, no more than once for each second on the screen's own
/// clock: a question swallows keys that come too fast.
fn press_until(pty: &mut Pty, key: &str, text: &str) {
    let clock = |pty: &Pty| {
        let header = pty.contents().lines().next().unwrap_or_default().to_owned();
        header.split_whitespace().last().map(str::to_owned)
    };
    while !pty.contents().contains(text) {
        let pressed_at = clock(pty);
        pty.send(key);
        pty.wait_until(text, |pty| {
            pty.contents().contains(text) || clock(pty) != pressed_at
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_decides_extends_and_revokes_in_the_console() {
    let (node, database) = set_up().await;
    let mut console = console(&node, 40, 120);
    console.wait_for("LIVE");
    node.said(
        "ada",
        &[
            "request",
            "orders-db",
            "readonly",
            "--for",
            "1h",
            "--reason",
            "INC-4127 stuck orders",
        ],
    );
    for fact in [
        "INC-4127 stuck orders",
        "ada",
        "readonly on orders-db",
        "1h",
        "first time on orders-db",
        "needs 1 review",
        "ends",
    ] {
        console.wait_for(fact);
    }
    press_until(&mut console, "a", "y approve   n no");
    press_until(&mut console, "y", "is approved");
    let grant = loop {
        let grants = node.json("ada", &["grants"]);
        if let Some(grant) = grants["items"]
            .as_array()
            .and_then(|items| items.first())
            .filter(|grant| field(grant, "state") == "active")
        {
            break grant.clone();
        }
    };
    let id = field(&grant, "id");
    let psql = open_psql(&node);

    console.send("2");
    console.wait_for("59m");
    press_until(&mut console, "e", "Extend by");
    press_until(&mut console, "y", "is extended by 15m");
    console.wait_for("1h14m");

    press_until(&mut console, "x", "y yes, then the reason");
    press_until(&mut console, "y", "Enter revoke now");
    console.send("incident over");
    console.wait_for("incident over");
    press_until(&mut console, "\r", "is revoked, the target was read back");
    assert_eq!(
        roles(&database, id).await,
        0,
        "the console said it before it was so"
    );
    assert!(was_cut(psql), "the open session goes on");

    console.send("4");
    for code in [
        "request.submitted",
        "request.approved",
        "grant.activated",
        "credential.issued",
        "grant.extended",
        "grant.closing",
        "grant.revoked",
    ] {
        console.wait_for(code);
    }
    console.send("q");
    assert_eq!(console.wait_exit(), 0);
    assert!(console.is_restored());
}
