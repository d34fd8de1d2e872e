//! Hosts that trust our certificate authority: access is a short certificate, asked for again and again while a grant lasts.
//!
//! No access is made on the host, so none can be left there: what was handed out ends by itself, minutes later at
//! most, or at once where the host is told (`recall.rs`). The authority's key is derived from the master key, so every node signs with the same one.

mod krl;
mod recall;
mod report;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PrivateKey, PublicKey};

use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Observation, Plan,
    Preparation, Receipt, SettingsProblem, Step, Up,
};
use crate::domain::ids::{RoleName, TargetName};
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
        let mut public = self.signing_key()?.public_key().clone();
        public.set_comment("portcullis");
        public
            .to_openssh()
            .map_err(|_| Failure::permanent("the authority's public key cannot be written"))
    }

    fn signing_key(&self) -> Result<PrivateKey, Failure> {
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
        Receipt {
            steps: vec![Step {
                what,
                after: Duration::ZERO,
            }],
            sessions_ended: 0,
            unproved: Some(self.open_sessions().to_owned()),
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
        let key_id = Self::key_id(access);
        let serial = random()
            .map(u64::from_be_bytes)
            .map_err(|error| Failure::passing(error.to_string()))?;
        let forwarding = role.port_forwarding.then_some("permit-port-forwarding");
        let extensions: Vec<&str> = std::iter::once("permit-pty").chain(forwarding).collect();
        let certificate = self.sign(&Wanted {
            key: &public_key,
            key_id: &key_id,
            serial,
            principals: role.principals(),
            starts: access.now - BACKDATE,
            ends: ends_at,
            command: self.settings.cut_sessions.then(|| limited(access.ends_at)),
            extensions: &extensions,
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

/// What a certificate says.
struct Wanted<'w> {
    key: &'w PublicKey,
    key_id: &'w str,
    serial: u64,
    principals: &'w [String],
    starts: DateTime<Utc>,
    ends: DateTime<Utc>,
    /// What the host runs, whatever is asked for.
    command: Option<String>,
    extensions: &'w [&'w str],
}

impl Ssh {
    fn sign(&self, wanted: &Wanted<'_>) -> Result<String, Failure> {
        let nonce = random::<32>().map_err(|error| Failure::passing(error.to_string()))?;
        let authority = self.signing_key()?;
        let sign = || -> ssh_key::Result<String> {
            let seconds =
                |moment: DateTime<Utc>| u64::try_from(moment.timestamp()).unwrap_or_default();
            let mut builder = Builder::new(
                nonce,
                wanted.key.key_data().clone(),
                seconds(wanted.starts),
                seconds(wanted.ends),
            )?;
            builder
                .serial(wanted.serial)?
                .cert_type(CertType::User)?
                .key_id(wanted.key_id)?;
            // A certificate without principals is good for every account: the builder refuses to sign one.
            for principal in wanted.principals {
                builder.valid_principal(principal)?;
            }
            if let Some(command) = &wanted.command {
                builder.critical_option("force-command", command.as_str())?;
            }
            for extension in wanted.extensions {
                builder.extension(*extension, "")?;
            }
            builder.sign(&authority)?.to_openssh()
        };
        sign()
            .map_err(|error| Failure::permanent(format!("the certificate was not signed: {error}")))
    }

    /// What nobody can prove about the sessions of a grant that is over.
    fn open_sessions(&self) -> &'static str {
        if self.class() == EnforcementClass::APlus {
            "a session that was open is cut by the host when the grant was to end; what it left running is not"
        } else {
            "a session that was open stays open until it is closed on the host"
        }
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

    fn host(&self) -> Option<&str> {
        Some(&self.settings.host)
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
        let ready = self.role(&access).and_then(|_| self.signing_key());
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

    fn revocations(
        &self,
        over: &[Access<'_>],
        now: DateTime<Utc>,
    ) -> Option<Result<Vec<u8>, Failure>> {
        Some(self.list(over, now))
    }

    fn authority(&self) -> Option<Result<String, Failure>> {
        let key = self.signing_key();
        Some(key.map(|key| key.fingerprint(HashAlg::Sha256).to_string()))
    }

    fn reporting(&self, name: &TargetName, server: &str) -> Option<Preparation> {
        Some(report::preparation(name, server))
    }

    fn recall<'a>(
        &'a self,
        access: Access<'a>,
        over: &'a [Access<'a>],
    ) -> BoxFuture<'a, Result<Option<Receipt>, Failure>> {
        async move {
            match self.settings.krl() {
                Some(krl) => self.tell(&krl, &access, over).await.map(Some),
                None => Ok(None),
            }
        }
        .boxed()
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
        let step = |what: &str, text: String| Preparation {
            what: what.to_owned(),
            text,
        };
        let mut steps = vec![step(
            "write the authority's public key into `/etc/ssh/portcullis_ca.pub` on the host",
            key,
        )];
        // Not `cert-authority` in `authorized_keys`: there, a certificate without principals opens every account.
        let mut lines = vec!["TrustedUserCAKeys /etc/ssh/portcullis_ca.pub".to_owned()];
        let krl = self.settings.krl();
        if let Some(krl) = &krl {
            steps.push(step(
                "make the account that is told which certificates are revoked, and an empty list, as root on the host",
                krl.set_up(),
            ));
            lines.push(format!("RevokedKeys {}", krl.file));
        }
        let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for role in self.roles.values() {
            let known = names.entry(&role.user).or_default();
            known.extend(role.principals().iter().map(String::as_str));
        }
        // Without such a file sshd takes the account's own name, and no other.
        let own = |(user, names): (&&str, &BTreeSet<&str>)| names.iter().all(|name| name == user);
        if !names.iter().all(own) {
            if let Some(krl) = &krl {
                names.entry(&krl.user).or_default().insert(&krl.user);
            }
            let mut text = "install -d -m 755 /etc/ssh/portcullis_principals".to_owned();
            for (user, names) in names {
                let names: Vec<&str> = names.into_iter().collect();
                text.push_str(&format!(
                    "\nprintf '%s\\n' {} > /etc/ssh/portcullis_principals/{user}",
                    names.join(" ")
                ));
            }
            steps.push(step(
                "say which names open which account, as root on the host",
                text,
            ));
            lines.push("AuthorizedPrincipalsFile /etc/ssh/portcullis_principals/%u".to_owned());
        }
        steps.push(step(
            "write this into `/etc/ssh/sshd_config.d/portcullis.conf`, and reload sshd",
            lines.join("\n"),
        ));
        let check = "portcullis target check --authority /etc/ssh/portcullis_ca.pub".to_owned();
        let tools = if self.settings.cut_sessions || krl.is_some() {
            "command -v timeout flock\n"
        } else {
            ""
        };
        steps.push(step(
            "see whether it is all there, as root on the host",
            format!("{tools}{check}"),
        ));
        steps
    }
}

/// The command that the host runs instead of what was asked for: the same, for as long as the grant lasts.
///
/// An extended grant does not lengthen sessions that are open already; their holder connects again.
fn limited(ends_at: DateTime<Utc>) -> String {
    // With a terminal, `timeout` must stay in its foreground, or the shell could not read from it. Interactive shells
    // ignore TERM and pass HUP on to what they have started. What sshd would do itself for scp and sftp is the work of a
    // program here, because a process of sshd's own has no time limit.
    format!(
        "sh -c 'left=$(({} - $(date +%s))); [ $left -gt 0 ] || exit 1; front=; [ -t 0 ] && front=--foreground; \
         asked=$SSH_ORIGINAL_COMMAND; case \"$asked \" in \"internal-sftp \"*) for at in {SFTP}; do \
         [ -x $at/sftp-server ] && asked=\"exec $at/sftp-server${{asked#internal-sftp}}\" && break; done;; esac; \
         if [ -n \"$asked\" ]; then set -- -c \"$asked\"; else set -- -l; fi; \
         exec timeout $front -s HUP -k 2 $left \"$SHELL\" \"$@\"'",
        ends_at.timestamp()
    )
}

/// Where the systems have the program that sshd starts for scp and sftp.
const SFTP: &str = "/usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec";

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
