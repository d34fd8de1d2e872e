//! Telling a host which certificates it must not accept any more, and trying whether it keeps to that.
//!
//! Nodes may do so at the same time: the host keeps the list that was made last. A list that did not arrive whole would
//! lock everybody out, so it takes the place of the other only when it is as long as it was said to be.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::settings::Krl;
use super::{BACKDATE, Ssh, Wanted, krl};
use crate::secret::{Secret, create_private, random};
use crate::targets::{Access, Failure, Receipt};

/// How long a certificate of ours is good for such a visit.
const VISIT: TimeDelta = TimeDelta::seconds(60);
/// The name under which the host's key is filed for `ssh`.
const ALIAS: &str = "portcullis-target";

/// One visit on the host.
struct Visit<'v> {
    user: &'v str,
    principals: &'v [String],
    key_id: &'v str,
    command: String,
}

impl Ssh {
    /// What the host writes into its log at each login, and by which certificates are revoked.
    pub(super) fn key_id(access: &Access<'_>) -> String {
        format!("pcl:{}:{}", access.grant, access.holder)
    }

    pub(super) fn list(&self, over: &[Access<'_>], now: DateTime<Utc>) -> Result<Vec<u8>, Failure> {
        let authority = self.signing_key()?;
        let blob = authority
            .public_key()
            .to_bytes()
            .map_err(|_| Failure::permanent("the authority's public key cannot be written"))?;
        let ids: Vec<String> = over.iter().map(Self::key_id).collect();
        Ok(krl::list(&blob, &ids, version(now), now))
    }

    /// Brings the list to the host and tries a certificate of the grant there, which has to be refused.
    pub(super) async fn tell(
        &self,
        krl: &Krl,
        access: &Access<'_>,
        over: &[Access<'_>],
    ) -> Result<Receipt, Failure> {
        let began = Instant::now();
        let list = self.list(over, access.now)?;
        let visit = Visit {
            user: &krl.user,
            principals: std::slice::from_ref(&krl.user),
            key_id: "pcl:krl",
            command: replacing(&krl.file, version(access.now), list.len()),
        };
        let said = self.visit(&visit, &list, access.now).await?;
        if !said.status.success() {
            return Err(Failure::passing(format!(
                "the host did not take the list of revoked keys: {}",
                last_line(&said.stderr)
            )));
        }
        let id = Self::key_id(access);
        // Another node may have brought a later one meanwhile, in which the grant is as well.
        if !said
            .stdout
            .windows(id.len())
            .any(|part| part == id.as_bytes())
        {
            return Err(Failure::passing(
                "the host has a list of revoked keys in which the grant is missing",
            ));
        }
        let mut receipt = Receipt {
            unproved: Some(self.open_sessions().to_owned()),
            ..Receipt::default()
        };
        let mut note = |what: &str| receipt.note(access.heard, began, what.to_owned());
        note("the host has the grant's certificates in its list of revoked keys");
        let role = self.role(access)?;
        let visit = Visit {
            user: &role.user,
            principals: role.principals(),
            key_id: &id,
            command: "true".to_owned(),
        };
        let said = self.visit(&visit, b"", access.now).await?;
        if said.status.success() {
            return Err(Failure::passing(format!(
                "the host does not keep to its list of revoked keys: `RevokedKeys {}` is missing in sshd_config",
                krl.file
            )));
        }
        if !String::from_utf8_lossy(&said.stderr).contains("Permission denied") {
            return Err(Failure::passing(format!(
                "nobody could try whether the host refuses the grant: {}",
                last_line(&said.stderr)
            )));
        }
        note("a certificate of the grant was tried, and the host refused it");
        Ok(receipt)
    }

    /// Runs one command on the host, as whoever the certificate is for.
    async fn visit(
        &self,
        visit: &Visit<'_>,
        input: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Output, Failure> {
        let here = |error: std::io::Error| {
            Failure::passing(format!("`ssh` cannot be run on this node: {error}"))
        };
        let folder = tempfile::Builder::new()
            .prefix("portcullis-")
            .tempdir()
            .map_err(here)?;
        let seed = random::<32>().map_err(|error| Failure::passing(error.to_string()))?;
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        let certificate = self.sign(&Wanted {
            key: key.public_key(),
            key_id: visit.key_id,
            serial: 0,
            principals: visit.principals,
            starts: now - BACKDATE,
            ends: now + VISIT,
            command: Some(visit.command.clone()),
            extensions: &[],
        })?;
        let text = key
            .to_openssh(LineEnding::LF)
            .map_err(|_| Failure::permanent("a key for the visit cannot be written"))?;
        let at = |name: &str| folder.path().join(name);
        create_private(&at("key"), &Secret::new(text.to_string()))
            .map_err(|error| Failure::passing(format!("{error:#}")))?;
        std::fs::write(at("key-cert.pub"), certificate).map_err(here)?;
        let host_key = self.settings.host_key.as_deref().unwrap_or_default();
        let known = format!("{ALIAS} {}\n", host_key.trim());
        std::fs::write(at("known_hosts"), known).map_err(here)?;
        let mut child = self
            .command(&at("key"), &at("known_hosts"), visit.user)
            .spawn()
            .map_err(here)?;
        let pipe = child.stdin.take();
        let tell = async {
            if let Some(mut pipe) = pipe {
                // A host that does not want to know closes the pipe.
                let _ = pipe.write_all(input).await;
            }
        };
        let ((), said) = tokio::join!(tell, child.wait_with_output());
        said.map_err(here)
    }

    fn command(&self, key: &Path, known_hosts: &Path, user: &str) -> Command {
        let file = |name: &str, path: &Path| format!("{name}=\"{}\"", path.display());
        let mut command = Command::new("ssh");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["-F", "/dev/null", "-T", "-i"])
            .arg(key);
        for option in [
            file("CertificateFile", &key.with_file_name("key-cert.pub")),
            file("UserKnownHostsFile", known_hosts),
            format!("HostKeyAlias={ALIAS}"),
            format!("Port={}", self.settings.port),
            format!("User={user}"),
        ] {
            command.arg("-o").arg(option);
        }
        for option in [
            "BatchMode=yes",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PreferredAuthentications=publickey",
            "ConnectTimeout=4",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command
            .arg("--")
            .arg(&self.settings.host)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Later lists have higher ones, on whichever node they are made: it is the database's clock.
fn version(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp_micros()).unwrap_or_default()
}

/// What the host runs: it takes the list from its input unless it has a later one, and says what it has then.
fn replacing(file: &str, version: u64, length: usize) -> String {
    format!(
        "sh -c 'f={file}; umask 022; exec 9>$f.lock && flock 9 || exit 1; had=$(cat $f.version 2>/dev/null); \
         if [ {version} -gt ${{had:-0}} ]; then cat >$f.new && [ $(wc -c <$f.new) -eq {length} ] && \
         echo {version} >$f.version && mv -f $f.new $f || exit 1; else cat >/dev/null; fi; cat $f'"
    )
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("it does not say why").to_owned()
}
