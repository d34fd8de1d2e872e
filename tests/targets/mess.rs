//! A mess of accounts and members that others made: what no grant backs is found, all of it and nothing else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::Executor as _;

use super::Stand as _;
use super::ldap::{GROUP, LdapStand, SEED};
use crate::support::node::{Node, orders_db};
use crate::support::postgres::{Cluster, Database};
use crate::support::slapd::ROOT;
use crate::support::world::POLICY;

/// Somebody who looks finds it sooner.
const PATIENCE: Duration = Duration::from_mins(1);

/// Each account, and what it lets somebody do without a grant; nothing where it does not.
const ACCOUNTS: [(&str, &str, &str); 18] = [
    ("backup", "login", "may log in"),
    (
        "contractor",
        "login valid until '2999-01-01'",
        "may log in until 2999-01-01 00:00Z",
    ),
    ("over long ago", "login valid until '2001-01-01'", ""),
    ("over since ever", "login valid until '-infinity'", ""),
    ("forever", "login valid until 'infinity'", "may log in"),
    ("team", "nologin", ""),
    ("chief", "nologin superuser", ""),
    (
        "member of a team",
        "login in role team",
        "is a member of `team`, may log in",
    ),
    ("second root", "login superuser", "is superuser, may log in"),
    ("replica", "login replication", "may log in, may replicate"),
    (
        "maker of roles",
        "login createrole createdb",
        "may log in, may make databases, may make roles",
    ),
    (
        "sees all rows",
        "login bypassrls",
        "is let past row security, may log in",
    ),
    ("\"; drop table orders; --", "login", "may log in"),
    ("\u{202e}toor \u{200b}", "login", "may log in"),
    // As a grant of another installation is called, and as none is.
    (
        "pcl_0other_0123456789",
        "login valid until '2999-01-01'",
        "",
    ),
    ("pcl_0other_0123456788", "login", "may log in"),
    (
        "pcl_0other_0123456787",
        "login superuser valid until '2999-01-01'",
        "is superuser, may log in until 2999-01-01 00:00Z",
    ),
    (
        "pcl_backup",
        "login valid until '2999-01-01'",
        "may log in until 2999-01-01 00:00Z",
    ),
];

/// Everything that roles are and may do, but not those of grants of this installation.
const ROLES: &str = "select a::text || coalesce((select string_agg(m::text, ' ' order by m::text) \
    from pg_auth_members m where m.member = a.oid), '') from pg_authid a where rolname not like $1 order by rolname";

/// Where others make the mess, and a node with `root` and the engineers `ada` and `bob`.
struct Mess {
    node: Node,
    database: Database,
    directory: LdapStand,
    _cluster: Cluster,
}

impl Mess {
    async fn new() -> Self {
        let (cluster, directory) = (Cluster::start(&[]), LdapStand::set_up().await);
        let database = cluster.database().await;
        let mut node = Node::prepare("", POLICY);
        let password = node.folder().join("password");
        let catalogue = orders_db(&cluster, &database.name, &password) + &directory.catalogue();
        std::fs::write(node.folder().join("config/portcullis.toml"), catalogue).unwrap();
        node.start();
        node.sign_in_root();
        for who in ["ada", "bob"] {
            node.invite(who, "requester", "engineers");
        }
        Self {
            node,
            database,
            directory,
            _cluster: cluster,
        }
    }

    /// Gives somebody an hour on a target.
    async fn grant(&self, who: &str, target: &str) {
        let ask = ["request", target, "readonly", "--for", "1h", "--reason"];
        let ask = self.node.json(who, &[&ask[..], &["INC-1"]].concat());
        let request = ask["id"].as_str().unwrap();
        self.node.said("root", &["approve", request]);
        let of = |grant: &Value| grant["target"] == target && grant["state"] == "active";
        self.until(who, &["grants"], |items| items.iter().any(of))
            .await;
    }

    /// Asks again and again until the answer is right.
    async fn until(
        &self,
        who: &str,
        command: &[&str],
        is_right: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let said = self.node.json(who, command);
            let items = said["items"].as_array().unwrap().clone();
            if is_right(&items) {
                return items;
            }
            assert!(began.elapsed() < PATIENCE, "{command:?}: {said:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn run(&self, sql: String) {
        let mut server = self.database.connect().await;
        server.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

fn person(who: &str) -> String {
    format!("uid={who},ou=people,{ROOT}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_standing_access_in_a_mess_is_found_and_nothing_else() {
    let mut mess = Mess::new().await;
    mess.grant("ada", "orders-db").await;
    mess.grant("ada", "staff").await;
    let roles = "select rolname::text from pg_roles where rolname like 'pcl%'";
    let ours: String = sqlx::query_scalar(roles)
        .fetch_one(&mut mess.database.connect().await)
        .await
        .unwrap();
    for (name, attributes, _) in ACCOUNTS {
        let name = crate::support::postgres::quoted(name);
        mess.run(format!("create role {name} {attributes}")).await;
    }
    // With our own mark, and no grant: not standing access but what is left of one, and it goes.
    let (mark, _) = ours.rsplit_once('_').unwrap();
    let orphan = format!("{mark}_0000000000");
    mess.run(format!("create role {orphan} login")).await;

    let slapd = &mess.directory.slapd;
    let unknown = person("left.the.company");
    for who in [person("da"), person("ada.x"), unknown.clone()] {
        slapd.add(GROUP, "member", &who).await;
    }
    // Whoever was a member before a grant stays one, and nobody asks about a group that no role is about.
    slapd.add(GROUP, "member", &person("bob")).await;
    mess.grant("bob", "staff").await;
    let other = format!("cn=others,ou=groups,{ROOT}");
    let values = [("cn", "others"), ("member", &person("adax"))];
    slapd.make(&other, "groupOfNames", &values).await;

    let untouched = async || {
        let mut look = mess.database.connect().await;
        let roles = sqlx::query_scalar(ROLES).bind(format!("{mark}%"));
        let roles: Vec<String> = roles.fetch_all(&mut look).await.unwrap();
        (roles, slapd.all(ROOT, "member").await)
    };
    let before = untouched().await;
    // Targets are looked at when a node starts, and every five minutes after that.
    mess.node.kill();
    mess.node.start();
    let accounts = ACCOUNTS
        .iter()
        .filter(|(_, _, rights)| !rights.is_empty())
        .map(|(name, _, rights)| ("orders-db", (*name).to_owned(), (*rights).to_owned()));
    let members = [SEED.to_owned(), person("da"), person("ada.x"), unknown];
    let members = members
        .into_iter()
        .chain([person("bob")])
        .map(|who| ("staff", who, format!("is a member of `{GROUP}`")));
    let right: BTreeSet<_> = accounts
        .chain(members)
        .map(|(target, subject, rights)| (target.to_owned(), subject, rights))
        .collect();
    let of = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rights: Vec<String> = item["rights"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect();
        (
            text(&item["target"]),
            text(&item["subject"]),
            rights.join(", "),
        )
    };
    let found = mess
        .until("root", &["standing"], |items| {
            let found: BTreeSet<_> = items.iter().map(of).collect();
            found.len() == items.len() && found == right
        })
        .await;
    assert!(found.iter().all(|item| item["state"] == "open"));
    let left: Vec<String> = sqlx::query_scalar(roles)
        .fetch_all(&mut mess.database.connect().await)
        .await
        .unwrap();
    let left: Vec<_> = left.iter().filter(|name| name.starts_with(mark)).collect();
    assert_eq!(left, [&ours], "and `{orphan}` is gone");
    assert_eq!(untouched().await, before);
}
