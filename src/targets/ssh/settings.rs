//! What the catalogue says about a host and its roles.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;
use ssh_key::PublicKey;

use crate::domain::ids::RoleName;
use crate::domain::span::Span;
use crate::targets::SettingsProblem;

/// In seconds. The longest is how long a revoked grant may still open a host; the shortest leaves time to connect.
const LIFETIMES: RangeInclusive<u32> = 10..=600;

/// What the catalogue says about a host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// A file with an unencrypted Ed25519 key in OpenSSH's form; without it the key is derived from the master key.
    pub ca: Option<PathBuf>,
    #[serde(default = "default_lifetime")]
    pub certificate_lifetime: Span,
    /// Whether the host cuts sessions at the end of their grant; it needs `timeout` of coreutils for that.
    #[serde(default = "default_cut_sessions")]
    pub cut_sessions: bool,
    /// Where the host's `RevokedKeys` are; with it a revoked grant opens nothing from the moment that it ends.
    pub krl_file: Option<String>,
    /// The account on the host that may write that file.
    pub krl_user: Option<String>,
    /// The host's public key line, so that a first connection trusts nobody on its word.
    pub host_key: Option<String>,
}

/// Where and as whom a host is told which certificates are revoked.
#[derive(Debug, Clone)]
pub(super) struct Krl {
    pub(super) file: String,
    pub(super) user: String,
}

impl Krl {
    /// What makes the account and an empty list: sshd lets nobody in where the file is missing.
    pub(super) fn set_up(&self) -> String {
        let Self { file, user } = self;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!(
            "useradd --system --shell /bin/sh --home-dir / {user}\n\
             install -d -m 755 -o {user} {folder}/\n\
             ssh-keygen -k -f {file} && chown {user} {file} && chmod 644 {file}"
        )
    }
}

impl Settings {
    pub(super) fn krl(&self) -> Option<Krl> {
        Some(Krl {
            file: self.krl_file.clone()?,
            user: self.krl_user.clone()?,
        })
    }
}

/// What the catalogue says about a role on a host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// The account to log in as.
    pub user: String,
    /// The names the certificate is good for; without them it is the account's.
    pub principals: Option<Vec<String>>,
    #[serde(default)]
    pub port_forwarding: bool,
}

impl RoleSettings {
    /// The names that a certificate is good for.
    pub(super) fn principals(&self) -> &[String] {
        self.principals
            .as_deref()
            .unwrap_or(std::slice::from_ref(&self.user))
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
    if !is_host(&settings.host) {
        let message = format!("`{}` is not a host name", settings.host.escape_default());
        note(None, "host", message, "use a host name or an address");
    }
    if !LIFETIMES.contains(&settings.certificate_lifetime.seconds()) {
        let message = format!(
            "certificates of {} are not signed",
            settings.certificate_lifetime
        );
        note(
            None,
            "certificate_lifetime",
            message,
            "use `10s` to `10m`; they are renewed by themselves",
        );
    }
    if settings
        .host_key
        .as_deref()
        .is_some_and(|line| PublicKey::from_openssh(line).is_err())
    {
        let message = "this is not a public key in OpenSSH's one-line form".to_owned();
        note(
            None,
            "host_key",
            message,
            "copy the line from `/etc/ssh/ssh_host_ed25519_key.pub` on the host",
        );
    }
    if settings.krl_file.is_some() != settings.krl_user.is_some() {
        let message = "`krl_file` and `krl_user` belong together".to_owned();
        note(
            None,
            "krl_file",
            message,
            "give both, or neither: `config prepare` says what they need on the host",
        );
    }
    if let Some(file) = settings.krl_file.as_deref().filter(|file| !is_path(file)) {
        let message = format!("`{}` is not an absolute path", file.escape_default());
        note(
            None,
            "krl_file",
            message,
            "use `a-z A-Z 0-9 / _ . -`, starting with `/`",
        );
    }
    if let Some(user) = settings
        .krl_user
        .as_deref()
        .filter(|user| !is_account(user))
    {
        let message = format!("`{}` is not an account name", user.escape_default());
        note(
            None,
            "krl_user",
            message,
            "use `a-z 0-9 _ . -`, starting with a letter",
        );
    }
    if settings.krl_file.is_some() && settings.host_key.is_none() {
        let message = "a host is told nothing before its key is known".to_owned();
        note(
            None,
            "host_key",
            message,
            "copy the line from `/etc/ssh/ssh_host_ed25519_key.pub` on the host",
        );
    }
    for (name, role) in roles {
        if !is_account(&role.user) {
            let message = format!("`{}` is not an account name", role.user.escape_default());
            note(
                Some(name),
                "user",
                message,
                "use `a-z 0-9 _ . -`, starting with a letter",
            );
        }
        if role.principals().is_empty() {
            let message = "a certificate needs at least one principal".to_owned();
            note(
                Some(name),
                "principals",
                message,
                "leave the key out to use the account's name",
            );
        }
        for principal in role
            .principals()
            .iter()
            .filter(|name| role.principals.is_some() && !is_account(name))
        {
            let message = format!("`{}` is not a principal", principal.escape_default());
            note(
                Some(name),
                "principals",
                message,
                "list exact names; there are no patterns",
            );
        }
    }
    problems
}

/// Exact names only: `*` and `,` have a meaning to OpenSSH, and a leading `-` to the command line.
fn is_account(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte)
        })
}

/// It stands in a command on the host.
fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte);
    text.starts_with('/') && text.len() > 1 && text.bytes().all(plain)
}

fn is_host(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte))
}

fn default_port() -> u16 {
    22
}

fn default_cut_sessions() -> bool {
    true
}

fn default_lifetime() -> Span {
    Span::MINUTE
        .checked_add(Span::MINUTE)
        .unwrap_or(Span::MINUTE)
}
