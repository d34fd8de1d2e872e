//! What operators do, with the real program on real databases: updates, moves, backups.

mod clocks;
mod copy;
mod dead;
mod restore;
mod upgrade;

use std::os::unix::fs::PermissionsExt as _;

use portcullis::tlog::Note;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use crate::support::node::{Node, orders_db};
use crate::support::postgres::{Database, PASSWORD, SUPERUSER, cluster};
use crate::support::world::POLICY;

/// The URL of a fresh PostgreSQL database.
async fn fresh() -> (String, String) {
    let name = cluster().database().await.name;
    (url_of(&name), name)
}

fn url_of(name: &str) -> String {
    let (cluster, password) = (cluster(), PASSWORD.replace(' ', "%20"));
    format!(
        "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
        cluster.host, cluster.port
    )
}

/// A node with one real PostgreSQL target; nothing runs yet.
async fn prepared() -> (Node, Database) {
    let target = cluster().database().await;
    let node = Node::prepare("", POLICY);
    let catalogue = orders_db(cluster(), &target.name, &node.folder().join("password"));
    std::fs::write(node.folder().join("config/portcullis.toml"), catalogue).unwrap();
    (node, target)
}

/// Starts it, with `root` and engineers.
fn with_people(node: &mut Node, people: &[&str]) {
    node.start();
    node.sign_in_root();
    for who in people {
        node.invite(who, "requester", "engineers");
    }
}

/// A second node of the same installation.
fn beside(node: &Node, url: &str) -> Node {
    let second = Node::prepare("", "");
    for folder in ["config", "data"] {
        std::fs::create_dir_all(second.folder().join(folder)).unwrap();
    }
    for file in ["config/portcullis.toml", "config/policy.cedar", "data/key"] {
        std::fs::copy(node.folder().join(file), second.folder().join(file)).unwrap();
    }
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(second.folder().join("data"), private).unwrap();
    let mut second = second;
    second.use_database(url);
    second
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Asks for access and gets it approved; answers the grant, which is active, and what its holder logs in with.
fn granted(node: &Node, who: &str, lasts: &str) -> (String, String) {
    let ask = ["request", "orders-db", "readonly", "--for", lasts];
    let ask = [&ask[..], &["--reason", "INC-4127 stuck orders"]].concat();
    let request = node.json(who, &ask);
    node.said("root", &["approve", field(&request, "id")]);
    let grant = loop {
        let grant = node.json(who, &["grants"])["items"][0].clone();
        if field(&grant, "state") == "active" {
            break grant;
        }
    };
    let dsn = node.said(who, &["connect", "orders-db", "--print"]);
    assert!(lets_in(&dsn), "the target lets nobody in");
    (field(&grant, "id").to_owned(), dsn)
}

/// Whether the target lets somebody in.
fn lets_in(dsn: &str) -> bool {
    let mut psql = std::process::Command::new("psql");
    psql.args([dsn.trim(), "-c", "select 1"]);
    let output = psql.stdin(std::process::Stdio::null()).output().unwrap();
    output.status.success()
}

/// Asks a database until it says yes; the statement waits there, not here.
async fn wait_on(database: &Database, question: &str) {
    let mut admin = database.options.connect().await.unwrap();
    let answered = async {
        loop {
            let row = sqlx::query(AssertSqlSafe(question.to_owned()));
            if row.fetch_one(&mut admin).await.unwrap().get::<bool, _>(0) {
                break;
            }
            let pause = sqlx::query("select pg_sleep(0.05)");
            pause.execute(&mut admin).await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), answered)
        .await
        .unwrap_or_else(|_| panic!("nothing said yes to {question}"));
    admin.close().await.unwrap();
}

/// The part of a role's name that is of this grant.
fn role_of(grant: &str) -> String {
    format!("pcl%{}", grant.trim_start_matches("G-"))
}

/// Waits until the target has no role of this grant.
async fn gone(target: &Database, grant: &str) {
    let none = format!(
        "select count(*) = 0 from pg_roles where rolname like '{}'",
        role_of(grant)
    );
    wait_on(target, &none).await;
}

/// One grant, as an admin sees it.
fn grant(node: &Node, id: &str) -> Value {
    let all = node.json("root", &["grants", "--all"]);
    let mut items = all["items"].as_array().unwrap().iter();
    let found = items.find(|grant| field(grant, "id") == id);
    found
        .unwrap_or_else(|| panic!("{id} is not in {all}"))
        .clone()
}

/// Everything that the record has of some kind.
fn on_record(node: &Node, code: &str) -> Vec<Value> {
    let lines = node.said(
        "root",
        &["audit", "--event", code, "--limit", "1000", "--json"],
    );
    let events = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    events.collect()
}

/// How many events of the record this node has seen, as it keeps that beside the database.
fn seen_by(node: &Node) -> u64 {
    let kept = std::fs::read_to_string(node.folder().join("data/checkpoint")).unwrap();
    let checkpoint: portcullis::tlog::Checkpoint =
        Note::read(&kept).unwrap().unverified().parse().unwrap();
    checkpoint.size
}
