//! SSH: a key of the moment in a private folder, a certificate that is renewed while ssh runs, and the end of both.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::cli::connect::{child, closed, explain};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::{Client, ClientError, Followed, IdempotencyKey, follow};
use crate::wire::{CredentialAsk, CredentialView, GrantView};

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);
const MISSING: &str = "install the OpenSSH client";

/// One use of a grant on a host.
pub(super) struct Ssh<'a, 'p> {
    context: &'a Context<'p>,
    client: Client,
    grant: GrantView,
}

/// What ssh needs to get in.
struct Certified {
    host: String,
    port: u16,
    user: String,
    certificate: String,
    host_key: Option<String>,
    /// How long the certificate is good, measured on our clock from the server's.
    good_for: Duration,
    ends_at: DateTime<Utc>,
}

impl<'a, 'p> Ssh<'a, 'p> {
    pub(super) fn new(context: &'a Context<'p>, client: Client, grant: GrantView) -> Self {
        Self {
            context,
            client,
            grant,
        }
    }

    /// Runs ssh until it ends or the grant does, and leaves nothing behind.
    pub(super) async fn run(&self, rest: &[OsString]) -> Result<Exit, Failure> {
        self.with_files("ssh", MISSING, |files, certified| {
            let mut command = Command::new("ssh");
            command.args(files.arguments(certified)).args(rest);
            Ok(command)
        })
        .await
    }

    /// Runs any program with a configuration for ssh, and leaves nothing behind.
    pub(super) async fn exec(&self, program: &OsStr, rest: &[OsString]) -> Result<Exit, Failure> {
        self.with_files(&program.to_string_lossy(), "", |files, certified| {
            let config = files.write_config(&self.grant.target, certified)?;
            let ssh = format!("ssh -F {}", quoted(&config.to_string_lossy()));
            let mut command = Command::new(program);
            command
                .env("PORTCULLIS_SSH_CONFIG", &config)
                .env("GIT_SSH_COMMAND", &ssh)
                .env("RSYNC_RSH", &ssh)
                .env("PORTCULLIS_TARGET", &self.grant.target)
                .env("PORTCULLIS_GRANT", &self.grant.id)
                .args(rest);
            Ok(command)
        })
        .await
    }

    async fn with_files(
        &self,
        program: &str,
        missing: &str,
        make: impl FnOnce(&Files, &Certified) -> Result<Command, Failure>,
    ) -> Result<Exit, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("portcullis-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .map_err(|error| cannot("a temporary folder cannot be made", &error))?;
        let files = Files::in_folder(folder.path());
        let public_key = files.make_key()?;
        let certified = self.certify(&public_key).await?;
        files.write(&certified)?;
        let mut command = make(&files, &certified)?;
        let mut why = None;
        let watch = async {
            let closed = self.until_closed(&files, &public_key, certified.good_for);
            why = Some(closed.await);
        };
        let exit = child::run(&mut command, program, missing, watch).await;
        match (why, &exit) {
            // Said after ssh is gone, because until then it has the terminal in raw mode.
            (Some(why), _) => self.context.printer.note(&why),
            (None, Ok(exit)) => explain(self.context, &self.client, &self.grant.id, *exit).await,
            (None, Err(_)) => {}
        }
        // Said rather than left to the guard, because a key that stays behind is worth knowing.
        folder
            .close()
            .map_err(|error| cannot("the temporary key cannot be removed", &error))?;
        exit
    }

    /// Keeps a key for other programs, and prints the command that uses it.
    pub(super) async fn print(&self) -> Result<Exit, Failure> {
        let folder = self.context.state()?.private("kept")?.join(&self.grant.id);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(|error| cannot("the key kept before cannot be removed", &error))?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| cannot("a folder for the key cannot be made", &error))?;
        let files = Files::in_folder(&folder);
        let public_key = files.make_key()?;
        let certified = self.certify(&public_key).await?;
        files.write(&certified)?;
        let words: Vec<String> = std::iter::once("ssh".to_owned())
            .chain(files.arguments(&certified))
            .map(|word| quoted(&word))
            .collect();
        if self.context.printer.json {
            self.context.printer.json_line(&serde_json::json!({ "command": words.join(" "), "folder": folder, "ends_at": certified.ends_at }))?;
            return Ok(Exit::DONE);
        }
        self.context.printer.verbatim(&words.join(" "))?;
        self.context.printer.note(&format!(
            "the certificate is good until {}; run this again for another",
            words::exact(certified.ends_at)
        ));
        Ok(Exit::DONE)
    }

    async fn certify(&self, public_key: &str) -> Result<Certified, Failure> {
        Ok(self.ask(public_key).await?)
    }

    async fn ask(&self, public_key: &str) -> Result<Certified, ClientError> {
        let ask = CredentialAsk {
            public_key: Some(public_key.to_owned()),
        };
        let now = self.client.me().await?.now;
        match self
            .client
            .credential(&self.grant.id, &ask, &IdempotencyKey::new()?)
            .await?
        {
            CredentialView::Ssh {
                host,
                port,
                user,
                certificate,
                host_key,
                ends_at,
            } => {
                let good_for = (ends_at - now).to_std().unwrap_or_default();
                Ok(Certified {
                    host,
                    port,
                    user,
                    certificate,
                    host_key,
                    good_for,
                    ends_at,
                })
            }
            CredentialView::Postgres { .. } | CredentialView::OwnAccount { .. } => {
                Err(ClientError::BadReply {
                    text: "the server gave no certificate for a host".to_owned(),
                })
            }
        }
    }

    /// Renews the certificate until the grant is over, and says why it is.
    async fn until_closed(&self, files: &Files, public_key: &str, good_for: Duration) -> String {
        let mut stream = follow(self.client.clone(), None);
        let mut renew_at = Instant::now() + good_for.mul_f64(0.6);
        // The end that was last promised, on our clock. Until the server has said one, the certificate's end holds.
        let mut good_until = Instant::now() + good_for;
        loop {
            let look = tokio::select! {
                told = stream.next() => match told {
                    Some(Followed::Hello { .. } | Followed::Gap { .. }) => true,
                    Some(Followed::Event(event)) => event.grant.as_deref() == Some(self.grant.id.as_str()),
                    _ => false,
                },
                () = sleep_until(renew_at) => {
                    match self.ask(public_key).await {
                        Ok(certified) => {
                            renew_at = Instant::now() + certified.good_for.mul_f64(0.6);
                            // A disk that is full now may have room at the next renewal; the session itself goes on.
                            let _ = files.write(&certified);
                        }
                        Err(_) => renew_at = Instant::now() + AGAIN,
                    }
                    true
                }
            };
            if !look {
                continue;
            }
            match self.look().await {
                Ok((grant, left)) if grant.state == "active" => good_until = Instant::now() + left,
                Ok((grant, _)) => return closed(&grant),
                Err(ClientError::Problem(problem)) if problem.status == 404 => {
                    return format!("grant `{}` is gone: the session is closed", self.grant.id);
                }
                // Nobody can say whether the grant was extended, so it ends when it was to end.
                Err(error) if Instant::now() >= good_until => {
                    return format!(
                        "{error}, and the grant has come to its end: the session is closed"
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// The grant as it is, and how long it lasts by the server's clock.
    async fn look(&self) -> Result<(GrantView, Duration), ClientError> {
        let grant = self.client.grant(&self.grant.id).await?;
        let now = self.client.me().await?.now;
        let left = (grant.expires_at - now).to_std().unwrap_or_default();
        Ok((grant, left))
    }
}

/// The files of one key.
struct Files {
    key: PathBuf,
    certificate: PathBuf,
    known_hosts: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        Self {
            key: folder.join("key"),
            certificate: folder.join("key-cert.pub"),
            known_hosts: folder.join("known_hosts"),
        }
    }

    /// Makes a key pair and gives the public key as one line.
    fn make_key(&self) -> Result<String, Failure> {
        let failed =
            |error: ssh_key::Error| Failure::here(format!("a key cannot be made: {error}"), "");
        let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
        key.set_comment("portcullis");
        let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.key)
            .map_err(|error| cannot("the key cannot be written", &error))?;
        file.write_all(text.as_bytes())
            .map_err(|error| cannot("the key cannot be written", &error))?;
        key.public_key().to_openssh().map_err(failed)
    }

    /// Writes beside the file and renames, because ssh may read at any moment.
    fn write(&self, certified: &Certified) -> Result<(), Failure> {
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
    fn write_config(&self, target: &str, certified: &Certified) -> Result<PathBuf, Failure> {
        let (host, user) = (&certified.host, &certified.user);
        if !is_one_word(host) || !is_one_word(user) {
            return Err(Failure::here(
                format!("`{user}@{host}` cannot stand in a configuration of ssh"),
                "tell the operator; the catalogue has it",
            ));
        }
        let mut text = format!(
            "Host {target} {host}\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n",
            host.replace('%', "%%"),
            certified.port,
            user.replace('%', "%%"),
            path_option(&self.key)
        );
        for (name, value) in self.options(certified) {
            text.push_str(&format!("  {name} {value}\n"));
        }
        let path = self.key.with_file_name("config");
        replace(&path, &text)
            .map_err(|error| cannot("the configuration for ssh cannot be written", &error))?;
        Ok(path)
    }

    fn arguments(&self, certified: &Certified) -> Vec<String> {
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

/// Says that there is a certificate for what is none.
pub(super) fn not_a_host(target: &str) -> Failure {
    Failure::here(
        format!("the server gave a certificate for `{target}`, which is not a host any more"),
        "look at it again with `portcullis request --list`",
    )
}

fn replace(path: &Path, line: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", line.trim())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::here(
        format!("{what}: {error}"),
        "check the free space and who owns the folder",
    )
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
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
