//! Hosts that trust our certificate authority: access is a short certificate, asked for again and again while a grant lasts.
//!
//! Nothing is changed on the host, so nothing can be left there: what was handed out ends by itself, minutes later at
//! most. The authority's key is derived from the master key, so every node signs with the same one.

mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::public::KeyData;
use ssh_key::{PrivateKey, PublicKey};

use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Observation, Plan,
    Preparation, Receipt, Reported, SessionOutcome, SettingsProblem, Step, Up,
};
use crate::domain::ids::RoleName;
use crate::domain::target::EnforcementClass;
use crate::secret::{Key, random, read_private};

/// Hosts whose clock is behind ours must still accept a certificate that was made this moment.
const BACKDATE: TimeDelta = TimeDelta::seconds(60);

pub use settings::{RoleSettings, Settings};

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
        let problems = settings::check(&settings, &roles);
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
        let lifetime = self.settings.certificate_lifetime.to_chrono();
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
        let lifetime = self.settings.certificate_lifetime;
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
                "sign certificates of {lifetime}{who}, each time the holder connects"
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

    fn sessions(&self) -> BoxFuture<'_, Result<Reported, Failure>> {
        // A certificate is used between the holder and the host; nothing of that comes back here.
        std::future::ready(Ok(Reported {
            sessions: Vec::new(),
            incomplete: Some("this kind of target does not report sessions".to_owned()),
        }))
        .boxed()
    }

    fn end_session<'a>(
        &'a self,
        _access: Access<'a>,
        _session: &'a str,
    ) -> BoxFuture<'a, Result<SessionOutcome, Failure>> {
        std::future::ready(Err(Failure::permanent(
            "this kind of target does not report sessions, so none of them can be ended alone",
        )))
        .boxed()
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
