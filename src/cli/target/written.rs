//! The authorities that a host trusts, who could write others beside them, and which keys it is told to refuse.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ssh_key::{HashAlg, PublicKey};

use crate::cli::Failure;

use super::finding::{Finding, Severity};
use super::named;
use super::sshd::Settings;

/// Anybody but the owner may write.
const OTHERS_WRITE: u32 = 0o022;
/// In such a folder nobody takes away what is another's.
const STICKY: u32 = 0o1000;

/// The fingerprint that somebody gave, or that of the key whose file they named.
pub(super) fn fingerprint_of(given: &str) -> Result<String, Failure> {
    if given.starts_with("SHA256:") {
        return Ok(given.to_owned());
    }
    let hint = "name a file with one public key in OpenSSH's form, or its fingerprint (`SHA256:…`)";
    let text = std::fs::read_to_string(given)
        .map_err(|error| Failure::usage(format!("`{given}` cannot be read: {error}"), hint))?;
    let key = PublicKey::from_openssh(text.trim())
        .map_err(|_| Failure::usage(format!("`{given}` has no public key"), hint))?;
    Ok(key.fingerprint(HashAlg::Sha256).to_string())
}

/// What is wrong with the authorities that the host trusts.
pub(super) fn authorities(settings: &Settings, ours: Option<&str>, found: &mut Vec<Finding>) {
    let mut note = |severity, code, text: String, fix: &str| {
        found.push(Finding::new(severity, code, text, fix));
    };
    let prepare = "do what `portcullis config prepare TARGET` says, and reload sshd";
    let Some(path) = settings.one("trustedusercakeys") else {
        let text = "no authority is trusted, so no grant opens this host".to_owned();
        note(Severity::Broken, "no-authority", text, prepare);
        return;
    };
    let path = Path::new(path);
    let shown = named(path);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let text = format!("the authority in {shown} cannot be read: {error}");
            note(Severity::Broken, "authority-unread", text, prepare);
            return;
        }
    };
    let lines = text.lines().map(str::trim);
    let keys: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match PublicKey::from_openssh(line) {
            Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Err(_) => "a line that is no key".to_owned(),
        })
        .collect();
    let is_ours = |key: &&String| ours.is_none_or(|ours| ours == key.as_str());
    let known = keys.iter().filter(is_ours).count();
    if known == 0 {
        let text = format!("your Portcullis is not among the authorities in {shown}");
        note(Severity::Broken, "authority-missing", text, prepare);
    }
    let others: Vec<&str> = match ours {
        Some(ours) => keys
            .iter()
            .map(String::as_str)
            .filter(|key| *key != ours)
            .collect(),
        None => keys.iter().skip(1).map(String::as_str).collect(),
    };
    if !others.is_empty() {
        let text = format!(
            "{shown} trusts other authorities as well, whose certificates no grant ends: {}",
            others.join(", ")
        );
        let fix = "take out what you do not know; say with --authority which one is yours";
        note(Severity::Unsafe, "other-authority", text, fix);
    }
    for part in path.ancestors() {
        let Ok(about) = std::fs::metadata(part) else {
            continue;
        };
        let mode = about.mode();
        let shared = mode & OTHERS_WRITE != 0 && (about.is_file() || mode & STICKY == 0);
        if about.uid() != 0 || shared {
            let text = format!(
                "others than root may change {}, and with it who is let in",
                named(part)
            );
            let fix = format!("chown root:root {0}; chmod go-w {0}", part.display());
            note(Severity::Unsafe, "authority-writable", text, &fix);
        }
    }
}

/// Whether the host can be told that a certificate is revoked.
pub(super) fn revoked(settings: &Settings, found: &mut Vec<Finding>) {
    let Some(path) = settings.one("revokedkeys") else {
        let text = "a certificate of a grant that was revoked lets its holder in until it expires";
        let fix = "set `krl_file` and `krl_user` for the target, and RevokedKeys here: `portcullis config prepare TARGET` says how";
        found.push(Finding::new(Severity::Weak, "no-revoked-keys", text, fix));
        return;
    };
    if let Err(error) = std::fs::File::open(path) {
        let shown = named(Path::new(path));
        let text = format!(
            "sshd lets nobody in while the revoked keys in {shown} cannot be read: {error}"
        );
        let fix = format!("ssh-keygen -k -f {path}");
        found.push(Finding::new(
            Severity::Broken,
            "revoked-keys-unread",
            text,
            fix,
        ));
    }
}
