//! Where the server keeps its state: a file, or a PostgreSQL with one host or several that stand in for each other.

use std::fmt;

use crate::config::layers::Wrong;
use crate::config::server::wrong;
use crate::domain::nearest::nearest;

/// Parameters with which `libpq` chooses among several hosts. We always choose the one that takes writes.
const CHOOSING: [&str; 2] = ["target_session_attrs", "load_balance_hosts"];

/// Where the server keeps its state.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file in the data folder; one node.
    Sqlite,
    /// A connection string; any number of nodes. It may contain a password, so `Debug` and `Display` hide that.
    Postgres(String),
}

/// What has to be true before a change is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A standby has it too: no acknowledged change is lost when the primary is. Without a standby nothing is changed.
    Strict,
    /// The primary has it, and whatever else PostgreSQL is set to wait for.
    #[default]
    Available,
}

impl Durability {
    /// As the setting is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Available => "available",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Database {
    /// Whether a password stands in the connection string itself.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite => false,
            Self::Postgres(url) => Parts::of(url).single().is_none_or(|url| {
                url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
            }),
        }
    }
}

/// The connection strings of the hosts that one names, in its order: `postgres://user@a,b:5433/name` has two, as with
/// `libpq`. Whatever chooses among them is left out.
pub fn hosts(url: &str) -> Vec<String> {
    Parts::of(url).each().collect()
}

/// A connection string, taken apart where several hosts can stand, which no URL has.
struct Parts<'a> {
    scheme: &'a str,
    /// With its `@`.
    user: &'a str,
    hosts: Vec<&'a str>,
    /// From the slash before the name of the database on.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        // A password may have a slash or an `@` in it only if they are escaped.
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Self {
            scheme,
            user,
            hosts: hosts.split(',').collect(),
            path,
            query,
        }
    }

    fn each(&self) -> impl Iterator<Item = String> {
        let Self {
            scheme, user, path, ..
        } = self;
        let query: Vec<&str> = self
            .query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| {
                let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
                !name.is_empty() && !CHOOSING.contains(&name)
            })
            .collect();
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        self.hosts
            .iter()
            .map(move |host| format!("{scheme}://{user}{host}{path}{query}"))
    }

    /// The first host's, as the URL that it is.
    fn single(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(&self.each().next()?).ok()
    }
}

pub(super) fn database(text: &str) -> Result<Database, Wrong> {
    let hint =
        "write `sqlite`, or `postgres://user@host/name`; several hosts have commas between them";
    if text == "sqlite" {
        return Ok(Database::Sqlite);
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        for host in hosts(text) {
            // The text is not repeated: it may contain a password.
            let parsed = reqwest::Url::parse(&host).ok();
            let parsed = parsed.filter(reqwest::Url::has_host);
            let parsed = parsed.ok_or_else(|| wrong("this is not a connection string", hint))?;
            check_encryption(&parsed)?;
        }
        return Ok(Database::Postgres(text.to_owned()));
    }
    let hint = match nearest(text, ["sqlite"]) {
        Some(near) => format!("did you mean `{near}`?"),
        None => hint.to_owned(),
    };
    Err(Wrong {
        message: "this kind of database is not known".to_owned(),
        hint,
    })
}

pub(super) fn durability(text: &str) -> Result<Durability, Wrong> {
    match text {
        "strict" => Ok(Durability::Strict),
        "available" => Ok(Durability::Available),
        _ => Err(wrong(
            format!("`{}` is no durability", text.escape_debug()),
            "write `strict`, or `available`",
        )),
    }
}

/// Over a network the database has to prove who it is: every other mode lets somebody in between answer in its place.
fn check_encryption(url: &reqwest::Url) -> Result<(), Wrong> {
    let one = |names: [&str; 2]| {
        let found = url.query_pairs().filter(|(key, _)| names.contains(&&**key));
        found.last().map(|(_, value)| value.into_owned())
    };
    let host = one(["host", "hostaddr"]);
    let host = host.as_deref().or(url.host_str()).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = bare == "localhost"
        || bare.starts_with('/')
        || bare.starts_with("%2F")
        || bare
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    match one(["sslmode", "ssl-mode"]) {
        Some(mode) if !here && mode != "verify-full" => Err(wrong(
            format!(
                "with `sslmode={}` somebody in between could answer in the place of a database on another machine",
                mode.escape_debug()
            ),
            "write `?sslmode=verify-full`, with `&sslrootcert=FILE` if the authority is your own",
        )),
        _ => Ok(()),
    }
}

fn without_password(url: &str) -> String {
    let hidden = "postgres://…".to_owned();
    let parts = Parts::of(url);
    let Some(mut parsed) = parts.single() else {
        return hidden;
    };
    if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
        return hidden;
    }
    parsed.set_query(None);
    let shown = parsed.to_string();
    // `?password=` works too, and other parameters may name files with keys.
    let query = if parts.query.is_some() { "?…" } else { "" };
    let others = parts.hosts.get(1..).unwrap_or_default().join(",");
    if others.is_empty() {
        return format!("{shown}{query}");
    }
    let after = shown.find('@').map_or(0, |at| at + 1);
    let name = shown.get(after..).and_then(|rest| rest.find('/'));
    let (front, back) = shown.split_at(name.map_or(shown.len(), |at| after + at));
    format!("{front},{others}{back}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_with_several_hosts_is_one_for_each() {
        assert_eq!(
            hosts(
                "postgres://pcl:p%2Cw@a,b:5433,[::1]:5/x?sslmode=verify-full&target_session_attrs=any"
            ),
            [
                "postgres://pcl:p%2Cw@a/x?sslmode=verify-full",
                "postgres://pcl:p%2Cw@b:5433/x?sslmode=verify-full",
                "postgres://pcl:p%2Cw@[::1]:5/x?sslmode=verify-full",
            ]
        );
        assert_eq!(
            hosts("postgres:///x?host=/run&target_session_attrs=any"),
            ["postgres:///x?host=/run"]
        );
    }

    #[test]
    fn the_password_of_several_hosts_is_shown_nowhere() {
        let database = database("postgres://pcl:secret@db-a,db-b:5433/x?password=other").unwrap();
        assert!(database.has_password());
        assert_eq!(
            database.to_string(),
            "postgres://pcl:***@db-a,db-b:5433/x?…"
        );
    }

    #[test]
    fn every_host_of_a_connection_string_has_to_prove_itself() {
        assert!(database("postgres://127.0.0.1,localhost:2/x?sslmode=disable").is_ok());
        for bad in [
            "postgres://127.0.0.1,db.example.com/x?sslmode=disable",
            "postgres://a,/x",
            "postgres://a,b:port/x",
        ] {
            assert!(database(bad).is_err(), "{bad}");
        }
    }
}
