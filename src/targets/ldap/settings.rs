//! What the catalogue says about a directory and its roles.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::name::{is_attribute, is_under, parts};
use crate::domain::ids::RoleName;
use crate::targets::SettingsProblem;

/// How to reach a directory, and where in it things are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A host name, or the absolute path of the server's socket.
    pub host: String,
    /// Without it, the one that belongs to `tls`.
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: Tls,
    /// The authorities that may have signed the server's certificate; no other is trusted.
    pub ca_file: Option<PathBuf>,
    /// The account that we log in as.
    pub bind_dn: String,
    /// Its password, in a file that only we can read.
    pub password_file: PathBuf,
    /// Where people are.
    pub people: String,
    /// What has the name of a holder on their entry.
    #[serde(default = "default_holder_attribute")]
    pub holder_attribute: String,
    /// Where all groups of the roles are.
    pub groups: String,
    /// What lists the members of a group. With `memberUid` they are names, with anything else entries.
    #[serde(default = "default_member_attribute")]
    pub member_attribute: String,
    /// What our own records are kept in, on the groups.
    #[serde(default = "default_state_attribute")]
    pub state_attribute: String,
    /// Stands in where a group must have a member and the last one leaves.
    #[serde(default = "default_placeholder")]
    pub placeholder: String,
}

/// There is nothing between checking everything and not leaving the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Encrypted from the first byte.
    #[default]
    Ldaps,
    /// Encrypted before anything is said.
    Starttls,
    /// Only for a socket or the loopback address.
    Off,
}

/// What the holder of a role becomes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// The group to be a member of.
    pub group: String,
}

impl Settings {
    /// The directory in words, for sentences about it.
    pub(super) fn place(&self) -> String {
        if self.host.starts_with('/') {
            format!("the directory at `{}`", self.host)
        } else {
            format!("the directory at `{}:{}`", self.host, self.port())
        }
    }

    /// Where the library connects to. Nothing in it needs escaping but the slashes of a path: see `check`.
    pub(super) fn url(&self) -> String {
        if self.host.starts_with('/') {
            return format!("ldapi://{}", self.host.replace('/', "%2F"));
        }
        let scheme = match self.tls {
            Tls::Ldaps => "ldaps",
            Tls::Starttls | Tls::Off => "ldap",
        };
        format!("{scheme}://{}:{}", self.host, self.port())
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Ldaps => 636,
            Tls::Starttls | Tls::Off => 389,
        })
    }

    /// Whether the directory is reached without leaving this machine.
    fn is_here(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        self.host.starts_with('/')
            || self.host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
    }
}

/// Everything in the settings that cannot work.
pub(super) fn check(
    settings: &Settings,
    roles: &BTreeMap<RoleName, RoleSettings>,
) -> Vec<SettingsProblem> {
    let mut problems = Vec::new();
    let mut note = |role: Option<&RoleName>, key, message: String, hint: &str| {
        problems.push(SettingsProblem {
            role: role.cloned(),
            key,
            message,
            hint: hint.to_owned(),
        });
    };
    let host = settings.host.as_str();
    if !is_host(host) {
        let message = format!("`{}` is not a host", host.escape_default());
        let hint = "use a host name, an IPv4 address, or the path of the server's socket";
        note(None, "host", message, hint);
    }
    if settings.tls == Tls::Off && !settings.is_here() {
        let message =
            format!("`{host}` is on another machine and would be spoken to in clear text");
        note(None, "tls", message, "use `ldaps` or `starttls`");
    }
    if settings.tls != Tls::Off && host.starts_with('/') {
        let message = "a socket is not encrypted".to_owned();
        note(None, "tls", message, "say so with `tls = \"off\"`");
    }
    if settings.tls != Tls::Off && settings.ca_file.is_none() && !host.starts_with('/') {
        let message = "nothing says who may have signed the server's certificate".to_owned();
        let hint = "name a file with the certificate of its authority in `ca_file`";
        note(None, "ca_file", message, hint);
    }
    for (key, name) in [
        ("bind_dn", &settings.bind_dn),
        ("people", &settings.people),
        ("groups", &settings.groups),
        ("placeholder", &settings.placeholder),
    ] {
        if parts(name).is_none() {
            note(None, key, not_a_name(name), NAME_HINT);
        }
    }
    for (key, attribute) in [
        ("holder_attribute", &settings.holder_attribute),
        ("member_attribute", &settings.member_attribute),
        ("state_attribute", &settings.state_attribute),
    ] {
        if !is_attribute(attribute) {
            let message = format!("`{}` is not an attribute", attribute.escape_default());
            note(None, key, message, "use its name as the schema has it");
        }
    }
    if settings
        .state_attribute
        .eq_ignore_ascii_case(&settings.member_attribute)
    {
        let message = "records cannot stand among the members".to_owned();
        note(None, "state_attribute", message, "use `description`");
    }
    for (name, role) in roles {
        if parts(&role.group).is_none() {
            note(Some(name), "group", not_a_name(&role.group), NAME_HINT);
        } else if !is_under(&role.group, &settings.groups) {
            // Whoever looks for what is left of an access looks there, and would not find it.
            let message = format!(
                "`{}` is not below `{}`",
                role.group.escape_default(),
                settings.groups.escape_default()
            );
            let hint = "`groups` names the entry that all groups are below";
            note(Some(name), "group", message, hint);
        }
    }
    problems
}

const NAME_HINT: &str = "write it as in `cn=dba,ou=groups,dc=example,dc=com`";

fn not_a_name(text: &str) -> String {
    format!("`{}` is not the name of an entry", text.escape_default())
}

/// Only what stands in an address as it is.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.strip_prefix('/') {
        Some(path) => !path.is_empty() && path.bytes().all(|byte| plain(byte) || byte == b'/'),
        None => {
            text.bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
                && text.bytes().all(plain)
        }
    }
}

fn default_holder_attribute() -> String {
    "uid".to_owned()
}

fn default_member_attribute() -> String {
    "member".to_owned()
}

fn default_state_attribute() -> String {
    "description".to_owned()
}

fn default_placeholder() -> String {
    "cn=pcl_nobody".to_owned()
}
