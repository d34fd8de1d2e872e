//! A private PostgreSQL server for the tests: on a free port, in a temporary folder, gone when the test process is.
//!
//! `cluster()` is the one that all tests of a process share; give each test its own `database()`. A test that stops the
//! server or changes it for everybody makes its own with `Cluster::start`.
//! The programs come from `PORTCULLIS_TEST_PG_BIN`, `PATH`, or `/usr/lib/postgresql/*/bin`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use rustix::process::{Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::process::{Owner, Server, folder, free_port, signal_with_children};

pub(crate) const SUPERUSER: &str = "postgres";
pub(crate) const PASSWORD: &str = "only for tests";

/// A running server and how to reach it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// The folder with the server's socket, for those who do not want a port.
    pub(crate) socket_dir: PathBuf,
    settings: Vec<String>,
    server: Mutex<Option<Server>>,
}

/// A fresh, empty database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) options: PgConnectOptions,
}

/// The server that the tests of this process share.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&[]))
}

impl Cluster {
    /// Starts a server of one's own with more `name=value` settings. Durable only if these ask for `fsync=on`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, fresh)
    }

    /// Starts a server on the files that `fill` puts there.
    pub(crate) fn start_with(settings: &[&str], fill: impl FnOnce(&Path)) -> Self {
        let socket_dir = folder("pcl-pg-", Owner::harmless());
        fill(&socket_dir.join("data"));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut cluster = Self {
            host: "127.0.0.1",
            port: 0,
            socket_dir,
            settings,
            server: Mutex::new(None),
        };
        // Between finding a free port and listening on it, somebody else may take it.
        let started = (0..5).find_map(|_| {
            cluster.port = free_port();
            cluster.try_start()
        });
        assert!(
            started.is_some(),
            "PostgreSQL did not start:\n{}",
            cluster.log()
        );
        cluster
    }

    /// Stops the server as a crash would; its files stay for `start_again`.
    pub(crate) fn stop(&self) {
        let server = self.server.lock().unwrap().take();
        server.expect("the server runs").stop();
    }

    /// Kills the server and all its processes at once.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        self.stop();
    }

    /// Sends a signal to the server and all its processes.
    pub(crate) fn signal(&self, signal: Signal) {
        let server = self.server.lock().unwrap();
        signal_with_children(server.as_ref().expect("the server runs").process(), signal);
    }

    /// Has the server read its settings again.
    pub(crate) fn reload(&self) {
        let server = self.server.lock().unwrap();
        let process = server.as_ref().expect("the server runs").process();
        kill_process(process, Signal::HUP).unwrap();
    }

    /// Whether it was started and not stopped.
    pub(crate) fn runs(&self) -> bool {
        self.server.lock().unwrap().is_some()
    }

    /// Whether it has ended by itself, as one does that cannot write its log when it starts.
    pub(crate) fn gave_up(&self) -> bool {
        let mut server = self.server.lock().unwrap();
        server.as_mut().is_some_and(Server::has_ended)
    }

    /// The folder with the server's files.
    pub(crate) fn data(&self) -> PathBuf {
        self.socket_dir.join("data")
    }

    /// Starts a stopped server on the port it had.
    pub(crate) fn start_again(&self) {
        self.try_start()
            .unwrap_or_else(|| panic!("PostgreSQL did not start again:\n{}", self.log()));
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.socket_dir.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// How to log in as the superuser, over TCP.
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(self.host)
            .port(self.port)
            .username(SUPERUSER)
            .password(PASSWORD)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging()
    }

    /// Makes an empty database.
    pub(crate) async fn database(&self) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "t{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        self.database_named(&name).await
    }

    /// Makes an empty database with a name of one's own, as hostile as one likes.
    pub(crate) async fn database_named(&self, name: &str) -> Database {
        let mut connection = self.options("postgres").connect().await.unwrap();
        let create = format!("create database {} template template0", quoted(name));
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        Database {
            name: name.to_owned(),
            options: self.options(name),
        }
    }

    fn try_start(&self) -> Option<()> {
        let (data, log) = (self.socket_dir.join("data"), self.socket_dir.join("log"));
        let (postgres, port) = (bin().join("postgres"), self.port.to_string());
        let socket = format!("unix_socket_directories={}", self.socket_dir.display());
        let mut command = vec![
            postgres.to_str()?,
            "-D",
            data.to_str()?,
            "-p",
            &port,
            "-c",
            &socket,
        ];
        let ours = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=32MB",
            "timezone=UTC",
            "log_line_prefix=%m %d ",
        ];
        for setting in ours
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            command.extend(["-c", setting]);
        }
        drop(std::fs::remove_file(data.join("postmaster.pid")));
        let mut server = Server::start(&self.socket_dir, &log, "QUIT", Owner::harmless(), &command);
        let status = data.join("postmaster.pid");
        let is_ready = || {
            std::fs::read_to_string(&status)
                .is_ok_and(|text| text.lines().nth(7) == Some("ready   "))
        };
        if server.wait_until(is_ready).is_none() {
            server.stop();
            return None;
        }
        *self.server.lock().unwrap() = Some(server);
        Some(())
    }
}

impl Database {
    pub(crate) async fn connect(&self) -> PgConnection {
        self.options.connect().await.unwrap()
    }
}

/// A name for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Lets the server read a file that has secrets, and nobody else.
pub(crate) fn give_to_server(path: &Path) {
    if let Some(owner) = Owner::harmless() {
        owner.own(path);
    }
}

/// Puts the files of a new server there, where nothing is yet but perhaps the folder.
pub(crate) fn fresh(data: &Path) {
    let owner = Owner::harmless();
    let mut copy = Command::new("cp");
    copy.args(["-R", "-T"]).arg(template(owner)).arg(data);
    run_as(owner, &mut copy);
}

/// The files of a new server, made once per machine and version because that takes seconds.
fn template(owner: Option<Owner>) -> PathBuf {
    let initdb = bin().join("initdb");
    let version = Command::new(&initdb)
        .arg("--version")
        .output()
        .expect("initdb runs")
        .stdout;
    let version = String::from_utf8_lossy(&version);
    let version: String = version
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let user = rustix::process::geteuid().as_raw();
    let template = std::env::temp_dir().join(format!("pcl-pg-template-1-{user}-{version}"));
    if template.join("PG_VERSION").exists() {
        return template;
    }
    let fresh = folder("pcl-pg-new-", owner);
    let secret = fresh.join("password");
    std::fs::write(&secret, PASSWORD).unwrap();
    if let Some(owner) = owner {
        owner.own(&secret);
    }
    let mut make = Command::new(&initdb);
    make.args([
        "--no-sync",
        "--no-locale",
        "--encoding=UTF8",
        "--auth=scram-sha-256",
        "--wal-segsize=4",
    ]);
    make.arg("--username")
        .arg(SUPERUSER)
        .arg("--pwfile")
        .arg(&secret)
        .arg("-D")
        .arg(fresh.join("data"));
    make.current_dir(&fresh);
    run_as(owner, &mut make);
    // Of two processes that get here together the first wins, and both use its files.
    drop(std::fs::rename(fresh.join("data"), &template));
    drop(std::fs::remove_dir_all(&fresh));
    template
}

pub(super) fn run_as(owner: Option<Owner>, command: &mut Command) {
    if let Some(owner) = owner {
        owner.run(command);
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub(super) fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        if let Some(named) = std::env::var_os("PORTCULLIS_TEST_PG_BIN") {
            return named.into();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .map(|found| {
                found
                    .flatten()
                    .map(|version| version.path().join("bin"))
                    .collect()
            })
            .unwrap_or_default();
        versions.sort();
        folders.extend(versions.into_iter().rev());
        let found = folders
            .into_iter()
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
        // A folder with links to some of the programs lacks others.
        let found = found.and_then(|folder| {
            let initdb = folder.join("initdb").canonicalize().ok()?;
            Some(initdb.parent()?.to_owned())
        });
        found.expect(
            "PostgreSQL is installed, or `PORTCULLIS_TEST_PG_BIN` names the folder of its programs",
        )
    })
}
