//! The `[identity]` table: the identity provider that people sign in at, and what its groups mean here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::document::Table;
use crate::config::keys::IDENTITY;
use crate::config::layers::{Env, Layers, Wrong};
use crate::config::paths;
use crate::config::problem::{Notes, Problem};
use crate::config::server::Shown;
use crate::domain::ids::GroupName;
use crate::domain::roles::GivenRole;
use crate::domain::span::Span;
use crate::secret::{Secret, read_private};

/// An `OpenID` provider, and what its groups mean here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Exactly as the provider calls itself.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    /// Where the secret is instead.
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for, with spaces between.
    pub scopes: String,
    /// The claim that a first sign-in takes the name from.
    pub name_claim: String,
    pub groups_claim: String,
    /// How old the groups may be when access is given.
    pub groups_max_age: Span,
    /// How long access lives on when the provider confirms its holder no more.
    pub gone_after: Span,
    /// Whether people may sign in on a machine without a browser.
    pub device_flow: bool,
    /// PEM certificates; when it is there the system's are not used.
    pub ca: Option<PathBuf>,
    /// Whether plain HTTP to this machine is allowed: for tests and demonstrations.
    pub loopback: bool,
    /// Provider group to our groups; when there are any, no other group counts.
    pub groups: BTreeMap<String, GroupName>,
    /// Provider group to product roles, each for every target or for those with a tag. Nobody has a role in another way.
    pub roles: BTreeMap<String, BTreeSet<GivenRole>>,
}

/// Understands the `[identity]` table of the file in `folder` and the environment; without an issuer there is none.
pub(super) fn understand<'t>(
    folder: &Path,
    mut table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (Option<Identity>, Vec<Shown>) {
    let at = table.as_ref().map_or(0, |table| table.at);
    let groups = table.as_mut().and_then(|table| table.take("groups"));
    let roles = table.as_mut().and_then(|table| table.take("roles"));
    let there = table.is_some();
    let groups = groups
        .and_then(|entry| entry.into_table(notes, "[identity.groups]"))
        .map(|table| read_groups(table, notes))
        .unwrap_or_default();
    let roles = roles
        .and_then(|entry| entry.into_table(notes, "[identity.roles]"))
        .map(|table| read_roles(table, notes))
        .unwrap_or_default();
    let layers = Layers::collect(&IDENTITY, "`[identity]`", table, env, &[], notes);
    let before = notes.count();
    let (loopback, _) = layers.understand("allow_loopback", false, notes, |text, _| truth(text));
    let (issuer, issuer_from) = layers.understand("issuer", String::new(), notes, |text, _| {
        issuer(text, loopback)
    });
    let plain = |notes: &mut Notes<'t>, name: &'static str, default: &str| {
        layers.understand(name, default.to_owned(), notes, |text, _| words(text))
    };
    let (client_id, id_from) = plain(notes, "client_id", "");
    let (scopes, scopes_from) = plain(notes, "scopes", "openid profile groups offline_access");
    let (name_claim, name_from) = plain(notes, "name_claim", "preferred_username");
    let (groups_claim, groups_from) = plain(notes, "groups_claim", "groups");
    let span = |text: &str| {
        text.parse::<Span>()
            .map_err(|error| wrong(error.to_string(), "write it like `5m`"))
    };
    let (groups_max_age, age_from) =
        layers.understand("groups_max_age", minutes(5), notes, |text, _| span(text));
    let (gone_after, gone_from) =
        layers.understand("gone_after", minutes(15), notes, |text, _| span(text));
    let (device_flow, device_from) =
        layers.understand("device_flow", false, notes, |text, _| truth(text));
    let file = |text: &str| Ok::<_, Wrong>(Some(folder.join(text)));
    let (ca, _) = layers.understand("ca", None, notes, |text, _| file(text));
    let (secret, _) = layers.understand("client_secret", None, notes, |text, _| {
        Ok(Some(Secret::new(text.to_owned())))
    });
    let (secret_file, secret_from) =
        layers.understand("client_secret_file", None, notes, |text, _| file(text));
    if issuer.is_empty() {
        if there && notes.count() == before {
            let hint = "add `issuer = \"https://id.example.com\"` below it";
            notes.error(at, "`[identity]` has no `issuer`", Some(hint.to_owned()));
        }
        return (None, Vec::new());
    }
    if client_id.is_empty() {
        let hint = "add `client_id = \"portcullis\"` below it";
        notes.error(at, "`[identity]` has no `client_id`", Some(hint.to_owned()));
    }
    if !scopes.split(' ').any(|scope| scope == "openid") {
        notes.error(at, "`scopes` has no `openid`", Some("add it".to_owned()));
    }
    if roles.is_empty() {
        let hint = "add for example `[identity.roles]` with `engineers = [\"requester\"]`";
        notes.warning(
            at,
            "no group of the identity provider has a product role, so nobody can sign in there",
            Some(hint.to_owned()),
        );
    }
    let secret_shown = match (&secret, &secret_file) {
        (None, None) => "none",
        _ => "***",
    };
    let shown = |name, value: &str, origin: &dyn std::fmt::Display| Shown {
        name,
        value: value.to_owned(),
        origin: origin.to_string(),
    };
    let show = vec![
        shown("issuer", &issuer, &issuer_from),
        shown("client_id", &client_id, &id_from),
        shown("client_secret_file", secret_shown, &secret_from),
        shown("scopes", &scopes, &scopes_from),
        shown("name_claim", &name_claim, &name_from),
        shown("groups_claim", &groups_claim, &groups_from),
        shown("groups_max_age", &groups_max_age.to_string(), &age_from),
        shown("gone_after", &gone_after.to_string(), &gone_from),
        shown("device_flow", &device_flow.to_string(), &device_from),
    ];
    let identity = Identity {
        issuer,
        client_id,
        client_secret: secret,
        client_secret_file: secret_file,
        scopes,
        name_claim,
        groups_claim,
        groups_max_age,
        gone_after,
        device_flow,
        ca,
        loopback,
        groups,
        roles,
    };
    (Some(identity), show)
}

impl Identity {
    /// What the server proves itself with, from the file where one is named.
    pub fn secret(&self) -> anyhow::Result<Option<Secret>> {
        let Some(path) = &self.client_secret_file else {
            return Ok(self.client_secret.clone());
        };
        let secret = read_private(path)?;
        Ok(Some(Secret::new(secret.expose().trim_end().to_owned())))
    }

    /// What is wrong with the files that the table names; they are read when the server starts.
    pub fn check_files(&self) -> Vec<Problem> {
        let problem = |message: String, hint: &str| {
            Problem::of(paths::SERVER_FILE, message, Some(hint.to_owned()))
        };
        let secret = self.secret().err().map(|error| {
            problem(
                format!("{error:#}"),
                "put the secret alone into the file that `client_secret_file` names",
            )
        });
        let ca = self.ca.as_ref().filter(|path| !path.is_file()).map(|path| {
            problem(
                format!("there is no file `{}`", path.display()),
                "put the provider's certificates into the file that `ca` names",
            )
        });
        secret.into_iter().chain(ca).collect()
    }
}

/// Checks an address of the provider: `https`, with nothing that hides where it leads.
pub fn is_safe_address(text: &str, loopback: bool) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback && here);
        scheme
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

fn issuer(text: &str, loopback: bool) -> Result<String, Wrong> {
    let shown = text.escape_debug();
    if !is_safe_address(text, loopback) || text.contains('?') {
        return Err(wrong(
            format!("`{shown}` is not the address of an identity provider"),
            "write it like `https://id.example.com/realms/main`, exactly as the provider calls itself",
        ));
    }
    Ok(text.to_owned())
}

fn words(text: &str) -> Result<String, Wrong> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if plain && text.len() <= 500 {
        return Ok(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Err(wrong(
        "this is longer than 500 letters or has unusual ones".to_owned(),
        "use letters, digits and spaces",
    ))
}

fn truth(text: &str) -> Result<bool, Wrong> {
    text.parse()
        .map_err(|_| wrong("this is neither `true` nor `false`".to_owned(), "write one"))
}

fn minutes(count: u64) -> Span {
    Span::from_seconds(count * 60).unwrap_or(Span::MINUTE)
}

fn wrong(message: String, hint: &str) -> Wrong {
    Wrong {
        message,
        hint: hint.to_owned(),
    }
}

fn read_groups<'t>(mut table: Table<'t>, notes: &mut Notes<'t>) -> BTreeMap<String, GroupName> {
    let mut groups = BTreeMap::new();
    for entry in table.take_all() {
        let (name, at) = (entry.key.clone(), entry.value_at());
        match entry.into_text(notes).map(|text| text.parse()) {
            Some(Ok(group)) => drop(groups.insert(name, group)),
            Some(Err(error)) => {
                let error: crate::domain::ids::IdError = error;
                notes.error(at, error.to_string(), None);
            }
            None => {}
        }
    }
    groups
}

fn read_roles<'t>(
    mut table: Table<'t>,
    notes: &mut Notes<'t>,
) -> BTreeMap<String, BTreeSet<GivenRole>> {
    let mut roles = BTreeMap::new();
    for entry in table.take_all() {
        let name = entry.key.clone();
        let mut given = BTreeSet::new();
        for (at, word) in entry.into_texts(notes).unwrap_or_default() {
            match word.parse::<GivenRole>() {
                Ok(role) => drop(given.insert(role)),
                Err(error) => notes.error(at, error, None),
            }
        }
        roles.insert(name, given);
    }
    roles
}
