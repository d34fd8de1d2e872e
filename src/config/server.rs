//! The server's own settings: few, each with a default that works on one machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::database::{Database, Durability, database, durability};
use crate::config::document::Table;
use crate::config::identity::Identity;
use crate::config::keys::{Key, SERVER};
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::notices::Notices;
use crate::config::paths;
use crate::config::problem::{Notes, Problem};
use crate::config::siem::AuditSettings;
use crate::config::tokens::TokenSettings;
use crate::domain::break_glass::Limits;
use crate::domain::hours::WorkingHours;
use crate::domain::second_factor::{LocalAccounts, StepUp};

/// The port of a server that nobody has given one.
pub const PORT: u16 = 7700;
/// More nodes than anybody runs; a longer list is a mistake.
const MOST_ADDRESSES: usize = 16;
/// As long as a part of a host's name.
const LONGEST_NAME: usize = 64;

/// The two files that a server proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a server needs to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// Without a slash at its end.
    pub public_url: String,
    /// Where clients call single nodes of this installation directly, each without a slash at its end.
    pub node_urls: Vec<String>,
    /// What this node is called.
    pub node: String,
    /// What it speaks TLS with; without it a proxy on this machine does.
    pub tls: Option<TlsFiles>,
    pub database: Database,
    /// What has to be true before a change is acknowledged.
    pub durability: Durability,
    /// A filter in the form of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// When people usually ask for access, from the table `[signals]`.
    pub hours: WorkingHours,
    /// When a second factor has to be proved, from the table `[step_up]`.
    pub step_up: StepUp,
    /// How long access by break-glass may last, from the table `[break_glass]`.
    pub break_glass: Limits,
    /// Who may have a password here, from the table `[local_accounts]`.
    pub local_accounts: LocalAccounts,
    /// What holds for sign-ins, from the table `[tokens]`.
    pub tokens: TokenSettings,
    /// Where people sign in, from the table `[identity]`.
    pub identity: Option<Identity>,
    /// What holds for the history, from `[audit]` and every `[[siem]]`.
    pub audit: AuditSettings,
    /// By which ways people are told, from `[notices]`.
    pub notices: Notices,
}

/// One setting as `portcullis config show` tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    pub name: &'static str,
    /// Without secrets.
    pub value: String,
    /// Who set it: `default`, `file`, the name of the variable, or the flag.
    pub origin: String,
}

/// Understands the `[server]` table of the file in `folder`, the environment and the flags.
pub(super) fn understand<'t>(
    folder: &Path,
    table: Option<Table<'t>>,
    env: Env<'_>,
    flags: &[(&str, String)],
    notes: &mut Notes<'t>,
) -> (Settings, Vec<Shown>) {
    let layers = Layers::collect(&SERVER, "`[server]`", table, env, flags, notes);
    let home = env("HOME");
    let fallback = paths::data_dir(env);
    let (data_dir, data_from) = layers.understand("data_dir", fallback, notes, |text, origin| {
        let base = if *origin == Origin::File {
            folder
        } else {
            Path::new("")
        };
        data_path(text, base, home.as_deref())
    });
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let (listen, listen_from) =
        layers.understand("listen", loopback, notes, |text, _| address(text));
    let file = |name, notes: &mut Notes<'t>| {
        layers.understand(name, None, notes, |text, origin| {
            let base = if *origin == Origin::File {
                folder
            } else {
                Path::new("")
            };
            file_path(text, base, home.as_deref()).map(Some)
        })
    };
    let (certificate, certificate_from) = file("tls_certificate", notes);
    let (key, key_from) = file("tls_key", notes);
    let [shown_certificate, shown_key] = [&certificate, &key].map(|file| {
        let shown = file
            .as_ref()
            .map(|path: &PathBuf| path.display().to_string());
        shown.unwrap_or_else(|| "none".to_owned())
    });
    let half = match (&certificate, &key) {
        (Some(_), None) => Some((&certificate_from, "tls_key")),
        (None, Some(_)) => Some((&key_from, "tls_certificate")),
        _ => None,
    };
    if let Some((from, missing)) = half {
        let message = format!("TLS needs both files, and `{missing}` is not set");
        notes.push(Problem::of(
            place_of(from),
            message,
            Some(format!("set `{missing}`, or neither")),
        ));
    }
    let tls = certificate
        .zip(key)
        .map(|(certificate, key)| TlsFiles { certificate, key });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (public_url, url_from) = layers.understand(
        "public_url",
        format!("{scheme}://{listen}"),
        notes,
        |text, _| url(text),
    );
    let (node_urls, node_urls_from) =
        layers.understand("node_urls", String::new(), notes, |text, _| urls(text));
    let (node, node_from) =
        layers.understand("node", host_name(), notes, |text, _| node_name(text));
    let (database, database_from) =
        layers.understand("database", Database::Sqlite, notes, |text, _| {
            database(text)
        });
    let (durability, durability_from) =
        layers.understand("durability", Durability::default(), notes, |text, _| {
            durability(text)
        });
    let (log, log_from) =
        layers.understand("log", "info".to_owned(), notes, |text, _| log_filter(text));

    if tls.is_none() && half.is_none() && !listen.ip().is_loopback() {
        let hint = "set `tls_certificate` and `tls_key`, or listen on `127.0.0.1` behind a TLS proxy and set `public_url` to its `https://` address".to_owned();
        let message = format!(
            "on `{listen}` the server would speak plain HTTP, where tokens can be read on the way"
        );
        notes.push(Problem::of(place_of(&listen_from), message, Some(hint)));
    }
    if tls.is_some() && !public_url.starts_with("https://") {
        let hint = "begin it with `https://`".to_owned();
        let message = format!("`{public_url}` is not how people reach a server that speaks TLS");
        notes.push(Problem::of(place_of(&url_from), message, Some(hint)));
    }
    if tls.is_some() && url_from == Origin::Default && listen.ip().is_unspecified() {
        let hint = "set `public_url` to `https://` and the name in its certificate".to_owned();
        let message = format!("nobody can reach a server as `{public_url}`");
        notes.push(Problem::of(place_of(&listen_from), message, Some(hint)));
    }
    let shown = |name, value: String, origin: Origin| Shown {
        name,
        value,
        origin: origin.to_string(),
    };
    let show = vec![
        shown("data_dir", data_dir.display().to_string(), data_from),
        shown("listen", listen.to_string(), listen_from),
        shown("public_url", public_url.clone(), url_from),
        shown(
            "node_urls",
            Some(node_urls.clone())
                .filter(|urls| !urls.is_empty())
                .unwrap_or_else(|| "none".to_owned()),
            node_urls_from,
        ),
        shown("node", node.clone(), node_from),
        shown("tls_certificate", shown_certificate, certificate_from),
        shown("tls_key", shown_key, key_from),
        shown("database", database.to_string(), database_from),
        shown("durability", durability.to_string(), durability_from),
        shown("log", log.clone(), log_from),
    ];
    (
        Settings {
            data_dir,
            listen,
            public_url,
            node_urls: node_urls
                .split(',')
                .filter(|url| !url.is_empty())
                .map(str::to_owned)
                .collect(),
            node,
            tls,
            database,
            durability,
            log,
            hours: WorkingHours::default(),
            step_up: StepUp::default(),
            break_glass: Limits::default(),
            local_accounts: LocalAccounts::default(),
            tokens: TokenSettings::default(),
            identity: None,
            audit: AuditSettings::default(),
            notices: Notices::default(),
        },
        show,
    )
}

/// The key of a setting, for messages outside this module.
pub fn key(name: &str) -> Option<&'static Key> {
    SERVER.iter().find(|key| key.name == name)
}

/// What a problem with a value is attributed to.
fn place_of(origin: &Origin) -> String {
    match origin {
        Origin::File => paths::SERVER_FILE.to_owned(),
        origin => origin.to_string(),
    }
}

fn file_path(text: &str, base: &Path, home: Option<&str>) -> Result<PathBuf, Wrong> {
    if text.trim().is_empty() {
        return Err(wrong(
            "the file has no name",
            "write a path, or leave the key out",
        ));
    }
    data_path(text, base, home)
}

pub(super) fn data_path(text: &str, base: &Path, home: Option<&str>) -> Result<PathBuf, Wrong> {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Ok(Path::new(home).join(rest)),
        (Some(_), None) => Err(wrong(
            "`~` has no meaning, because `HOME` is not set",
            "write the whole path",
        )),
        _ if text.trim().is_empty() => Err(wrong(
            "the data folder has no name",
            "write a path, or leave the key out",
        )),
        _ => Ok(base.join(text)),
    }
}

fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let shown = text.escape_debug();
    let parsed = text
        .parse::<SocketAddr>()
        .or_else(|_| text.replacen("localhost:", "127.0.0.1:", 1).parse());
    parsed.map_err(|_| {
        wrong(
            format!("`{shown}` is not an address with a port"),
            "write it like `127.0.0.1:7700` or `[::]:7700`",
        )
    })
}

/// Checks a server's address and takes off the slash at its end.
pub(super) fn url(text: &str) -> Result<String, Wrong> {
    let shown = text.escape_debug();
    let hint = "write it like `https://portcullis.example.com`";
    let parsed =
        reqwest::Url::parse(text).map_err(|_| wrong(format!("`{shown}` is not a URL"), hint))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(wrong(format!("`{shown}` is not the URL of a server"), hint));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("a server's URL has no user and no password", hint));
    }
    if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong(
            format!("`{shown}` has more than a server's name in it"),
            hint,
        ));
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// As `url`, for a list of addresses with commas between them; as such a list again, each address in it once.
pub(super) fn urls(text: &str) -> Result<String, Wrong> {
    let mut all: Vec<String> = Vec::new();
    for part in text.split(',') {
        let url = url(part.trim())?;
        if !all.contains(&url) {
            all.push(url);
        }
    }
    if all.len() > MOST_ADDRESSES {
        return Err(wrong(
            format!("these are more than {MOST_ADDRESSES} addresses"),
            "name some of the nodes, or what stands before them",
        ));
    }
    Ok(all.join(","))
}

/// What a node is called: in a header, in a line of the console, and in logs.
fn node_name(text: &str) -> Result<String, Wrong> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(wrong(
        format!("`{}` is not a name for a node", text.escape_debug()),
        "use up to 64 letters, digits, `-`, `_` and `.`",
    ))
}

/// What this machine is called, as far as that is a name for a node.
fn host_name() -> String {
    let said = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    node_name(said.unwrap_or_default().trim()).unwrap_or_else(|_| "node".to_owned())
}

fn log_filter(text: &str) -> Result<String, Wrong> {
    let hint =
        "write `error`, `warn`, `info`, `debug` or `trace`, or by module as in `info,sqlx=warn`";
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    // A bare word that is no level is taken by the filter as a module's name, and logs nothing at all.
    let bare = text
        .split(',')
        .find(|part| !part.contains('=') && !levels.contains(&part.trim().to_lowercase().as_str()));
    if bare.is_some()
        || text
            .parse::<tracing_subscriber::filter::EnvFilter>()
            .is_err()
    {
        return Err(wrong(
            format!("`{}` does not say how much to log", text.escape_debug()),
            hint,
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn wrong(message: impl Into<String>, hint: &str) -> Wrong {
    Wrong {
        message: message.into(),
        hint: hint.to_owned(),
    }
}
