//! The real program: `portcullis serve` as a process of its own, and commands typed at it by people.

use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Signal, kill_process};

use super::postgres::{Cluster, PASSWORD, SUPERUSER};
use super::process::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// A server process, its folders and its people.
pub(crate) struct Node {
    folder: tempfile::TempDir,
    server: Option<Server>,
    starts: u32,
    pub(crate) address: String,
    /// Where its truth is, if not in its data directory.
    database: Option<String>,
    /// What it is started with to run somewhere else.
    inside: Vec<String>,
}

impl Node {
    /// Prepares folders with this catalogue and policy; nothing runs yet.
    pub(crate) fn prepare(catalogue: &str, policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(folder.path().join("config/portcullis.toml"), catalogue).unwrap();
        std::fs::write(folder.path().join("config/policy.cedar"), policy).unwrap();
        Self {
            folder,
            server: None,
            starts: 0,
            address: "127.0.0.1:0".to_owned(),
            database: None,
            inside: Vec::new(),
        }
    }

    /// Prepares another node of the same installation: the same files and the same key, which the first one has made.
    pub(crate) fn beside(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        for name in ["portcullis.toml", "policy.cedar"] {
            let from = self.folder.path().join("config").join(name);
            std::fs::copy(from, folder.path().join("config").join(name)).unwrap();
        }
        let data = folder.path().join("data");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .unwrap();
        std::fs::copy(self.folder.path().join("data/key"), data.join("key")).unwrap();
        Self {
            folder,
            server: None,
            starts: 0,
            address: "127.0.0.1:0".to_owned(),
            database: None,
            inside: Vec::new(),
        }
    }

    /// From the next start on its truth is in this PostgreSQL database.
    pub(crate) fn use_database(&mut self, url: &str) {
        self.database = Some(url.to_owned());
    }

    /// From the next start on it runs inside of something, and listens at this address there.
    pub(crate) fn live(&mut self, inside: Vec<String>, address: Ipv4Addr) {
        self.inside = inside;
        self.address = format!("{address}:0");
    }

    /// Gives it the master key of every world, whose authority is `world::authority`.
    pub(crate) fn use_common_key(&self) {
        let data = self.folder.path().join("data");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .unwrap();
        let file = data.join("key");
        // 32 times the byte 7.
        std::fs::write(&file, format!("{}Bwc", "BwcH".repeat(10))).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Starts the server and waits until it says where it listens. A restart keeps the address.
    pub(crate) fn start(&mut self) {
        let started = self.try_start();
        started.unwrap_or_else(|| panic!("the server did not start: {}", self.log()));
    }

    /// As `start`; nothing when the server gives up, as one does that finds no database.
    pub(crate) fn try_start(&mut self) -> Option<()> {
        self.starts += 1;
        let run = self.folder.path().join(format!("run-{}", self.starts));
        std::fs::create_dir(&run).unwrap();
        let log = self.log_path();
        let (data, config) = (
            self.folder.path().join("data"),
            self.folder.path().join("config"),
        );
        let mut arguments = vec![
            PROGRAM,
            "serve",
            "--listen",
            &self.address,
            "--data-dir",
            data.to_str().unwrap(),
            "--config-dir",
            config.to_str().unwrap(),
        ];
        if let Some(database) = &self.database {
            arguments.extend(["--database", database]);
        }
        let clock = self.folder.path().join("clock");
        let mut clock_by = Vec::new();
        if let (Some(library), true) = (faketime(), clock.exists()) {
            clock_by = vec![
                "env".to_owned(),
                format!("LD_PRELOAD={}", library.display()),
                format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()),
                "FAKETIME_CACHE_DURATION=1".to_owned(),
                "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            ];
        }
        let arguments: Vec<&str> = self
            .inside
            .iter()
            .chain(&clock_by)
            .map(String::as_str)
            .chain(arguments)
            .collect();
        let mut server = Server::start(&run, &log, "KILL", None, &arguments);
        let listens = "Portcullis listens on http://";
        server.wait_until(|| says(&log, listens).is_some())?;
        self.address = says(&log, listens)?;
        self.server = Some(server);
        Some(())
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the server runs");
        // It may have ended by itself.
        let _ = kill_process(server.process(), signal);
    }

    /// Turns the clock of the running server by so many seconds; false where this machine has no `faketime`.
    pub(crate) fn turn_clock(&self, seconds: i64) -> bool {
        std::fs::write(self.folder.path().join("clock"), format!("{seconds:+}")).unwrap();
        faketime().is_some()
    }

    /// Kills the server as a power cut would.
    pub(crate) fn kill(&mut self) {
        drop(self.server.take());
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join(format!("log-{}", self.starts))
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folder with `config`, `data` and the homes of people.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where somebody's sign-in is kept.
    pub(crate) fn home(&self, who: &str) -> PathBuf {
        self.folder.path().join(format!("home-{who}"))
    }

    /// A command that somebody types.
    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("PORTCULLIS_DEVICE_KEY", "file")
            .env("PORTCULLIS_HOME", self.home(who))
            .env("PORTCULLIS_SERVER", self.url())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command that works on the node itself, as an operator does on its machine.
    pub(crate) fn here(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        for (flag, folder) in [("--data-dir", "data"), ("--config-dir", "config")] {
            command.arg(flag).arg(self.folder.path().join(folder));
        }
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// As `here`, for what it says with `--json`.
    pub(crate) fn json_here(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.here(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, who: &str, arguments: &[&str]) -> Output {
        self.command(who, arguments).output().unwrap()
    }

    /// Runs a command that has to work, and answers what it printed.
    pub(crate) fn said(&self, who: &str, arguments: &[&str]) -> String {
        let output = self.run(who, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{who}: {arguments:?}\n{}{}\n{}",
            text(&output.stdout),
            text(&output.stderr),
            self.log()
        );
        text(&output.stdout)
    }

    /// Runs a command with `--json`.
    pub(crate) fn json(&self, who: &str, arguments: &[&str]) -> serde_json::Value {
        let said = self.said(who, &[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The code of the first admin, which the server says a moment after it listens.
    pub(crate) fn bootstrap_code(&mut self) -> String {
        let log = self.log_path();
        let server = self.server.as_mut().unwrap();
        let said = server.wait_until(|| says(&log, "--code ").is_some());
        said.unwrap_or_else(|| panic!("the server says no code: {}", self.log()));
        says(&log, "--code ").unwrap()
    }

    /// Signs the first admin in as `root`, and somebody new through an invitation.
    pub(crate) fn sign_in_root(&mut self) {
        let code = self.bootstrap_code();
        self.said("root", &["login", "--name", "root", "--code", &code]);
    }

    pub(crate) fn invite(&self, who: &str, role: &str, group: &str) {
        let invitation = self.json(
            "root",
            &["token", "invite", who, "--role", role, "--group", group],
        );
        self.said(
            who,
            &["login", "--code", invitation["code"].as_str().unwrap()],
        );
    }
}

/// The catalogue entry of a real PostgreSQL server with the database `orders`.
pub(crate) fn orders_db(cluster: &Cluster, database: &str, password_file: &Path) -> String {
    orders_db_at(cluster.host, cluster.port, database, password_file)
}

/// The same for one that is reached in another way.
pub(crate) fn orders_db_at(host: &str, port: u16, database: &str, password_file: &Path) -> String {
    std::fs::write(password_file, PASSWORD).unwrap();
    std::fs::set_permissions(password_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!(
        "[target.orders-db]\nkind = \"postgres\"\ndescription = \"Orders\"\ntags = {{ env = \"prod\" }}\nhost = \"{host}\"\nport = {port}\ndatabase = \"{database}\"\nuser = \"{SUPERUSER}\"\npassword_file = \"{}\"\nsslmode = \"disable\"\n\
         [target.orders-db.role.readonly]\ndescription = \"Read\"\nmember_of = [\"pg_read_all_data\"]\n",
        password_file.display()
    )
}

/// What turns the clock of a program, where it is installed.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
}

/// What follows some words on a whole line of what a server has said.
fn says(log: &Path, what: &str) -> Option<String> {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let mut whole = said
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole.find_map(|line| {
        let (_, rest) = line.split_once(what)?;
        Some(rest.trim().to_owned())
    })
}
