//! A private PostgreSQL server with one small database, for the target `orders-db`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::demo::process::{Account, Folder, Program, free_port};
use crate::secret::{self, Key, Secret};

/// The server's own user, as which Portcullis makes and removes roles.
pub(super) const USER: &str = "portcullis";
/// The database that the grants are about.
pub(super) const DATABASE: &str = "orders";
/// More than a slow machine needs.
const START: Duration = Duration::from_secs(30);
/// Somebody else may take the free port before the server does.
const TRIES: u32 = 5;

/// A running server.
#[derive(Debug)]
pub(super) struct Postgres {
    pub port: u16,
    pub password_file: PathBuf,
    _program: Program,
}

/// The folder of PostgreSQL's programs, when this machine has them.
pub(super) fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| {
            found
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    versions.sort();
    std::env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

impl Postgres {
    /// Makes and starts a server, and fills its database.
    pub(super) async fn start(programs: PathBuf, folder: &Folder) -> anyhow::Result<Self> {
        let owner = Account::harmless();
        let home = folder.part("postgres", owner.as_ref())?;
        let password = Key::new(secret::random()?).derive_text("demo database", &[]);
        let for_the_server = home.join("password");
        secret::create_private(&for_the_server, &password)?;
        if let Some(owner) = &owner {
            owner
                .own(&for_the_server)
                .context("handing the password over")?;
        }
        let password_file = folder.part("targets", None)?.join("orders-db.password");
        secret::create_private(&password_file, &password)?;
        let (port, program) = tokio::task::spawn_blocking(move || {
            make(&programs, &home, owner.as_ref())?;
            run(&programs, &home, owner.as_ref())
        })
        .await
        .context("starting PostgreSQL")??;
        fill(port, &password)
            .await
            .context("filling the database")?;
        Ok(Self {
            port,
            password_file,
            _program: program,
        })
    }
}

fn make(programs: &Path, home: &Path, owner: Option<&Account>) -> anyhow::Result<()> {
    let mut initdb = Command::new(programs.join("initdb"));
    initdb
        .args([
            "--no-sync",
            "--no-locale",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--wal-segsize=4",
        ])
        .args(["--username", USER])
        .arg("--pwfile")
        .arg(home.join("password"))
        .arg("-D")
        .arg(home.join("data"))
        .current_dir(home);
    if let Some(owner) = owner {
        owner.run(&mut initdb);
    }
    let output = initdb.output().context("running initdb")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn run(programs: &Path, home: &Path, owner: Option<&Account>) -> anyhow::Result<(u16, Program)> {
    let (data, log) = (home.join("data"), home.join("log"));
    let (postgres, data) = (programs.join("postgres"), data.to_string_lossy());
    let postgres = postgres.to_string_lossy();
    for _ in 0..TRIES {
        let port = free_port()?;
        let number = port.to_string();
        let mut command = vec![postgres.as_ref(), "-D", data.as_ref(), "-p", &number];
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
        ] {
            command.extend(["-c", setting]);
        }
        let mut program = Program::start("QUIT", &log, owner, &command)?;
        if is_ready(&home.join("data/postmaster.pid"), &mut program) {
            return Ok((port, program));
        }
    }
    let log = std::fs::read_to_string(&log).unwrap_or_default();
    bail!(
        "PostgreSQL did not start: {}",
        log.lines().last().unwrap_or("it said nothing")
    )
}

fn is_ready(status: &Path, program: &mut Program) -> bool {
    let began = Instant::now();
    while began.elapsed() < START && !program.is_gone() {
        let text = std::fs::read_to_string(status).unwrap_or_default();
        if text.lines().nth(7) == Some("ready   ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

async fn fill(port: u16, password: &Secret) -> anyhow::Result<()> {
    let options = |database: &str| {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username(USER)
            .password(password.expose())
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    };
    let mut server = options("postgres").connect().await?;
    server.execute("create database orders").await?;
    server.close().await?;
    let mut orders: PgConnection = options(DATABASE).connect().await?;
    orders.execute(include_str!("orders.sql")).await?;
    orders.close().await?;
    Ok(())
}
