//! PostgreSQL: psql with the password in its environment, a connection string for another program, or a program that
//! finds the password in a private file.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::cli::connect::child;
use crate::cli::{Context, Exit, Failure, words};
use crate::wire::{CredentialView, GrantView};

/// Variables of psql that say nothing about where to connect; all others are taken away, so that the password goes
/// nowhere but to the target.
const HARMLESS: [&str; 8] = [
    "PGCLIENTENCODING",
    "PGTZ",
    "PGDATESTYLE",
    "PGCONNECT_TIMEOUT",
    "PGGEQO",
    "PGOPTIONS",
    "PGSSLCRL",
    "PGSSLROOTCERT",
];

pub(super) async fn run(
    context: &Context<'_>,
    credential: &CredentialView,
    rest: &[OsString],
) -> Result<Exit, Failure> {
    let CredentialView::Postgres { user, password, .. } = credential else {
        return Err(another_kind());
    };
    let folder = temporary()?;
    let mut command = Command::new("psql");
    surround(&mut command, folder.path(), credential)?;
    command
        .env("PGPASSWORD", password)
        .env("PGAPPNAME", "portcullis connect")
        .args(rest);
    let missing =
        "install the PostgreSQL client, or use another program with `portcullis connect --print`";
    context.printer.note(&format!(
        "as {user} until {}",
        words::exact(ends_at(credential))
    ));
    // The server itself cuts the session at the end.
    child::run(&mut command, "psql", missing, std::future::pending()).await
}

/// Runs any program with the password in a private file, which is gone when the program is.
pub(super) async fn exec(
    grant: &GrantView,
    credential: &CredentialView,
    program: &OsStr,
    rest: &[OsString],
) -> Result<Exit, Failure> {
    let folder = temporary()?;
    let mut command = Command::new(program);
    surround(&mut command, folder.path(), credential)?;
    let passwords = folder.path().join("pgpass");
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&passwords)
        .and_then(|mut file| file.write_all(password_file(credential).as_bytes()))
        .map_err(|error| Failure::here(format!("the password cannot be written: {error}"), ""))?;
    command
        .env("PGPASSFILE", &passwords)
        .env("PGAPPNAME", "portcullis exec")
        .env("PORTCULLIS_TARGET", &grant.target)
        .env("PORTCULLIS_GRANT", &grant.id)
        .args(rest);
    let name = program.to_string_lossy();
    let exit = child::run(&mut command, &name, "", std::future::pending()).await;
    // Said rather than left to the guard, because a password that stays behind is worth knowing.
    folder.close().map_err(|error| {
        Failure::here(
            format!("the temporary password cannot be removed: {error}"),
            "",
        )
    })?;
    exit
}

fn temporary() -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("portcullis-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| Failure::here(format!("no temporary folder can be made: {error}"), ""))
}

/// Everything of the environment but the password.
fn surround(
    command: &mut Command,
    folder: &Path,
    credential: &CredentialView,
) -> Result<(), Failure> {
    let CredentialView::Postgres {
        host,
        port,
        database,
        user,
        sslmode,
        ssl_root_cert,
        ..
    } = credential
    else {
        return Err(another_kind());
    };
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PG") && !HARMLESS.contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command
        .env("PGHOST", host)
        .env("PGPORT", port.to_string())
        .env("PGDATABASE", database)
        .env("PGUSER", user)
        .env("PGSSLMODE", sslmode);
    if let Some(certificate) = ssl_root_cert {
        command.env("PGSSLROOTCERT", root_certificate(folder, certificate)?);
    }
    Ok(())
}

fn another_kind() -> Failure {
    Failure::here("the server gave another kind of credential", "")
}

/// Lines as libpq reads them. The password is for this server and this user, whatever the database.
fn password_file(credential: &CredentialView) -> String {
    let CredentialView::Postgres {
        host,
        port,
        user,
        password,
        ..
    } = credential
    else {
        return String::new();
    };
    let field = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
    let line = |host: &str| {
        format!(
            "{}:{port}:*:{}:{}\n",
            field(host),
            field(user),
            field(password)
        )
    };
    // libpq calls the folder of its sockets `localhost`.
    let socket = if host.starts_with('/') {
        line("localhost")
    } else {
        String::new()
    };
    format!("{}{socket}", line(host))
}

/// Prints a connection string.
pub(super) fn print(
    context: &Context<'_>,
    grant: &GrantView,
    credential: &CredentialView,
) -> Result<Exit, Failure> {
    let root = match credential {
        CredentialView::Postgres {
            ssl_root_cert: Some(certificate),
            ..
        } => {
            let folder = context.state()?.private("kept")?;
            let folder = folder.join(&grant.id);
            fs::create_dir_all(&folder).map_err(|error| {
                Failure::here(
                    format!("`{}` cannot be made: {error}", folder.display()),
                    "",
                )
            })?;
            Some(root_certificate(&folder, certificate)?)
        }
        _ => None,
    };
    context
        .printer
        .verbatim(&dsn(credential, root.as_deref()))?;
    context
        .printer
        .note(&format!("good until {}", words::exact(ends_at(credential))));
    Ok(Exit::DONE)
}

fn ends_at(credential: &CredentialView) -> chrono::DateTime<chrono::Utc> {
    match credential {
        CredentialView::Postgres { ends_at, .. }
        | CredentialView::Ssh { ends_at, .. }
        | CredentialView::OwnAccount { ends_at, .. } => *ends_at,
    }
}

/// The certificate as a file: it comes as text, or names a file that every machine has.
fn root_certificate(folder: &Path, certificate: &str) -> Result<PathBuf, Failure> {
    if !certificate.trim_start().starts_with("-----BEGIN") {
        return Ok(PathBuf::from(certificate));
    }
    let path = folder.join("root.crt");
    fs::write(&path, certificate).map_err(|error| {
        Failure::here(
            format!("`{}` cannot be written: {error}", path.display()),
            "",
        )
    })?;
    Ok(path)
}

fn dsn(credential: &CredentialView, root: Option<&Path>) -> String {
    let CredentialView::Postgres {
        host,
        port,
        database,
        user,
        password,
        sslmode,
        ..
    } = credential
    else {
        return String::new();
    };
    let login = format!("{}:{}", escaped(user), escaped(password));
    // An IPv6 address stands in brackets; the folder of a socket is escaped like any other text.
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{host}]")
    } else {
        escaped(host)
    };
    let mut dsn = format!(
        "postgres://{login}@{host}:{port}/{}?sslmode={}",
        escaped(database),
        escaped(sslmode)
    );
    if let Some(root) = root {
        let _ = write!(dsn, "&sslrootcert={}", escaped(&root.to_string_lossy()));
    }
    dsn
}

/// Percent-encodes everything but letters, digits and `-._~`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(host: &str) -> CredentialView {
        CredentialView::Postgres {
            host: host.to_owned(),
            port: 5432,
            database: "orders/eu".to_owned(),
            user: "pcl_ada".to_owned(),
            password: "p@ss:w/rd?#ä".to_owned(),
            sslmode: "verify-full".to_owned(),
            ssl_root_cert: None,
            ends_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_password_file_survives_every_character() {
        assert_eq!(
            password_file(&credential("::1")),
            "\\:\\:1:5432:*:pcl_ada:p@ss\\:w/rd?#ä\n"
        );
        assert_eq!(
            password_file(&credential("/run/postgresql")).lines().nth(1),
            Some("localhost:5432:*:pcl_ada:p@ss\\:w/rd?#ä")
        );
    }

    #[test]
    fn a_connection_string_survives_every_character() {
        assert_eq!(
            dsn(&credential("db.example.com"), Some(Path::new("/a b"))),
            "postgres://pcl_ada:p%40ss%3Aw%2Frd%3F%23%C3%A4@db.example.com:5432/orders%2Feu?sslmode=verify-full&sslrootcert=%2Fa%20b"
        );
        assert!(dsn(&credential("::1"), None).contains("@[::1]:5432/"));
        assert!(dsn(&credential("/run/postgresql"), None).contains("@%2Frun%2Fpostgresql:5432/"));
    }
}
