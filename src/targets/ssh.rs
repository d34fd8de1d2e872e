//! Hosts that trust our certificate authority: access is a short certificate, asked for again and again while a grant lasts.
//!
//! Nothing is changed on the host, so nothing can be left there: what was handed out ends by itself, minutes later at
//! most. The authority's key is derived from the master key, so every node signs with the same one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::{Deserialize, Deserializer};
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::public::KeyData;
use ssh_key::{PrivateKey, PublicKey};

use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Observation, Plan,
    Preparation, Receipt, SettingsProblem, Step, Up,
};
use crate::domain::ids::RoleName;
use crate::domain::target::EnforcementClass;
use crate::secret::{Key, random, read_private};

/// Hosts whose clock is behind ours must still accept a certificate that was made this moment.
const BACKDATE: TimeDelta = TimeDelta::seconds(60);
/// The longest time for which a revoked grant may still open a host.
const LONGEST_LIFETIME: Duration = Duration::from_mins(10);

/// What the catalogue says about a host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// A file with an unencrypted Ed25519 key in OpenSSH's form; without it the key is derived from the master key.
    pub ca: Option<PathBuf>,
    #[serde(default = "default_lifetime", deserialize_with = "lifetime")]
    pub certificate_lifetime: Duration,
    /// Whether the host cuts sessions at the end of their grant; it needs `timeout` of coreutils for that.
    #[serde(default = "default_cut_sessions")]
    pub cut_sessions: bool,
    /// The host's public key line, so that a first connection trusts nobody on its word.
    pub host_key: Option<String>,
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

/// A certificate for the holder's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The host's public key line, where the catalogue knows it.
    pub host_key: Option<String>,
    /// One line in OpenSSH's form, for a `…-cert.pub` file.
    pub certificate: String,
    pub serial: u64,
    /// What the host writes into its log at each login.
    pub key_id: String,
    pub ends_at: DateTime<Utc>,
}

/// The connector of one host.
#[derive(Debug)]
pub struct Ssh {
    settings: Settings,
    roles: BTreeMap<RoleName, RoleSettings>,
    key: Key,
}

impl Ssh {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let problems = check(&settings, &roles);
        if problems.is_empty() {
            Ok(Self {
                settings,
                roles,
                key: environment.key.clone(),
            })
        } else {
            Err(problems)
        }
    }

    /// The line for the file that `TrustedUserCAKeys` names on the host.
    pub fn ca_public_key(&self) -> Result<String, Failure> {
        let mut public = self.authority()?.public_key().clone();
        public.set_comment("portcullis");
        public
            .to_openssh()
            .map_err(|_| Failure::permanent("the authority's public key cannot be written"))
    }

    fn authority(&self) -> Result<PrivateKey, Failure> {
        let Some(path) = &self.settings.ca else {
            return Ok(PrivateKey::from(Ed25519Keypair::from_seed(
                &self.key.derive("ssh authority", &[]),
            )));
        };
        let name = path.display();
        let text = read_private(path).map_err(|error| Failure::passing(format!("{error:#}")))?;
        let key = PrivateKey::from_openssh(text.expose()).map_err(|_| {
            Failure::permanent(format!("`{name}` is not a private key in OpenSSH's form"))
        })?;
        if key.is_encrypted() || key.key_data().ed25519().is_none() {
            return Err(Failure::permanent(format!(
                "the authority's key in `{name}` must be Ed25519 and not encrypted"
            )));
        }
        Ok(key)
    }

    fn role(&self, access: &Access<'_>) -> Result<&RoleSettings, Failure> {
        let missing = || {
            Failure::permanent(format!(
                "the catalogue has no role `{}` on this host",
                access.role
            ))
        };
        self.roles.get(access.role).ok_or_else(missing)
    }

    fn receipt(&self, last: Option<DateTime<Utc>>) -> Receipt {
        let Some(end) = last else {
            let what = "no certificate was ever signed".to_owned();
            return Receipt {
                steps: vec![Step {
                    what,
                    after: Duration::ZERO,
                }],
                ..Receipt::default()
            };
        };
        let what = format!(
            "the last certificate ended at {}",
            end.format("%H:%M:%S UTC")
        );
        let unproved = if self.class() == EnforcementClass::APlus {
            "a session that was open is cut by the host when the grant was to end; what it left running is not"
        } else {
            "a session that was open stays open until it is closed on the host"
        };
        Receipt {
            steps: vec![Step {
                what,
                after: Duration::ZERO,
            }],
            sessions_ended: 0,
            unproved: Some(unproved.to_owned()),
        }
    }

    fn certify(&self, access: &Access<'_>, public_key: &str) -> Result<Certified, Failure> {
        let role = self.role(access)?;
        let public_key = acceptable(public_key)?;
        let lifetime = TimeDelta::from_std(self.settings.certificate_lifetime).unwrap_or(BACKDATE);
        // Certificates count whole seconds; rounding down keeps them within the grant.
        let ends_at = (access.now + lifetime).min(access.ends_at).trunc_subsecs(0);
        if ends_at <= access.now {
            return Err(Failure::permanent(format!(
                "the grant `{}` is over",
                access.grant
            )));
        }
        let key_id = format!("pcl:{}:{}", access.grant, access.holder);
        let serial = random()
            .map(u64::from_be_bytes)
            .map_err(|error| Failure::passing(error.to_string()))?;
        let nonce = random::<32>().map_err(|error| Failure::passing(error.to_string()))?;
        let sign = || -> ssh_key::Result<String> {
            let seconds =
                |moment: DateTime<Utc>| u64::try_from(moment.timestamp()).unwrap_or_default();
            let starts = seconds(access.now - BACKDATE);
            let mut builder = Builder::new(
                nonce,
                public_key.key_data().clone(),
                starts,
                seconds(ends_at),
            )?;
            builder
                .serial(serial)?
                .cert_type(CertType::User)?
                .key_id(key_id.clone())?;
            // A certificate without principals is good for every account: the builder refuses to sign one.
            for principal in role.principals() {
                builder.valid_principal(principal)?;
            }
            if self.settings.cut_sessions {
                builder.critical_option("force-command", limited(access.ends_at))?;
            }
            builder.extension("permit-pty", "")?;
            if role.port_forwarding {
                builder.extension("permit-port-forwarding", "")?;
            }
            let authority = self.authority().map_err(|_| ssh_key::Error::Crypto)?;
            builder.sign(&authority)?.to_openssh()
        };
        // Asked for first, because its failure says more than the signature's.
        self.authority()?;
        let certificate = sign().map_err(|error| {
            Failure::permanent(format!("the certificate was not signed: {error}"))
        })?;
        let Settings {
            host,
            port,
            host_key,
            ..
        } = self.settings.clone();
        Ok(Certified {
            host,
            port,
            user: role.user.clone(),
            host_key,
            certificate,
            serial,
            key_id,
            ends_at,
        })
    }
}

impl RoleSettings {
    fn principals(&self) -> &[String] {
        self.principals
            .as_deref()
            .unwrap_or(std::slice::from_ref(&self.user))
    }
}

impl Connector for Ssh {
    fn class(&self) -> EnforcementClass {
        // A connection that only forwards ports runs no command, so nothing on the host cuts it.
        let cuts =
            self.settings.cut_sessions && !self.roles.values().any(|role| role.port_forwarding);
        if cuts {
            EnforcementClass::APlus
        } else {
            EnforcementClass::A
        }
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let seconds = self.settings.certificate_lifetime.as_secs();
        let who = self
            .roles
            .get(access.role)
            .map_or_else(String::new, |role| {
                format!(
                    " as `{}` on `{}:{}`",
                    role.user, self.settings.host, self.settings.port
                )
            });
        Plan {
            object: None,
            steps: vec![format!(
                "sign certificates of {seconds} seconds{who}, each time the holder connects"
            )],
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        // The host is not asked: a certificate can be signed whether or not it is reachable.
        let ready = self.role(&access).and_then(|_| self.authority());
        std::future::ready(ready.map(|_| Up {
            object: None,
            target_clock: None,
        }))
        .boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        let down = match access.last_credential_ends_at {
            Some(end) if end > access.now => {
                Down::Until(end, "its last certificate ends then".to_owned())
            }
            last => Down::Gone(self.receipt(last)),
        };
        std::future::ready(Ok(down)).boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        std::future::ready(Ok(Observation::default())).boxed()
    }

    fn remove_orphan<'a>(&'a self, _object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        std::future::ready(Ok(Receipt::default())).boxed()
    }

    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>> {
        let made = match ask {
            CredentialAsk::PublicKey(key) => self.certify(&access, key).map(Credential::Ssh),
            CredentialAsk::Password => Err(Failure::permanent(
                "this host wants a certificate: send a public key",
            )),
        };
        std::future::ready(made).boxed()
    }

    fn preparation(&self) -> Vec<Preparation> {
        let key = self
            .ca_public_key()
            .unwrap_or_else(|failure| failure.message);
        vec![
            Preparation {
                what:
                    "write the authority's public key into `/etc/ssh/portcullis_ca.pub` on the host"
                        .to_owned(),
                text: key,
            },
            Preparation {
                // Not `cert-authority` in `authorized_keys`: there, a certificate without principals opens every account.
                what: "name that file in `/etc/ssh/sshd_config`, and reload sshd".to_owned(),
                text: "TrustedUserCAKeys /etc/ssh/portcullis_ca.pub".to_owned(),
            },
        ]
    }
}

/// The command that the host runs instead of what was asked for: the same, for as long as the grant lasts.
///
/// An extended grant does not lengthen sessions that are open already; their holder connects again.
fn limited(ends_at: DateTime<Utc>) -> String {
    // With a terminal, `timeout` must stay in its foreground, or the shell could not read from it. Interactive shells
    // ignore TERM and pass HUP on to what they have started.
    format!(
        "sh -c 'left=$(({} - $(date +%s))); [ $left -gt 0 ] || exit 1; front=; [ -t 0 ] && front=--foreground; \
         if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; then set -- -c \"$SSH_ORIGINAL_COMMAND\"; else set -- -l; fi; \
         exec timeout $front -s HUP -k 2 $left \"$SHELL\" \"$@\"'",
        ends_at.timestamp()
    )
}

/// Reads a holder's public key and refuses the weak kinds.
fn acceptable(line: &str) -> Result<PublicKey, Failure> {
    let key = PublicKey::from_openssh(line.trim())
        .map_err(|_| Failure::permanent("this is not a public key in OpenSSH's one-line form"))?;
    let strong = match key.key_data() {
        KeyData::Ed25519(_)
        | KeyData::SkEd25519(_)
        | KeyData::Ecdsa(_)
        | KeyData::SkEcdsaSha2NistP256(_) => true,
        KeyData::Rsa(rsa) => rsa
            .n
            .as_positive_bytes()
            .is_some_and(|modulus| modulus.len() >= 2048 / 8),
        _ => false,
    };
    let weak = || {
        Failure::permanent(
            "this public key is too weak: use Ed25519, ECDSA, or RSA of at least 2048 bits",
        )
    };
    strong.then_some(key).ok_or_else(weak)
}

fn check(settings: &Settings, roles: &BTreeMap<RoleName, RoleSettings>) -> Vec<SettingsProblem> {
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
    if settings.certificate_lifetime > LONGEST_LIFETIME
        || settings.certificate_lifetime.as_secs() < 10
    {
        let message = format!(
            "certificates of {} seconds are not signed",
            settings.certificate_lifetime.as_secs()
        );
        note(
            None,
            "certificate_lifetime",
            message,
            "use 10 seconds to 10 minutes; they are renewed by themselves",
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

fn default_lifetime() -> Duration {
    Duration::from_mins(2)
}

/// Reads `90s` or `2m`.
fn lifetime<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let read = |digits: &str, unit: u64| {
        digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit))
    };
    let seconds = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(digits), _) => read(digits, 1),
        (_, Some(digits)) => read(digits, 60),
        _ => None,
    };
    let wrong = || {
        serde::de::Error::custom(format!(
            "`{}` is not a time such as `90s` or `2m`",
            text.escape_default()
        ))
    };
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}
