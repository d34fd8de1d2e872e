//! sshd's settings as it says itself that they hold (`sshd -T`), and what is wrong with them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use crate::cli::Failure;
use crate::text;

use super::finding::{Finding, Severity};
use super::named;

/// Every setting by its name in lower case; some are there several times.
#[derive(Debug, Default)]
pub(super) struct Settings(BTreeMap<String, Vec<String>>);

/// A setting that lets somebody in without a grant where it is on.
struct WayIn {
    setting: &'static str,
    code: &'static str,
    text: &'static str,
    fix: &'static str,
}

const WAYS_IN: [WayIn; 6] = [
    WayIn {
        setting: "passwordauthentication",
        code: "password",
        text: "passwords let people in, and no grant ends them",
        fix: "PasswordAuthentication no",
    },
    WayIn {
        setting: "kbdinteractiveauthentication",
        code: "keyboard-interactive",
        text: "passwords let people in by way of PAM, and no grant ends them",
        fix: "KbdInteractiveAuthentication no",
    },
    WayIn {
        setting: "permitemptypasswords",
        code: "empty-password",
        text: "accounts without a password are open to everybody",
        fix: "PermitEmptyPasswords no",
    },
    WayIn {
        setting: "hostbasedauthentication",
        code: "host-based",
        text: "whoever is on another host that is trusted gets in",
        fix: "HostbasedAuthentication no",
    },
    WayIn {
        setting: "gssapiauthentication",
        code: "gssapi",
        text: "Kerberos tickets let people in, and no grant ends them",
        fix: "GSSAPIAuthentication no",
    },
    WayIn {
        setting: "permituserenvironment",
        code: "user-environment",
        text: "people may set variables that go round the time limit of a certificate",
        fix: "PermitUserEnvironment no",
    },
];

impl Settings {
    /// Asks sshd, for one account from one address or before anybody is known.
    pub(super) fn ask(
        program: &Path,
        config: Option<&Path>,
        who: Option<(&str, IpAddr)>,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.arg("-T").env_clear();
        if let Some(config) = config {
            command.arg("-f").arg(config);
        }
        if let Some((account, address)) = who {
            let host = if address.is_loopback() {
                "localhost".to_owned()
            } else {
                address.to_string()
            };
            command.arg("-C");
            command.arg(format!("user={account},host={host},addr={address}"));
        }
        let hint = "run this as root, on the host itself";
        let said = command.output().map_err(|error| {
            Failure::here(format!("{} cannot be run: {error}", named(program)), hint)
        })?;
        if !said.status.success() {
            let why = String::from_utf8_lossy(&said.stderr).into_owned();
            let why = why.lines().next_back().unwrap_or("it does not say why");
            let text = format!("sshd does not tell its settings: {}", text::clean(why));
            return Err(Failure::here(text, hint));
        }
        Ok(Self::read(&String::from_utf8_lossy(&said.stdout)))
    }

    fn read(said: &str) -> Self {
        let mut all = BTreeMap::new();
        for line in said.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let values: &mut Vec<String> = all.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.trim().to_owned());
        }
        Self(all)
    }

    /// A setting that is there once; none where it is off.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.first()?.as_str();
        (value != "none" && !value.is_empty()).then_some(value)
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.one(name) == Some(value)
    }

    /// What is wrong with the settings themselves.
    pub(super) fn judge(&self, account: Option<&str>, found: &mut Vec<Finding>) {
        let mut note = |severity, code, text: &str, fix: &str| {
            found.push(Finding::new(severity, code, text, fix).on(account));
        };
        for way in &WAYS_IN {
            if self.is(way.setting, "yes") {
                note(Severity::Unsafe, way.code, way.text, way.fix);
            }
        }
        if self.is("permitrootlogin", "yes") {
            let text = "root may log in by every way that is open to others";
            note(
                Severity::Weak,
                "root-login",
                text,
                "PermitRootLogin prohibit-password, or no",
            );
        }
        if self.one("authorizedkeyscommand").is_some() {
            let text =
                "a program says whose keys let people in, and what it says is not looked at here";
            note(
                Severity::Unsafe,
                "keys-command",
                text,
                "AuthorizedKeysCommand none",
            );
        }
        if self.one("forcecommand").is_some() {
            let text = "ForceCommand takes the place of the command in a certificate, which ends sessions at their time";
            note(
                Severity::Unsafe,
                "force-command",
                text,
                "take ForceCommand away; a role can name its command itself",
            );
        }
        if self.is("pubkeyauthentication", "no") {
            let text = "no certificate lets anybody in";
            note(
                Severity::Broken,
                "no-certificates",
                text,
                "PubkeyAuthentication yes",
            );
        }
        let ours = |name: &str, wanted: &str| {
            let list = self.one(name).unwrap_or_default();
            list.is_empty() || list.split(',').any(|one| one == wanted)
        };
        if !ours("casignaturealgorithms", "ssh-ed25519") {
            let text = "certificates that are signed with Ed25519 are not accepted";
            note(
                Severity::Broken,
                "signature",
                text,
                "add ssh-ed25519 to CASignatureAlgorithms",
            );
        }
        if self.is("strictmodes", "no") {
            let text = "sshd trusts files that others may change";
            note(Severity::Weak, "strict-modes", text, "StrictModes yes");
        }
        let quiet = ["QUIET", "FATAL", "ERROR"];
        if self.one("loglevel").is_some_and(|one| quiet.contains(&one)) {
            let text = "the host's log does not say whose certificate was used";
            note(Severity::Weak, "log", text, "LogLevel VERBOSE");
        }
    }
}
