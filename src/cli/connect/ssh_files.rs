//! The files with which ssh gets in: a key of the moment, its certificate, the host's pinned key, and a configuration.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::secret::{Secret, create_private, read_private};

/// What ssh needs to get in.
pub(super) struct Certified {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) certificate: String,
    pub(super) host_key: Option<String>,
    /// How long the certificate is good, measured on our clock from the server's.
    pub(super) good_for: Duration,
    pub(super) ends_at: DateTime<Utc>,
}

/// The files of one key.
pub(super) struct Files {
    key: PathBuf,
    certificate: PathBuf,
    known_hosts: PathBuf,
}

impl Files {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            key: folder.join("key"),
            certificate: folder.join("key-cert.pub"),
            known_hosts: folder.join("known_hosts"),
        }
    }

    /// Makes a key pair and gives the public key as one line.
    pub(super) fn make_key(&self) -> Result<String, Failure> {
        let (text, public) = new_key()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.key)
            .map_err(|error| cannot("the key cannot be written", &error))?;
        file.write_all(text.as_bytes())
            .map_err(|error| cannot("the key cannot be written", &error))?;
        Ok(public)
    }

    /// Gives the public key that is there, and makes one where there is none. Of two programs that do so at once both
    /// get the same, because each of them may be read by an ssh that the other has not asked for.
    pub(super) fn have_key(&self) -> Result<String, Failure> {
        if !self.key.exists() {
            let (text, _) = new_key()?;
            create_private(&self.key, &Secret::new(text.to_string()))
                .map_err(|error| Failure::here(format!("{error:#}"), "check the free space"))?;
        }
        let unreadable = |why: String| {
            let hint = format!("remove `{}`, and try again", self.key.display());
            Failure::here(format!("the key cannot be read: {why}"), hint)
        };
        let text = read_private(&self.key).map_err(|error| unreadable(format!("{error:#}")))?;
        PrivateKey::from_openssh(text.expose())
            .and_then(|key| key.public_key().to_openssh())
            .map_err(|error| unreadable(error.to_string()))
    }

    /// Writes beside the file and renames, because ssh may read at any moment.
    pub(super) fn write(&self, certified: &Certified) -> Result<(), Failure> {
        replace(&self.certificate, &certified.certificate)
            .map_err(|error| cannot("the certificate cannot be written", &error))?;
        if let Some(host_key) = &certified.host_key {
            replace(&self.known_hosts, &format!("{ALIAS} {}", host_key.trim()))
                .map_err(|error| cannot("the host's key cannot be written", &error))?;
        }
        Ok(())
    }

    /// What ssh is told in any case.
    fn options(&self, certified: &Certified) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("CertificateFile", path_option(&self.certificate)),
            ("IdentitiesOnly", "yes".to_owned()),
            ("IdentityAgent", "none".to_owned()),
            ("ControlPath", "none".to_owned()),
        ];
        if certified.host_key.is_some() {
            options.extend([
                ("HostKeyAlias", ALIAS.to_owned()),
                ("UserKnownHostsFile", path_option(&self.known_hosts)),
                ("GlobalKnownHostsFile", "/dev/null".to_owned()),
                ("StrictHostKeyChecking", "yes".to_owned()),
                ("UpdateHostKeys", "no".to_owned()),
                ("CheckHostIP", "no".to_owned()),
            ]);
        }
        options
    }

    /// Writes a file for `ssh -F`, in which the host has the name of the target and its own.
    pub(super) fn write_config(
        &self,
        target: &str,
        certified: &Certified,
    ) -> Result<PathBuf, Failure> {
        let settings = self.settings(certified)?;
        self.write_settings(&format!("Host {target} {}\n{settings}", certified.host))
    }

    /// Writes a file that a `Match` block of ssh's own configuration includes.
    pub(super) fn write_included(&self, certified: &Certified) -> Result<PathBuf, Failure> {
        self.write_settings(&self.settings(certified)?)
    }

    fn write_settings(&self, text: &str) -> Result<PathBuf, Failure> {
        let path = self.key.with_file_name(CONFIG);
        replace(&path, text)
            .map_err(|error| cannot("the configuration for ssh cannot be written", &error))?;
        Ok(path)
    }

    /// How the host is reached and entered, as lines of a configuration of ssh.
    fn settings(&self, certified: &Certified) -> Result<String, Failure> {
        let (host, user) = (&certified.host, &certified.user);
        if !is_one_word(host) || !is_one_word(user) {
            return Err(Failure::here(
                format!("`{user}@{host}` cannot stand in a configuration of ssh"),
                "tell the operator; the catalogue has it",
            ));
        }
        let mut text = format!(
            "  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n",
            host.replace('%', "%%"),
            certified.port,
            user.replace('%', "%%"),
            path_option(&self.key)
        );
        for (name, value) in self.options(certified) {
            text.push_str(&format!("  {name} {value}\n"));
        }
        Ok(text)
    }

    pub(super) fn arguments(&self, certified: &Certified) -> Vec<String> {
        let mut arguments = vec!["-i".to_owned(), self.key.to_string_lossy().into_owned()];
        for (name, value) in self.options(certified) {
            arguments.extend(["-o".to_owned(), format!("{name}={value}")]);
        }
        // After `--` a name that begins with a dash is still a name.
        arguments.extend([
            "-p".to_owned(),
            certified.port.to_string(),
            "-l".to_owned(),
            certified.user.clone(),
            "--".to_owned(),
            certified.host.clone(),
        ]);
        arguments
    }
}

/// The file that is included, or given to `ssh -F`.
pub(super) const CONFIG: &str = "config";

/// The name under which the pinned host key is filed, so that ports and addresses need no care.
const ALIAS: &str = "portcullis-target";

/// A path as ssh's options take it: quoted for spaces, with `%` doubled because it begins a substitution.
fn path_option(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('%', "%%"))
}

/// Whether a text is one word in a configuration of ssh, and nothing but itself there.
fn is_one_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@%".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
}

/// A new private key in OpenSSH's form, and its public key as one line.
fn new_key() -> Result<(Zeroizing<String>, String), Failure> {
    let failed =
        |error: ssh_key::Error| Failure::here(format!("a key cannot be made: {error}"), "");
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    key.set_comment("portcullis");
    let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
    let public = key.public_key().to_openssh().map_err(failed)?;
    Ok((text, public))
}

/// Writes a file at once, so that nobody reads half of it.
pub(super) fn replace(path: &Path, line: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", line.trim())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

pub(super) fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::here(
        format!("{what}: {error}"),
        "check the free space and who owns the folder",
    )
}

/// A word for a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell_stay_one_word() {
        assert_eq!(quoted("a/b-c"), "a/b-c");
        assert_eq!(quoted("it's $HOME; x"), "'it'\\''s $HOME; x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn only_plain_words_get_into_a_configuration() {
        for (text, plain) in [
            ("db.example.com", true),
            ("fe80::1%eth0", true),
            ("-oProxyCommand=evil", false),
            ("a b", false),
            ("a\nProxyCommand evil", false),
            ("\"", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(is_one_word(text), plain, "{text:?}");
        }
    }

    #[test]
    fn ssh_gets_no_secret_and_no_option_from_outside() {
        let certified = Certified {
            host: "-oProxyCommand=evil".to_owned(),
            port: 2222,
            user: "deploy".to_owned(),
            certificate: "certificate".to_owned(),
            host_key: Some("ssh-ed25519 AAAA".to_owned()),
            good_for: Duration::ZERO,
            ends_at: DateTime::UNIX_EPOCH,
        };
        let arguments = Files::in_folder(Path::new("/tmp/a b%c")).arguments(&certified);
        let end = arguments
            .iter()
            .position(|argument| argument == "--")
            .unwrap();
        assert_eq!(
            arguments.get(end + 1..),
            Some(&["-oProxyCommand=evil".to_owned()][..])
        );
        assert!(
            arguments.contains(&"CertificateFile=\"/tmp/a b%%c/key-cert.pub\"".to_owned()),
            "{arguments:?}"
        );
    }
}
