//! Three PostgreSQL servers under Patroni, with one etcd, as people run them: nobody but Patroni says who the primary is.
//!
//! The settings of Patroni are those that the README advises, only faster. `fsync` is off: what dies here is a process,
//! never the machine. All folders are in that of etcd.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::task::block_in_place;

use super::postgres::{PASSWORD, SUPERUSER, bin, run_as};
use super::process::{Owner, Server, folder, signal_with_children};
use super::world;

/// Longer than any step takes on a busy machine; a failover alone takes Patroni half a minute.
const PATIENCE: Duration = Duration::from_mins(3);
/// The login of Portcullis and its database: it may nothing else.
const PLAIN: &str = "portcullis";

/// The servers. Each keeps its ports.
#[derive(Debug)]
pub(crate) struct Patroni {
    members: Vec<Member>,
    folder: PathBuf,
    /// Where etcd is asked, and where it would meet others.
    ports: [u16; 2],
    /// Last, because its folder has all others.
    etcd: Option<Server>,
}

#[derive(Debug)]
struct Member {
    folder: PathBuf,
    port: u16,
    patroni: Option<Server>,
}

impl Patroni {
    /// Starts all of them, and waits until one is the primary, one its synchronous standby, and one follows.
    pub(crate) async fn start() -> Self {
        world::ring();
        let folder = folder("pcl-patroni-", Owner::harmless());
        let mut patroni = Self {
            members: Vec::new(),
            folder,
            ports: [port(), port()],
            etcd: None,
        };
        patroni.start_etcd().await;
        for nth in 0..3 {
            let folder = patroni.folder.join(format!("m{nth}"));
            std::fs::create_dir(&folder).unwrap();
            let port = port();
            let settings = patroni.settings(nth, &folder, port);
            std::fs::write(folder.join("patroni.yml"), settings).unwrap();
            if let Some(owner) = Owner::harmless() {
                owner.own(&folder);
            }
            patroni.members.push(Member {
                folder,
                port,
                patroni: None,
            });
            patroni.start_member(nth);
        }
        patroni.until_whole().await;
        patroni
    }

    /// Makes a login that may nothing but log in, and a database that it owns; says how to reach it on all hosts.
    pub(crate) async fn database(&self) -> String {
        let primary = self.until_primary().await;
        let login = format!("create role {PLAIN} login password '{PASSWORD}'");
        self.execute(primary, &login).await;
        let database = format!("create database {PLAIN} owner {PLAIN}");
        self.execute(primary, &database).await;
        let hosts: Vec<String> = (0..self.members.len()).map(|at| self.place(at)).collect();
        let password = PASSWORD.replace(' ', "%20");
        let hosts = hosts.join(",");
        format!("postgres://{PLAIN}:{password}@{hosts}/{PLAIN}?sslmode=disable")
    }

    /// A member as nodes name it.
    pub(crate) fn place(&self, member: usize) -> String {
        format!("127.0.0.1:{}", self.members[member].port)
    }

    /// Those that are not this one.
    pub(crate) fn others(&self, member: usize) -> Vec<usize> {
        let all = 0..self.members.len();
        all.filter(|other| *other != member).collect()
    }

    /// The member that is the primary, once there is one.
    pub(crate) async fn until_primary(&self) -> usize {
        self.until("there is a primary", async || {
            let members = self.list().await?;
            let leads = |it: &Value| it["role"] == "leader" && it["state"] == "running";
            members.iter().position(leads)
        })
        .await
    }

    /// Waits until all three are there, and one of them has what the primary has; says who the primary is.
    pub(crate) async fn until_whole(&self) -> usize {
        self.until("two standbys follow the primary", async || {
            let members = self.list().await?;
            let count = |role: &str| members.iter().filter(|it| it["role"] == role).count();
            let primary = members.iter().position(|it| it["role"] == "leader")?;
            let works = members.iter().all(|it| {
                (it["state"] == "running" || it["state"] == "streaming")
                    && it["timeline"] == members[primary]["timeline"]
            });
            (works && members.len() == self.members.len() && count("sync_standby") == 1)
                .then_some(primary)
        })
        .await
    }

    /// The members as Patroni knows them, in our order; those that it does not know are null.
    async fn list(&self) -> Option<Vec<Value>> {
        let running = self.members.iter().find(|it| it.patroni.is_some())?;
        let asked = reqwest::get(format!("http://127.0.0.1:{}/cluster", running.port + 1));
        let asked = tokio::time::timeout(Duration::from_secs(10), asked);
        let told = asked.await.ok()?.ok()?.text().await.ok()?;
        let told: Value = serde_json::from_str(&told).ok()?;
        let told = told["members"].as_array()?;
        let named = |nth: usize| {
            let name = format!("m{nth}");
            told.iter().find(|it| it["name"] == name.as_str()).cloned()
        };
        Some(
            (0..self.members.len())
                .map(|nth| named(nth).unwrap_or_default())
                .collect(),
        )
    }

    /// Asks again and again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Moves the primary elsewhere, as its administrators do before they work on its host.
    pub(crate) fn switch_over(&self, from: usize) {
        let leader = format!("m{from}");
        let mut control = Command::new("patronictl");
        control.arg("-c");
        control.arg(self.members[from].folder.join("patroni.yml"));
        control.args(["switchover", "--leader", &leader, "--force"]);
        control.env("LC_ALL", "C.UTF-8").current_dir(&self.folder);
        block_in_place(|| run_as(Owner::harmless(), &mut control));
    }

    /// Kills a member: Patroni and PostgreSQL, all their processes.
    pub(crate) fn kill(&mut self, member: usize) {
        block_in_place(|| self.members[member].kill());
    }

    /// Stops the PostgreSQL of a member as it stands.
    pub(crate) fn freeze(&self, member: usize) {
        self.members[member].signal(Signal::STOP);
    }

    /// Lets it go on where it was.
    pub(crate) fn thaw(&self, member: usize) {
        self.members[member].signal(Signal::CONT);
    }

    /// Starts a member that was killed; the rest is up to Patroni.
    pub(crate) fn start_member(&mut self, nth: usize) {
        let member = &mut self.members[nth];
        let settings = member.folder.join("patroni.yml");
        let command = ["patroni", settings.to_str().unwrap()];
        let log = member.folder.join("log");
        member.patroni = Some(block_in_place(|| {
            Server::start(&member.folder, &log, "TERM", Owner::harmless(), &command)
        }));
    }

    /// Kills etcd.
    pub(crate) fn kill_etcd(&mut self) {
        let etcd = self.etcd.take().expect("etcd runs");
        block_in_place(|| {
            let _ = kill_process(etcd.process(), Signal::KILL);
            etcd.stop();
        });
    }

    /// Starts it, with what it had.
    pub(crate) async fn start_etcd(&mut self) {
        let [client, peer] = self.ports.map(|port| format!("http://127.0.0.1:{port}"));
        let data = self.folder.join("etcd");
        let cluster = format!("default={peer}");
        let command = [
            "etcd",
            "--data-dir",
            data.to_str().unwrap(),
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &cluster,
            "--unsafe-no-fsync",
        ];
        let log = self.folder.join("log");
        self.etcd = Some(block_in_place(|| {
            Server::start(&self.folder, &log, "TERM", Owner::harmless(), &command)
        }));
        self.until("etcd answers", async || {
            reqwest::get(format!("{client}/health"))
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Runs a statement on a member, as the superuser.
    pub(crate) async fn execute(&self, member: usize, sql: &str) {
        let mut connection = self.members[member].options().connect().await.unwrap();
        let sql = AssertSqlSafe(sql.to_owned());
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What a member says to a question, asked by the superuser.
    pub(crate) async fn is(&self, member: usize, sql: &str) -> bool {
        let mut connection = self.members[member].options().connect().await.unwrap();
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        asked.fetch_one(&mut connection).await.unwrap()
    }

    /// What a member has logged, Patroni and PostgreSQL.
    pub(crate) fn log(&self, member: usize) -> String {
        tail(&self.members[member].folder.join("log"), usize::MAX)
    }

    fn logs(&self) -> String {
        let of = |member: &Member| tail(&member.folder.join("log"), 40);
        let members: Vec<String> = self.members.iter().map(of).collect();
        let etcd = tail(&self.folder.join("log"), 10);
        format!("etcd: {etcd}\n\n{}", members.join("\n\n"))
    }

    fn settings(&self, nth: usize, folder: &Path, port: u16) -> String {
        let (etcd, api) = (self.ports[0], port + 1);
        let (here, bin) = (folder.display(), bin().display());
        format!(
            r#"
scope: portcullis
name: m{nth}
restapi: {{ listen: "127.0.0.1:{api}", connect_address: "127.0.0.1:{api}" }}
etcd3: {{ host: "127.0.0.1:{etcd}" }}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 5
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters: {{ max_connections: 100, wal_keep_size: 128MB }}
  initdb: [no-sync, no-locale, {{ encoding: UTF8 }}, {{ auth: scram-sha-256 }}]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: "{here}/data"
  bin_dir: "{bin}"
  pgpass: "{here}/pgpass"
  authentication:
    superuser: {{ username: {SUPERUSER}, password: "{PASSWORD}" }}
    replication: {{ username: replicator, password: "{PASSWORD}" }}
  parameters:
    unix_socket_directories: "{here}"
    fsync: "off"
    shared_buffers: 32MB
    wal_retrieve_retry_interval: 100ms
  pg_hba:
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
watchdog: {{ mode: "off" }}
"#
        )
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill();
        }
    }
}

impl Member {
    /// The first process of its PostgreSQL, which is no child of Patroni.
    fn postgres(&self) -> Option<Pid> {
        let data = self.folder.join("data");
        let told = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let process = told.lines().next()?;
        // The file stays after a kill, and the number may be somebody else's by then.
        let works_in = std::fs::read_link(format!("/proc/{process}/cwd")).ok()?;
        (works_in == data).then(|| Pid::from_raw(process.parse().ok()?))?
    }

    fn signal(&self, signal: Signal) {
        if let Some(postgres) = self.postgres() {
            signal_with_children(postgres, signal);
        }
    }

    /// Patroni first: it would start PostgreSQL again.
    fn kill(&mut self) {
        if let Some(patroni) = self.patroni.take() {
            signal_with_children(patroni.process(), Signal::KILL);
            self.signal(Signal::KILL);
            patroni.stop();
        }
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(SUPERUSER)
            .password(PASSWORD)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
    }
}

/// A port that is free, and so is the next one. A member that was killed wants its own again, so these are none that
/// the kernel gives to whoever asks for any.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 4000).unwrap() * 2;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = std::iter::repeat_with(|| {
        20_000 + first.wrapping_add(NEXT.fetch_add(2, Ordering::Relaxed)) % 10_000
    });
    ports
        .find(|port| is_free(*port) && is_free(port + 1))
        .unwrap()
}

/// The last lines of a file.
fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
