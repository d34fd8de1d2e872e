//! The three targets, each behind a way that can be broken, and what is left on them in the end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::support::link::{Link, Way};
use crate::support::node::orders_db_at;
use crate::support::postgres::{Cluster, Database};
use crate::support::slapd::{PASSWORD, ROOT};
use crate::support::sshd::{Sshd, our_name};
use crate::support::world::authority;
use crate::targets::Stand as _;
use crate::targets::ldap::{GROUP, LdapStand};

/// What members of the group may read, and nobody else.
pub(super) const SECRET: &str = "cn=orders,dc=example,dc=com";

/// The principal of those who hold a grant; nodes come with another one.
const HOLDERS: &str = "readonly";

/// What is on the database of ours, or was left behind by us.
const LEFT: &str = r"select 'role ' || rolname from pg_roles where rolname ~ '^pcl_[a-z0-9]{6}_[0-9a-z]{10}$'
    union all select 'session ' || pid from pg_stat_activity a where backend_type = 'client backend'
        and (usename like 'pcl\_%' or not exists (select from pg_roles r where r.oid = a.usesysid))
    union all select 'right on ' || c.relname from pg_class c, aclexplode(c.relacl) a
        where a.grantee <> 0 and not exists (select from pg_roles where oid = a.grantee)";

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Postgres,
    Ssh,
    Ldap,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Postgres, Self::Ssh, Self::Ldap];

    /// The target of this kind, as the catalogue calls it.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Postgres => "orders-db",
            Self::Ssh => "host",
            Self::Ldap => "staff",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Ssh => "SSH",
            Self::Ldap => "LDAP",
        }
    }
}

/// All targets.
pub(super) struct Place {
    pub(super) cluster: Cluster,
    pub(super) orders: Database,
    pub(super) sshd: Arc<Sshd>,
    pub(super) directory: LdapStand,
    /// In the order of `Kind::ALL`. Only nodes go there: whoever holds a grant has a way of their own.
    ways: Vec<Link>,
}

impl Place {
    /// Starts the servers; the directory knows these people.
    pub(super) async fn start(people: &[String]) -> Self {
        let cluster = Cluster::start(&[]);
        let orders = cluster.database().await;
        let table = "create table orders (id int); insert into orders values (1)";
        orders.connect().await.execute(table).await.unwrap();
        let sshd = Sshd::start(&authority(), &[HOLDERS, &our_name()]);
        let rule =
            format!("access to dn.exact=\"{SECRET}\" by group.exact=\"{GROUP}\" read by * none\n");
        let mut entries = format!(
            "dn: {SECRET}\nobjectClass: organizationalRole\ncn: orders\ndescription: stuck\n\n"
        );
        for who in people {
            entries.push_str(&format!(
                "dn: {}\nobjectClass: inetOrgPerson\nuid: {who}\ncn: {who}\nsn: {who}\nuserPassword: {PASSWORD}\n\n",
                entry(who)
            ));
        }
        let directory = LdapStand::with(&rule, &entries);
        let mut ways = Vec::new();
        for port in [cluster.port, sshd.port, directory.slapd.ldaps] {
            ways.push(Link::to(SocketAddr::from(([127, 0, 0, 1], port))).await);
        }
        Self {
            cluster,
            orders,
            sshd: Arc::new(sshd),
            directory,
            ways,
        }
    }

    /// The catalogue of nodes that go the ways that can be broken.
    pub(super) fn catalogue(&self, password_file: &Path) -> String {
        let port = |kind: Kind| self.ways[kind as usize].port;
        let database = &self.orders.name;
        let orders = orders_db_at("127.0.0.1", port(Kind::Postgres), database, password_file);
        let rights = "privileges = [{ schema = \"public\", tables = [\"select\"] }]\n";
        let host = self
            .sshd
            .entry_at("host", port(Kind::Ssh), &self.sshd.krl());
        let staff = self.directory.entry("staff", port(Kind::Ldap), GROUP);
        format!("{orders}{rights}{host}{staff}")
    }

    /// From now on the way to this target is like this.
    pub(super) fn set(&self, kind: Kind, way: Way) {
        self.ways[kind as usize].set(way);
    }

    /// Stops a target as it stands, or lets it go on.
    pub(super) fn signal(&self, kind: Kind, signal: Signal) {
        match kind {
            Kind::Postgres => self.cluster.signal(signal),
            Kind::Ssh => self.sshd.signal(signal),
            Kind::Ldap => self.directory.slapd.signal(signal),
        }
    }

    /// From now on a target refuses what nodes want to change there, or takes it again. Holders notice nothing.
    pub(super) async fn refuse(&self, kind: Kind, refuses: bool) {
        match kind {
            Kind::Postgres => {
                let mut server = self.cluster.options("postgres").connect().await.unwrap();
                let word = if refuses { "on" } else { "off" };
                let set = format!("alter system set default_transaction_read_only = {word}");
                server.execute(AssertSqlSafe(set)).await.unwrap();
                self.cluster.reload();
            }
            Kind::Ssh if refuses => self.sshd.accept(&[HOLDERS]),
            Kind::Ssh => self.sshd.accept(&[HOLDERS, &our_name()]),
            Kind::Ldap => self.directory.slapd.refuse(refuses).await,
        }
    }

    /// Kills a target as a crash would.
    pub(super) fn kill(&self, kind: Kind) {
        match kind {
            Kind::Postgres => self.cluster.kill(),
            Kind::Ssh => self.sshd.kill(),
            Kind::Ldap => self.directory.slapd.kill(),
        }
    }

    /// Starts it again.
    pub(super) fn start_again(&self, kind: Kind) {
        match kind {
            Kind::Postgres => self.cluster.start_again(),
            Kind::Ssh => self.sshd.start_again(),
            Kind::Ldap => self.directory.slapd.start_again(),
        }
    }

    /// A command on the host that lasts longer than anything here, and is known by its number.
    pub(super) fn long_command(&self) -> String {
        format!("sleep 7{:05}", self.sshd.port)
    }

    /// Everything on the targets that grants have made.
    pub(super) async fn left(&self) -> Vec<String> {
        let mut look = self.orders.connect().await;
        let mut left: Vec<String> = sqlx::query_scalar(LEFT).fetch_all(&mut look).await.unwrap();
        let homes: Vec<String> = sqlx::query_scalar(
            r"select nspname::text from pg_namespace where nspname like 'portcullis\_%'",
        )
        .fetch_all(&mut look)
        .await
        .unwrap();
        for home in homes {
            let open =
                format!("select 'open fence ' || grant_digits from {home}.fence where not closed");
            let open: Vec<String> = sqlx::query_scalar(AssertSqlSafe(open))
                .fetch_all(&mut look)
                .await
                .unwrap();
            left.extend(open);
        }
        left.extend(self.directory.traces().await);
        let running = running(&self.long_command());
        left.extend((0..running).map(|_| "a process of a session on the host".to_owned()));
        left
    }
}

/// Somebody's entry in the directory.
pub(super) fn entry(who: &str) -> String {
    format!("uid={who},ou=people,{ROOT}")
}

/// How many processes have this command.
fn running(command: &str) -> usize {
    let wanted = format!("{}\0", command.replace(' ', "\0")).into_bytes();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|found| found == wanted)
    })
    .count()
}
