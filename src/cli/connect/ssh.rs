//! SSH: a key of the moment in a private folder, a certificate that is renewed while ssh runs, and the end of both.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::cli::connect::ssh_files::{Certified, Files, cannot, quoted};
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

    /// Brings the files for plain ssh up to date; what is in them is good for minutes.
    pub(super) async fn refresh(&self, folder: &Path) -> Result<(), Failure> {
        let files = Files::in_folder(folder);
        let certified = self.certify(&files.have_key()?).await?;
        files.write(&certified)?;
        files.write_included(&certified)?;
        Ok(())
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

/// Says that there is a certificate for what is none.
pub(super) fn not_a_host(target: &str) -> Failure {
    Failure::here(
        format!("the server gave a certificate for `{target}`, which is not a host any more"),
        "look at it again with `portcullis request --list`",
    )
}
